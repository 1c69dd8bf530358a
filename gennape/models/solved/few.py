"""A head for few labels: several ways to learn, and what was known before, side by side."""

from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from gennape.models.heads import HEADS
from gennape.models.solved.gaussian_process import GaussianProcessHead
from gennape.models.solved.head import FloatArray, SolvedHead, Table
from gennape.models.solved.ridge import RidgeHead
from gennape.models.solved.trees import TreesHead

LOUD = 3.0
"""Deviations of the score among numbers of one deviation each: it knows more than one of them."""
STILL = 1e-9


@HEADS.register("few-labels")
class FewLabelsHead(SolvedHead):
    """y = (n (a + b) / 2 + k z) / (n + k), learnt from n labels of a family.

    z is a score that was there before, the first value that the head reads; a and b are each the
    mean of a Gaussian process, a ridge regression and trees on all that it reads, a learning the
    labels and b what r z leaves of them, with r the correlation of score and labels, at least 0.
    With few labels the score counts as k of them would: what is learnt cannot lose much.

    Args:
        in_features: width of what it reads, the score first.
        known: k.
        trees: of both forests.
    """

    score_2: Tensor
    """Mean and deviation of the score."""
    target_2: Tensor
    """Those of the labels."""
    share_3: Tensor
    """How much a, b and z count."""
    slope: Tensor
    """r."""

    def __init__(self, in_features: int, known: float = 8.0, trees: int = 100) -> None:
        super().__init__(in_features)
        self.known = float(known)
        self.direct, self.residual = _learners(in_features, trees), _learners(in_features, trees)

    def _constant(self, mean: float) -> dict[str, Tensor]:
        moments = torch.tensor([0.0, 1.0], dtype=torch.float64)
        return {
            "score_2": moments.clone(),
            "target_2": moments.new_tensor([mean, 1.0]),
            "share_3": moments.new_zeros(3),
            "slope": moments.new_zeros(()),
        }

    def _solution(self, table: Table, seed: int) -> dict[str, Tensor]:
        score_2, target_2 = (_moments(v) for v in (table.read_NR[:, 0], table.target_N))
        score_N = (table.read_NR[:, 0] - score_2[0]) / score_2[1]
        target_N = (table.target_N - target_2[0]) / target_2[1]
        slope = max(float(np.mean(score_N * target_N)), 0.0)
        read_NR = torch.from_numpy(np.column_stack([LOUD * score_N, table.read_NR[:, 1:]]))
        for learners, rest_N in (
            (self.direct, target_N),
            (self.residual, target_N - slope * score_N),
        ):
            for learner in learners:
                cast(SolvedHead, learner).solve(read_NR, torch.from_numpy(rest_N), seed)
        count = len(target_N)
        share = count / 2 / (count + self.known)
        return {
            "score_2": torch.from_numpy(score_2),
            "target_2": torch.from_numpy(target_2),
            "share_3": torch.tensor([share, share, self.known / (count + self.known)]),
            "slope": torch.tensor(slope),
        }

    def _sound(self, buffers: Mapping[str, Tensor]) -> bool:
        shapes = {"score_2": (2,), "target_2": (2,), "share_3": (3,), "slope": ()}
        fits = all(tuple(buffers[name].shape) == shape for name, shape in shapes.items())
        return fits and min(float(buffers[n][1]) for n in ("score_2", "target_2")) > 0

    def forward(self, embedding_BF: Tensor) -> Tensor:
        score_B = (embedding_BF[:, 0].double() - self.score_2[0]) / self.score_2[1]
        read_BR = torch.cat([LOUD * score_B[:, None], embedding_BF[:, 1:].double()], dim=1)
        direct_B, residual_B = (_mean(part, read_BR) for part in (self.direct, self.residual))
        ways_3B = torch.stack([direct_B, self.slope * score_B + residual_B, score_B])
        found_B = self.target_2[0] + self.target_2[1] * (self.share_3 @ ways_3B)
        return found_B.to(embedding_BF.dtype)


def _learners(width: int, trees: int) -> nn.ModuleList:
    forest = TreesHead(width, trees, leaf=2, share=0.33)
    return nn.ModuleList([GaussianProcessHead(width), RidgeHead(width), forest])


def _mean(learners: nn.ModuleList, read_BR: Tensor) -> Tensor:
    mean_B: Tensor = torch.stack([learner(read_BR) for learner in learners]).mean(dim=0)
    return mean_B


def _moments(values_N: FloatArray) -> FloatArray:
    deviation = float(values_N.std())
    return np.array([values_N.mean(), deviation if deviation > STILL else 1.0])
