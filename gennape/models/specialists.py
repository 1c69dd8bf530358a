"""A generalist's score, and beside it what other families taught: all of them, or each its own.

Across families one model is best that learnt on one wide family; inside a family, one that learnt
on that family. A network belongs to family s, by how far it lies from networks of it, to a degree

    m_s = clip((R - d_s) / (R - 1), 0, 1),

d_s in units of the distance within which 95 % of the family's own networks lie. Its score is

    y = z + sum_s h_s e_s + (1 - sum_s h_s) c,    h_s = m_s / max(1, sum_s m_s),

z the generalist's score, e_s what the specialist of s adds to it, and c what all families together
add to it (`models.common`), which strangers hear.
This is the soft membership of GENNAPE (Mills et al., AAAI 2023), of families in place of clusters.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from gennape.models.common import CommonResidual, ScoredFamily
from gennape.models.heads import HEADS, Head
from gennape.models.nearness import nearness
from gennape.models.solved.trees import TreesHead
from onnx_bench.errors import GennapeError

KEPT = 128
"""Networks of each family that say where it lies; a smaller family has the rest far from all."""
FAR = 1e6
NEAREST, WITHIN = 3, 0.95
TAIL = 0.05
ENOUGH = 64
"""With fewer networks beside those kept, these say how far the family reaches, each by the rest."""


class Lessons(NamedTuple):
    """What the head learns from: networks of all families.

    Args:
        read_NR: what the head reads of each network.
        rank_N: ranks within its family, standardised: of mean 0 and deviation 1.
        family_N: names of the families.
    """

    read_NR: Tensor
    rank_N: Tensor
    family_N: Sequence[str]

    def rows(self, family: str) -> Tensor:
        """Places of one family's networks."""
        return torch.from_numpy(np.flatnonzero(np.asarray(self.family_N) == family))


class Specialist(nn.Module):
    """Where a family lies, and what its networks have that the generalist does not see.

    Args:
        place: width P of the place of a network.
        numbers: width of what the forest reads.
        trees, leaf: of the forest.
    """

    point_KP: Tensor
    limit: Tensor

    def __init__(self, place: int, numbers: int, trees: int, leaf: int) -> None:
        super().__init__()
        self.register_buffer("point_KP", torch.full((KEPT, place), FAR))
        self.register_buffer("limit", torch.ones(()))
        self.forest = TreesHead(numbers, trees, leaf, share=0.33)

    def settle(self, place_NP: Tensor, seed: int) -> None:
        """Takes networks of the family as where it lies.

        Raises:
            GennapeError: there are no more than say how far one lies from others.
        """
        if len(place_NP) <= NEAREST + 1:
            raise GennapeError(f"a family of {len(place_NP)} networks is too small to be known by")
        order = torch.from_numpy(np.random.default_rng(seed).permutation(len(place_NP)))
        kept, others = place_NP[order[:KEPT]], place_NP[order[KEPT:]]
        self.point_KP.fill_(FAR)
        self.point_KP[: len(kept)] = kept
        alone = len(others) < ENOUGH
        reach_N = nearness(kept if alone else others, kept, NEAREST, itself=alone)
        self.limit.copy_(torch.quantile(reach_N, WITHIN).clamp(min=1e-6))

    def distance(self, place_BP: Tensor) -> Tensor:
        """How far networks lie, shape (B,): 1 is as far as the outermost 5 % of the family."""
        distance_B: Tensor = nearness(place_BP, self.point_KP, NEAREST) / self.limit
        return distance_B


def within(score_N: Tensor, tail: float) -> Tensor:
    """Scores kept between their quantiles: beyond them the generalist's say stays as it is.

    So hopeless networks, such as cells that are cut in two, stay hopeless in the families next
    door, too, where a rank of this one would put them among better ones.
    """
    low, high = torch.quantile(score_N, torch.tensor([tail, 1 - tail], dtype=score_N.dtype))
    return score_N.clamp(low, high)


@HEADS.register("specialists")
class SpecialistsHead(Head):
    """y as above, from what it reads of each network: score, place, and numbers of the whole graph.

    Args:
        in_features: width of all three.
        families: names of those known.
        place: width of the place.
        reach: R, where a network stops to belong to a family.
        trees, leaf: of each forest.
        trust, ridge: of what all families say together; see `CommonResidual`.
    """

    heard_S: Tensor
    """1 of specialists that have a say, 0 of those that were left out."""

    def __init__(
        self,
        in_features: int,
        families: Sequence[str],
        place: int = 25,
        reach: float = 1.25,
        trees: int = 30,
        leaf: int = 3,
        trust: float = 4.0,
        ridge: float = 4.0,
    ) -> None:
        super().__init__()
        if not families or len(set(families)) < len(families) or not reach > 1:
            raise GennapeError(
                f"families are {list(families)}, reach {reach}; expected names that differ, and "
                "more than 1"
            )
        numbers = in_features - 1 - place
        if numbers < 1:
            raise GennapeError(f"{in_features} values hold no score, {place} of a place, numbers")
        self.families, self.place, self.reach = tuple(families), place, float(reach)
        self.specialists = nn.ModuleList(
            Specialist(place, numbers, trees, leaf) for _ in self.families
        )
        self.common = CommonResidual(numbers, trust, ridge)
        self.register_buffer("heard_S", torch.ones(len(self.families)))

    @torch.no_grad()
    def learn(self, lessons: Lessons, seed: int = 0) -> None:
        """Teaches each specialist its own family, and what they have in common.

        Raises:
            GennapeError: a family has too few networks.
        """
        score_N, place_NP, numbers_ND = self._parts(lessons.read_NR)
        for place, name in enumerate(self.families):
            own = lessons.rows(name)
            specialist = self._specialist(place)
            specialist.settle(place_NP[own], seed)
            # Ranks around the place that the family has among all others.
            known_N = within(score_N[own], TAIL)
            left_N = lessons.rank_N[own] - (known_N - known_N.mean())
            specialist.forest.solve(numbers_ND[own], left_N, seed)
        self.leave_out((), lessons)

    def leave_out(self, families: Iterable[str], lessons: Lessons) -> None:
        """Makes it as if it had never learnt of some families; of none, as it was.

        Args:
            lessons: what it learnt from.
        """
        left_out = set(families)
        heard = [name for name in self.families if name not in left_out]
        self.heard_S.copy_(torch.tensor([float(name in heard) for name in self.families]))
        score_N, _, numbers_ND = self._parts(lessons.read_NR)
        self.common.learn(
            ScoredFamily(numbers_ND[own], score_N[own], lessons.rank_N[own])
            for own in map(lessons.rows, heard)
        )

    def belonging(self, embedding_BF: Tensor) -> Tensor:
        """m, the degree to which each network belongs to each family, shape (B, S), 0 to 1."""
        _, place_BP, _ = self._parts(embedding_BF)
        known = range(len(self.families))
        distance_BS = torch.stack([self._specialist(s).distance(place_BP) for s in known], dim=1)
        degree_BS = ((self.reach - distance_BS) / (self.reach - 1)).clamp(0, 1)
        return degree_BS * self.heard_S

    def forward(self, embedding_BF: Tensor) -> Tensor:
        score_B, _, numbers_BD = self._parts(embedding_BF)
        degree_BS = self.belonging(embedding_BF)
        share_BS = degree_BS / degree_BS.sum(dim=1, keepdim=True).clamp(min=1)
        added_B: Tensor = (1 - share_BS.sum(dim=1)) * self.common(numbers_BD)
        for place in range(len(self.families)):
            members = torch.nonzero(share_BS[:, place])[:, 0]
            if len(members):
                added = self._specialist(place).forest(numbers_BD[members])
                added_B[members] += share_BS[members, place] * added
        return score_B + added_B

    def _specialist(self, place: int) -> Specialist:
        found = self.specialists[place]
        assert isinstance(found, Specialist)
        return found

    def _parts(self, read_BR: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score, place and numbers of what the head reads."""
        behind = 1 + self.place
        return read_BR[:, 0], read_BR[:, 1:behind], read_BR[:, behind:]
