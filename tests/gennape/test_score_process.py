"""The Gaussian process around a score: against scikit-learn's, its priors, and its own words."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import (
    ConstantKernel,
    DotProduct,
    Kernel,
    Matern,
    WhiteKernel,
)
from torch import Tensor

from gennape.models.solved.score_kernel import PRIOR, Points, likeliest, noisy
from gennape.models.solved.score_process import ScoreProcess, components

Values = npt.NDArray[np.float64]
WIDTH, PATTERNS = 9, 3
"""A score, patterns, and five numbers."""


def table(rows: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """All of very different deviations, and labels that each kind tells something of."""
    rng = np.random.default_rng(seed)
    read = 3 + rng.normal(size=(rows, WIDTH)) * np.array([1, 2, 4, 1, 5, 2, 1, 0.5, 1e-4])
    read[:, 0] -= 3
    label = read[:, 0] + np.sin(read[:, 4]) + read[:, 5] / 2 + read[:, 2] / 4
    return torch.tensor(read), torch.tensor(label + rng.normal(size=rows) / 5)


def solved(rows: int = 40) -> ScoreProcess:
    process = ScoreProcess(WIDTH, PATTERNS)
    process.solve(*table(rows))
    return process


class OnColumns(Kernel):  # type: ignore[misc]
    """A kernel on some of the columns."""

    def __init__(self, kernel: Kernel, start: int, stop: int) -> None:
        self.kernel, self.start, self.stop = kernel, start, stop

    def __call__(self, one: Values, other: Values | None = None) -> Values:  # type: ignore[override]
        part = None if other is None else other[:, self.start : self.stop]
        return self.kernel(one[:, self.start : self.stop], part)

    def diag(self, one: Values) -> Values:  # type: ignore[override]
        return self.kernel.diag(one[:, self.start : self.stop])

    def is_stationary(self) -> bool:
        return False


def test_it_says_what_scikit_learns_says_with_the_same_kernel() -> None:
    process, (read, target), (other, _) = solved(), table(40), table(15, 1)
    slope, linear, patterns, smooth, length, score_length, whitening, noise = (
        process.kernel_8.tolist()
    )
    pattern = read[:, 1 : 1 + PATTERNS].numpy()
    middle, whole = pattern.mean(axis=0), np.sqrt(pattern.var(axis=0).sum())
    centre, axes, deviation = components(read[:, 1 + PATTERNS :].numpy())
    scale = deviation ** (1 - whitening) / np.sqrt((deviation ** (2 - 2 * whitening)).sum())
    points = [
        np.column_stack(
            [
                x[:, 0],
                (x[:, 1 + PATTERNS :].numpy() - centre) @ axes * scale,
                (x[:, 1 : 1 + PATTERNS].numpy() - middle) / whole,
            ]
        )
        for x in (read, other)
    ]
    lengths, end = np.exp([score_length, *[length] * len(scale)]), 1 + len(scale)
    kernel = (
        ConstantKernel(np.exp(2 * slope)) * OnColumns(DotProduct(0), 0, 1)
        + ConstantKernel(np.exp(2 * linear)) * OnColumns(DotProduct(0), 1, end)
        + ConstantKernel(np.exp(2 * patterns)) * OnColumns(DotProduct(0), end, end + PATTERNS)
        + ConstantKernel(np.exp(2 * smooth)) * OnColumns(Matern(lengths, nu=2.5), 0, end)
        + ConstantKernel(0.01)
        + WhiteKernel(np.exp(noise))
    )
    mean, spread = target.mean(), target.std(correction=0)
    rest = ((target - mean) / spread - 0.7 * read[:, 0]).numpy()
    expected = GaussianProcessRegressor(kernel, optimizer=None, alpha=1e-6).fit(points[0], rest)
    rest_B, off_B = expected.predict(points[1], return_std=True)
    found, off = process.judge(other)
    said = mean + spread * (0.7 * other[:, 0] + torch.tensor(rest_B))
    torch.testing.assert_close(found, said, rtol=1e-6, atol=0)
    torch.testing.assert_close(off, spread * torch.tensor(off_B), rtol=1e-5, atol=0)
    assert torch.equal(process(other), found)


def test_no_numbers_of_the_kernel_are_likelier() -> None:
    read, target = table(40)
    pattern = read[:, 1 : 1 + PATTERNS] - read[:, 1 : 1 + PATTERNS].mean(dim=0)
    pattern = pattern / pattern.square().sum(dim=1).mean().sqrt()
    centre, axes, deviation = components(read[:, 1 + PATTERNS :].numpy())
    rest = read[:, 1 + PATTERNS :] - torch.tensor(centre)
    points = Points(read[:, 0], pattern, rest @ torch.tensor(axes))
    spread = torch.tensor(deviation)
    target = (target - target.mean()) / target.std(correction=0)
    found = likeliest(points, target, spread, seed=0)

    def surprise(kernel_8: Tensor) -> float:
        covariance = noisy(kernel_8, points, spread)
        normal = torch.distributions.MultivariateNormal(0.7 * points.score_N, covariance)
        prior = sum(
            ((value - mean) / deviation) ** 2 / 2
            for value, (mean, deviation) in zip(kernel_8.tolist(), PRIOR.values(), strict=True)
        )
        return float(-normal.log_prob(target)) + prior

    best = surprise(found)
    for place in range(len(PRIOR)):
        for step in (-0.05, 0.05):
            moved = found.clone()
            moved[place] += step
            assert surprise(moved) > best


def test_without_labels_that_tell_more_the_score_is_what_it_says() -> None:
    read, _ = table(3)
    process = ScoreProcess(WIDTH, PATTERNS)
    process.solve(read, read[:, 0])
    other = table(200, 1)[0]
    found = process(other)
    assert np.corrcoef(found, other[:, 0])[0, 1] > 0.7
    assert process.kernel_8[-1].exp() < 0.2


def test_it_is_sure_where_it_has_seen_networks() -> None:
    process, (read, _) = solved(), table(40)
    assert process.judge(read)[1].max() < process.judge(read + 20)[1].min()


def test_directions_of_little_but_rounding_are_left_out() -> None:
    read, _ = table(30)
    numbers = read[:, 1 + PATTERNS :].numpy()
    centre, axes, deviation = components(numbers)
    assert axes.shape == (5, 4)
    unit = (numbers - centre) @ axes
    np.testing.assert_allclose(unit.std(axis=0), np.ones(4))
    assert np.linalg.norm(deviation) == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("numbers", [torch.zeros(9, 8), torch.full((9, 8), 0.1)])
def test_networks_that_are_all_alike_leave_the_score_alone(numbers: Tensor) -> None:
    score, process = torch.arange(9.0) - 4, ScoreProcess(WIDTH, PATTERNS)
    read = torch.cat([score[:, None], numbers], dim=1)
    process.solve(read, score**3)
    assert (process(read).diff() > 0).all()
    assert torch.allclose(process(read + 3 * torch.eye(9)[8]), process(read))
    assert torch.allclose(process(read + 3 * torch.eye(9)[1]), process(read))


def test_one_number_beside_the_score_is_enough() -> None:
    (read, target), process = table(12), ScoreProcess(2)
    process.solve(read[:, :2], target)
    assert process(read[:, :2]).isfinite().all()


def test_patterns_are_learnt_where_nothing_else_tells() -> None:
    (read, _), (other, _) = table(60), table(200, 1)
    process = ScoreProcess(WIDTH, PATTERNS)
    process.solve(read, read[:, 1])
    assert np.corrcoef(process(other), other[:, 1])[0, 1] > 0.95
