"""Scores of a set, against loops; and what a set is good for."""

import numpy as np
import pytest

from gennape.metrics import spearman
from gennape.ranked_set import COMPONENTS, smoothed


def made(count: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers of networks, a label that changes slowly with them, and a noisy score of it."""
    rng = np.random.default_rng(seed)
    whole = rng.normal(size=(count, 3))
    label = whole[:, 0] + 0.5 * whole[:, 1]
    return whole, label, label + noise * rng.normal(size=count)


def test_a_small_set_says_nothing_more() -> None:
    whole, _, score = made(300, 1.0)
    np.testing.assert_allclose(smoothed(score, whole), (score - score.mean()) / score.std())


def test_it_is_the_score_and_the_mean_of_the_neighbours() -> None:
    whole, _, score = made(800, 0.5)
    assert whole.shape[1] < COMPONENTS  # nothing is left out, so distances are plain ones
    low, high = np.quantile(whole, (0.01, 0.99), axis=0)
    kept = np.clip(whole, low, high)
    points = (kept - kept.mean(0)) / kept.std(0)
    gaps = ((points[:, None] - points[None]) ** 2).sum(-1)
    z = (score - score.mean()) / score.std()
    mean = np.array([z[np.argsort(row, kind="stable")[:5]].mean() for row in gaps])
    expected = z + (mean - mean.mean()) / mean.std()
    assert spearman(smoothed(score, whole), expected) > 0.9999


def test_neighbours_take_noise_away() -> None:
    whole, label, score = made(3000, 1.0)
    assert spearman(smoothed(score, whole), label) > spearman(score, label) + 0.05


def test_neither_order_nor_unit_matters() -> None:
    whole, _, score = made(1000, 1.0)
    order = np.random.default_rng(1).permutation(1000)
    found = smoothed(score, whole)
    np.testing.assert_allclose(smoothed(100 + 7 * score[order], whole[order]), found[order])


@pytest.mark.parametrize("count", [1, 2, 1000])
def test_networks_that_are_all_alike_are_no_error(count: int) -> None:
    assert (smoothed(np.ones(count), np.ones((count, 4))) == 0).all()
