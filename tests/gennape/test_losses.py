"""Losses against the plainest reading of their formulas, and their gradients."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gennape.losses import LOSSES, loss_by_name, mse, pairwise_hinge, pairwise_logistic
from onnx_bench.errors import GennapeError

PAIRWISE = ("pairwise-hinge", "pairwise-logistic")


def naive_hinge(scores: list[float], targets: list[float], margin: float = 0.1) -> float:
    return naive_mean(scores, targets, lambda gap: max(0.0, margin - gap))


def naive_logistic(scores: list[float], targets: list[float]) -> float:
    return naive_mean(scores, targets, lambda gap: math.log(1 + math.exp(-gap)))


def naive_mean(
    scores: list[float], targets: list[float], penalty: Callable[[float], float]
) -> float:
    penalties = []
    for i in range(len(scores)):
        for j in range(len(scores)):
            if targets[i] > targets[j]:
                penalties.append(penalty(scores[i] - scores[j]))
    return sum(penalties) / len(penalties) if penalties else 0.0


def naive_mse(scores: list[float], targets: list[float]) -> float:
    return sum((s - t) ** 2 for s, t in zip(scores, targets, strict=True)) / len(scores)


NAIVE = {"mse": naive_mse, "pairwise-hinge": naive_hinge, "pairwise-logistic": naive_logistic}


def draw(seed: int, size: int, distinct_targets: int | None = None) -> tuple[Tensor, Tensor]:
    """Random scores and targets in float64; few distinct targets give ties."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(size, generator=generator, dtype=torch.float64)
    if distinct_targets is None:
        return scores, torch.randn(size, generator=generator, dtype=torch.float64)
    return scores, torch.randint(distinct_targets, (size,), generator=generator).double()


def test_every_loss_has_a_naive_counterpart_here() -> None:
    assert set(NAIVE) == set(LOSSES)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("distinct_targets", [None, 3])
@pytest.mark.parametrize("size", [2, 5, 16])
def test_losses_equal_a_double_loop_with_and_without_ties(
    name: str, distinct_targets: int | None, size: int
) -> None:
    for seed in range(5):
        scores, targets = draw(seed, size, distinct_targets)
        expected = NAIVE[name](scores.tolist(), targets.tolist())
        assert loss_by_name(name)(scores, targets).item() == pytest.approx(expected, abs=1e-6)


def test_hinge_takes_another_margin() -> None:
    scores, targets = draw(0, 8)
    expected = naive_hinge(scores.tolist(), targets.tolist(), margin=1.5)
    assert pairwise_hinge(scores, targets, margin=1.5).item() == pytest.approx(expected, abs=1e-6)


def test_pairs_of_equal_targets_do_not_count() -> None:
    scores = torch.tensor([3.0, -3.0, 0.5])
    alone = pairwise_logistic(torch.tensor([3.0, 0.5]), torch.tensor([1.0, 0.0]))
    tied = pairwise_logistic(scores, torch.tensor([1.0, 1.0, 0.0]))
    other = pairwise_logistic(torch.tensor([-3.0, 0.5]), torch.tensor([1.0, 0.0]))
    assert tied.item() == pytest.approx((alone.item() + other.item()) / 2, abs=1e-6)


@pytest.mark.parametrize("name", PAIRWISE)
@pytest.mark.parametrize("targets", [[2.0, 2.0, 2.0], [1.0]])
def test_a_batch_without_pairs_gives_zero_and_zero_gradient(
    name: str, targets: list[float]
) -> None:
    scores = torch.linspace(-1, 1, len(targets)).requires_grad_()
    loss = loss_by_name(name)(scores, torch.tensor(targets))
    loss.backward()
    assert loss.item() == 0
    assert scores.grad is not None
    assert scores.grad.tolist() == [0.0] * len(targets)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("distinct_targets", [None, 3])
def test_gradients_are_those_of_finite_differences(name: str, distinct_targets: int | None) -> None:
    # Gaps are multiples of 0.25 but never 0.1, the kink of the hinge.
    scores = (torch.randperm(9, generator=torch.Generator().manual_seed(1)) * 0.25).double()
    _, targets = draw(3, 9, distinct_targets)
    loss = loss_by_name(name)
    assert torch.autograd.gradcheck(lambda s: loss(s, targets), scores.requires_grad_())


@pytest.mark.parametrize("name", LOSSES)
def test_a_better_order_gives_a_smaller_loss(name: str) -> None:
    targets = torch.tensor([0.0, 1.0, 2.0, 3.0])
    orders = [[0, 1, 2, 3], [1, 0, 2, 3], [1, 0, 3, 2], [3, 2, 1, 0]]  # 0, 1, 2, 6 inversions
    losses = [loss_by_name(name)(targets[order], targets).item() for order in orders]
    assert losses == sorted(losses)
    assert len(set(losses)) == len(losses)


def test_hinge_is_zero_where_every_gap_exceeds_the_margin() -> None:
    targets = torch.tensor([1.0, 2.0, 3.0])
    assert pairwise_hinge(targets * 0.2, targets).item() == 0


@pytest.mark.parametrize("name", PAIRWISE)
def test_pairwise_losses_ignore_a_shift_of_all_scores(name: str) -> None:
    scores, targets = draw(0, 8)
    loss = loss_by_name(name)
    assert loss(scores + 7, targets).item() == pytest.approx(loss(scores, targets).item())


def test_logistic_stays_finite_for_huge_wrong_gaps() -> None:
    scores = torch.tensor([0.0, 1e4], requires_grad=True)
    loss = pairwise_logistic(scores, torch.tensor([1.0, 0.0]))
    loss.backward()
    assert loss.item() == pytest.approx(1e4)
    assert scores.grad is not None
    assert scores.grad.tolist() == pytest.approx([-1.0, 1.0])


def test_loss_by_name_gives_the_function() -> None:
    assert loss_by_name("mse") is mse


def test_an_unknown_loss_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(GennapeError, match=r"'huber'; there are mse, pairwise-hinge"):
        loss_by_name("huber")
