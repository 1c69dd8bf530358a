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
from onnx_bench.operators import Op

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
    """Multiply-accumulates of each node: output values times the length of each value's sum."""
    nodes = nodes_NK.astype(np.int64)
    ops, in_shape = nodes[:, OP], nodes[:, IN_SHAPE]
    in_rank = (in_shape > 0).sum(axis=1)
    last = np.take_along_axis(in_shape, np.maximum(in_rank - 1, 0)[:, None], axis=1)[:, 0]
    attended = nodes[:, ATTRIBUTES][:, 1]  # key length
    terms = np.select(
        [ops == Op.CONV, (ops == Op.LINEAR) | (ops == Op.MATMUL), ops == Op.ATTENTION],
        [
            in_shape[:, 0] // np.maximum(nodes[:, GROUPS], 1) * nodes[:, KERNEL].prod(axis=1),
            last,
            attended,  # the weighted sum of values; the scores follow below
        ],
        0,
    )
    scores = np.where(ops == Op.ATTENTION, in_shape[:, 0] * in_shape[:, 1] * attended, 0)
    total: Int64Array = activations_N(nodes_NK) * terms + scores
    return total
