"""NAS-Bench-MACRO (Su et al., CVPR 2021): all 6,561 networks, three runs each on CIFAR-10.

The table holds the runs as one text; where it is read, each becomes a column.
"""

from pathlib import Path

import pandas as pd

from onnx_bench.benchmarks.base import Benchmark, Label

RUNS = 3


class Macro(Benchmark):
    """A benchmark whose runs stand in one column."""

    def frame(self, root: Path | None = None) -> pd.DataFrame:
        frame = super().frame(root)
        runs = frame["cifar10_test_acc_runs"].str.split(" ", expand=True).astype(float)
        return frame.assign(**{f"cifar10_test_acc_r{run}": runs[run] for run in range(RUNS)})


BENCHMARK = Macro(
    name="nasbench-macro",
    folder="nasbench_macro",
    title="all 6,561 networks of eight layers on CIFAR-10, three runs",
    source="Su et al., CVPR 2021",
    licence="Apache-2.0",
    families=("nasbench-macro",),
    networks=lambda frame: "nasbench-macro:" + frame["arch"],
    labels=(
        Label("cifar10-test", tuple(f"cifar10_test_acc_r{run}" for run in range(RUNS)), "cifar10"),
    ),
    needs=("arch", "cifar10_test_acc_runs"),
)
