"""What a network costs: multiply-accumulates, parameters and activation sizes, node by node.

MACs count the multiply-adds of convolutions, linear maps, matrix products and attention, as papers
that print "FLOPs" in millions for NB-201 or MobileNets do; element-wise work, normalisation and
pooling count nothing. All for one input (batch of one).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from onnx_bench.graph import (
    ATTRIBUTES,
    GROUPS,
    IN_SHAPE,
    KERNEL,
    OP,
    OUT_SHAPE,
    PARAMETERS,
    ComputationGraph,
)
from onnx_bench.operators import GATES, Op

Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Cost:
    """Cost of one network for one input."""

    macs: int
    parameters: int
    activations: int
    """Values in all outputs of all nodes."""


def cost(graph: ComputationGraph) -> Cost:
    """MACs, trainable parameters and activation values of the whole network."""
    return Cost(
        int(macs_N(graph.nodes_NK).sum()),
        graph.parameters,
        int(activations_N(graph.nodes_NK).sum()),
    )


def activations_N(nodes_NK: npt.NDArray[np.int32]) -> Int64Array:
    """Values in each node's output."""
    sizes: Int64Array = np.maximum(nodes_NK[:, OUT_SHAPE].astype(np.int64), 1).prod(axis=1)
    return sizes


def parameters_N(nodes_NK: npt.NDArray[np.int32]) -> Int64Array:
    """Trainable parameters of each node."""
    return nodes_NK[:, PARAMETERS].astype(np.int64)


def macs_N(nodes_NK: npt.NDArray[np.int32]) -> Int64Array:
    """Multiply-accumulates of each node.

    Output values times the length of each value's sum; a transposed convolution spreads its input
    values instead; attention is (query + output values) times the number of keys.
    """
    nodes = nodes_NK.astype(np.int64)
    ops, in_shape, attributes = nodes[:, OP], nodes[:, IN_SHAPE], nodes[:, ATTRIBUTES]
    outputs = activations_N(nodes_NK)
    inputs = np.maximum(in_shape, 1).prod(axis=1)
    window, channel = _windows(nodes)
    groups = np.maximum(nodes[:, GROUPS], 1)

    def axis(shapes: npt.NDArray[np.int64], which: npt.NDArray[np.int64]) -> Int64Array:
        taken: Int64Array = np.take_along_axis(shapes, np.maximum(which, 0)[:, None], axis=1)[:, 0]
        return taken

    in_rank = (in_shape > 0).sum(axis=1)
    last = axis(in_shape, in_rank - 1)
    hidden, directions = attributes[:, 0], attributes[:, 1]
    gates = np.select([ops == op for op in GATES], list(GATES.values()), 0)
    steps = inputs // np.maximum(last, 1)
    total: Int64Array = np.select(
        [
            ops == Op.CONV,
            ops == Op.CONV_TRANSPOSE,
            (ops == Op.LINEAR) | (ops == Op.MATMUL),
            ops == Op.ATTENTION,
            gates > 0,
        ],
        [
            outputs * (axis(in_shape, channel) // groups) * window,
            inputs * (axis(nodes[:, OUT_SHAPE], channel) // groups) * window,
            outputs * last,
            (inputs + outputs) * attributes[:, 1],
            steps * directions * gates * hidden * (last + hidden),
        ],
        0,
    )
    return total


def _windows(nodes: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Entries of each node's kernel, and the axis of its channels in front of those of space."""
    kernel, depth = nodes[:, KERNEL], nodes[:, ATTRIBUTES][:, 2]
    space = np.where(kernel[:, 1] == 0, 1, np.where(depth > 0, 3, 2))
    window = np.maximum(kernel, 1).prod(axis=1) * np.maximum(depth, 1)
    return window, (nodes[:, OUT_SHAPE] > 0).sum(axis=1) - space - 1
