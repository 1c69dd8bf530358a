"""What a network is made of, in a few numbers that tell families apart.

A trained encoder may put networks of a kind that it has never seen beside those that it knows: what
did not matter in training is not in its embedding. These numbers are not learnt, and cannot.
"""

import numpy as np
import numpy.typing as npt

from gennape.features.nodes import MAX_CHANNELS, MAX_SIZE, OPERATOR_TYPES, node_features
from onnx_bench.collections import GraphCollection
from onnx_bench.cost import macs_N

FEATURES = len(OPERATOR_TYPES) + 5
FloatArray = npt.NDArray[np.float64]


def composition(graphs: GraphCollection) -> FloatArray:
    """Numbers of each graph, shape (G, FEATURES).

    The share of every operator type among the nodes (0 to 1); the means over the nodes of the
    kernel height and of log2(1 + height) and log2(1 + channels) of what they put out; log2 of the
    number of nodes and of one more than the multiply-accumulates.
    """
    type_R, resolution_R6, kernel_R2, _ = node_features(graphs.rows_RK)
    of_row_RD = np.stack(
        [
            kernel_R2[:, 0].astype(np.float64),
            np.log2(1 + MAX_SIZE * resolution_R6[:, 1]),
            np.log2(1 + MAX_CHANNELS * resolution_R6[:, 5]),
            macs_N(graphs.rows_RK).astype(np.float64),
        ],
        axis=1,
    )
    sizes, types = np.diff(graphs.node_ptr), len(OPERATOR_TYPES)
    graph_M = np.repeat(np.arange(len(graphs)), sizes)
    counts = np.bincount(graph_M * types + type_R[graphs.row_M], minlength=len(graphs) * types)
    sums = [np.bincount(graph_M, of_row_RD[graphs.row_M, d], len(graphs)) for d in range(4)]
    means = [total / sizes for total in sums[:3]]
    whole = [np.log2(sizes), np.log2(1 + sums[3])]
    shares = counts.reshape(len(graphs), types) / sizes[:, None]
    found: FloatArray = np.column_stack([shares, *means, *whole])
    return found
