"""How the counters behind published FLOPs count: all add something to multiply-accumulates.

Each rule was found by comparing its figures with every row of the tables that it is said to have
made, and holds for all of them.
"""

import numpy as np

from onnx_bench.cost import activations_N, macs_N
from onnx_bench.graph import IN_SHAPE, KERNEL, OP, ComputationGraph
from onnx_bench.operators import Op


def naslib_flops(graph: ComputationGraph) -> int:
    """What NASLib's counter gives for NAS-Bench-201 and TransNAS-Bench-101.

    On top of the multiply-accumulates: two for each value that a batch normalisation gives, one for
    each of a ReLU, and the window's area for each of an average pool. The counter takes the global
    average over H x W pixels for one with a window of (H + 1) x (W + 1). Biases and sums count
    nothing.
    """
    nodes = graph.nodes_NK
    op, outputs = nodes[:, OP], activations_N(nodes)
    window = nodes[:, KERNEL].astype(np.int64).prod(axis=1)
    whole = (nodes[:, IN_SHAPE][:, 1:3].astype(np.int64) + 1).prod(axis=1)
    extra = np.select(
        [op == Op.BATCH_NORM, op == Op.RELU, op == Op.AVG_POOL, op == Op.GLOBAL_AVG_POOL],
        [2 * outputs, outputs, window * outputs, whole * outputs],
        0,
    )
    return int(macs_N(nodes).sum() + extra.sum())


def thop_flops(graph: ComputationGraph) -> int:
    """What thop gives for the DARTS networks.

    On top of the multiply-accumulates: four for each value that a batch normalisation gives, one
    for each of an average pool, and H W + 1 for each of a global average over H x W pixels.
    Activations, max-pools, biases and sums count nothing.
    """
    nodes = graph.nodes_NK
    op, outputs = nodes[:, OP], activations_N(nodes)
    whole = nodes[:, IN_SHAPE][:, 1:3].astype(np.int64).prod(axis=1) + 1
    extra = np.select(
        [op == Op.BATCH_NORM, op == Op.AVG_POOL, op == Op.GLOBAL_AVG_POOL],
        [4 * outputs, outputs, whole * outputs],
        0,
    )
    return int(macs_N(nodes).sum() + extra.sum())
