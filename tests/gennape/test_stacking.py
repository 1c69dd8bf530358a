"""Shares of several ways to learn: against a general solver, and what they shrink to."""

import numpy as np
import pytest
from scipy.optimize import minimize

from gennape.models.solved.stacking import (
    FIRM,
    RISE,
    TURNING,
    expected_shares,
    folds,
    stacked,
    upright,
)


def ways(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """What three ways say, from best to worst, and the labels."""
    rng = np.random.default_rng(seed)
    target = rng.normal(size=count)
    return target + rng.normal(size=(3, count)) * np.array([[0.1], [1.0], [3.0]]), target


@pytest.mark.parametrize("count", [5, 50, 2000])
def test_shares_are_those_of_the_formula(count: int) -> None:
    said, target = ways(count)
    expected = expected_shares(count)

    def error(share: np.ndarray) -> float:
        return float(np.sum((target - share @ said) ** 2) + FIRM * np.sum((share - expected) ** 2))

    one = {"type": "eq", "fun": lambda share: share.sum() - 1}
    best = minimize(error, expected, bounds=[(0, None)] * 3, constraints=[one], tol=1e-12)
    np.testing.assert_allclose(stacked(said, target, expected), best.x, atol=2e-4)


def test_few_labels_hardly_choose_and_many_do() -> None:
    few, many = (stacked(*ways(count), expected_shares(count)) for count in (5, 2000))
    assert np.abs(few - expected_shares(5)).max() < 0.1
    assert many[0] > 0.9


@pytest.mark.parametrize("network", [False, True])
@pytest.mark.parametrize("count", [1, 2, 5, 50, 5000])
def test_expected_shares_are_shares_and_the_score_fades(count: int, network: bool) -> None:
    shares = expected_shares(count, network)
    assert len(shares) == 3 + network
    assert shares.sum() == pytest.approx(1)
    assert (shares > 0).all()
    assert expected_shares(count + 1, network)[0] < shares[0]


@pytest.mark.parametrize("slope", [-1.0, 0.0, 0.5])
def test_few_labels_do_not_turn_the_score_round(slope: float) -> None:
    score = np.array([-1.5, -0.5, 0.0, 0.5, 1.5])
    said, shares = np.stack([score, slope * score, slope * score]), np.array([0.2, 0.5, 0.3])
    found = upright(shares, said)
    assert found.sum() == pytest.approx(1)
    rise = np.polyfit(score, found @ said, 1)[0]
    assert rise == pytest.approx(max(RISE, 0.2 + 0.8 * slope))
    np.testing.assert_allclose(found[1:] / found[1:].sum(), shares[1:] / shares[1:].sum())


def test_many_labels_may_turn_it_and_a_score_of_one_value_is_left_alone() -> None:
    shares = np.array([0.2, 0.5, 0.3])
    score = np.linspace(-1, 1, TURNING)
    many = np.stack([score, -score, -score])
    np.testing.assert_array_equal(upright(shares, many), shares)
    assert upright(shares, many[:, 1:])[0] > shares[0]
    np.testing.assert_array_equal(upright(shares, 0 * many[:, 1:]), shares)


@pytest.mark.parametrize(("count", "number"), [(2, 2), (7, 7), (50, 10), (100, 10), (101, 5)])
def test_each_row_is_left_out_once(count: int, number: int) -> None:
    parts = [*folds(count, seed=3)]
    assert len(parts) == number
    assert sorted(np.concatenate([out for out, _ in parts])) == list(range(count))
    for out, rest in parts:
        assert sorted([*out, *rest]) == list(range(count))
    sizes = {len(out) for out, _ in parts}
    assert max(sizes) - min(sizes) <= 1


def test_folds_can_be_counted() -> None:
    parts = [*folds(50, 0, number=3)]
    assert sorted(len(out) for out, _ in parts) == [16, 17, 17]
    assert sorted(np.concatenate([out for out, _ in parts])) == list(range(50))


def test_a_seed_chooses_what_is_left_out_together() -> None:
    first, same, other = ([out.tolist() for out, _ in folds(50, seed)] for seed in (0, 0, 1))
    assert first == same != other
