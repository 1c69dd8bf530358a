"""What each operator does to the variance and the correlation of random signals, in closed form.

Mean-field theory of wide networks with random weights. q is the mean square of a value; c the
correlation of one value under two inputs of the network, E[x y] / q, the mean not taken away; s
that of one channel at two places. All correlations lie in [0, 1] and stay there.
"""

from collections.abc import Callable, Collection
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from onnx_bench.operators import Op

FloatArray = npt.NDArray[np.float64]
Function = Callable[[FloatArray], FloatArray]

STEPS = 128
"""Places of a table between correlations 1 and 0; they are even in sqrt(1 - c)."""
REACH, GRID = 7.0, 141
"""Normal variables are summed over so many places up to so many deviations."""


def relu_map(c: FloatArray) -> FloatArray:
    """Correlation behind a ReLU: the arc-cosine kernel of order 1.

    (sqrt(1 - c^2) + (pi - arccos c) c) / pi, for c in [-1, 1]. Cho & Saul, NeurIPS 2009; used for
    depth by Poole et al., NeurIPS 2016, and Schoenholz et al., ICLR 2017.
    """
    found: FloatArray = (np.sqrt(1 - c * c) + (np.pi - np.arccos(c)) * c) / np.pi
    return found


def pooled_variance(s: FloatArray, window: FloatArray) -> FloatArray:
    """How much of q is left when `window` places of correlation s are averaged: 1 / window to 1.

    (1 + (window - 1) s) / window: exact where all pairs of places have the same correlation.
    """
    found: FloatArray = (1 + (window - 1) * s) / window
    return found


def pooled_spatial(s: FloatArray, window: FloatArray, shared: FloatArray) -> FloatArray:
    """Correlation of two averages of `window` places, `shared` of them in both.

    (shared + (window^2 - shared) s) / (window + window (window - 1) s): exact where all pairs of
    places have correlation s. For attention that weighs its keys alike, as at the start of
    training, all places are shared and it is 1: the rank collapse of Dong et al., ICML 2021.
    """
    common = shared + (window * window - shared) * s
    found: FloatArray = common / (window + window * (window - 1) * s)
    return found


def max_pool_map(c: FloatArray, s: FloatArray) -> FloatArray:
    """Correlation behind max pooling: s c + (1 - s) relu_map(c).

    Exact, and q is kept, for the greater of two normal values of correlation s, as
    max(x, y) = (x + y + |x - y|) / 2. Larger windows are taken as if they had two places.
    """
    found: FloatArray = s * c + (1 - s) * relu_map(c)
    return found


def erf(x: FloatArray) -> FloatArray:
    """The error function; that of scipy takes longer to import than a network to be scored."""
    import torch

    found: FloatArray = torch.erf(torch.from_numpy(x)).numpy()
    return found


FUNCTIONS: dict[Op, Function] = {
    Op.RELU: lambda x: np.maximum(x, 0),
    Op.RELU6: lambda x: np.clip(x, 0, 6),
    Op.LEAKY_RELU: lambda x: np.maximum(x, 0.01 * x),
    Op.PRELU: lambda x: np.maximum(x, 0.25 * x),
    Op.ELU: lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    Op.GELU: lambda x: x * (1 + erf(x / np.sqrt(2))) / 2,
    Op.SILU: lambda x: x / (1 + np.exp(-x)),
    Op.MISH: lambda x: x * np.tanh(np.log1p(np.exp(x))),
    Op.HARD_SWISH: lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    Op.SIGMOID: lambda x: 1 / (1 + np.exp(-x)),
    Op.HARD_SIGMOID: lambda x: np.clip(x / 6 + 0.5, 0, 1),
    Op.TANH: np.tanh,
    Op.SOFTPLUS: lambda x: np.log1p(np.exp(x)),
    Op.EXP: np.exp,
    Op.SOFTMAX: np.exp,
    Op.ABS: np.abs,
    Op.ERF: erf,
    Op.SINE: np.sin,
}
"""Operators of one value; all others count as the identity. A softmax is an exponential over a sum
that many entries make constant."""


class ActivationMaps(NamedTuple):
    """Maps of every operator as an activation, by operator number (A of them)."""

    gain_A: FloatArray
    """E[f(z)^2] for standard normal z: the mean square that is left of 1."""
    slope_A: FloatArray
    """E[f'(z)^2]: how much of the gradient's mean square passes."""
    distance_AT: FloatArray
    """sqrt(1 - c') where sqrt(1 - c) is t / STEPS: nearly a line, so that it interpolates well."""

    def correlate(self, kind_N: npt.NDArray[np.int64], c_NC: FloatArray) -> FloatArray:
        """Correlations behind activation `kind_N` of correlations c_NC, both in [0, 1]."""
        place_NC = np.sqrt(1 - c_NC) * STEPS
        left_NC = np.minimum(place_NC.astype(np.int64), STEPS - 1)
        flat_NC = left_NC + (kind_N * (STEPS + 1))[:, None]
        flat, share_NC = self.distance_AT.ravel(), place_NC - left_NC
        distance_NC = flat[flat_NC] * (1 - share_NC) + flat[flat_NC + 1] * share_NC
        found: FloatArray = 1 - distance_NC * distance_NC
        return found


def activation_maps(kinds: Collection[int] = FUNCTIONS) -> ActivationMaps:
    """The maps of these operators, by sums over normal variables of variance 1.

    Poole et al., NeurIPS 2016 (ReLU, tanh); Hayou et al., ICML 2019 (GELU, SiLU). Behind weights or
    a normalisation variance is 1 and they are exact in the limit of width; at another variance
    that is an approximation, except for ReLU, where the maps do not depend on it.

    Args:
        kinds: those that there are; a map takes ten milliseconds, and networks have two or three.
    """
    gain_A, slope_A = np.ones(len(Op)), np.ones(len(Op))
    distance_AT = np.tile(np.linspace(0, 1, STEPS + 1), (len(Op), 1))
    for op in FUNCTIONS:
        if op in kinds:
            gain_A[op], slope_A[op], distance_AT[op] = _map_of(op)
    return ActivationMaps(gain_A, slope_A, distance_AT)


@cache
def _map_of(op: Op) -> tuple[float, float, FloatArray]:
    """Gain, slope and distances of an operator that has a function."""
    function = FUNCTIONS[op]
    gain, slope = _gain(function), _slope(function)
    if op == Op.RELU:
        return gain, slope, np.sqrt(1 - relu_map(1 - np.linspace(0, 1, STEPS + 1) ** 2))
    distance_T = _distances(function, gain)
    if op == Op.SOFTMAX:  # its entries are scaled so that what they weigh keeps its size
        return 1.0, slope / gain, distance_T
    return gain, slope, distance_T


def _normal(count: int) -> tuple[FloatArray, FloatArray]:
    """Places from -REACH to REACH, and the shares of a standard normal variable there."""
    places = np.linspace(-REACH, REACH, count)
    density = np.exp(-places * places / 2)
    return places, density / density.sum()


def _gain(function: Function) -> float:
    z, share = _normal(20 * GRID)
    return float(share @ function(z) ** 2)


def _slope(function: Function) -> float:
    z, share = _normal(20 * GRID)
    return float(share @ np.gradient(function(z), z) ** 2)


def _distances(function: Function, gain: float) -> FloatArray:
    """sqrt(1 - c') along the table: 1 - c' = E[(f(x) - f(y))^2] / (2 E[f^2]), free of cancelling.

    x and y are a common part plus and minus a part of their own, of variance (1 - c) / 2.
    """
    z, share = _normal(GRID)
    half, weight = z[GRID // 2 :], share[GRID // 2 :] * 2  # even in the sign of the own part
    weight[0] /= 2
    found = np.zeros(STEPS + 1)
    for step in range(1, STEPS + 1):
        own = (step / STEPS) ** 2 / 2
        common, apart = np.sqrt(1 - own) * z[:, None], np.sqrt(own) * half
        squares = (function(common + apart) - function(common - apart)) ** 2
        found[step] = share @ squares @ weight / (2 * gain)
    return np.sqrt(np.minimum(found, 1))
