"""How well predictions rank and hit the truth.

All take predictions and true values of shape (N,), higher is better. A constant prediction ranks
nothing, and libraries disagree about its score (nan, 0): here it is an error that says so.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import stats

from onnx_bench.errors import GennapeError

Values = npt.ArrayLike
Metric = Callable[[Values, Values], float]


class ConstantPredictionError(GennapeError):
    """The predictions (or the true values) are all the same, so that they have no rank."""


def spearman(predicted: Values, true: Values) -> float:
    """Spearman's rank correlation (SRCC), -1 to 1; ties share their mean rank."""
    p, t = _checked(predicted, true)
    return float(stats.spearmanr(p, t).statistic)


def kendall(predicted: Values, true: Values) -> float:
    """Kendall's tau-b, -1 to 1."""
    p, t = _checked(predicted, true)
    return float(stats.kendalltau(p, t).statistic)


def ndcg_at_10(predicted: Values, true: Values) -> float:
    """Normalised discounted cumulative gain of the ten best predictions, 0 to 1.

    The gain of a network is its true value scaled to 0 to 1 over the set, its discount
    1 / log2(1 + place) (Järvelin and Kekäläinen, 2002). The GENNAPE paper does not print its gain,
    so figures are comparable among ours only. Equal predictions share the mean gain of their tie.
    """
    p, t = _checked(predicted, true)
    gain = (t - t.min()) / (t.max() - t.min())
    discount = 1 / np.log2(np.arange(2, 2 + min(10, len(p))))
    _, tie, count = np.unique(-p, return_inverse=True, return_counts=True)
    shared = np.bincount(tie, weights=gain) / count
    expected = np.repeat(shared, count)[: len(discount)]
    ideal = np.sort(gain)[::-1][: len(discount)]
    return float(expected @ discount / (ideal @ discount))


def mae(predicted: Values, true: Values) -> float:
    """Mean absolute error in the units of the true values."""
    p, t = _checked(predicted, true)
    return float(np.abs(p - t).mean())


METRICS: dict[str, Metric] = {
    "spearman": spearman,
    "kendall": kendall,
    "ndcg10": ndcg_at_10,
    "mae": mae,
}


def evaluate(predicted: Values, true: Values) -> dict[str, float]:
    """Every metric by name.

    Raises:
        ConstantPredictionError: the predictions or the true values are all the same.
        GennapeError: lengths differ, fewer than two values, or some are not finite.
    """
    return {name: metric(predicted, true) for name, metric in METRICS.items()}


def _checked(
    predicted: Values, true: Values
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    p, t = np.asarray(predicted, np.float64).ravel(), np.asarray(true, np.float64).ravel()
    if len(p) != len(t) or len(p) < 2:
        raise GennapeError(
            f"metrics need two or more predictions, one for each true value; "
            f"got {len(p)} and {len(t)}"
        )
    if not (np.isfinite(p).all() and np.isfinite(t).all()):
        raise GennapeError("metrics need finite numbers; some predictions or labels are not")
    for name, values in (("predictions", p), ("true values", t)):
        if (values == values[0]).all():
            raise ConstantPredictionError(
                f"all {len(values)} {name} are {values[0]:g}: nothing is ranked. "
                "Train longer, lower the learning rate, or check the labels"
            )
    return p, t
