"""From labels to what a model learns, and back.

GENNAPE (Mills et al., AAAI 2023) learns y = Z(A / (log10(F + 1) + 1)): the accuracy A over a slowly
growing function of the network's FLOPs F in units of 10^9, Z the standardisation over the training
networks. Predictions go the same way back.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

FLOPS_PER_MAC = 2
"""The paper's figures (313 M for the best NB-201 cell of 153 M multiply-adds) count both halves."""

Values = TypeVar("Values", npt.NDArray[np.float64], Tensor)


@dataclass(frozen=True)
class TargetScale:
    """Labels as a model learns them: z = (a - mean) / std, a the label or the label over FLOPs.

    Args:
        mean, std: over the training networks.
        per_flops: whether a = label / (log10(GFLOPs + 1) + 1), as in the paper.
    """

    mean: float = 0.0
    std: float = 1.0
    per_flops: bool = False

    @classmethod
    def of(
        cls, labels: npt.ArrayLike, macs: npt.ArrayLike = 0, per_flops: bool = False
    ) -> "TargetScale":
        """The scale of some labels; a deviation of zero counts as one.

        Args:
            labels: shape (N,).
            macs: multiply-accumulates of each network; not read unless `per_flops`.
            per_flops: whether labels are taken over FLOPs.
        """
        values = np.asarray(labels, np.float64)
        if per_flops:
            values = values / flops_factor(np.asarray(macs, np.float64))
        # Rounding gives equal labels a deviation of some 1e-17.
        equal = values.size == 0 or (values == values.flat[0]).all()
        return cls(float(values.mean()), 1.0 if equal else float(values.std()), per_flops)

    def standardise(self, labels: Values, macs: Values) -> Values:
        """What a model learns, shape (N,), from labels and multiply-accumulates of shape (N,)."""
        over = labels / flops_factor(macs) if self.per_flops else labels
        return (over - self.mean) / self.std

    def restore(self, scores: Values, macs: Values) -> Values:
        """Predictions in the units of the labels, from a model's scores of shape (N,)."""
        over = scores * self.std + self.mean
        return over * flops_factor(macs) if self.per_flops else over


def flops_factor(macs: Values) -> Values:
    """log10(F + 1) + 1, F in GFLOPs."""
    log10 = torch.log10 if isinstance(macs, Tensor) else np.log10
    factor: Values = log10(macs * (FLOPS_PER_MAC / 1e9) + 1) + 1
    return factor
