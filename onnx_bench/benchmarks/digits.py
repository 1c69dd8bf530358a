"""`digits`: labels that we made ourselves, so that everything runs with no download.

Small networks of four kinds, each trained three times on scikit-learn's 8x8 digits under strong
noise. How, and how stable the ranks are: `onnx_bench/data/digits.md`; the script that made them:
`scripts/label_digits.py`.
"""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from onnx_bench.benchmarks.base import Benchmark, Label, everything

KINDS = ("digits-cells", "digits-chains", "digits-mbconv", "digits-tokens")
SEEDS = 3
FILE = Path(__file__).parents[1] / "data" / "digits.parquet"


class Shipped(Benchmark):
    """A benchmark whose table lies in the package."""

    def home(self, root: Path | None = None) -> Path:
        del root
        return FILE.parent


def _kind(kind: str, wanted: bool) -> "Callable[[pd.DataFrame], pd.Series[bool]]":
    return lambda frame: (frame["kind"] == kind) == wanted


BENCHMARK = Shipped(
    name="digits",
    folder="digits",
    title="small networks of four kinds on noisy 8x8 digits, three runs: ships with the package",
    source="ours",
    licence="Apache-2.0",
    families=KINDS,
    networks=lambda frame: frame["kind"] + ":" + frame["spec"],
    labels=(
        Label("accuracy", tuple(f"accuracy_{seed}" for seed in range(SEEDS)), "digits", epochs=8),
        *(
            Label(f"accuracy_{seed}", (f"accuracy_{seed}",), "digits", epochs=8)
            for seed in range(SEEDS)
        ),
    ),
    subsets={
        "all": everything,
        **{kind: _kind(kind, True) for kind in KINDS},
        **{f"not-{kind}": _kind(kind, False) for kind in KINDS},
    },
    needs=("kind", "spec"),
    table=FILE.name,
)


def frame() -> pd.DataFrame:
    """One row a network: `kind`, `spec`, `accuracy_0..2` (percent) and `curve_0..2`."""
    return BENCHMARK.frame()
