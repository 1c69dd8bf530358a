"""A Gaussian process on principal components, for few labels: a prediction and its deviation."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gennape.models.heads import HEADS
from gennape.models.solved.head import LARGEST, STILL, FloatArray, SolvedHead, Table, refuse_below

LIKELY = 512
"""Rows that choose the three numbers of the kernel at most: more would hardly move them."""
RESTARTS = 2


@HEADS.register("gaussian-process")
class GaussianProcessHead(SolvedHead):
    """y = k(p, P) (k(P, P) + n I)^-1 Y with k(p, q) = s exp(-|p - q|^2 / (2 l^2)).

    Gaussian process regression (Rasmussen and Williams, 2006, Algorithm 2.1) with s, l and n of the
    largest marginal likelihood. Points p are principal components of what is read, divided by the
    deviation of the first: distances between networks stay as they are but for the few directions
    left out. Whitened, directions in which networks hardly differ would count as much as the first.

    Args:
        in_features: width R of what it reads.
        components: principal components at most.
        most: rows that are learnt from at most; the checkpoint holds a number for each two of them.

    Raises:
        GennapeError: a count is no whole number, or too small.
    """

    centre_R: Tensor
    axes_RP: Tensor
    point_NP: Tensor
    alpha_N: Tensor
    factor_NN: Tensor
    kernel_3: Tensor
    """Signal variance s, length l and noise variance n, of standardised targets."""
    target_2: Tensor
    """Mean and deviation."""

    def __init__(self, in_features: int, components: int = 30, most: int = 2000) -> None:
        refuse_below(1, components=components)
        refuse_below(2, most=most)
        super().__init__(in_features)
        self.components, self.most = components, most

    def _constant(self, mean: float) -> dict[str, Tensor]:
        nothing = torch.zeros(0, dtype=torch.float64)
        return {
            "centre_R": nothing.new_zeros(self.in_features),
            "axes_RP": nothing.new_zeros(self.in_features, 1),
            "point_NP": nothing.new_zeros(0, 1),
            "alpha_N": nothing,
            "factor_NN": nothing.new_zeros(0, 0),
            "kernel_3": nothing.new_tensor([1.0, 1.0, 0.0]),
            "target_2": nothing.new_tensor([mean, 1.0]),
        }

    def _solution(self, table: Table, seed: int) -> dict[str, Tensor]:
        table = table.drawn(self.most, seed)
        centre_R, axes_RP = principal(table.read_NR, self.components)
        points = Table((table.read_NR - centre_R) @ axes_RP, table.target_N)
        kernel_3 = likeliest(points.drawn(LIKELY, seed), seed)
        found = _process(kernel_3, optimizer=None).fit(*points)
        buffers = {
            "centre_R": centre_R,
            "axes_RP": axes_RP,
            "point_NP": points.read_NR,
            "alpha_N": found.alpha_,
            "factor_NN": np.tril(found.L_),
            "kernel_3": kernel_3,
            "target_2": np.array([table.target_N.mean(), table.target_N.std()]),
        }
        return {name: torch.from_numpy(values) for name, values in buffers.items()}

    def _sound(self, buffers: Mapping[str, Tensor]) -> bool:
        count, width = buffers["point_NP"].shape
        shapes = {
            "centre_R": (self.in_features,),
            "axes_RP": (self.in_features, width),
            "alpha_N": (count,),
            "factor_NN": (count, count),
            "kernel_3": (3,),
            "target_2": (2,),
        }
        if any(tuple(buffers[name].shape) != shape for name, shape in shapes.items()):
            return False
        signal, length, noise = buffers["kernel_3"].tolist()
        positive = min(signal, length, float(buffers["target_2"][1])) > 0 <= noise
        return positive and bool((buffers["factor_NN"].diagonal() > 0).all())

    def forward(self, embedding_BF: Tensor) -> Tensor:
        mean, deviation = self.target_2
        scores: Tensor = mean + deviation * (self._kernel(embedding_BF) @ self.alpha_N)
        return scores.to(embedding_BF.dtype)

    def deviation(self, read_BR: Tensor) -> Tensor:
        """How far labels may be off what is said of each network, one deviation, shape (B,).

        The noise of the labels is part of it (Algorithm 2.1, line 6). Before anything is learnt it
        is 1, that of a standardised target.
        """
        signal, _, noise = self.kernel_3
        known_NB = torch.linalg.solve_triangular(
            self.factor_NN, self._kernel(read_BR).T, upper=False
        )
        variance_B = (signal + noise - known_NB.square().sum(dim=0)).clamp(min=0)
        found_B: Tensor = self.target_2[1] * variance_B.sqrt()
        return found_B.to(read_BR.dtype)

    def _kernel(self, read_BR: Tensor) -> Tensor:
        """Between networks and those learnt from, shape (B, N)."""
        signal, length, _ = self.kernel_3
        point_BP = (read_BR.double().clamp(-LARGEST, LARGEST) - self.centre_R) @ self.axes_RP
        # Distances by differences: those by products lose half of the digits.
        distance_BN = torch.cdist(
            point_BP, self.point_NP, compute_mode="donot_use_mm_for_euclid_dist"
        )
        kernel_BN: Tensor = signal * torch.exp(-0.5 * (distance_BN / length).square())
        return kernel_BN


def principal(read_NR: FloatArray, components: int) -> tuple[FloatArray, FloatArray]:
    """Centre and axes, (R,) and (R, P): the first projection has the deviation 1."""
    centre_R = read_NR.mean(axis=0)
    _, singular, axes = np.linalg.svd(read_NR - centre_R, full_matrices=False)
    deviation = singular[0] / np.sqrt(len(read_NR))
    # Networks that are all alike have no first direction, but rounding would seem one.
    scale = deviation if deviation > STILL * np.abs(centre_R).max() else 1.0
    return centre_R, axes[:components].T / scale


def likeliest(points: Table, seed: int) -> FloatArray:
    """Signal variance, length and noise variance of the largest marginal likelihood."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():  # a value at the end of its range is as good as another
        warnings.simplefilter("ignore", ConvergenceWarning)
        start = _process(np.ones(3), n_restarts_optimizer=RESTARTS, random_state=seed)
        found = start.fit(*points)
    kernel_3: FloatArray = np.exp(found.kernel_.theta)
    return kernel_3


def _process(kernel_3: FloatArray, **arguments: Any) -> Any:
    """scikit-learn's, which what predicts does without."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    signal, length, noise = kernel_3
    smooth = ConstantKernel(signal, (1e-3, 1e3)) * RBF(length, (1e-2, 1e3))
    kernel = smooth + WhiteKernel(noise, (1e-5, 1e1))
    return GaussianProcessRegressor(kernel, normalize_y=True, **arguments)
