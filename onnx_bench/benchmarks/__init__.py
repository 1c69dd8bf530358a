"""Labels of trained networks: `read("nasbench201")` gives a benchmark's networks and accuracies.

The public tables are not part of the package: they are looked for in the folder that is given as
`root`, or that the environment variable GENNAPE_DATA names. `digits` ships with the package.
"""

from pathlib import Path
from typing import Protocol

from onnx_bench.benchmarks import digits, nasbench101, nasbench201
from onnx_bench.benchmarks.labels import LabelTable, read_table
from onnx_bench.errors import LabelError

__all__ = ["BENCHMARKS", "LabelTable", "read", "read_table"]


class Reader(Protocol):
    """How every benchmark is read; None stands for its default label and subset."""

    def __call__(
        self, root: Path | None = None, label: str | None = None, subset: str | None = None
    ) -> LabelTable: ...


BENCHMARKS: dict[str, Reader] = {
    "digits": digits.read,
    "nasbench101": nasbench101.read,
    "nasbench201": nasbench201.read,
}


def read(
    name: str, root: Path | None = None, label: str | None = None, subset: str | None = None
) -> LabelTable:
    """The networks and labels of a benchmark.

    Raises:
        LabelError: there is no such benchmark, or its file, label or subset is missing.
    """
    if name not in BENCHMARKS:
        raise LabelError(f"no benchmark is called {name!r}; there are {', '.join(BENCHMARKS)}")
    return BENCHMARKS[name](root, label, subset)
