"""A Gaussian process around a score that was there before, for few labels."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gennape.models.solved.head import LARGEST, STILL, FloatArray, SolvedHead, Table
from gennape.models.solved.score_kernel import (
    PRIOR,
    SLOPE,
    Points,
    covariance,
    likeliest,
    noisy,
    variance,
)

COMPONENTS = 60
SMALLEST = 0.01
"""Components of a smaller deviation, beside the first one's, are left out: they are little else
than rounding, which whitening would make loud."""
MOST = 2000
"""Labels that are learnt from at most; the checkpoint holds a number for each two of them."""


class ScoreProcess(SolvedHead):
    """y = f(z, h, q) + noise, f a Gaussian process of mean 0.7 z and kernel as in `score_kernel`.

    z is the first value that it reads, a score of mean 0 and deviation 1 over the networks learnt
    from; h, the next ones, are patterns; q are principal components of all others. The numbers of
    the kernel are those of the highest posterior.

    Args:
        in_features: width 1 + H + R of what it reads.
        patterns: H, 0 or more.
    """

    pattern_centre_H: Tensor
    pattern_scale: Tensor
    pattern_NH: Tensor
    centre_R: Tensor
    axes_RP: Tensor
    deviation_P: Tensor
    point_NP: Tensor
    score_N: Tensor
    alpha_N: Tensor
    factor_NN: Tensor
    kernel_8: Tensor
    """In the order of `PRIOR`."""
    line_3: Tensor
    """Mean and deviation of the targets, and the slope of the score."""

    def __init__(self, in_features: int, patterns: int = 0) -> None:
        self.patterns = patterns
        super().__init__(in_features)

    @property
    def _rest(self) -> int:
        """Width of what is neither score nor pattern."""
        return self.in_features - 1 - self.patterns

    def _constant(self, mean: float) -> dict[str, Tensor]:
        nothing = torch.zeros(0, dtype=torch.float64)
        return {
            "pattern_centre_H": nothing.new_zeros(self.patterns),
            "pattern_scale": nothing.new_tensor(0.0),
            "pattern_NH": nothing.new_zeros(0, self.patterns),
            "centre_R": nothing.new_zeros(self._rest),
            "axes_RP": nothing.new_zeros(self._rest, 1),
            "deviation_P": nothing.new_ones(1),
            "point_NP": nothing.new_zeros(0, 1),
            "score_N": nothing.new_zeros(0),
            "alpha_N": nothing.new_zeros(0),
            "factor_NN": nothing.new_zeros(0, 0),
            "kernel_8": nothing.new_tensor([mean for mean, _ in PRIOR.values()]),
            "line_3": nothing.new_tensor([mean, 1.0, 0.0]),
        }

    def _solution(self, table: Table, seed: int) -> dict[str, Tensor]:
        table = table.drawn(MOST, seed)
        pattern_NH = table.read_NR[:, 1 : 1 + self.patterns]
        centre_R, axes_RP, spread = map(
            torch.from_numpy, components(table.read_NR[:, 1 + self.patterns :])
        )
        measures = {
            "pattern_centre_H": torch.from_numpy(pattern_NH.mean(axis=0)),
            "pattern_scale": torch.tensor(_unit(pattern_NH), dtype=torch.float64),
            "centre_R": centre_R,
            "axes_RP": axes_RP,
            "deviation_P": spread,
        }
        points = self._points(torch.from_numpy(table.read_NR), measures)
        mean, deviation = table.target_N.mean(), table.target_N.std()
        target_N = torch.from_numpy((table.target_N - mean) / deviation)
        kernel_8 = likeliest(points, target_N, spread, seed)
        factor_NN = torch.linalg.cholesky(noisy(kernel_8, points, spread))
        rest_N1 = (target_N - SLOPE * points.score_N)[:, None]
        return {
            **measures,
            "pattern_NH": points.pattern_NH,
            "point_NP": points.unit_NP,
            "score_N": points.score_N,
            "alpha_N": torch.cholesky_solve(rest_N1, factor_NN)[:, 0],
            "factor_NN": factor_NN,
            "kernel_8": kernel_8,
            "line_3": torch.tensor([mean, deviation, SLOPE], dtype=torch.float64),
        }

    def _sound(self, buffers: Mapping[str, Tensor]) -> bool:
        count, width = buffers["point_NP"].shape
        shapes = {
            "pattern_centre_H": (self.patterns,),
            "pattern_scale": (),
            "pattern_NH": (count, self.patterns),
            "centre_R": (self._rest,),
            "axes_RP": (self._rest, width),
            "deviation_P": (width,),
            "score_N": (count,),
            "alpha_N": (count,),
            "factor_NN": (count, count),
            "kernel_8": (len(PRIOR),),
            "line_3": (3,),
        }
        if any(tuple(buffers[name].shape) != shape for name, shape in shapes.items()):
            return False
        positive = (buffers["deviation_P"], buffers["factor_NN"].diagonal(), buffers["line_3"][1])
        return all(bool((values > 0).all()) for values in positive)

    def forward(self, embedding_BF: Tensor) -> Tensor:
        return self.judge(embedding_BF)[0]

    def judge(self, read_BR: Tensor) -> tuple[Tensor, Tensor]:
        """What is said of each network, and how far its label may be off, one deviation: (B,) each.

        The noise of the labels is part of it (Rasmussen and Williams, Algorithm 2.1).
        """
        kept_BR = read_BR.double().clamp(-LARGEST, LARGEST)
        points = self._points(kept_BR, self._buffers)
        known = Points(self.score_N, self.pattern_NH, self.point_NP)
        kernel_BN = covariance(self.kernel_8, points, known, self.deviation_P)
        mean, deviation, slope = self.line_3
        found_B = mean + deviation * (slope * points.score_N + kernel_BN @ self.alpha_N)
        told_NB = torch.linalg.solve_triangular(self.factor_NN, kernel_BN.T, upper=False)
        left_B = variance(self.kernel_8, points, self.deviation_P) - told_NB.square().sum(dim=0)
        off_B = deviation * left_B.clamp(min=0).sqrt()
        return found_B.to(read_BR.dtype), off_B.to(read_BR.dtype)

    def _points(self, read_BR: Tensor, measures: Mapping[str, Any]) -> Points:
        """Where networks lie, as buffers of these names measure it."""
        score_B1, pattern_BH, rest_BR = read_BR.tensor_split([1, 1 + self.patterns], dim=1)
        pattern_BH = (pattern_BH - measures["pattern_centre_H"]) * measures["pattern_scale"]
        return Points(
            score_B1[:, 0], pattern_BH, (rest_BR - measures["centre_R"]) @ measures["axes_RP"]
        )


def _unit(values_NH: FloatArray) -> float:
    """What brings the mean sum of squares, of values less their means, to 1; 0 if all are alike."""
    whole = float(np.sqrt(values_NH.var(axis=0).sum()))
    return 1 / whole if whole > STILL * (1 + np.abs(values_NH).max(initial=0.0)) else 0.0


def components(read_NR: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Centre (R,), axes (R, P) on which each component has the deviation 1, and those it had (P,).

    The latter have a sum of squares of 1 at most. Of networks that are all alike there is one
    component, which is 0 for all of them.
    """
    centre_R = read_NR.mean(axis=0)
    _, singular, axes = np.linalg.svd(read_NR - centre_R, full_matrices=False)
    deviation_P = singular / np.sqrt(len(read_NR))
    whole = float(np.sqrt((deviation_P**2).sum()))
    if whole <= STILL * (1 + np.abs(centre_R).max(initial=0.0)):
        return centre_R, np.zeros((read_NR.shape[1], 1)), np.ones(1)
    kept = int((deviation_P[:COMPONENTS] > SMALLEST * deviation_P[0]).sum())
    return centre_R, axes[:kept].T / deviation_P[:kept], deviation_P[:kept] / whole
