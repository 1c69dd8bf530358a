"""Labels as learners of few of them see them: outliers near, their order kept, and the way back.

Labels of networks have outliers: one that failed to train is at the level of chance, far below all
others. Squared errors then learn of that one alone.
"""

import numpy as np
import torch
from torch import Tensor

from gennape.models.solved.head import FloatArray

STILL = 1e-12
NORMAL = 0.3
"""How much the places of labels count beside their values."""
FAR = 10.0
"""Values count up to there, in halves of the range of most labels: further out, places alone."""


def knots(label_N: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Different labels, ascending, and what a learner sees for each, both (K,); any two or more.

    t = 0.7 z(asinh(clip((y - m) / h))) + 0.3 z(g), z standardising over the N labels, m their
    median, h half the range between the first and the last tenth of them, clip to 10 on either
    side, and g normal scores: quantiles of a normal distribution at the shares (rank - 1/2) / N,
    ranks of ties being their mean.
    """
    from scipy.stats import norm, rankdata  # half as long to import as torch

    label_K, first_K, place_N = np.unique(label_N, return_index=True, return_inverse=True)
    low, middle, high = np.quantile(label_N, [0.1, 0.5, 0.9])
    # Where most labels are the same, what the others are apart has to do.
    apart = high - low > STILL * (np.abs(low) + np.abs(high))
    unit = (high - low if apart else np.ptp(label_N)) / 2
    value_K = np.arcsinh(np.clip((label_K - middle) / unit, -FAR, FAR))
    normal_K = norm.ppf((rankdata(label_N)[first_K] - 0.5) / len(label_N))
    seen_K = sum(
        share * (part_K - part_K[place_N].mean()) / part_K[place_N].std()
        for share, part_K in ((1 - NORMAL, value_K), (NORMAL, normal_K))
    )
    return label_K, np.asarray(seen_K)


def interpolated(value_B: Tensor, from_K: Tensor, to_K: Tensor) -> Tensor:
    """Straight lines from knot to knot, shape (B,), and beyond them as they rise on the whole.

    Args:
        from_K, to_K: both ascending; through a single knot there is a line of slope 1.
    """
    if len(from_K) == 1:
        return value_B - from_K + to_K
    last = len(from_K) - 1
    place_B = torch.searchsorted(from_K, value_B.contiguous()).clamp(1, last)
    rise_K = to_K.diff() / from_K.diff()
    inside_B = value_B.clamp(from_K[0], from_K[-1])
    found_B = to_K[place_B - 1] + rise_K[place_B - 1] * (inside_B - from_K[place_B - 1])
    whole = (to_K[-1] - to_K[0]) / (from_K[-1] - from_K[0])
    beyond: Tensor = found_B + whole * (value_B - inside_B)
    return beyond
