"""The chains of MetaQNN against the parameters of all 1,000 rows of the benchmark."""

from collections.abc import Iterator
from pathlib import Path

from onnx_bench.benchmarks import benchmark
from onnx_bench.graph import ComputationGraph
from onnx_bench.operators import Op
from onnx_bench.verification.base import Check


def checks(root: Path | None = None) -> Iterator[Check]:
    """Parameters of every row, as the benchmark counts them."""
    chains = benchmark("metaqnn")
    frame = chains.frame(root)
    yield Check(
        "parameters as the benchmark counts them",
        "metaqnn, num_params",
        chains.networks(frame).tolist(),
        frame["num_params"].tolist(),
        counted,
    )


def counted(graph: ComputationGraph) -> float:
    """Weights without biases, and a copy of the last layer in place of the classifier.

    The copy reads as many channels or features as it gives; a pool, or GAP, has none to copy.
    """
    layers = [
        i for i in range(len(graph)) if graph.node(i).op in (Op.CONV, Op.LINEAR)
    ][:-1]  # fmt: skip
    nodes = [graph.node(i) for i in layers]
    weights = sum(node.parameters - node.out_shape[0] for node in nodes)
    pools = graph.nodes_of(Op.MAX_POOL) + graph.nodes_of(Op.GLOBAL_AVG_POOL)
    if max(pools, default=0) > layers[-1]:
        return weights
    last = nodes[-1]
    window = last.kernel[0] * last.kernel[1] if last.op == Op.CONV else 1
    return weights + last.out_shape[0] ** 2 * window
