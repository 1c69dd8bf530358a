"""The part of a network that carries its input to its output.

A cell space may draw cells whose layers work on zeros, or for nobody. Such layers have costs and
take part in no function of the image: numbers of the whole graph are of the rest.
"""

import numpy as np
import numpy.typing as npt

from gennape.features.waves import Int64Array, Waves
from onnx_bench.collections import GraphCollection
from onnx_bench.collections.graphs import pointers
from onnx_bench.graph import ACTIVATION, OP
from onnx_bench.operators import Op

Mask = npt.NDArray[np.bool_]


def living(graphs: GraphCollection) -> GraphCollection:
    """The graphs without nodes that do not depend on an input, or that no output depends on.

    Nothing depends on what is multiplied by zero. Outputs always stay; of a network whose output is
    constant they are all that is left.
    """
    waves = Waves.of(graphs)
    needed_M = _needed(waves, _moved(graphs, waves))
    if needed_M.all():
        return graphs
    kept_E = needed_M[waves.source_E] & needed_M[waves.reader_E]
    source_E, reader_E = waves.source_E[kept_E], waves.reader_E[kept_E]
    same_M = _same(graphs, waves, source_E, reader_E)
    kept_M = needed_M & (same_M == np.arange(len(same_M)))
    return _only(graphs, kept_M, same_M[source_E], reader_E)


def _only(
    graphs: GraphCollection, kept_M: Mask, source_E: Int64Array, reader_E: Int64Array
) -> GraphCollection:
    """The graphs of these nodes, with the edges that end at one of them."""
    chosen = kept_M[reader_E]
    place_M = np.cumsum(kept_M) - 1
    source_E, reader_E = place_M[source_E[chosen]], place_M[reader_E[chosen]]
    node_ptr = np.concatenate([[0], np.cumsum(kept_M)])[graphs.node_ptr]
    graph_E = np.searchsorted(node_ptr, reader_E, side="right") - 1
    order = np.argsort(reader_E, kind="stable")
    edges_2E = np.stack([source_E, reader_E])[:, order] - node_ptr[graph_E[order]]
    return GraphCollection(
        graphs.rows_RK,
        graphs.row_M[kept_M],
        node_ptr,
        np.ascontiguousarray(edges_2E.astype(np.int32)),
        pointers(np.bincount(graph_E, minlength=len(graphs))),
        graphs.names,
    )


def _same(
    graphs: GraphCollection, waves: Waves, source_E: Int64Array, reader_E: Int64Array
) -> Int64Array:
    """The node whose value each node has, shape (M,): a sum of which one term is left is none."""
    rows_MK = graphs.rows_RK[graphs.row_M]
    plain_M = (rows_MK[:, OP] == Op.ADD) & (rows_MK[:, ACTIVATION] == 0)
    alone_M = plain_M & (np.bincount(reader_E, minlength=len(plain_M)) == 1)
    same_M = np.arange(len(alone_M))
    through = alone_M[reader_E]
    source_E, reader_E = source_E[through], reader_E[through]
    for place in np.argsort(waves.level_M[reader_E], kind="stable"):
        same_M[reader_E[place]] = same_M[source_E[place]]
    return same_M


def _moved(graphs: GraphCollection, waves: Waves) -> Mask:
    """Which nodes depend on an input, shape (M,)."""
    zero_M = graphs.rows_RK[graphs.row_M, OP] == Op.ZERO
    moved_M: Mask = (waves.level_M == 0) & ~zero_M
    for source, reader in waves.forward():
        np.logical_or.at(moved_M, reader, moved_M[source])
        moved_M[reader] &= ~zero_M[reader]
    return moved_M


def _needed(waves: Waves, moved_M: Mask) -> Mask:
    """Which of these nodes an output depends on, and the outputs, shape (M,)."""
    last_M = np.ones(len(moved_M), bool)
    last_M[waves.source_E] = False
    needed_M: Mask = last_M.copy()
    for source, reader in waves.backward():
        np.logical_or.at(needed_M, source, needed_M[reader] & moved_M[reader])
    return needed_M & (moved_M | last_M)
