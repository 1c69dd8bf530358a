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
SEEDS, EPOCHS = 3, 8
DATA = Path(__file__).parents[1] / "data"


class Shipped(Benchmark):
    """A benchmark whose table lies in the package."""

    def home(self, root: Path | None = None) -> Path:
        del root
        return DATA

    @property
    def seeds(self) -> int:
        """How often each network was trained."""
        return len(self.labels[0].columns)


def shipped(name: str, title: str, kinds: tuple[str, ...], seeds: int) -> Shipped:
    """Networks of these families with labels by `digits_training`, in `data/NAME.parquet`."""
    runs = tuple(f"accuracy_{seed}" for seed in range(seeds))
    return Shipped(
        name=name,
        folder=name,
        title=title,
        source="ours",
        licence="Apache-2.0",
        families=kinds,
        networks=lambda frame: frame["kind"] + ":" + frame["spec"],
        labels=(
            Label("accuracy", runs, "digits", epochs=EPOCHS),
            *(Label(run, (run,), "digits", epochs=EPOCHS) for run in runs),
        ),
        subsets={
            "all": everything,
            **{kind: _kind(kind, True) for kind in kinds},
            **{f"not-{kind}": _kind(kind, False) for kind in kinds},
        },
        needs=("kind", "spec"),
        table=f"{name.replace('-', '_')}.parquet",
    )


def _kind(kind: str, wanted: bool) -> "Callable[[pd.DataFrame], pd.Series[bool]]":
    return lambda frame: (frame["kind"] == kind) == wanted


BENCHMARK = shipped(
    "digits",
    "small networks of four kinds on noisy 8x8 digits, three runs: ships with the package",
    KINDS,
    SEEDS,
)
FILE = DATA / BENCHMARK.table


def frame() -> pd.DataFrame:
    """One row a network: `kind`, `spec`, `accuracy_0..2` (percent) and `curve_0..2`."""
    return BENCHMARK.frame()
