"""NAS-Bench-101 at all four budgets: 30,001 cells after 4, 12, 36 and 108 epochs.

Labels: `cifar10-val-108` (default), `cifar10-val-36`, `-12` and `-4`; each is the maximum of three
runs, not their mean, so that they are not those of `nasbench101`.
"""

from pathlib import Path

import pandas as pd

from onnx_bench.benchmarks.base import Benchmark, Download, Label
from onnx_bench.originals import nasbench101 as published

EPOCHS = (108, 36, 12, 4)


def _best_of_runs(folder: Path) -> pd.DataFrame:
    """The authors' file, with the maximum over the runs of each budget that it has."""
    frame = published.read(folder)
    best = {}
    for epochs in EPOCHS:
        runs = [column for column in map(str, frame) if column.startswith(f"val_acc_{epochs}_r")]
        if runs:
            best[f"val_acc_{epochs}_max3"] = frame[runs].max(axis=1)
    return frame.assign(**best)


BENCHMARK = Benchmark(
    name="nasbench101-budgets",
    folder="nasbench101",
    title="30,001 cells on CIFAR-10 after 4, 12, 36 and 108 epochs, best of three runs",
    source="Ying et al., ICML 2019",
    licence="ISC",
    families=("nasbench101",),
    networks=lambda frame: "nasbench101:" + frame["adjacency"] + ":" + frame["operations"],
    labels=tuple(
        Label(
            f"cifar10-val-{epochs}",
            (f"val_acc_{epochs}_max3",),
            "cifar10",
            split="val",
            epochs=epochs,
            provenance="maximum of three runs",
        )
        for epochs in EPOCHS
    ),
    needs=("adjacency", "operations"),
    table="budgets.parquet",
    downloads=(
        Download(
            "nasbench_full.tfrecord",
            ("https://storage.googleapis.com/nasbench/nasbench_full.tfrecord",),
            sha256="3d64db8180fb1b0207212f9032205064312b6907a3bbc81eabea10db2f5c7e9c",
            megabytes=1950,
            note="all 423,624 cells after 4, 12, 36 and 108 epochs",
        ),
    ),
    original=_best_of_runs,
)
