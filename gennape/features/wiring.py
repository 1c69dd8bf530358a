"""How the operators of a network are joined: degrees, branches and shortcuts."""

import numpy as np

from gennape.features.feature import Feature
from gennape.features.kinds import WORKING, BoolArray, any_of, kinds
from gennape.features.totals import (
    INFINITE,
    SHARE,
    FloatArray,
    IntArray,
    graph_of,
    largest,
    magnitude,
    ratio,
)
from gennape.features.waves import Waves
from onnx_bench.collections import GraphCollection

_LOG = "log10 of 1 + count"
_DEGREE = "a join is a join and a branch a branch, whatever operators lie between"
_LEVEL = "levels are those of the longest path from an input: no numbering of nodes enters"
_ADDED = "sums with what flows past are what makes residual networks and dense cells trainable"

FEATURES = (
    Feature("edges_per_node", "edges for each node", "ratio", INFINITE, _DEGREE),
    Feature("joins", "nodes that read several values", "share of nodes", SHARE, _DEGREE),
    Feature("forks", "nodes that are read several times", "share of nodes", SHARE, _DEGREE),
    Feature("join_width", "values that a join reads, on average", "ratio", INFINITE, _DEGREE),
    Feature("widest_join", "most values that a node reads", _LOG, INFINITE, _DEGREE),
    Feature("widest_fork", "most reads of one node", _LOG, INFINITE, _DEGREE),
    Feature("levels", "the longest path, in edges", _LOG, INFINITE, _LEVEL),
    Feature("nodes_per_level", "nodes over levels: the breadth", "ratio", INFINITE, _LEVEL),
    Feature("skips", "edges that pass over a level", "share of edges", SHARE, _LEVEL),
    Feature(
        "skip_length",
        "levels that an edge rises, on average",
        "log10 of 1 + levels",
        INFINITE,
        _LEVEL,
    ),
    Feature(
        "longest_skip", "the longest edge over the longest path, in levels", "share", SHARE, _LEVEL
    ),
    Feature(
        "shortcuts",
        "inputs of additions that are read elsewhere too, or are joins themselves",
        "share of the inputs of additions",
        SHARE,
        _ADDED,
    ),
    Feature("shortcuts_each", "shortcuts for each operator with MACs", "ratio", INFINITE, _ADDED),
    Feature(
        "pooled_terms",
        "inputs of additions that come from a pool",
        "share of the inputs of additions",
        SHARE,
        "a pool on a branch adds no weights, and averages in every family",
    ),
)


def wiring(graphs: GraphCollection, waves: Waves | None = None) -> FloatArray:
    """Degrees and shortcuts of each graph, shape (G, len(FEATURES)), as in `FEATURES`."""
    flow = waves if waves is not None else Waves.of(graphs)
    return np.column_stack([_degrees(graphs, flow), _levels(graphs, flow), _terms(graphs, flow)])


def _degrees(graphs: GraphCollection, waves: Waves) -> FloatArray:
    nodes_G = np.diff(graphs.node_ptr).astype(np.float64)
    edges_G = np.diff(graphs.edge_ptr).astype(np.float64)
    reads_M, read_M = _reads(waves)
    joins_G = _count(graphs, reads_M > 1)
    joined_G = np.bincount(graph_of(graphs), reads_M * (reads_M > 1), len(graphs))
    return np.column_stack(
        [
            ratio(edges_G, nodes_G),
            ratio(joins_G, nodes_G),
            ratio(_count(graphs, read_M > 1), nodes_G),
            ratio(joined_G, joins_G),
            magnitude(largest(graphs, reads_M)),
            magnitude(largest(graphs, read_M)),
        ]
    )


def _levels(graphs: GraphCollection, waves: Waves) -> FloatArray:
    nodes_G = np.diff(graphs.node_ptr).astype(np.float64)
    graph_E = graph_of(graphs)[waves.reader_E]
    rise_E = (waves.level_M[waves.reader_E] - waves.level_M[waves.source_E]).astype(np.float64)
    edges_G, rises_G, skips_G = (
        np.bincount(graph_E, of_edge, len(graphs)) for of_edge in (None, rise_E, rise_E > 1)
    )
    longest_G, depth_G = np.zeros(len(graphs)), largest(graphs, waves.level_M)
    np.maximum.at(longest_G, graph_E, rise_E)
    return np.column_stack(
        [
            magnitude(depth_G),
            nodes_G / (depth_G + 1),
            ratio(skips_G, edges_G),
            magnitude(ratio(rises_G, edges_G)),
            ratio(longest_G, depth_G),
        ]
    )


def _terms(graphs: GraphCollection, waves: Waves) -> FloatArray:
    """What additions read."""
    found = kinds(graphs.rows_RK)
    adds_M = found["add"][graphs.row_M]
    pools_M = any_of(found, ("avg_pool", "max_pool"))[graphs.row_M]
    reads_M, read_M = _reads(waves)
    terms = adds_M[waves.reader_E]
    source_T = waves.source_E[terms]
    graph_T = graph_of(graphs)[source_T]
    past_T = (read_M[source_T] > 1) | (reads_M[source_T] > 1)
    terms_G, past_G, pooled_G = (
        np.bincount(graph_T, of_term, len(graphs)).astype(np.float64)
        for of_term in (None, past_T, pools_M[source_T])
    )
    works_G = _count(graphs, any_of(found, WORKING)[graphs.row_M])
    parts = [ratio(past_G, terms_G), ratio(past_G, works_G), ratio(pooled_G, terms_G)]
    return np.column_stack(parts)


def _reads(waves: Waves) -> tuple[IntArray, IntArray]:
    """How many values each node reads, and how often it is read; each of shape (M,)."""
    reads, read = (
        np.bincount(ends_E, minlength=len(waves.level_M))
        for ends_E in (waves.reader_E, waves.source_E)
    )
    return reads, read


def _count(graphs: GraphCollection, which_M: BoolArray) -> FloatArray:
    return np.bincount(graph_of(graphs), which_M, len(graphs)).astype(np.float64)
