"""What holds in all families alike: against the sum that it minimises, and in what it finds."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from gennape.metrics import spearman
from gennape.models.common import (
    KEPT,
    LEAST_RHO,
    LEAST_SPREAD,
    VOUCHED,
    CommonResidual,
    ScoredFamily,
)
from onnx_bench.errors import GennapeError

NUMBERS = 5


def family(seed: int, count: int = 200, own: float = 1.0, spread: float = 1.0) -> ScoredFamily:
    """Networks of a place of their own: the score knows number 0, every family number 1 beside it.

    Number 2 is right in some families as it is wrong in others.
    """
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(count, NUMBERS)) + 3 * rng.normal(size=NUMBERS)
    truth = numbers[:, 0] + numbers[:, 1] + own * numbers[:, 2] + 0.3 * rng.normal(size=count)
    rank = np.argsort(np.argsort(truth)).astype(float)
    score = spread * numbers[:, 0] + rng.normal()
    parts = (numbers, score, (rank - rank.mean()) / rank.std())
    return ScoredFamily(*(torch.from_numpy(part).float() for part in parts))


FAMILIES = [family(seed, own=(-1) ** seed, spread=0.1 * (1 + seed)) for seed in range(8)]


def taught(lessons: list[ScoredFamily], **arguments: float) -> CommonResidual:
    found = CommonResidual(NUMBERS, **arguments)
    found.learn(lessons)
    return found


def cost(common: CommonResidual, slope_D: Tensor, lessons: list[ScoredFamily]) -> Tensor:
    """The sum of the docstring, one family and one network after the other."""
    variances = torch.stack([x.numbers_ND.double().var(0, correction=0) for x in lessons])
    counts = variances.sum(0) ** 2 / (variances**2).sum(0)
    g_D = (counts / (VOUCHED * len(lessons))).clamp(max=1)
    total = common.ridge * ((slope_D / g_D) ** 2).sum()
    for numbers_ND, score_N, rank_N in ([part.double() for part in x] for x in lessons):
        s = max(float(score_N.std(correction=0)), LEAST_SPREAD)
        r = max(float(np.corrcoef(score_N, rank_N)[0, 1]), LEAST_RHO)
        x_ND = ((numbers_ND - common.center_D) * common.scale_D).clamp(-KEPT, KEPT)
        middle_D = x_ND.mean(0)
        for x_D, z, y in zip(x_ND, score_N - score_N.mean(), rank_N - rank_N.mean(), strict=True):
            missed = s * y / r - z - (x_D - middle_D) @ slope_D
            found = missed**2 / s**2 + common.trust * (x_D @ slope_D) ** 2
            total = total + found / len(x_ND) / len(lessons)
    return total


@pytest.mark.parametrize(("trust", "ridge"), [(2.0, 2.0), (0.1, 5.0), (10.0, 0.1)])
def test_no_other_map_costs_less(trust: float, ridge: float) -> None:
    common = taught(FAMILIES[:3], trust=trust, ridge=ridge)
    slope_D = common.slope_D.double().requires_grad_()
    least = cost(common, slope_D, FAMILIES[:3])
    least.backward()  # type: ignore[no-untyped-call]
    assert slope_D.grad is not None
    assert float(slope_D.grad.abs().max()) < 1e-4 * float(least.detach())
    assert float(cost(common, 1.05 * slope_D.detach(), FAMILIES[:3])) > float(least.detach())


def test_strangers_gain_what_all_families_share() -> None:
    common = taught(FAMILIES, trust=1.0, ridge=1.0)
    for seed in (20, 21):
        numbers, score, rank = family(seed, own=(-1) ** seed, spread=0.3)
        before, after = (spearman(s, rank) for s in (score, score + common(numbers)))
        assert after > before + 0.1
    assert float(common.slope_D[1]) > 5 * float(common.slope_D[2].abs())


def test_a_number_that_one_family_alone_moves_counts_less() -> None:
    alone = [x._replace(numbers_ND=x.numbers_ND.clone()) for x in FAMILIES]
    for lesson in alone[1:]:
        lesson.numbers_ND[:, 1] = lesson.numbers_ND[:, 1].mean()
    weight = float(taught(alone).slope_D[1] / taught(alone).scale_D[1])
    assert abs(weight) < 0.5 * float(taught(FAMILIES).slope_D[1] / taught(FAMILIES).scale_D[1])


def test_one_large_family_has_one_say() -> None:
    large = [*FAMILIES[:3], family(0, count=2000)]
    twice = [*FAMILIES[:3], ScoredFamily(*(torch.cat([part] * 7) for part in large[3]))]
    torch.testing.assert_close(taught(large).slope_D, taught(twice).slope_D, rtol=1e-3, atol=1e-5)


def test_numbers_that_never_move_say_nothing_and_far_ones_no_more_than_near_ones() -> None:
    still = [x._replace(numbers_ND=x.numbers_ND.clone()) for x in FAMILIES]
    for lesson in still:
        lesson.numbers_ND[:, 4] = 7.0
    common = taught(still)
    far = still[0].numbers_ND.clone()
    far[:, 4] = 1e9
    assert torch.equal(common(far), common(still[0].numbers_ND))
    assert torch.isfinite(common(1e12 * torch.ones(1, NUMBERS))).all()


def test_without_lessons_it_is_zero_again() -> None:
    common = taught(FAMILIES)
    assert float(common(FAMILIES[0].numbers_ND).abs().max()) > 0.01
    common.learn([])
    assert (common(FAMILIES[0].numbers_ND) == 0).all()


def test_a_score_that_says_the_same_of_all_is_learnt_from_too() -> None:
    mute = FAMILIES[0]._replace(score_N=torch.zeros(200))
    assert torch.isfinite(taught([mute, FAMILIES[1]]).slope_D).all()


WRONG: list[Callable[[], object]] = [
    lambda: CommonResidual(3, trust=0.0),
    lambda: CommonResidual(3, ridge=-1.0),
]


@pytest.mark.parametrize("act", WRONG)
def test_what_is_wrong_is_said(act: Callable[[], object]) -> None:
    with pytest.raises(GennapeError, match="expected both above 0"):
        act()
