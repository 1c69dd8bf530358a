"""NAS-Bench-101 (Ying et al., ICML 2019): CIFAR-10 accuracies of 151,644 of its 423,624 cells.

Labels: `cifar10-val-108` (default) and `cifar10-test-108`, three runs each. Subsets: `full`, the
near-uniform sample of 28,963 cells (`sampled_in` is a list of tags, this is one), and `all`.

`onnx-bench fetch nasbench101` gets the authors' own file, which holds all 423,624; it is read in
place of the table where there is none. It is no sample, so that its `full` is all of it.
"""

import pandas as pd

from onnx_bench.benchmarks.base import Benchmark, Download, Label, everything
from onnx_bench.originals import nasbench101 as published

FILE = "nasbench_only108.tfrecord"
RUNS = 3


def _sampled_full(frame: pd.DataFrame) -> "pd.Series[bool]":
    return frame["sampled_in"].str.split(";").map(lambda tags: "full" in tags)


BENCHMARK = Benchmark(
    name="nasbench101",
    folder="nasbench101",
    title="151,644 cells on CIFAR-10, three runs of 108 epochs",
    source="Ying et al., ICML 2019",
    licence="MIT",
    families=("nasbench101",),
    networks=lambda frame: "nasbench101:" + frame["adjacency"] + ":" + frame["operations"],
    labels=tuple(
        Label(
            f"cifar10-{split}-108",
            tuple(f"{split}_acc_108_r{run}" for run in range(RUNS)),
            "cifar10",
            split=split,
            epochs=108,
        )
        for split in ("val", "test")
    ),
    subsets={"full": _sampled_full, "all": everything},
    needs=("adjacency", "operations", "sampled_in"),
    downloads=(
        Download(
            FILE,
            (f"https://storage.googleapis.com/nasbench/{FILE}",),
            sha256="4c39c3936e36a85269881d659e44e61a245babcb72cb374eacacf75d0e5f4fd1",
            megabytes=499,
            note="all 423,624 cells after 108 epochs",
        ),
    ),
    original=published.read,
)
