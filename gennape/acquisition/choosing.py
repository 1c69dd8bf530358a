"""Ways to choose from a pool, told by where its networks lie: pure functions of points.

All take points of shape (N, P), rows that are `taken` already, which are never chosen, and how many
more to choose; they return rows in the order of choosing. Of equally good points the first one is
chosen. Similarity is k(p, q) = exp(-|p - q|^2 / (2 l^2)).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist, pdist

FloatArray = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

TYPICAL = 512
"""Points that tell the typical distance at most."""
PART = 256
"""Points at a time that all others are compared with."""
NOISE = 0.01
"""Variance of a label's noise, where that of labels themselves is 1."""


def typical_distance(point_NP: FloatArray, seed: int = 0) -> float:
    """The median distance between points; 1 where they do not differ.

    Args:
        seed: of the points that are drawn where there are many.
    """
    if len(point_NP) > TYPICAL:
        rows = np.random.default_rng(seed).choice(len(point_NP), TYPICAL, replace=False)
        point_NP = point_NP[rows]
    distances = pdist(point_NP)
    return float(np.median(distances[distances > 0])) if distances.any() else 1.0


def similarity(point_MP: FloatArray, other_NP: FloatArray, length: float) -> FloatArray:
    """k of each two points, shape (M, N)."""
    found: FloatArray = np.exp(cdist(point_MP, other_NP, "sqeuclidean") / (-2 * length**2))
    return found


def herded(point_NP: FloatArray, taken: Sequence[int] | Rows, count: int, length: float) -> Rows:
    """Points that lie as all do: kernel herding (Chen, Welling and Smola, UAI 2010).

    The next one is the point p of the largest mean_i k(p, p_i) - sum_t k(p, p_t) / (n + 1) over all
    points i and the n points t that are taken or chosen already.
    """
    starts = range(0, len(point_NP), PART)
    parts = [similarity(point_NP[s : s + PART], point_NP, length).mean(axis=1) for s in starts]
    wanted_N = np.concatenate(parts)
    had_N, free_N = np.zeros(len(point_NP)), np.ones(len(point_NP), bool)
    chosen = list(taken)
    for place in range(len(chosen) + count):
        if place == len(chosen):
            merit_N = np.where(free_N, wanted_N - had_N / (place + 1), -np.inf)
            chosen.append(int(merit_N.argmax()))
        row = chosen[place]
        had_N += similarity(point_NP[row : row + 1], point_NP, length)[0]
        free_N[row] = False
    return np.array(chosen[len(taken) :], np.int64)


class Unexplained:
    """The variance that a Gaussian process has left at each point after labels of some of them.

    Before any it is 1. Labels come one by one, each a row of a Cholesky factor (Harbrecht, Peters
    and Schneider, 2012), and what they say makes no difference.

    Args:
        point_NP: the points.
        length: of the process's kernel.
        most: labels at most; that many numbers are kept of each point.
    """

    variance_N: FloatArray

    def __init__(self, point_NP: FloatArray, length: float, most: int) -> None:
        self.point_NP, self.length = point_NP, length
        self.variance_N = np.ones(len(point_NP))
        self._factor_KN, self._seen = np.empty((most, len(point_NP))), 0

    def label(self, row: int) -> None:
        """Takes note that this point has a label, with `NOISE`."""
        known_KN = self._factor_KN[: self._seen]
        new_N = similarity(self.point_NP[row : row + 1], self.point_NP, self.length)[0]
        new_N -= known_KN[:, row] @ known_KN
        new_N /= np.sqrt(self.variance_N[row] + NOISE)
        self._factor_KN[self._seen] = new_N
        self._seen += 1
        self.variance_N = np.maximum(self.variance_N - new_N**2, 0)


def highest_bound(
    point_NP: FloatArray,
    taken: Sequence[int] | Rows,
    count: int,
    length: float,
    merit_N: FloatArray,
    daring: float,
) -> Rows:
    """Points that may be the best: upper confidence bounds, in batches.

    The next one is the point of the largest m + d s, with s^2 what is `Unexplained` after all that
    are taken or chosen already, whose labels need not be known for it (GP-BUCB; Desautels, Krause
    and Burdick, JMLR 2014).

    Args:
        merit_N: m, what is predicted of each point, shape (N,).
        daring: d, how much the unknown counts.
    """
    process = Unexplained(point_NP, length, len(taken) + count)
    free_N = np.ones(len(point_NP), bool)
    chosen = list(taken)
    for place in range(len(chosen) + count):
        if place == len(chosen):
            bound_N = merit_N + daring * np.sqrt(process.variance_N)
            chosen.append(int(np.where(free_N, bound_N, -np.inf).argmax()))
        process.label(chosen[place])
        free_N[chosen[place]] = False
    return np.array(chosen[len(taken) :], np.int64)


def novelty(
    point_NP: FloatArray, taken: Sequence[int] | Rows, chosen: Rows, length: float
) -> FloatArray:
    """What is `Unexplained` at each chosen point by all that came before it, from 0 to 1."""
    rows = np.array([*taken, *chosen], np.int64)
    process = Unexplained(point_NP[rows], length, len(rows))
    found = np.empty(len(rows))
    for place in range(len(rows)):
        found[place] = process.variance_N[place]
        process.label(place)
    return found[len(taken) :]
