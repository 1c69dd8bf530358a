"""`digits`: labels that we made ourselves, so that everything runs with no download.

Small networks of four kinds, each trained three times on scikit-learn's 8x8 digits under strong
noise. How, and how stable the ranks are: `onnx_bench/data/digits.md`; the script that made them:
`scripts/label_digits.py`.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from onnx_bench.benchmarks.labels import LabelTable, from_frame, subset_of

KINDS = ("digits-cells", "digits-chains", "digits-mbconv", "digits-tokens")
SEEDS = 3
FILE = Path(__file__).parents[1] / "data" / "digits.parquet"


def frame() -> pd.DataFrame:
    """One row a network: `kind`, `spec`, `accuracy_0..2` (percent) and `curve_0..2`."""
    return pd.read_parquet(FILE)


def read(
    root: Path | None = None, label: str | None = None, subset: str | None = None
) -> LabelTable:
    """The networks and their mean test accuracy over three runs, in percent.

    Args:
        root: not used, the labels ship with the package.
        label: `accuracy_0`, `accuracy_1` or `accuracy_2` for one run instead of the mean.
        subset: one kind (`digits-cells`, ...), or `not-` and a kind for all the others.
    """
    del root
    names = ("all", *KINDS, *(f"not-{kind}" for kind in KINDS))
    chosen = subset_of("digits", subset, names)
    rows = frame()
    if chosen.startswith("not-"):
        rows = rows[rows["kind"] != chosen.removeprefix("not-")]
    elif chosen != "all":
        rows = rows[rows["kind"] == chosen]
    runs = rows[[f"accuracy_{seed}" for seed in range(SEEDS)]].to_numpy(np.float64)
    rows = rows.assign(network=rows["kind"] + ":" + rows["spec"], accuracy=runs.mean(axis=1))
    table = from_frame(rows, FILE, "network", label or "accuracy", subset=chosen)
    return replace(table, kinds=tuple(rows["kind"]))
