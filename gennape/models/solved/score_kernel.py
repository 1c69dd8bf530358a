"""The kernel of a Gaussian process around a score, and what few labels say of its numbers.

k(x, x') = s^2 z z' + l^2 q.q' + p^2 h.h' + r^2 M(d), d^2 = |q - q'|^2 / a^2 + (z - z')^2 / b^2 and
M(d) = (1 + sqrt(5) d + 5 d^2 / 3) exp(-sqrt(5) d), Matern's of smoothness 5/2 (Rasmussen and
Williams, 2006, section 4.2); z is the score, h the patterns of the graph (`models.patterns`), and q
are principal components of all else that is known of a network, their deviations raised to the
power 1 - w and brought to a sum of squares of 1.

Few labels do not tell the eight numbers s, l, p, r, a, b, w and the noise. So they have priors, by
which some 20 families were learnt well; they hardly depend on which.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gennape.models.solved.head import FloatArray

SLOPE = 0.7
"""What a deviation of the score foretells in deviations of the labels."""
PRIOR = {
    "slope": (np.log(0.3), 0.5),
    "linear": (np.log(0.5), 0.7),
    "patterns": (np.log(0.5), 0.7),
    "smooth": (np.log(0.7), 0.7),
    "length": (np.log(1.0), 0.7),
    "score_length": (np.log(1.5), 0.7),
    "whitening": (0.25, 0.15),
    "noise": (np.log(0.2), 1.0),
}
"""Mean and deviation of each number of the kernel; logarithms, but for the whitening."""
LIKELY = 256
"""Labels that choose the numbers of the kernel at most: more would hardly move them."""
STEPS = 60
OFFSET, JITTER = 0.01, 1e-6


class Points(NamedTuple):
    """Where N networks lie."""

    score_N: Tensor
    pattern_NH: Tensor
    """Patterns of mean 0 and, over all networks, a mean sum of squares of 1."""
    unit_NP: Tensor
    """Principal components of deviation 1 of all else."""

    def take(self, rows: Tensor) -> "Points":
        """Those of some networks."""
        return Points(*(part[rows] for part in self))


def covariance(kernel_8: Tensor, first: Points, second: Points, deviation_P: Tensor) -> Tensor:
    """The kernel between networks, shape (N, M)."""
    slope, linear, patterns, smooth, length, score_length, whitening, _ = kernel_8
    scale_P = _whitened(deviation_P, whitening)
    first_NP, second_MP = first.unit_NP * scale_P, second.unit_NP * scale_P
    # Distances by differences: those by products lose half of the digits.
    apart_NM = torch.cdist(first_NP, second_MP, compute_mode="donot_use_mm_for_euclid_dist")
    gap_NM = (first.score_N[:, None] - second.score_N) * torch.exp(-score_length)
    square_NM = (apart_NM * torch.exp(-length)).square() + gap_NM.square()
    root_NM = torch.sqrt(5 * square_NM + 1e-12)  # the slope of a root is infinite at 0
    matern_NM = (1 + root_NM + 5 / 3 * square_NM) * torch.exp(-root_NM)
    score_NM = torch.exp(2 * slope) * first.score_N[:, None] * second.score_N
    line_NM = torch.exp(2 * linear) * (first_NP @ second_MP.T)
    alike_NM = torch.exp(2 * patterns) * (first.pattern_NH @ second.pattern_NH.T)
    found_NM: Tensor = score_NM + line_NM + alike_NM + torch.exp(2 * smooth) * matern_NM + OFFSET
    return found_NM


def variance(kernel_8: Tensor, points: Points, deviation_P: Tensor) -> Tensor:
    """The kernel between each network and itself, and the noise, shape (N,)."""
    slope, linear, patterns, smooth, _, _, whitening, noise = kernel_8
    square_N = (points.unit_NP * _whitened(deviation_P, whitening)).square().sum(dim=1)
    score_N = torch.exp(2 * slope) * points.score_N.square()
    alike_N = torch.exp(2 * patterns) * points.pattern_NH.square().sum(dim=1)
    line_N = torch.exp(2 * linear) * square_N
    found_N: Tensor = score_N + line_N + alike_N + torch.exp(2 * smooth) + torch.exp(noise)
    return found_N + OFFSET


def noisy(kernel_8: Tensor, points: Points, deviation_P: Tensor) -> Tensor:
    """The kernel among networks with noisy labels, shape (N, N)."""
    noise = torch.exp(kernel_8[-1]) + JITTER
    kernel_NN = covariance(kernel_8, points, points, deviation_P)
    return kernel_NN + noise * torch.eye(len(kernel_NN), dtype=kernel_NN.dtype)


def likeliest(points: Points, target_N: Tensor, deviation_P: Tensor, seed: int) -> Tensor:
    """The eight numbers of the highest posterior, shape (8,); of many labels, some are asked."""
    from scipy.optimize import minimize  # what predicts does without

    rows = torch.arange(len(target_N))
    if len(rows) > LIKELY:
        drawn = np.random.default_rng(seed).choice(len(rows), LIKELY, replace=False)
        rows = torch.from_numpy(np.sort(drawn))
    some = points.take(rows)
    rest_N = target_N[rows] - SLOPE * some.score_N
    mean_8, deviation_8 = torch.tensor(list(PRIOR.values()), dtype=torch.float64).T

    def surprise(values: FloatArray) -> tuple[float, FloatArray]:
        with torch.enable_grad():
            kernel_8 = torch.tensor(values, requires_grad=True)
            factor_NN, failed = torch.linalg.cholesky_ex(noisy(kernel_8, some, deviation_P))
            if failed or not factor_NN.isfinite().all():
                return 1e10, np.zeros_like(values)
            told_N = torch.cholesky_solve(rest_N[:, None], factor_NN)[:, 0]
            likelihood = rest_N @ told_N / 2 + factor_NN.diagonal().log().sum()
            prior = ((kernel_8 - mean_8) / deviation_8).square().sum() / 2
            (slope_8,) = torch.autograd.grad(likelihood + prior, kernel_8)
            return float((likelihood + prior).detach()), slope_8.numpy()

    found = minimize(
        surprise, mean_8.numpy(), jac=True, method="L-BFGS-B", options={"maxiter": STEPS}
    )
    return torch.from_numpy(found.x)


def _whitened(deviation_P: Tensor, whitening: Tensor) -> Tensor:
    """Deviations that components are given: with a whitening of 1 they are all the same, (P,)."""
    raised_P = torch.exp((1 - whitening) * deviation_P.log())
    found_P: Tensor = raised_P / raised_P.square().sum().sqrt()
    return found_P
