"""What each node of a network is worth: its score, less that of the network without the node.

A node is taken out of the graph, and what it reads passed on in its place (occlusion, as of Zeiler
and Fergus, ECCV 2014, on graphs); everything is then computed anew, numbers of the whole graph and
embedding, so that it works for any model. Shapes of all other nodes stay as they were: the network
may be none that runs.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from gennape.assessment import predicted
from gennape.batch import EncodedGraphs
from gennape.checkpoint import Checkpoint
from onnx_bench.collections import GraphCollection
from onnx_bench.collections.graphs import pointers
from onnx_bench.graph import OUT_SHAPE, ComputationGraph
from onnx_bench.operators import Op

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
Watch = Callable[[Iterable[Any], str, int], Iterator[Any]]
"""Shows progress over things, whose kind and number it is told."""

MOST = 1000
"""Variants that are scored; of larger networks neighbours are taken out together."""
NODES = 1 << 17
"""In all variants that are scored at a time: few enough for memory, many for array arithmetic."""
STAYING = (Op.INPUT, Op.OUTPUT, Op.ZERO)
"""Ends of the network, and what hands on nothing as it is."""


def quiet(items: Iterable[Any], description: str, total: int) -> Iterator[Any]:
    """Shows nothing."""
    del description, total
    return iter(items)


def node_effects(checkpoint: Checkpoint, graphs: EncodedGraphs, watch: Watch = quiet) -> FloatArray:
    """What each node adds to the score, shape (N,), in the units of the labels; higher is better.

    Nan for nodes that cannot be taken out: inputs, outputs, zeros, and what reads nothing. In
    networks of more than 1,000 nodes some that follow one another are taken out at a time, and
    share what they add.

    Args:
        graphs: one network, in the checkpoint's form.
    """
    graph = graphs.graphs[0]
    parts = _parts(np.flatnonzero(movable(graph)))
    whole = predicted(checkpoint, graphs)[0][0]
    effect_N = np.full(len(graph), np.nan)
    at_once = max(NODES // len(graph), 1)
    chunks = [parts[i : i + at_once] for i in range(0, len(parts), at_once)]
    for chunk in watch(chunks, "taking nodes out", len(chunks)):
        variants = EncodedGraphs(without(graphs.graphs, chunk))
        scores = predicted(checkpoint, variants)[0]
        for part, score in zip(chunk, scores.tolist(), strict=True):
            effect_N[part] = (whole - score) / len(part)
    return effect_N


def movable(graph: ComputationGraph) -> BoolArray:
    """Which nodes can be taken out, shape (N,)."""
    reads_N = np.diff(graph.input_ptr) > 0
    found: BoolArray = reads_N & ~np.isin(graph.ops, [int(op) for op in STAYING])
    return found


def _parts(nodes: IntArray) -> list[IntArray]:
    """The nodes one by one, or at most `MOST` runs of them."""
    ends = np.linspace(0, len(nodes), min(len(nodes), MOST) + 1).astype(int)
    return [nodes[begin:end] for begin, end in pairwise(ends)]


def without(graphs: GraphCollection, parts: list[IntArray]) -> GraphCollection:
    """For each of C parts the network without its nodes, and without what nobody then needs.

    Readers of a node read what it has read instead; of several inputs the one of its own shape, and
    of those the one with the longest way behind it. What no output needs is no longer there, but
    for what was so before.

    Args:
        graphs: one network.
        parts: numbers of nodes that read something.
    """
    source_E, reader_E = graphs.edges_2E.astype(np.int64)
    out_CN = np.zeros((len(parts), len(graphs.row_M)), bool)
    for out_N, part in zip(out_CN, parts, strict=True):
        out_N[part] = True
    instead_CN = _instead(out_CN, _handed_on(graphs[0]))
    source_CE, stays_CE = instead_CN[:, source_E], ~out_CN[:, reader_E]
    last_N = np.ones(len(graphs.row_M), bool)
    last_N[source_E] = False
    all_1E = np.ones((1, len(source_E)), bool)
    idle_N = ~_needed(source_E[None], all_1E, reader_E, last_N[None])[0]
    end_CN = np.repeat(idle_N[None], len(parts), axis=0)
    for last in np.flatnonzero(last_N):
        end_CN[np.arange(len(parts)), instead_CN[:, last]] = True
    kept_CN = _needed(source_CE, stays_CE, reader_E, end_CN) & ~out_CN
    return _variants(graphs, kept_CN, source_CE, stays_CE & kept_CN[:, reader_E], reader_E)


def _handed_on(graph: ComputationGraph) -> IntArray:
    """The input that takes each node's place, shape (N,); nodes without inputs have their own."""
    shape_NK = graph.nodes_NK[:, OUT_SHAPE]
    depth, chosen = [0] * len(graph), np.arange(len(graph))
    for index in range(len(graph)):
        inputs = graph.inputs_of(index)
        if inputs:
            depth[index] = 1 + max(depth[i] for i in inputs)
            fits = [np.array_equal(shape_NK[i], shape_NK[index]) for i in inputs]
            ways = [(fit, depth[i], -i) for fit, i in zip(fits, inputs, strict=True)]
            chosen[index] = -max(ways)[2]
    return chosen


def _instead(out_CN: BoolArray, handed_on_N: IntArray) -> IntArray:
    """The node that stands for each, shape (C, N): itself, if it is not taken out."""
    found_CN = np.tile(np.arange(out_CN.shape[1]), (len(out_CN), 1))
    for node in np.flatnonzero(out_CN.any(axis=0)):
        found_CN[:, node] = np.where(out_CN[:, node], found_CN[:, handed_on_N[node]], node)
    return found_CN


def _needed(
    source_CE: IntArray, stays_CE: BoolArray, reader_E: IntArray, end_CN: BoolArray
) -> BoolArray:
    """The ends and what they depend on, shape (C, N), by the edges of each of C networks."""
    needed_CN, every = end_CN.copy(), np.arange(len(end_CN))
    for edge in reversed(range(len(reader_E))):  # edges are in the order of their readers
        read_C = stays_CE[:, edge] & needed_CN[:, reader_E[edge]]
        needed_CN[every, source_CE[:, edge]] |= read_C
    return needed_CN


def _variants(
    graphs: GraphCollection,
    kept_CN: BoolArray,
    source_CE: IntArray,
    stays_CE: BoolArray,
    reader_E: IntArray,
) -> GraphCollection:
    """The graphs of the kept nodes and edges; all have the rows of the one network."""
    place_CN = np.cumsum(kept_CN, axis=1) - 1
    variant, edge = np.nonzero(stays_CE)
    sources, readers = source_CE[variant, edge], reader_E[edge]
    edges_2E = np.stack([place_CN[variant, sources], place_CN[variant, readers]])
    return GraphCollection(
        graphs.rows_RK,
        np.broadcast_to(graphs.row_M, kept_CN.shape)[kept_CN],
        pointers(kept_CN.sum(axis=1)),
        np.ascontiguousarray(edges_2E.astype(np.int32)),
        pointers(stays_CE.sum(axis=1)),
        tuple(graphs.names) * len(kept_CN),
    )
