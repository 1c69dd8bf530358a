"""Ranks of a set of unlabelled networks of one family: what the set tells beside each network.

Networks that are alike score alike, and an error of the model on one of them is not that on the
next. So in a large set the score of each is joined by the mean of its nearest neighbours',

    y_i = z(s_i) + z(mean of s_j over the k nearest j of i),

neighbours by principal components of the numbers that differ in the set, z standardised over it.
No label is needed, and nothing is learnt of one network that the others would not change.
"""

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

Values = npt.NDArray[np.float64]

SHARE, MOST = 200, 20
"""One neighbour for so many networks of the set, at most so many: small sets have none alike."""
COMPONENTS = 15
TAIL = 0.01


def smoothed(score_N: npt.ArrayLike, whole_ND: npt.ArrayLike) -> Values:
    """Scores as the set makes them, shape (N,), standardised; their order alone means anything.

    Args:
        score_N: of each network by itself.
        whole_ND: numbers of each whole graph (`features.whole`).
    """
    scores = _standard(np.asarray(score_N, np.float64))
    neighbours = min(len(scores) // SHARE, MOST)
    if neighbours < 2:
        return scores
    points = _points(np.asarray(whole_ND, np.float64))
    if not points.shape[1]:
        return scores
    _, nearest_NK = KDTree(points).query(points, neighbours + 1)
    return scores + _standard(scores[nearest_NK].mean(axis=1))


def _points(whole_ND: Values) -> Values:
    """Principal components of what differs in the set, without its tails."""
    low_D, high_D = np.quantile(whole_ND, (TAIL, 1 - TAIL), axis=0)
    kept_ND = np.clip(whole_ND, low_D, high_D)
    deviation_D = kept_ND.std(axis=0)
    moving = deviation_D > 1e-6 * (1 + np.abs(kept_ND).mean(axis=0))
    table = (kept_ND - kept_ND.mean(axis=0))[:, moving] / deviation_D[moving]
    _, _, axes = np.linalg.svd(table, full_matrices=False)
    points: Values = table @ axes[:COMPONENTS].T
    return points


def _standard(values_N: Values) -> Values:
    deviation = values_N.std()
    found: Values = (values_N - values_N.mean()) / (deviation if deviation > 0 else 1.0)
    return found
