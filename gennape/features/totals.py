"""Sums over the nodes of each graph, and the scales on which they are compared."""

import numpy as np
import numpy.typing as npt

from onnx_bench.collections import GraphCollection

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.floating | np.integer]
INFINITE = (0.0, float("inf"))
"""The range of counts and of their logarithms."""
SHARE = (0.0, 1.0)


def totals(graphs: GraphCollection, values_RD: FloatArray) -> FloatArray:
    """The sum over each graph's nodes of what every distinct row stands for, shape (G, D).

    The k-th nodes of all graphs are added at once: scipy's sparse product gives the same bits, and
    takes longer to import than a network to be scored.
    """
    size_G = np.diff(graphs.node_ptr)
    order_G = np.argsort(-size_G, kind="stable")  # so that those with a k-th node are the first
    start_G = graphs.node_ptr[:-1][order_G]
    sum_GD = np.zeros((len(graphs), values_RD.shape[1]))
    for place in range(size_G.max(initial=0)):
        count = np.count_nonzero(size_G > place)
        sum_GD[:count] += values_RD[graphs.row_M[start_G[:count] + place]]
    found_GD = np.empty_like(sum_GD)
    found_GD[order_G] = sum_GD
    return found_GD


def largest(graphs: GraphCollection, values_M: Numbers) -> FloatArray:
    """The largest value among each graph's nodes, shape (G,); at least 0."""
    found = np.zeros(len(graphs))
    np.maximum.at(found, graph_of(graphs), values_M.astype(np.float64))
    return found


def graph_of(graphs: GraphCollection) -> IntArray:
    """The graph of every node, shape (M,)."""
    return np.repeat(np.arange(len(graphs)), np.diff(graphs.node_ptr))


def ratio(part: Numbers, whole: Numbers) -> FloatArray:
    """`part / whole`, of shapes that broadcast; 0 where the whole is nothing."""
    nothing = np.zeros(np.broadcast_shapes(part.shape, whole.shape))
    return np.divide(part, whole, out=nothing, where=whole > 0)


def magnitude(counts: Numbers) -> FloatArray:
    """log10(1 + x): families differ by factors, and there may be none."""
    found: FloatArray = np.log10(1 + counts)
    return found
