"""Ways to choose networks for labels: those that are shipped, and others that they are held to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from gennape.acquisition.choosing import (
    NOISE,
    herded,
    highest_bound,
    similarity,
    typical_distance,
)
from gennape.acquisition.suggestion import DARING, LONG, SHORT, points, standard

Values = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Rng = np.random.Generator


@dataclass(frozen=True)
class Pool:
    """What a way to choose sees: where networks lie, and what is predicted of them."""

    point_NP: Values
    merit_N: Values
    unit: float

    @classmethod
    def of(cls, whole_ND: Tensor, merit_N: Values) -> "Pool":
        """The pool of networks with these numbers and predictions."""
        point_NP = points(whole_ND, standard(merit_N))
        return cls(point_NP, standard(merit_N), typical_distance(point_NP))


Way = Callable[[Pool, int, Rng], Places]


def by_chance(pool: Pool, count: int, rng: Rng) -> Places:
    """The baseline."""
    return rng.permutation(len(pool.merit_N))[:count]


def by_herding(pool: Pool, count: int, rng: Rng) -> Places:
    """The goal `explore`."""
    del rng
    return herded(pool.point_NP, (), count, SHORT * pool.unit)


def by_bound(pool: Pool, count: int, rng: Rng, taken: Sequence[int] = ()) -> Places:
    """The goal `find-best`."""
    del rng
    return highest_bound(pool.point_NP, taken, count, LONG * pool.unit, pool.merit_N, DARING)


def by_variance(pool: Pool, count: int, rng: Rng) -> Places:
    """Where most is unexplained: greedy D-optimal design."""
    del rng
    still_N = np.zeros(len(pool.merit_N))
    return highest_bound(pool.point_NP, (), count, LONG * pool.unit, still_N, 1.0)


def by_mean_variance(pool: Pool, count: int, rng: Rng) -> Places:
    """What leaves least unexplained on average: greedy A-optimal design."""
    del rng
    left_NN = similarity(pool.point_NP, pool.point_NP, LONG * pool.unit)
    chosen: list[int] = []
    for _ in range(count):
        gain_N = np.square(left_NN).sum(axis=0) / (left_NN.diagonal() + NOISE)
        gain_N[chosen] = -np.inf
        row = int(gain_N.argmax())
        chosen.append(row)
        left_NN -= np.outer(left_NN[row], left_NN[row]) / (left_NN[row, row] + NOISE)
    return np.array(chosen)


def by_distance(pool: Pool, count: int, rng: Rng) -> Places:
    """Drawn by the squared distance to the nearest one drawn before, as k-means++ starts."""
    from sklearn.cluster import kmeans_plusplus

    seed = int(rng.integers(2**31))
    _, chosen = kmeans_plusplus(pool.point_NP, count, random_state=seed, n_local_trials=1)
    return np.array(chosen, np.int64)


def by_centres(pool: Pool, count: int, rng: Rng) -> Places:
    """The networks nearest to the centres of k-means."""
    from sklearn.cluster import KMeans

    found = KMeans(count, n_init=1, random_state=int(rng.integers(2**31))).fit(pool.point_NP)
    chosen: list[int] = []
    for distance_N in found.transform(pool.point_NP).T:
        distance_N[chosen] = np.inf
        chosen.append(int(distance_N.argmin()))
    return np.array(chosen)


def by_shares(pool: Pool, count: int, rng: Rng) -> Places:
    """A random one of each equal share of the pool, ordered by score."""
    shares = np.array_split(np.argsort(pool.merit_N, kind="stable"), count)
    return np.array([rng.choice(share) for share in shares])


RANDOM, EXPLORE, FIND_BEST = "random", "explore", "find-best"
BOTH = "explore, find-best"
"""Half of the labels to explore, and what was learnt of them leads the others."""
WAYS: dict[str, Way] = {
    RANDOM: by_chance,
    EXPLORE: by_herding,
    FIND_BEST: by_bound,
    "k-means++": by_distance,
    "mean variance": by_mean_variance,
    "largest variance": by_variance,
    "centres": by_centres,
    "shares of score": by_shares,
}
