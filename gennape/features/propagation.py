"""How signals and gradients fare in a network with random weights, in a few numbers of its graph.

Two inputs that deep layers make alike cannot be told apart, and gradients that fade or grow cannot
teach: mean-field theory (Poole et al., NeurIPS 2016; Schoenholz et al., ICLR 2017; Xiao et al.,
ICML 2018) gives both from the operators and their wiring, and no weight or image is needed.
"""

import numpy as np

from gennape.features.feature import Feature
from gennape.features.propagation_flow import LEAST, MOST, START, Signals, propagate
from gennape.features.propagation_maps import FUNCTIONS
from gennape.features.propagation_rules import FloatArray, rules
from gennape.features.totals import graph_of, largest, ratio
from gennape.features.waves import Waves
from onnx_bench.collections import GraphCollection

SAME = 1e-6
"""Inputs that are more alike than this count as so alike."""

_SHARE, _MOST_ALIKE = (0.0, 1.0), (0.0, -float(np.log10(SAME)))
_POWERS = (float(np.log10(LEAST)), float(np.log10(MOST)))
_SPREAD = (0.0, _POWERS[1] - _POWERS[0])
_LARGE = (0.0, _POWERS[1] + 1)
_ALIKE = "-log10(1 - c)"
_NUMBERED = "a cosine: it has no unit that width, resolution or depth could change"
_DEPTH = "orders that deep networks lose are told apart, as the loss by layer is a factor"
_ACTIVE = "what makes inputs alike is the work of activations, few or many"
_RELATIVE = "relative to the input and to weights that keep variance, whatever their number"
_PLACES = "of neighbouring places, at any resolution; pools and attention raise it in all families"
_TRAINED = "of the whole tensor, so that width cancels; relative to the gradient at the output"

FEATURES = (
    *(
        Feature(
            f"correlation_output_{c}",
            f"c at the output, of inputs with c = {c}",
            "c",
            _SHARE,
            _NUMBERED,
        )
        for c in START
    ),
    *(
        Feature(
            f"alike_output_{c}",
            f"how alike outputs are, of inputs with c = {c}",
            _ALIKE,
            _MOST_ALIKE,
            _DEPTH,
        )
        for c in START
    ),
    Feature(
        "correlation_gap",
        f"c at the output of inputs with {START[-1]} less that of inputs with {START[0]}",
        "c",
        _SHARE,
        "how much the network still knows of how alike its inputs were: " + _NUMBERED,
    ),
    Feature(
        "correlation_gap_log",
        "correlation_gap on the scale of factors",
        "log10 of 1e-6 + gap",
        (-6.0, float(np.log10(1 + SAME))),
        _DEPTH,
    ),
    Feature(
        "alike_by_depth",
        f"alike_output_{START[1]} over depth",
        f"{_ALIKE} per level",
        _MOST_ALIKE,
        _DEPTH,
    ),
    Feature(
        "correlation_mean",
        f"mean over nodes of c, of inputs with c = {START[1]}",
        "c",
        _SHARE,
        _NUMBERED,
    ),
    Feature(
        "correlation_deviation", "deviation over nodes of the same c", "c", (0.0, 0.5), _NUMBERED
    ),
    Feature(
        "correlation_weighted", "mean of the same c over nodes with weights", "c", _SHARE, _NUMBERED
    ),
    Feature("apart_active", "mean of 1 - c over nodes with activation", "1 - c", _SHARE, _ACTIVE),
    Feature(
        "apart_values", "mean of 1 - c over values behind activations", "1 - c", _SHARE, _ACTIVE
    ),
    Feature("variance_read", "mean of log10 q that weights read", "log10", _POWERS, _RELATIVE),
    Feature("variance_mean", "mean of log10 q over nodes", "log10", _POWERS, _RELATIVE),
    Feature("variance_deviation", "deviation of log10 q over nodes", "log10", _SPREAD, _RELATIVE),
    Feature("variance_highest", "log10 of 1 + largest q", "log10", _LARGE, _RELATIVE),
    Feature("spatial_output", "s at the output", "s", _SHARE, _PLACES),
    Feature("spatial_mean", "mean of s over nodes", "s", _SHARE, _PLACES),
    Feature("spatial_deviation", "deviation of s over nodes", "s", (0.0, 0.5), _PLACES),
    Feature("gradient_input", "gradient at the inputs", "log10", _POWERS, _TRAINED),
    Feature(
        "gradient_by_depth",
        "gradient at the inputs over depth",
        "log10 per level",
        _POWERS,
        _TRAINED,
    ),
    Feature(
        "gradient_mean", "mean of the gradient at nodes with weights", "log10", _POWERS, _TRAINED
    ),
    Feature(
        "gradient_deviation",
        "deviation of the gradient at nodes with weights",
        "log10",
        _SPREAD,
        _TRAINED,
    ),
    Feature(
        "gradient_below",
        "how far the least gradient at weights is below 1",
        "log10",
        _SPREAD,
        _TRAINED,
    ),
    Feature(
        "gradient_above",
        "how far the largest gradient at weights is above 1",
        "log10",
        _SPREAD,
        _TRAINED,
    ),
    Feature(
        "gradient_total",
        "sum of the gradients at nodes with weights",
        "log10 of 1 + sum",
        (0.0, float("inf")),
        _TRAINED,
    ),
)


def propagation(graphs: GraphCollection, waves: Waves | None = None) -> FloatArray:
    """Numbers of each graph, shape (G, len(FEATURES)), as `FEATURES` names them; always finite.

    c is the correlation of two inputs of the network, s that of neighbouring places, q the mean
    square of values, the gradient a sum of squares: see `Signals`. Inputs and outputs are the nodes
    that read nothing and that nobody reads; several count by their mean, none as 0.
    """
    waves = Waves.of(graphs) if waves is None else waves
    signals, counts = propagate(graphs, waves), len(graphs.row_M)
    sink_M = np.bincount(waves.source_E, minlength=counts) == 0
    depth_G = np.maximum(largest(graphs, waves.level_M), 1)
    columns = [
        *_correlations(graphs, signals, sink_M.astype(np.float64), depth_G),
        *_variances(graphs, signals, sink_M.astype(np.float64)),
        *_gradients(graphs, signals, (waves.level_M == 0).astype(np.float64), depth_G),
    ]
    found: FloatArray = np.column_stack(columns)
    return found


def _correlations(
    graphs: GraphCollection, signals: Signals, sink_M: FloatArray, depth_G: FloatArray
) -> list[FloatArray]:
    of_node = rules(graphs.rows_RK).at(graphs.row_M.astype(np.int64))
    active_M = np.isin(of_node.activation_N, list(FUNCTIONS)).astype(np.float64)
    middle_M = signals.correlation_MC[:, len(START) // 2]
    output = [_mean(graphs, c_M, sink_M) for c_M in signals.correlation_MC.T]
    alike = [-np.log10(np.clip(1 - c_G, SAME, 1)) for c_G in output]
    gap_G = np.clip(output[-1] - output[0], 0, 1)
    return [
        *output,
        *alike,
        gap_G,
        np.log10(gap_G + SAME),
        alike[len(START) // 2] / depth_G,
        *_moments(graphs, middle_M, np.ones_like(middle_M)),
        _mean(graphs, middle_M, of_node.is_weighted_N.astype(np.float64)),
        _mean(graphs, 1 - middle_M, active_M),
        _mean(graphs, 1 - middle_M, active_M * of_node.values_N),
    ]


def _variances(graphs: GraphCollection, signals: Signals, sink_M: FloatArray) -> list[FloatArray]:
    log_q_M, every_M = np.log10(signals.variance_M), np.ones_like(sink_M)
    weighted_M = rules(graphs.rows_RK).is_weighted_N[graphs.row_M].astype(np.float64)
    return [
        _mean(graphs, np.log10(signals.read_M), weighted_M),
        *_moments(graphs, log_q_M, every_M),
        largest(graphs, np.log10(1 + signals.variance_M)),
        _mean(graphs, signals.spatial_M, sink_M),
        *_moments(graphs, signals.spatial_M, every_M),
    ]


def _gradients(
    graphs: GraphCollection, signals: Signals, root_M: FloatArray, depth_G: FloatArray
) -> list[FloatArray]:
    weighted_M = rules(graphs.rows_RK).is_weighted_N[graphs.row_M].astype(np.float64)
    log_g_M = np.log10(signals.gradient_M)
    input_G = _mean(graphs, log_g_M, root_M)
    sum_G = np.bincount(graph_of(graphs), weighted_M * signals.gradient_M, len(graphs))
    return [
        input_G,
        input_G / depth_G,
        *_moments(graphs, log_g_M, weighted_M),
        largest(graphs, -log_g_M * weighted_M),
        largest(graphs, log_g_M * weighted_M),
        np.log10(1 + sum_G),
    ]


def _mean(graphs: GraphCollection, values_M: FloatArray, weight_M: FloatArray) -> FloatArray:
    """Weighted mean over the nodes of each graph; 0 where no node has weight."""
    graph_M, count = graph_of(graphs), len(graphs)
    sums = np.bincount(graph_M, weight_M * values_M, count)
    return ratio(sums, np.bincount(graph_M, weight_M, count))


def _moments(
    graphs: GraphCollection, values_M: FloatArray, weight_M: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Weighted mean and standard deviation over the nodes of each graph."""
    mean_G = _mean(graphs, values_M, weight_M)
    squares_M = (values_M - mean_G[graph_of(graphs)]) ** 2
    return mean_G, np.sqrt(_mean(graphs, squares_M, weight_M))
