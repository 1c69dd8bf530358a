"""NAS-Bench-MR against the parameters and FLOPs of all 2,507 networks.

Both are those of the classification network with 50 classes, the FLOPs at 128 pixels.
"""

from collections.abc import Iterator
from pathlib import Path

from onnx_bench.benchmarks import benchmark
from onnx_bench.cost import activations_N, macs_N
from onnx_bench.graph import OP, ComputationGraph
from onnx_bench.operators import Op
from onnx_bench.verification.base import Check, parameters


def checks(root: Path | None = None) -> Iterator[Check]:
    """Parameters and FLOPs of every row, to the last digit."""
    table = benchmark("nasbench-mr")
    frame = table.frame(root)
    networks = table.networks(frame).tolist()
    for what, column, unit, ours in (
        ("parameters", "params_M", 1e6, parameters),
        ("FLOPs", "flops_G", 1e9, flops),
    ):
        published = (frame[column] * unit).round().tolist()
        yield Check(what, f"nas_bench_mr, {column}", networks, published, ours)


def flops(graph: ComputationGraph) -> float:
    """What thop gives, in a version other than that of the DARTS networks.

    On top of the multiply-accumulates: two for each value that a batch normalisation gives, and one
    for each bias that a convolution adds, which the last one does to each class.
    """
    nodes = graph.nodes_NK
    outputs = activations_N(nodes)
    extra = 2 * outputs[nodes[:, OP] == Op.BATCH_NORM].sum()
    return float(macs_N(nodes).sum() + extra + outputs[nodes[:, OP] == Op.OUTPUT].sum())
