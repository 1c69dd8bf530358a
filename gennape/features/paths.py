"""What lies on the paths through a network: the shortest, the longest, and the mean in two senses.

Training sees a network as the sum of its paths (Veit et al., NeurIPS 2016): what a path holds says
more than what the whole does, and a path has the same meaning in a cell, a chain and a transformer.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gennape.features.extents import kernel_sizes, reaches, widths
from gennape.features.feature import Feature
from gennape.features.kinds import CONVOLVING, WORKING, any_of, kinds
from gennape.features.totals import INFINITE, SHARE, FloatArray, graph_of, ratio
from gennape.features.waves import Int64Array, Waves
from onnx_bench.collections import GraphCollection
from onnx_bench.graph import IntArray

LENGTHS = {
    "operator": "operators with MACs",
    "conv": "convolutions of any kind",
    "spatial": "convolutions with a kernel over 1",
    "pointwise": "1x1 convolutions",
    "matmul": "linear maps, recurrent layers and products of tensors",
    "activation": "activations",
    "avg_pool": "average pools",
    "max_pool": "maximum pools",
    "field": "growth of the receptive field, in sides of the image where it happens",
    "width": "log2 of the channels that operators with MACs read",
}
"""Ways to measure a path: every node on it has a length of each of these kinds."""
_PATHS = {
    "shortest": "the path where it is least",
    "longest": "the path where it is most",
    "walk": "a random walk back from an output, each input as likely as the others",
    "mean": "the mean over all paths, each counting once",
}
_RATIOS = ("shortest", "walk", "mean")
_WHY = "a path from input to output is what one composition of functions computes, in any family"
_SAME = "how unlike the paths are does not depend on how deep the network is"

FEATURES = (
    *(
        Feature(f"{path}_{name}", f"{text}, on {where}", "sum over nodes", INFINITE, _WHY)
        for path, where in _PATHS.items()
        for name, text in LENGTHS.items()
    ),
    *(
        Feature(
            f"{path}_{name}_of_longest",
            f"{text}, on {_PATHS[path]}; over that of {_PATHS['longest']}",
            "share; 0 where the longest is 0",
            SHARE,
            _SAME,
        )
        for path in _RATIOS
        for name, text in LENGTHS.items()
    ),
    *(
        Feature(
            f"walk_{name}_of_operators",
            f"{LENGTHS[name]} for each operator with MACs, on {_PATHS['walk']}",
            "ratio",
            INFINITE,
            "what a typical path is made of, however long it is",
        )
        for name in list(LENGTHS)[1:]
    ),
    Feature(
        "paths",
        "number of paths from an input to an output",
        "natural logarithm",
        INFINITE,
        "an ensemble of paths: each join multiplies them, in cells as in residual chains",
    ),
    Feature(
        "paths_of_operators",
        "logarithm of the number of paths, for each operator with MACs on the longest one",
        "natural logarithm, ratio",
        INFINITE,
        "how densely a network branches, however deep it is",
    ),
)


def paths(graphs: GraphCollection, waves: Waves | None = None) -> FloatArray:
    """Lengths of paths through each graph, shape (G, len(FEATURES)), as in `FEATURES`.

    Paths start at nodes that read nothing and end at nodes that none reads; those of several inputs
    and outputs count alike. Finite for every graph; numbers of paths are kept as logarithms.
    Takes some 500 bytes a node: large collections are best done in parts.

    Args:
        graphs: fused graphs.
        waves: their order of flow, where it is known.
    """
    flow = waves if waves is not None else Waves.of(graphs)
    length_ND = _lengths(graphs)
    low, high, walk, mean, count = flows(graphs, flow, length_ND)
    # A mean of equal numbers may be rounded up.
    ratios = [np.minimum(ratio(part, high), 1) for part in (low, walk, mean)]
    per_walk = ratio(walk[:, 1:], walk[:, :1])
    return np.column_stack(
        [low, high, walk, mean, *ratios, per_walk, count, ratio(count, high[:, 0])]
    )


def lengths(rows_RK: IntArray) -> FloatArray:
    """What each row adds to a path, shape (R, len(LENGTHS)), in the order of `LENGTHS`."""
    found = kinds(rows_RK)
    works, conv = any_of(found, WORKING), any_of(found, CONVOLVING)
    columns = {
        "operator": works,
        "conv": conv,
        "spatial": conv & (kernel_sizes(rows_RK) > 1),
        "matmul": works & ~conv,
        "field": reaches(rows_RK),
        "width": np.where(works, np.log2(widths(rows_RK)), 0),
        **{kind: found[kind] for kind in ("pointwise", "activation", "avg_pool", "max_pool")},
    }
    return np.stack([columns[name].astype(np.float64) for name in LENGTHS], axis=1)


def _lengths(graphs: GraphCollection) -> FloatArray:
    """Lengths of all nodes, and of an end behind each graph that has none itself."""
    own = lengths(graphs.rows_RK)[graphs.row_M]
    return np.concatenate([own, np.zeros((len(graphs), own.shape[1]))])


class _Step(NamedTuple):
    """The edges of a wave, those into one node side by side."""

    source: Int64Array
    node: Int64Array
    """The nodes that read, once each."""
    starts: Int64Array
    """Where the edges into each begin."""
    arity: Int64Array


def _steps(graphs: GraphCollection, waves: Waves) -> Iterator[_Step]:
    """The waves, and one more: from the nodes that none reads to the end of their graph."""
    nodes = len(graphs.row_M)
    last = np.flatnonzero(np.bincount(waves.source_E, minlength=nodes) == 0)
    for source, reader in (*waves.forward(), (last, nodes + graph_of(graphs)[last])):
        starts = np.flatnonzero(np.diff(reader, prepend=-1))
        if len(starts):
            yield _Step(source, reader[starts], starts, np.diff(starts, append=len(reader)))


def flows(graphs: GraphCollection, waves: Waves, length_ND: FloatArray) -> tuple[FloatArray, ...]:
    """Shortest, longest, walk and mean of each graph, all (G, D), and log paths, (G,).

    Args:
        length_ND: what each node adds to a path by D measures, and an end behind each graph, which
            adds nothing.
    """
    low, high, walk, mean = (length_ND.copy() for _ in range(4))
    count = np.zeros(len(length_ND))
    for source, node, starts, arity in _steps(graphs, waves):
        # A deep network has more paths than floats reach: weights are relative to the most.
        most = np.maximum.reduceat(count[source], starts)
        weight = np.exp(count[source] - np.repeat(most, arity))
        whole = np.add.reduceat(weight, starts)
        count[node] = most + np.log(whole)
        low[node] += np.minimum.reduceat(low[source], starts)
        high[node] += np.maximum.reduceat(high[source], starts)
        walk[node] += np.add.reduceat(walk[source], starts) / arity[:, None]
        mean[node] += np.add.reduceat(mean[source] * weight[:, None], starts) / whole[:, None]
    return tuple(found[len(graphs.row_M) :] for found in (low, high, walk, mean, count))
