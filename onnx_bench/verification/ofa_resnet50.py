"""Once-for-All's ResNet-50 against what timm publishes of its ResNet-50D, a member of the space.

Of the subnets that the authors trained, only counts are public, not which networks they are.
"""

from collections.abc import Iterator
from pathlib import Path

from onnx_bench.cost import activations_N, cost
from onnx_bench.graph import OP, ComputationGraph
from onnx_bench.operators import Op
from onnx_bench.verification.base import Check, parameters

MILLION, BILLION = 1e6, 1e9
SOURCE = "timm, results of resnet50d at 224 and 160 pixels"
RESNET50D = (
    f"ofa-resnet50:d=2-1-2-2-1;e={'-'.join(['0.25'] * 16)};w={'-'.join(['1.0'] * 6)};r="  # 3-4-6-3
)


def checks(root: Path | None = None) -> Iterator[Check]:  # noqa: ARG001, it reads no table
    """Parameters, multiply-accumulates and activations."""
    networks = [f"{RESNET50D}{size}" for size in (224, 160)]
    for what, published, ours, unit in (
        ("parameters", (25.58, 25.58), parameters, MILLION),
        ("MACs with normalisation", (4.35, 2.22), macs_as_timm, BILLION),
        ("activations of convolutions", (11.92, 6.08), convolved, MILLION),
    ):
        figures = [value * unit for value in published]
        yield Check(what, SOURCE, networks, figures, ours, tolerance=0.005 * unit)


def macs_as_timm(graph: ComputationGraph) -> float:
    """Multiply-accumulates, and two for each value that is normalised."""
    sizes_N = activations_N(graph.nodes_NK)
    return cost(graph).macs + 2 * float(sizes_N[graph.nodes_NK[:, OP] == Op.BATCH_NORM].sum())


def convolved(graph: ComputationGraph) -> float:
    """Values in the outputs of all convolutions, and of the classifier."""
    ops_N, sizes_N = graph.nodes_NK[:, OP], activations_N(graph.nodes_NK)
    return float(sizes_N[(ops_N == Op.CONV) | (ops_N == Op.LINEAR)].sum())
