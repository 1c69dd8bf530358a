"""What holds in all families alike, beyond what a score says: one linear map of numbers.

A model that learnt on one family takes some of its habits for laws. The families that it did not
learn on, each with its own ranks, tell which: of each family f, with ranks y and scores z (both
centred, z of deviation s and correlation r with y), it is asked

    e = s y / r - z,

the ranks in the unit in which z is their best linear guess, less z. One map w of the numbers x is
to foretell that in every family at once,

    min_w  mean over f of [ mean((e - w (x - x_f))^2) / s^2 + a mean((w x)^2) ] + b |w / g|^2,

where each family has the same say, however many or far apart its networks are, and g, up to 1, is
small for a number that moves in a few families only: the others cannot vouch for what it does
there. Nothing but a linear map of few hundred numbers can be told from twenty families: perceptrons
and mixtures of maps by kind of family were no better on families that were left out.
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from onnx_bench.errors import GennapeError

KEPT = 4.0
"""Deviations to which numbers are kept: families lie that far apart, and lines go on for ever."""
STILL = 1e-6
LEAST_RHO = 0.3
"""r is taken to be that at least: where a score says nothing, s y / r would be all noise."""
VOUCHED = 0.25
"""Share of the families in which a number must move to count in full."""
LEAST_SPREAD = 0.1
"""s is taken to be that at least, in the unit of scores: a tenth of the spread of their family."""


class ScoredFamily(NamedTuple):
    """Networks of one family.

    Args:
        numbers_ND: of each network.
        score_N: what is said of it already.
        rank_N: standardised ranks of what is right, mean 0 and deviation 1.
    """

    numbers_ND: Tensor
    score_N: Tensor
    rank_N: Tensor


class CommonResidual(nn.Module):
    """w (x), of no family more than of any other; zero until it has learnt.

    Args:
        numbers: D, how many there are.
        trust: a, in the score: how much it costs to change it.
        ridge: b.

    Raises:
        GennapeError: trust or ridge are not above 0.
    """

    center_D: Tensor
    scale_D: Tensor
    slope_D: Tensor

    def __init__(self, numbers: int, trust: float = 4.0, ridge: float = 4.0) -> None:
        super().__init__()
        if not (trust > 0 and ridge > 0):
            raise GennapeError(f"trust is {trust}, ridge {ridge}; expected both above 0")
        self.trust, self.ridge = trust, ridge
        for name in ("center_D", "scale_D", "slope_D"):
            self.register_buffer(name, torch.zeros(numbers))

    @torch.no_grad()
    def learn(self, families: Iterable[ScoredFamily]) -> None:
        """Solves for w; of no families at all it is zero again."""
        found = [ScoredFamily(*(part.double() for part in family)) for family in families]
        self.slope_D.zero_()
        if not found:
            return
        self.center_D.copy_(torch.stack([x.numbers_ND.mean(0) for x in found]).mean(0))
        variance_FD = torch.stack([x.numbers_ND.var(0, correction=0) for x in found])
        within_D = variance_FD.mean(0).sqrt()
        self.scale_D.copy_(torch.where(within_D > STILL, 1 / within_D, 0.0))
        left_DD = torch.diag(self.ridge * len(found) / _vouched(variance_FD) ** 2)
        right_D = torch.zeros(len(within_D), dtype=torch.float64)
        for family in found:
            x_ND = self._kept(family.numbers_ND)
            own_ND = x_ND - x_ND.mean(0)
            spread, asked_N = _asked(family)
            left_DD += own_ND.T @ own_ND / (len(x_ND) * spread**2)
            left_DD += self.trust * x_ND.T @ x_ND / len(x_ND)
            right_D += own_ND.T @ asked_N / (len(x_ND) * spread**2)
        self.slope_D.copy_(torch.linalg.solve(left_DD, right_D))

    def forward(self, numbers_BD: Tensor) -> Tensor:
        """What is added to the score, shape (B,)."""
        added_B: Tensor = self._kept(numbers_BD) @ self.slope_D.to(numbers_BD.dtype)
        return added_B

    def _kept(self, numbers_ND: Tensor) -> Tensor:
        return ((numbers_ND - self.center_D) * self.scale_D).clamp(-KEPT, KEPT)


def _vouched(variance_FD: Tensor) -> Tensor:
    """g: by the number of families in which each number moves, as the inverse of Simpson's index.

    F of F where it moves in all alike, 1 where it moves in one alone.
    """
    part_FD = variance_FD / variance_FD.sum(0).clamp(min=STILL**2)
    count_D = 1 / (part_FD**2).sum(0).clamp(min=1 / len(part_FD))
    return (count_D / (VOUCHED * len(part_FD))).clamp(max=1)


def _asked(family: ScoredFamily) -> tuple[float, Tensor]:
    """s and e of a family."""
    score_N = family.score_N - family.score_N.mean()
    rank_N = family.rank_N - family.rank_N.mean()
    deviation = float(score_N.std(correction=0))
    rho = float((score_N * rank_N).mean()) / deviation if deviation > STILL else 0.0
    spread = max(deviation, LEAST_SPREAD)
    return spread, spread * rank_N / max(rho, LEAST_RHO) - score_N
