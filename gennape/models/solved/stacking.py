"""How much each of several ways to learn counts, and which labels are left out to tell."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from gennape.models.solved.head import FloatArray

Rows = npt.NDArray[np.int64]
MANY, FEW = 10, 5
"""Folds up to `SLOW` labels, and of more."""
SLOW = 100
FOREST, RIPE = 0.3, 8.0
"""Trees count that much of what is learnt, in the end; half of it with so many labels."""
KNOWN = 3.0
"""Labels that the score counts as."""
FIRM = 100.0
"""Labels that what was found best on other families counts as."""
SUM = 1e4
"""How firmly shares have the sum 1."""


def expected_shares(count: int) -> FloatArray:
    """Those of the score, the Gaussian process and the trees with so many labels, in sum 1, (3,).

    Found best, on the mean, on 19 families with 5 to 1,024 labels. To choose by cross-validation
    alone is worse up to some 100 labels: with 5 of them the mean Spearman drops by 0.1.
    """
    score = KNOWN / (count + KNOWN)
    forest = (1 - score) * FOREST * count / (count + RIPE)
    return np.array([score, 1 - score - forest, forest])


def stacked(ways_WN: FloatArray, target_N: FloatArray) -> FloatArray:
    """The shares w, 0 or more and in sum 1, of min |y - w X|^2 + k |w - e|^2, shape (W,).

    Stacked regression (Breiman, 1996) with shares that shrink to the expected ones e.

    Args:
        ways_WN: X, what each way says of networks that it has not learnt from.
        target_N: y.
    """
    from scipy.optimize import nnls  # what predicts does without

    expected_W = expected_shares(len(target_N))
    left = np.vstack([ways_WN.T, np.sqrt(FIRM) * np.eye(len(expected_W)), SUM * expected_W**0])
    right = np.concatenate([target_N, np.sqrt(FIRM) * expected_W, [SUM]])
    share_W, _ = nnls(left, right)
    found: FloatArray = share_W / share_W.sum()
    return found


def folds(count: int, seed: int) -> Iterator[tuple[Rows, Rows]]:
    """Rows that are left out, and all others: each row is left out once."""
    fold_N = np.arange(count) % (MANY if count <= SLOW else FEW)
    fold_N = np.random.default_rng(seed).permutation(fold_N)
    for fold in range(fold_N.max() + 1):
        yield np.flatnonzero(fold_N == fold), np.flatnonzero(fold_N != fold)
