"""Conformal prediction: intervals that hold without a model of the errors.

On n networks that were not learnt from, with predictions f and labels y, the scores are

    R_i = |y_i - f_i| / (s_i + s_0),

s the spread of an ensemble's members, or what a learner of few labels expects of its errors, s_0 a
floor. With q the ceil((n + 1) c)-th smallest score,
the interval f +- q (s + s_0) holds the label of a new network with a probability of c or more, if
that network and the n could have changed places (Vovk, Gammerman and Shafer, 2005; with normalised
residuals: Lei et al., JASA 2018, section 5.2).

Few labels are not held out but left out, some in turn: f_i then is what a learner from the others
says. Such scores, of learners with fewer labels, are if anything too large for the learner from
all. This is the jackknife, not jackknife+ or CV+ (Barber et al., Annals of Statistics 2021), which
would keep all these learners: it promises nothing of learners that a few labels turn around. How
often intervals hold is measured by `scripts/interval_coverage.py`.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from onnx_bench.errors import GennapeError

KEPT = 500
"""Scores that are kept of more; they allow coverages up to KEPT / (KEPT + 1)."""
COVERAGE = 0.9

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """What the errors on networks that were not learnt from say of new ones like them.

    Args:
        scores: ascending, 0 or more.
        floor: s_0, in the units of the labels, more than 0.

    Raises:
        GennapeError: the numbers are none of a calibration.
    """

    scores: tuple[float, ...]
    floor: float = 1.0

    def __post_init__(self) -> None:
        scores = np.asarray(self.scores, np.float64)
        usable = np.isfinite(scores).all() and (np.diff(scores, prepend=0.0) >= 0).all()
        if not (len(scores) and usable and math.isfinite(self.floor) and self.floor > 0):
            raise GennapeError(
                f"a calibration needs ascending scores of 0 or more and a floor above 0; got "
                f"{len(scores)} scores and a floor of {self.floor}"
            )

    @classmethod
    def of(
        cls, predicted_N: npt.ArrayLike, spread_N: npt.ArrayLike, label_N: npt.ArrayLike
    ) -> "Calibration":
        """The calibration by the errors of N predictions, all in the units of the labels.

        The floor is the median spread, so that one small spread makes no huge score; where there is
        none, as for a single model, it is 1, and scores are plain absolute errors.

        Raises:
            GennapeError: there are none, not one of each, or some are not finite.
        """
        predicted, spread, label = (
            np.asarray(given, np.float64) for given in (predicted_N, spread_N, label_N)
        )
        if len({predicted.shape, spread.shape, label.shape}) > 1 or predicted.ndim != 1:
            raise GennapeError(
                f"got {predicted.shape} predictions, {spread.shape} spreads and {label.shape} "
                "labels; expected one of each for every network"
            )
        floor = float(np.median(spread)) if predicted.size and np.median(spread) > 0 else 1.0
        scores = np.sort(np.abs(label - predicted) / (spread + floor))
        return cls(tuple(_thinned(scores).tolist()), floor)

    def half_width(self, spread_N: npt.ArrayLike, coverage: float = COVERAGE) -> Values:
        """Half the width of the intervals, shape (N,), in the units of the labels.

        Infinite where there are fewer scores than the coverage needs, see `highest`.

        Raises:
            GennapeError: the coverage is not between 0 and 1.
        """
        spread = np.asarray(spread_N, np.float64)
        return np.asarray(self._quantile(coverage) * (spread + self.floor), np.float64)

    @property
    def highest(self) -> float:
        """The highest coverage that so many scores allow, n / (n + 1)."""
        return len(self.scores) / (len(self.scores) + 1)

    def _quantile(self, coverage: float) -> float:
        share = checked_coverage(coverage)
        place = math.ceil((len(self.scores) + 1) * share - 1e-9)  # 1e-9: 1.1 * 10 is above 11
        return self.scores[max(place, 1) - 1] if place <= len(self.scores) else math.inf

    def to_dict(self) -> dict[str, Any]:
        """The calibration as JSON can hold it."""
        return {"scores": list(self.scores), "floor": self.floor}

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> "Calibration":
        """The calibration that `to_dict` wrote."""
        return cls(tuple(float(score) for score in given["scores"]), float(given["floor"]))


def checked_coverage(coverage: float) -> float:
    """The coverage itself.

    Raises:
        GennapeError: it is not between 0 and 1.
    """
    if not 0 < coverage < 1:
        raise GennapeError(f"coverage is {coverage}, expected a share between 0 and 1")
    return coverage


def _thinned(score_N: Values) -> Values:
    """At most `KEPT` of ascending scores, evenly spaced.

    Of m kept ones the j-th is the ceil(j (N + 1) / (m + 1))-th of all: taken for themselves they
    give intervals as wide as all of them do, or wider by a place.
    """
    count = min(len(score_N), KEPT)
    places = -(-np.arange(1, count + 1) * (len(score_N) + 1) // (count + 1))
    return score_N[places - 1]
