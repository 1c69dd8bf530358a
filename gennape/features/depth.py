"""The depth of every node: how much of the way from the input to the end lies before it."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from onnx_bench.collections import GraphCollection


def depths(graphs: GraphCollection) -> npt.NDArray[np.float32]:
    """Depth of each node of a collection, shape (M,), 0 at the inputs and 1 at the deepest node.

    The longest path to a node over the longest of its graph. It does not depend on how the nodes
    are numbered, and networks of any length share the scale. The nodes that stand at one place in
    the order of their graphs are done at a time, so that the work in Python is that of the longest
    graph.
    """
    start_G = np.asarray(graphs.node_ptr[:-1], np.int64)
    edges_G = np.diff(graphs.edge_ptr)
    first_E = np.repeat(start_G, edges_G)
    reader_E = np.asarray(graphs.edges_2E[1])
    order = np.argsort(reader_E, kind="stable")
    source, reader = first_E[order] + graphs.edges_2E[0][order], first_E[order] + reader_E[order]
    steps = np.searchsorted(reader_E[order], np.arange(int(reader_E.max(initial=0)) + 2))
    depth_M = np.zeros(len(graphs.row_M), np.float32)
    for begin, end in pairwise(steps):
        np.maximum.at(depth_M, reader[begin:end], depth_M[source[begin:end]] + 1)
    filled = np.diff(graphs.node_ptr) > 0
    longest_G = np.maximum.reduceat(depth_M, start_G[filled]) if filled.any() else depth_M[:0]
    sizes = np.diff(graphs.node_ptr)[filled]
    scaled: npt.NDArray[np.float32] = depth_M / np.maximum(np.repeat(longest_G, sizes), 1)
    return scaled
