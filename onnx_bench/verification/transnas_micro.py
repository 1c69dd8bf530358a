"""TransNAS-Bench-101 against the figures that NASLib counted for some of its networks.

NASLib ends class_scene in 63 classes, the benchmark in 47: what 16 more classes add is added.
"""

from collections.abc import Iterator
from pathlib import Path

from onnx_bench.benchmarks import benchmark
from onnx_bench.graph import ComputationGraph
from onnx_bench.operators import Op
from onnx_bench.verification.base import Check, parameters
from onnx_bench.verification.counting import naslib_flops

MORE_CLASSES = 63 - 47


def checks(root: Path | None = None) -> Iterator[Check]:
    """Parameters and FLOPs of the 711 cells that NASLib counted."""
    yield from checks_of("transnas-micro", root)


def checks_of(name: str, root: Path | None = None) -> Iterator[Check]:
    """Parameters and FLOPs of the rows of one of the two spaces that have them."""
    table = benchmark(name)
    frame = table.frame(root)
    frame = frame[frame["class_scene_mparams_naslib"].notna()]
    networks = table.networks(frame).tolist()
    for what, column, ours in (
        ("parameters (millions)", "class_scene_mparams_naslib", millions_of_parameters),
        ("FLOPs (millions)", "class_scene_mflops_naslib", millions_of_flops),
    ):
        source = f"transnasbench101, {column}"
        yield Check(what, source, networks, frame[column].tolist(), ours, tolerance=5.01e-7)


def millions_of_parameters(graph: ComputationGraph) -> float:
    """Trainable parameters, with 63 classes."""
    return (parameters(graph) + MORE_CLASSES * (_features(graph) + 1)) / 1e6


def millions_of_flops(graph: ComputationGraph) -> float:
    """FLOPs as NASLib's counter has them, with 63 classes."""
    return (naslib_flops(graph) + MORE_CLASSES * _features(graph)) / 1e6


def _features(graph: ComputationGraph) -> int:
    (last,) = graph.nodes_of(Op.LINEAR)
    return graph.node(last).in_shape[0]
