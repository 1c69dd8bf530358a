"""Ways to make one prediction of those of several models.

All take predictions of shape (N, K), and Kendall's tau of each of the K models on validation rows.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import stats

from gennape.models.ensemble import kendall_weights

Values = npt.NDArray[np.float64]
Join = Callable[[Values, Values], Values]


def mean(each_NK: Values, tau_K: Values) -> Values:
    """The paper's, zero-shot."""
    del tau_K
    found: Values = each_NK.mean(axis=1)
    return found


def median(each_NK: Values, tau_K: Values) -> Values:
    """One model that is far off changes nothing."""
    del tau_K
    found: Values = np.median(each_NK, axis=1)
    return found


def weighted(each_NK: Values, tau_K: Values) -> Values:
    """The paper's after fine-tuning: weights are the softmax of tau."""
    found: Values = each_NK @ kendall_weights(tau_K.tolist())
    return found


def best(each_NK: Values, tau_K: Values) -> Values:
    """The model of the highest tau alone."""
    found: Values = each_NK[:, int(np.nan_to_num(tau_K, nan=-1.0).argmax())]
    return found


def ranks(each_NK: Values, tau_K: Values) -> Values:
    """The mean of a network's ranks: an order, and no accuracy."""
    del tau_K
    found: Values = stats.rankdata(each_NK, axis=0).mean(axis=1)
    return found


def standardised(each_NK: Values, tau_K: Values) -> Values:
    """The mean of predictions in units of each model's deviation: an order, and no accuracy."""
    del tau_K
    spread = each_NK.std(axis=0)
    found: Values = ((each_NK - each_NK.mean(axis=0)) / np.where(spread > 0, spread, 1)).mean(
        axis=1
    )
    return found


JOINED: dict[str, Join] = {
    "mean": mean,
    "median": median,
    "softmax of validation tau": weighted,
    "best on validation": best,
    "mean rank": ranks,
    "mean of standardised": standardised,
}
ORDERS = ("mean rank", "mean of standardised")
"""Those without an error in the units of the labels."""
