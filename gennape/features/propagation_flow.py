"""How variance, correlation and gradient flow through the nodes of computation graphs.

What the graph alone says about its network with random weights: `propagation_maps` has the theory
and the maps, `propagate` the rule of each operator.
"""

from dataclasses import dataclass

import numpy as np

from gennape.features.propagation_maps import (
    ActivationMaps,
    activation_maps,
    max_pool_map,
    pooled_spatial,
    pooled_variance,
)
from gennape.features.propagation_rules import BoolArray, FloatArray, Int64Array, Rules, rules
from gennape.features.waves import Waves
from onnx_bench.collections import GraphCollection

START = (0.1, 0.5, 0.9)
"""Correlations of two inputs of the network that are followed."""
NEIGHBOURS = 0.9
"""Correlation of neighbouring places of an input: that of pixels of photographs, about."""
LEAST, MOST = 1e-9, 1e9
"""Bounds of variances and gradients: sums of sums double without end."""
EPSILON = 1e-5
"""What normalisations add to a variance, so that they do not make a signal of nothing."""


@dataclass(frozen=True, eq=False)
class Signals:
    """The signals at the M nodes of a collection.

    Args:
        variance_M: q, the mean square of what each node puts out; LEAST to MOST.
        read_M: the mean square of what it reads, joined as it joins it; 1 for inputs.
        correlation_MC: c for each of the correlations START of two inputs; 0 to 1.
        spatial_M: s, the correlation of neighbouring places of one input; 0 to 1.
        gradient_M: summed squares of the gradient at what each node puts out, where those of
            every node that nobody reads are 1; LEAST to MOST.
    """

    variance_M: FloatArray
    read_M: FloatArray
    correlation_MC: FloatArray
    spatial_M: FloatArray
    gradient_M: FloatArray


def propagate(graphs: GraphCollection, waves: Waves) -> Signals:
    """Follows random signals through all graphs, and gradients back.

    - Inputs have variance 1, correlations START and spatial correlation NEIGHBOURS (embeddings 0).
    - Weights of any kind, depthwise ones too, keep correlations (Xiao et al., ICML 2018) and give
      variance 1: their normalisation is folded into them, or they start scaled to what they read
      (Mishkin & Matas, ICLR 2016). Of normalisation only the scale counts, not that the mean is
      taken away (Yang et al., ICLR 2019, have both). Recurrent layers are weights and a tanh.
    - Sums add variances, as of independent signals, and average correlations by variance. Products
      multiply both, as of independent factors; a gate of one place has s = 1. Whatever else has
      several inputs passes them on in proportion to their values, as concatenation does.
    - Pools and means follow `propagation_maps`; attention is the mean of its keys, as at the start
      of training. Where one place is left, s stays what it was. All else is the identity.
    - Gradients are independent of the signals (Schoenholz et al., ICLR 2017), and vary over places
      as much as the signals do.
    """
    rules_M = rules(graphs.rows_RK).at(graphs.row_M.astype(np.int64))
    flow = _Flow(rules_M, waves, activation_maps(set(rules_M.activation_N.tolist())))
    flow.forward()
    c_MC, s_M = flow.c_MC[:, :-1], flow.c_MC[:, -1]
    return Signals(flow.q_M, flow.mixed_M, c_MC, s_M, flow.gradient())


class _Flow:
    """The state of `propagate`; the spatial correlation is the last column of c_MC."""

    def __init__(self, rules: Rules, waves: Waves, maps: ActivationMaps) -> None:
        count = len(rules.values_N)
        self.rules, self.waves, self.maps = rules, waves, maps
        self.q_M, self.mixed_M = np.ones(count), np.ones(count)
        self.c_MC = np.tile([*START, NEIGHBOURS], (count, 1))
        read = np.bincount(waves.reader_E, rules.values_N[waves.source_E], minlength=count)
        self.share_M = np.where(rules.is_sum_N, 1.0, 1 / np.maximum(read, 1))
        self.is_read_M = np.bincount(waves.source_E, minlength=count) > 0

    def forward(self) -> None:
        """Fills q_M, c_MC and mixed_M, the variance of what each node reads."""
        for sources, readers in self.waves.forward():
            begins = np.flatnonzero(np.diff(readers, prepend=-1))  # edges are ordered by reader
            nodes = readers[begins]
            of_N = self.rules.at(nodes)
            q_N, c_NC = self._mix(sources, readers, begins, of_N.is_product_N)
            self.mixed_M[nodes] = q_N
            self.q_M[nodes], self.c_MC[nodes] = self._operate(of_N, q_N, c_NC)

    def _weight(self, sources: Int64Array, readers: Int64Array) -> FloatArray:
        """How much of the variance of each source arrives at the reader, products aside."""
        rules = self.rules
        counted_E = np.where(rules.is_sum_N[readers], 1.0, rules.values_N[sources])
        found: FloatArray = self.share_M[readers] * counted_E
        return found

    def _mix(
        self, sources: Int64Array, readers: Int64Array, begins: Int64Array, is_product_N: BoolArray
    ) -> tuple[FloatArray, FloatArray]:
        q_E, c_EC = self.q_M[sources], self.c_MC[sources]
        arriving_E = q_E * self._weight(sources, readers)
        q_N = np.add.reduceat(arriving_E, begins)
        c_NC = np.add.reduceat(arriving_E[:, None] * c_EC, begins) / q_N[:, None]
        if is_product_N.any():
            c_EC[self.rules.has_one_place_N[sources], -1] = 1.0
            log_q_N = np.add.reduceat(np.log(q_E), begins)[is_product_N]
            q_N[is_product_N] = np.exp(np.clip(log_q_N, np.log(LEAST), np.log(MOST)))
            c_NC[is_product_N] = np.multiply.reduceat(c_EC, begins)[is_product_N]
        return np.clip(q_N, LEAST, MOST), np.clip(c_NC, 0, 1)

    def _operate(
        self, of_N: Rules, q_N: FloatArray, c_NC: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        q_N = np.where(of_N.is_unit_N, q_N / (q_N + EPSILON), q_N)
        pools = np.flatnonzero(of_N.is_mean_N | of_N.is_maximum_N)
        if len(pools):
            q_N[pools], c_NC[pools] = _pool(of_N.at(pools), q_N[pools], c_NC[pools])
        c_NC[of_N.is_embedding_N, -1] = 0.0
        q_N = np.where(of_N.is_zero_N, 0.0, q_N * self.maps.gain_A[of_N.activation_N])
        c_NC = self.maps.correlate(of_N.activation_N, c_NC)
        c_NC[of_N.is_zero_N] = 1.0
        return np.clip(q_N, LEAST, MOST), np.clip(c_NC, 0, 1)

    def gradient(self) -> FloatArray:
        """gradient_M of `Signals`, behind `forward`."""
        rules = self.rules
        passed_M = self.maps.slope_A[rules.activation_N]
        passed_M = np.where(rules.is_unit_N, passed_M / (self.mixed_M + EPSILON), passed_M)
        passed_M = np.where(rules.is_zero_N, 0.0, passed_M)
        gradient_M = np.where(self.is_read_M, 0.0, 1.0)
        for sources, readers in self.waves.backward():
            others_E = self.mixed_M[readers] / self.q_M[sources]
            is_product_E = rules.is_product_N[readers]
            weight_E = np.where(is_product_E, others_E, self._weight(sources, readers))
            weight_E *= self._pooled_gradient(sources, readers)
            np.add.at(gradient_M, sources, gradient_M[readers] * passed_M[readers] * weight_E)
            gradient_M[sources] = np.clip(gradient_M[sources], LEAST, MOST)
        return gradient_M

    def _pooled_gradient(self, sources: Int64Array, readers: Int64Array) -> FloatArray:
        """Share of the gradient that a mean passes on: 1 / window of each of those that add up."""
        window_E, uses_E = self.rules.window_N[readers], self.rules.uses_N[readers]
        found: FloatArray = (1 + (uses_E - 1) * self.c_MC[sources, -1]) / window_E
        return np.where(self.rules.is_mean_N[readers], found, 1.0)


def _pool(of_N: Rules, q_N: FloatArray, c_NC: FloatArray) -> tuple[FloatArray, FloatArray]:
    s_N, is_mean_N = c_NC[:, -1], of_N.is_mean_N
    spatial_N = pooled_spatial(s_N, of_N.window_N, of_N.shared_N)
    pooled_NC = np.where(is_mean_N[:, None], c_NC, max_pool_map(c_NC, s_N[:, None]))
    pooled_NC[:, -1] = np.where(of_N.has_one_place_N, s_N, spatial_N)
    return q_N * np.where(is_mean_N, pooled_variance(s_N, of_N.window_N), 1.0), pooled_NC
