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
NETWORK = 0.25
"""What a graph network counts, where there is one."""
KNOWN = 3.0
"""Labels that the score counts as."""
FIRM = 100.0
"""Labels that what was found best on other families counts as."""
TURNING = 16
"""Labels from which on a score may be turned round."""
RISE = 0.3
"""What is said rises with the score at least that steeply, beside the score itself, till then."""
SUM = 1e4
"""How firmly shares have the sum 1."""


def expected_shares(count: int, network: bool = False) -> FloatArray:
    """Those of the score, the Gaussian process and the trees with so many labels, in sum 1, (W,).

    That of a graph network stands behind them, if there is one.
    Found best, on the mean, on 19 families with 5 to 1,024 labels. To choose by cross-validation
    alone is worse up to some 100 labels: with 5 of them the mean Spearman drops by 0.1.
    """
    score = KNOWN / (count + KNOWN)
    forest = (1 - score) * FOREST * count / (count + RIPE)
    shares = np.array([score, 1 - score - forest, forest])
    return np.append((1 - NETWORK) * shares, NETWORK) if network else shares


def stacked(ways_WN: FloatArray, target_N: FloatArray, expected_W: FloatArray) -> FloatArray:
    """The shares w, 0 or more and in sum 1, of min |y - w X|^2 + k |w - e|^2, shape (W,).

    Stacked regression (Breiman, 1996) with shares that shrink to the expected ones.

    Args:
        ways_WN: X, what each way says of networks that it has not learnt from.
        target_N: y.
        expected_W: e.
    """
    from scipy.optimize import nnls  # what predicts does without

    left = np.vstack([ways_WN.T, np.sqrt(FIRM) * np.eye(len(expected_W)), SUM * expected_W**0])
    right = np.concatenate([target_N, np.sqrt(FIRM) * expected_W, [SUM]])
    share_W, _ = nnls(left, right)
    found: FloatArray = share_W / share_W.sum()
    return found


def upright(share_W: FloatArray, ways_WN: FloatArray) -> FloatArray:
    """Shares, (W,), by which few labels do not turn the score round, the first of the ways.

    Five labels may by bad luck stand in the reverse of a fair score's order, and what is learnt of
    them would turn all other networks round. The score gets as much as is needed against that.

    Args:
        share_W: shares in sum 1.
        ways_WN: what each way says of the networks learnt from; of the score, the mean is 0.
    """
    score_N = ways_WN[0]
    power = float(score_N @ score_N)
    if ways_WN.shape[1] >= TURNING or power == 0:
        return share_W
    rise = float(share_W @ (ways_WN @ score_N)) / power
    if rise >= RISE:
        return share_W
    more = (RISE - rise) / (1 - rise)
    found: FloatArray = (1 - more) * share_W
    found[0] += more
    return found


def folds(count: int, seed: int, number: int | None = None) -> Iterator[tuple[Rows, Rows]]:
    """Rows that are left out, and all others: each row is left out once.

    Args:
        number: of folds; by default as many as the count of rows suggests.
    """
    fold_N = np.arange(count) % (number or (MANY if count <= SLOW else FEW))
    fold_N = np.random.default_rng(seed).permutation(fold_N)
    for fold in range(fold_N.max() + 1):
        yield np.flatnonzero(fold_N == fold), np.flatnonzero(fold_N != fold)
