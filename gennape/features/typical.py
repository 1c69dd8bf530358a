"""What a typical operator of a network does, and what it would cost were all operators like it.

A sum of costs is that of the few largest operators: of two networks with equal MACs, one may spend
them on its first layer and starve the rest. The geometric mean is of all operators alike. It tells
channel sizes apart that a sum does not (NATS-SSS), and depth, width and resolution count in it as
they do for a chain of functions: by factors.
"""

import numpy as np

from gennape.features.extents import widths
from gennape.features.feature import Feature
from gennape.features.kinds import WORKING, any_of, kinds
from gennape.features.paths import flows
from gennape.features.totals import INFINITE, FloatArray, magnitude, ratio, totals
from gennape.features.waves import Waves
from onnx_bench.collections import GraphCollection
from onnx_bench.cost import activations_N, macs_N, parameters_N
from onnx_bench.graph import IntArray

AMOUNTS = {
    "macs": "multiply-accumulates",
    "parameters": "trainable parameters",
    "outputs": "values written",
    "channels": "channels read",
}
EVEN = ("macs", "parameters")
WAYS = {
    "": "of all operators with MACs",
    "longest_": "of the operators with MACs on the path where the sum of it is most",
    "walk_": "of the operators with MACs on a random walk back from an output",
    "mean_": "of the operators with MACs on all paths, each path counting once",
}

FEATURES = tuple(
    Feature(*record)
    for way, where in WAYS.items()
    for record in (
        *(
            (
                f"{way}typical_{amount}",
                f"geometric mean of {meaning} (and 1) {where}",
                "log10 of the amount",
                INFINITE,
                "no operator counts for more than another, however large it is",
            )
            for amount, meaning in AMOUNTS.items()
        ),
        *(
            (
                f"{way}even_{amount}",
                f"{AMOUNTS[amount]} if all operators were like the typical one, {where}",
                "log10 of the amount",
                INFINITE,
                "size without the say of the few largest operators",
            )
            for amount in EVEN
        ),
    )
)
"""One record for each column, in order."""


def typical(graphs: GraphCollection, waves: Waves | None = None) -> FloatArray:
    """Sizes of typical operators, shape (G, len(FEATURES)), in the order of `FEATURES`.

    Finite for every graph: 0 where no operator has MACs. On paths the geometric mean is that of the
    mean (or longest) path: its sum of logarithms over its number of operators.

    Args:
        graphs: fused graphs.
        waves: their order of flow, where it is known.
    """
    flow = waves if waves is not None else Waves.of(graphs)
    length_RD = _lengths(graphs.rows_RK)
    ends = np.zeros((len(graphs), length_RD.shape[1]))
    _, longest, walk, mean, _ = flows(graphs, flow, np.concatenate([length_RD[graphs.row_M], ends]))
    ways = (totals(graphs, length_RD), longest, walk, mean)
    return np.column_stack([_of_way(sum_GD) for sum_GD in ways])


def _lengths(rows_RK: IntArray) -> FloatArray:
    """What each row adds: 1 if it works, and the logarithm of each of its `AMOUNTS`, (R, 5)."""
    works_R = any_of(kinds(rows_RK), WORKING)
    amounts = (macs_N(rows_RK), parameters_N(rows_RK), activations_N(rows_RK), widths(rows_RK))
    logarithms = [np.where(works_R, magnitude(amount), 0.0) for amount in amounts]
    return np.stack([works_R.astype(np.float64), *logarithms], axis=1)


def _of_way(sum_GD: FloatArray) -> FloatArray:
    """The columns of one way, of its sums."""
    count_G = sum_GD[:, 0]
    typical_GD = ratio(sum_GD[:, 1:], count_G[:, None])
    even_GD = typical_GD[:, : len(EVEN)] + magnitude(count_G)[:, None]
    return np.column_stack([typical_GD, even_GD])
