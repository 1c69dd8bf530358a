"""NAS-Bench-101 against the parameters and module hashes of all 151,644 rows of the table."""

from collections.abc import Iterator
from pathlib import Path

from onnx_bench.benchmarks import benchmark
from onnx_bench.families.nasbench101 import NasBench101
from onnx_bench.verification.base import Check, parameters

_FAMILY = NasBench101()


def checks(root: Path | None = None) -> Iterator[Check]:
    """Parameters and graph hash of every cell."""
    table = benchmark("nasbench101")
    frame = table.frame(root)
    networks = table.networks(frame).tolist()
    yield Check(
        "parameters",
        "nasbench101, trainable_parameters",
        networks,
        frame["trainable_parameters"].tolist(),
        parameters,
    )
    yield Check(
        "module hash",
        "nasbench101, module_hash",
        networks,
        frame["module_hash"].tolist(),
        module_hash,
        reads="text",
    )


def module_hash(text: str) -> str:
    """The benchmark's own hash of the cell that `nasbench101:...` names."""
    return _FAMILY.parse(text.partition(":")[2]).module_hash()
