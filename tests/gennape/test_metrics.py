"""Metrics against scipy and scikit-learn, with ties; what cannot be ranked is refused."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats
from sklearn.metrics import ndcg_score

from gennape.metrics import (
    METRICS,
    ConstantPredictionError,
    evaluate,
    kendall,
    mae,
    ndcg_at_10,
    spearman,
)
from onnx_bench.errors import GennapeError

Array = npt.NDArray[np.float64]
KINDS = ("distinct", "tied predictions", "tied truths", "both tied")


def draw(kind: str, size: int, seed: int) -> tuple[Array, Array]:
    """Correlated predictions and truths; a tied side has few distinct values, never one alone."""
    rng = np.random.default_rng(seed)
    true = rng.normal(90, 3, size)
    predicted = true + rng.normal(0, 3, size)
    if kind in ("tied predictions", "both tied"):
        predicted = np.round(predicted / 3)
    if kind in ("tied truths", "both tied"):
        true = np.round(true / 3)
    predicted[0], true[0] = predicted.min() - 1, true.min() - 1
    return predicted, true


def sklearn_ndcg(predicted: Array, true: Array) -> float:
    gain = (true - true.min()) / (true.max() - true.min())
    return float(ndcg_score([gain], [predicted], k=10))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [2, 7, 60])
def test_metrics_equal_the_reference_libraries(kind: str, size: int) -> None:
    for seed in range(5):
        predicted, true = draw(kind, size, seed)
        expected = {
            "spearman": stats.spearmanr(predicted, true).statistic,
            "kendall": stats.kendalltau(predicted, true).statistic,
            "ndcg10": sklearn_ndcg(predicted, true),
            "mae": np.mean(np.abs(predicted - true)),
        }
        assert evaluate(predicted, true) == pytest.approx(expected, abs=1e-12)


def test_ndcg_looks_at_the_ten_best_predictions_alone() -> None:
    predicted, true = draw("distinct", 40, 0)
    order = np.argsort(-predicted)
    shuffled = true.copy()
    shuffled[order[10:]] = np.random.default_rng(1).permutation(true[order[10:]])
    assert ndcg_at_10(predicted, shuffled) == pytest.approx(ndcg_at_10(predicted, true))
    assert spearman(predicted, shuffled) != pytest.approx(spearman(predicted, true))


def test_equal_predictions_share_the_gain_whatever_their_order_in_the_array() -> None:
    predicted, true = draw("tied predictions", 30, 2)
    backwards = ndcg_at_10(predicted[::-1], true[::-1])
    assert ndcg_at_10(predicted, true) == pytest.approx(backwards)


def test_a_perfect_order_scores_one_and_its_reverse_minus_one() -> None:
    true = np.array([1.0, 4.0, 2.0, 3.0])
    assert spearman(true * 10 - 3, true) == pytest.approx(1)
    assert kendall(true * 10 - 3, true) == pytest.approx(1)
    assert ndcg_at_10(true * 10 - 3, true) == pytest.approx(1)
    assert spearman(-true, true) == pytest.approx(-1)
    assert kendall(-true, true) == pytest.approx(-1)


def test_mae_is_in_the_units_of_the_labels() -> None:
    assert mae([1.0, 2.0, 4.0], [2.0, 2.0, 1.0]) == pytest.approx(4 / 3)


def test_metrics_take_torch_like_columns_and_lists() -> None:
    assert spearman([[1.0], [2.0], [3.0]], [1, 2, 4]) == pytest.approx(1)


@pytest.mark.parametrize("name", METRICS)
def test_constant_predictions_are_refused_and_the_message_says_so(name: str) -> None:
    with pytest.raises(ConstantPredictionError, match=r"all 3 predictions are 5: nothing is ran"):
        METRICS[name]([5.0, 5.0, 5.0], [1.0, 2.0, 3.0])


@pytest.mark.parametrize("name", METRICS)
def test_constant_labels_are_refused_and_the_message_says_so(name: str) -> None:
    with pytest.raises(ConstantPredictionError, match=r"all 3 true values are 7: nothing is ran"):
        METRICS[name]([1.0, 2.0, 3.0], [7.0, 7.0, 7.0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("name", METRICS)
def test_numbers_that_are_not_finite_are_refused(name: str, side: int, bad: float) -> None:
    values = [np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])]
    values[side][1] = bad
    with pytest.raises(GennapeError, match="finite"):
        METRICS[name](*values)


@pytest.mark.parametrize(("predicted", "true"), [([1, 2], [1, 2, 3]), ([1], [1]), ([], [])])
@pytest.mark.parametrize("name", METRICS)
def test_lengths_that_differ_or_are_too_small_are_refused(
    name: str, predicted: list[float], true: list[float]
) -> None:
    with pytest.raises(GennapeError, match=f"got {len(predicted)} and {len(true)}"):
        METRICS[name](predicted, true)
