"""Labels as learners of few see them: the formula, the order, and the way back."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, rankdata, zscore

from gennape.models.solved.robust import interpolated, knots

Labels = npt.NDArray[np.float64]


def seen(label_N: Labels) -> Labels:
    label_K, seen_K = map(torch.from_numpy, knots(label_N))
    return interpolated(torch.from_numpy(label_N), label_K, seen_K).numpy()


def failed(count: int = 40) -> Labels:
    """Labels of which two are at the level of chance; others are given twice."""
    rng = np.random.default_rng(0)
    return np.concatenate([[10.0, 10.0], np.round(rng.normal(90, 1, count - 2), 1)])


def test_what_is_seen_is_the_formula() -> None:
    label_N = failed()
    low, middle, high = np.quantile(label_N, [0.1, 0.5, 0.9])
    near = zscore(np.arcsinh(np.clip(2 * (label_N - middle) / (high - low), -10, 10)))
    places = zscore(norm.ppf((rankdata(label_N) - 0.5) / len(label_N)))
    np.testing.assert_allclose(seen(label_N), 0.7 * near + 0.3 * places, atol=1e-12)


def test_outliers_are_near() -> None:
    label_N = failed()
    assert np.abs(zscore(label_N)).max() > 4.3
    good = label_N > 50
    shares = [np.std(each[good]) / np.std(each) for each in (label_N, seen(label_N))]
    assert shares[0] < 0.06
    assert shares[1] > 0.6
    lost = np.where(good, label_N, -1e9)
    np.testing.assert_array_equal(seen(lost)[good], seen(label_N)[good])


@given(
    st.lists(st.integers(-1000, 1000), min_size=2, max_size=30).filter(lambda x: len({*x}) > 1),
    st.floats(1e-3, 1e3),
)
def test_the_order_stays_and_the_way_back_is_the_way_there(values: list[int], unit: float) -> None:
    label_N = unit * np.array(values, np.float64)
    label_K, seen_K = knots(label_N)
    assert (np.diff(seen_K) > 0).all()
    np.testing.assert_array_equal(label_K, np.unique(label_N))
    there, back = torch.from_numpy(label_K), torch.from_numpy(seen_K)
    inside = torch.linspace(-2, 3, 50).double() * (there[-1] - there[0]) + there[0]
    found = interpolated(interpolated(inside, there, back), back, there)
    np.testing.assert_allclose(found, inside, atol=1e-9 * unit * 1000, rtol=1e-9)
    assert (np.diff(interpolated(inside, there, back)) > 0).all()


def test_most_labels_may_be_the_same() -> None:
    label_N = np.array([1.0] * 30 + [2.0])
    assert np.isfinite(seen(label_N)).all()
    assert seen(label_N)[-1] > seen(label_N)[0]


def test_between_knots_it_is_numpys_interpolation() -> None:
    knot_K = torch.tensor([0.0, 1.0, 4.0]), torch.tensor([-1.0, 5.0, 6.0])
    at = torch.linspace(0, 4, 33)
    expected = np.interp(at, *knot_K)
    np.testing.assert_allclose(interpolated(at, *knot_K), expected, rtol=1e-6)
    beyond = interpolated(torch.tensor([-4.0, 8.0]), *knot_K)
    assert beyond.tolist() == pytest.approx([-1 - 7, 6 + 7])


def test_one_knot_is_a_shift() -> None:
    single = torch.tensor([2.0]), torch.tensor([-3.0])
    assert interpolated(torch.tensor([2.0, 3.0]), *single).tolist() == [-3.0, -2.0]
