"""The depth of every node: how much of the way from the input to the end lies before it."""

import numpy as np
import numpy.typing as npt

from gennape.features.waves import Waves
from onnx_bench.collections import GraphCollection


def depths(graphs: GraphCollection) -> npt.NDArray[np.float32]:
    """Depth of each node of a collection, shape (M,), 0 at the inputs and 1 at the deepest node.

    The longest path to a node over the longest of its graph. It does not depend on how the nodes
    are numbered, and networks of any length share the scale.
    """
    level_M = Waves.of(graphs).level_M.astype(np.float32)
    start_G = np.asarray(graphs.node_ptr[:-1], np.int64)
    filled = np.diff(graphs.node_ptr) > 0
    longest_G = np.maximum.reduceat(level_M, start_G[filled]) if filled.any() else level_M[:0]
    sizes = np.diff(graphs.node_ptr)[filled]
    scaled: npt.NDArray[np.float32] = level_M / np.maximum(np.repeat(longest_G, sizes), 1)
    return scaled
