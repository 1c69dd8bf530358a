"""Conformal intervals hold as often as they say, and are those of the formula."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from gennape.conformal import KEPT, Calibration
from onnx_bench.errors import GennapeError

Values = npt.NDArray[np.float64]


def drawn(count: int, seed: int) -> tuple[Values, Values, Values]:
    """Predictions, spreads and labels whose errors grow with the spread, with heavy tails."""
    rng = np.random.default_rng(seed)
    predicted, spread = rng.normal(90, 5, count), rng.gamma(2.0, 1.0, count)
    return predicted, spread, predicted + rng.standard_t(3, count) * (0.2 + spread)


def naive_half_width(
    predicted: Values, spread: Values, label: Values, coverage: float, new_spread: float
) -> float:
    floor = sorted(spread)[len(spread) // 2]  # of an odd number
    scores = []
    for one, deviation, true in zip(predicted, spread, label, strict=True):
        scores.append(abs(true - one) / (deviation + floor))
    place = math.ceil((len(scores) + 1) * coverage)
    return float(sorted(scores)[place - 1] * (new_spread + floor))


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9])
def test_half_widths_are_those_of_a_naive_loop(coverage: float) -> None:
    predicted, spread, label = drawn(51, seed=0)
    found = Calibration.of(predicted, spread, label).half_width([0.0, 2.5], coverage)
    expected = [naive_half_width(predicted, spread, label, coverage, s) for s in (0.0, 2.5)]
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("count", [10, 40, 900])
def test_intervals_hold_new_labels_as_often_as_they_say(count: int, coverage: float) -> None:
    trials = 2000 if count < 100 else 500
    held = 0
    for seed in range(trials):
        predicted, spread, label = drawn(count + 1, seed)
        calibration = Calibration.of(predicted[:-1], spread[:-1], label[:-1])
        (half,) = calibration.half_width(spread[-1:], coverage)
        held += abs(label[-1] - predicted[-1]) <= half
    # Exchangeable data are held with a probability of c to c + 1 / (n + 1); thinning adds a place.
    most = min(coverage + 2 / (min(count, KEPT) + 1), 1.0)
    low, _ = stats.binom.interval(0.999, trials, coverage)
    _, high = stats.binom.interval(0.999, trials, most)
    assert low <= held <= high


def test_a_single_model_has_plain_absolute_errors() -> None:
    calibration = Calibration.of([1.0, 2.0, 3.0], np.zeros(3), [1.5, 2.0, 1.0])
    assert calibration == Calibration((0.0, 0.5, 2.0), 1.0)
    np.testing.assert_array_equal(calibration.half_width(np.zeros(2), 0.75), [2.0, 2.0])


def test_a_spread_of_mostly_zero_makes_no_infinite_score() -> None:
    found = Calibration.of(np.zeros(3), [0.0, 0.0, 4.0], [1.0, 2.0, 5.0])
    assert found == Calibration((1.0, 1.0, 2.0), 1.0)


@pytest.mark.parametrize(("count", "highest"), [(1, 0.5), (9, 0.9), (19, 0.95)])
def test_too_few_scores_give_infinite_intervals(count: int, highest: float) -> None:
    predicted, spread, label = drawn(count, seed=1)
    calibration = Calibration.of(predicted, spread, label)
    assert calibration.highest == pytest.approx(highest)
    assert np.isfinite(calibration.half_width(spread, highest)).all()
    assert np.isinf(calibration.half_width(spread, highest + 0.001)).all()


def test_a_higher_coverage_is_never_narrower() -> None:
    calibration = Calibration.of(*drawn(30, seed=2))
    widths = [calibration.half_width([1.0], c)[0] for c in np.linspace(0.01, 0.99, 99)]
    assert (np.diff(np.nan_to_num(widths, posinf=1e9)) >= 0).all()
    assert len(set(widths)) == 31


@pytest.mark.parametrize("count", [KEPT, KEPT + 1, 3 * KEPT, 7777])
def test_many_scores_are_thinned_and_intervals_are_no_narrower(count: int) -> None:
    scores = np.sort(np.random.default_rng(count).exponential(size=count))
    thin = Calibration.of(np.zeros(count), np.zeros(count), scores)
    assert len(thin.scores) == KEPT
    assert set(thin.scores) <= set(scores)
    for coverage in np.linspace(0.01, 0.99, 99):
        place = math.ceil((count + 1) * coverage - 1e-9)
        (half,) = thin.half_width([0.0], coverage)
        assert scores[place - 1] <= half <= scores[min(place + count // KEPT + 1, count - 1)]


def test_a_calibration_is_plain_data_that_gives_itself_back() -> None:
    calibration = Calibration.of(*drawn(20, seed=3))
    assert Calibration.from_dict(calibration.to_dict()) == calibration


@pytest.mark.parametrize("coverage", [0.0, 1.0, -0.1, 90.0, math.nan])
def test_a_coverage_that_is_no_share_is_refused(coverage: float) -> None:
    with pytest.raises(GennapeError, match=f"coverage is {coverage}"):
        Calibration((1.0,)).half_width([0.0], coverage)


@pytest.mark.parametrize(
    ("scores", "floor"),
    [
        ((), 1.0),
        ((2.0, 1.0), 1.0),
        ((-1.0, 1.0), 1.0),
        ((1.0, math.nan), 1.0),
        ((1.0, math.inf), 1.0),
        ((1.0,), 0.0),
        ((1.0,), math.nan),
    ],
)
def test_numbers_that_are_no_calibration_are_refused(
    scores: tuple[float, ...], floor: float
) -> None:
    with pytest.raises(GennapeError, match="ascending scores"):
        Calibration(scores, floor)


@pytest.mark.parametrize(
    ("predicted", "spread", "label"),
    [([], [], []), ([1.0], [0.0], [math.nan]), ([1.0, 2.0], [0.0, 0.0], [1.0]), (1.0, 0.0, 1.0)],
)
def test_predictions_that_calibrate_nothing_are_refused(
    predicted: npt.ArrayLike, spread: npt.ArrayLike, label: npt.ArrayLike
) -> None:
    with pytest.raises(GennapeError):
        Calibration.of(predicted, spread, label)
