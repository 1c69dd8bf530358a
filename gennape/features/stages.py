"""The profile of a network over three stages, from fine to coarse resolution."""

import numpy as np

from gennape.features.extents import kernel_sizes, places
from gennape.features.feature import Feature
from gennape.features.kinds import CONVOLVING, WEIGHTED, WORKING, BoolArray, any_of, kinds
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
from onnx_bench.cost import macs_N, parameters_N

STAGES = 3
HALVED = 1.0
"""log2 of the fewest times that the number of places must fall for resolution to tell stages."""
_TIE = 1e-9
"""Logarithms of resolutions that lie on a border may be rounded to either side of it."""
_WHY = (
    "thirds of the way from the finest to the coarsest resolution, or from first to last where it "
    "never falls: every network has them, however many stages of its own"
)

FEATURES = (
    *(
        Feature(f"stage{s + 1}_{name}", f"{text} in third {s + 1}", unit, bound, _WHY)
        for name, text, unit, bound in (
            ("macs", "multiply-accumulates", "share", SHARE),
            ("parameters", "parameters", "share", SHARE),
            ("operators", "operators with MACs", "share", SHARE),
            ("count", "number of operators with MACs", "log10 of 1 + count", INFINITE),
            ("spatial", "convolutions with a kernel over 1 among those operators", "share", SHARE),
        )
        for s in range(STAGES)
    ),
)


def stage_profile(graphs: GraphCollection, waves: Waves | None = None) -> FloatArray:
    """What lies in each third of each graph, shape (G, len(FEATURES)), as in `FEATURES`.

    Operators with MACs count; those that see one place only (heads, squeeze-excitation) belong to
    no third, unless the network works on vectors alone.
    """
    rows = graphs.rows_RK
    found = kinds(rows)
    works_R = any_of(found, WORKING)
    spatial_R = any_of(found, CONVOLVING) & (kernel_sizes(rows) > 1)
    stage_M = stages(graphs, waves if waves is not None else Waves.of(graphs))
    bins, keys = STAGES + 1, len(graphs) * (STAGES + 1)
    key_M = graph_of(graphs) * bins + stage_M
    macs, parameters, count, spatial = (
        np.bincount(key_M, np.asarray(of_row, np.float64)[graphs.row_M], keys).reshape(-1, bins)
        for of_row in (macs_N(rows) * works_R, parameters_N(rows) * works_R, works_R, spatial_R)
    )
    parts = [
        ratio(part, part.sum(axis=1, keepdims=True))[:, :STAGES]
        for part in (macs, parameters, count)
    ]
    inside, sliding = count[:, :STAGES], spatial[:, :STAGES]
    return np.column_stack([*parts, magnitude(inside), ratio(sliding, inside)])


def stages(graphs: GraphCollection, waves: Waves) -> IntArray:
    """The third in which each node lies, shape (M,): 0 to 2, or 3 for those in none."""
    rows, graph_M = graphs.rows_RK, graph_of(graphs)
    found, many_R = kinds(rows), places(rows) > 1
    spread_M = (any_of(found, WEIGHTED) & many_R)[graphs.row_M]
    by_depth = waves.level_M / np.maximum(largest(graphs, waves.level_M), 1)[graph_M]
    by_scale, falls_M = _by_scale(graphs, spread_M)
    position_M = np.where(falls_M, by_scale, by_depth)
    third_M = np.clip(np.floor(STAGES * position_M + _TIE), 0, STAGES - 1).astype(np.int64)
    vectors_G = np.bincount(graph_M, spread_M, len(graphs)) == 0
    inside_M = any_of(found, WORKING)[graphs.row_M] & (many_R[graphs.row_M] | vectors_G[graph_M])
    return np.where(inside_M, third_M, STAGES)


def _by_scale(graphs: GraphCollection, spread_M: BoolArray) -> tuple[FloatArray, BoolArray]:
    """How far each node's resolution lies from the finest to the coarsest, and whether that tells.

    Both of shape (M,); `spread_M` are the nodes that decide which resolutions there are.
    """
    graph_M, scale_M = graph_of(graphs), np.log2(places(graphs.rows_RK))[graphs.row_M]
    finest_G, coarsest_G = np.zeros(len(graphs)), np.full(len(graphs), np.inf)
    np.maximum.at(finest_G, graph_M[spread_M], scale_M[spread_M])
    np.minimum.at(coarsest_G, graph_M[spread_M], scale_M[spread_M])
    fall_G = finest_G - coarsest_G
    position_M = (finest_G[graph_M] - scale_M) / np.maximum(fall_G, HALVED)[graph_M]
    return position_M, (fall_G >= HALVED)[graph_M]
