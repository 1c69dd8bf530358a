"""From labels to what a model learns, and back.

Labels are standardised over the training networks, Z. GENNAPE (Mills et al., AAAI 2023) first takes
their size out of them: y = Z(A / (log10(F + 1) + 1)), the accuracy A over a slowly growing function
of the network's FLOPs F in units of 10^9; the size is put back into every prediction.
"""

from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from onnx_bench.errors import GennapeError

FLOPS_PER_MAC = 2
"""The paper's figures (313 M for the best NB-201 cell of 153 M multiply-adds) count both halves."""

Flops = Literal["ignored", "divided"]
Values = TypeVar("Values", npt.NDArray[np.float64], Tensor)


@dataclass(frozen=True)
class TargetScale:
    """Labels as a model learns them.

    Args:
        mean, std: of the labels, or of the labels over FLOPs, of the training networks.
        flops: what is done about the size of networks: nothing, or the paper's transform.

    Raises:
        GennapeError: there is no such way.
    """

    mean: float = 0.0
    std: float = 1.0
    flops: Flops = "ignored"

    def __post_init__(self) -> None:
        if self.flops not in get_args(Flops):
            raise GennapeError(f"flops is {self.flops!r}, expected one of {get_args(Flops)}")

    @classmethod
    def of(
        cls, labels: npt.ArrayLike, macs: npt.ArrayLike = 0, flops: Flops = "ignored"
    ) -> "TargetScale":
        """The scale of some labels; a deviation of zero counts as one.

        Args:
            labels: shape (N,).
            macs: multiply-accumulates of each network; not read where they are ignored.
            flops: see above.
        """
        values, sizes = np.asarray(labels, np.float64), np.asarray(macs, np.float64)
        if flops == "divided":
            return cls(*_moments(values / flops_factor(sizes)), flops)
        return cls(*_moments(values), flops)

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> "TargetScale":
        """The scale that `asdict` of one describes; older checkpoints say `per_flops`."""
        old = "divided" if given.get("per_flops") else "ignored"
        return cls(float(given["mean"]), float(given["std"]), cast(Flops, given.get("flops", old)))

    def around(self, scores: npt.NDArray[np.float64]) -> "TargetScale":
        """The scale by which the same labels have the mean and deviation of these scores (N,).

        Scores of a model that was trained on other labels are then predictions of these.
        """
        mean, std = _moments(scores)
        return TargetScale(self.mean - mean * self.std / std, self.std / std, self.flops)

    def standardise(self, labels: Values, macs: Values) -> Values:
        """What a model learns, shape (N,), from labels and multiply-accumulates of shape (N,)."""
        over = labels / flops_factor(macs) if self.flops == "divided" else labels
        return (over - self.mean) / self.std

    def restore(self, scores: Values, macs: Values) -> Values:
        """Predictions in the units of the labels, from a model's scores of shape (N,)."""
        over = scores * self.std + self.mean
        return over * flops_factor(macs) if self.flops == "divided" else over


def flops_factor(macs: Values) -> Values:
    """log10(F + 1) + 1, F in GFLOPs."""
    log10 = torch.log10 if isinstance(macs, Tensor) else np.log10
    factor: Values = log10(macs * (FLOPS_PER_MAC / 1e9) + 1) + 1
    return factor


def _moments(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    # Rounding gives equal values a deviation of some 1e-17.
    equal = values.size == 0 or (values == values.flat[0]).all()
    return float(values.mean()), 1.0 if equal else float(values.std())
