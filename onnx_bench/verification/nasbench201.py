"""NAS-Bench-201 against the parameters and FLOPs of all 15,625 cells.

The table holds millions in single precision, and so do the figures that are compared with it.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from onnx_bench.benchmarks import benchmark
from onnx_bench.graph import ComputationGraph
from onnx_bench.verification.base import Check, parameters
from onnx_bench.verification.counting import naslib_flops


def checks(root: Path | None = None) -> Iterator[Check]:
    """Parameters and FLOPs of every cell on CIFAR-10."""
    table = benchmark("nasbench201")
    frame = table.frame(root)
    networks = table.networks(frame).tolist()
    for what, column, ours in (
        ("parameters (millions)", "params_M_cifar10_analytic", millions_of_parameters),
        ("FLOPs (millions)", "flops_M_cifar10", millions_of_flops),
    ):
        yield Check(what, f"nasbench201, {column}", networks, frame[column].tolist(), ours)


def millions_of_parameters(graph: ComputationGraph) -> float:
    """Trainable parameters."""
    return float(np.float32(parameters(graph) / 1e6))


def millions_of_flops(graph: ComputationGraph) -> float:
    """FLOPs as the table's counter has them."""
    return float(np.float32(naslib_flops(graph) / 1e6))
