"""Heads against naive loops from their formulas, and what they take from the training networks."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from gennape.losses import mse
from gennape.models.heads import (
    HEADS,
    Clustered,
    Experts,
    FuzzyHead,
    FuzzyPairwiseHead,
    Head,
    PairwiseHead,
)
from gennape.models.membership import CollapsedClustersError, Membership
from onnx_bench.errors import GennapeError

WIDTH = 6


def embeddings(count: int = 40, seed: int = 0) -> Tensor:
    """Embeddings in three clouds."""
    rng = np.random.default_rng(seed)
    centres = 5 * rng.standard_normal((3, WIDTH))
    drawn = centres[rng.integers(3, size=count)] + rng.standard_normal((count, WIDTH))
    return torch.from_numpy(drawn)


def made(name: str, seed: int = 0, **arguments: int) -> Head:
    torch.manual_seed(seed)
    head = HEADS[name](WIDTH, **arguments).double()
    head.prepare(embeddings(seed=1))
    return head


def perceptron(experts: Experts, which: int, x: list[float]) -> float:
    """One expert, neuron by neuron."""
    layers = list(zip(experts.weights, experts.biases, strict=True))
    for depth, (weight_CIO, bias_C1O) in enumerate(layers):
        weight, bias = weight_CIO[which].tolist(), bias_C1O[which, 0].tolist()
        if depth:
            x = [max(value, 0.0) for value in x]
        x = [
            bias[out] + sum(x[i] * weight[i][out] for i in range(len(x)))
            for out in range(len(bias))
        ]
    return x[0]


def naive_shares(head: FuzzyHead | FuzzyPairwiseHead, h: list[float]) -> list[float]:
    """Eq. 2 for one network."""
    m = head.membership.fuzzifier
    squared = [math.dist(h, centre) ** 2 for centre in head.membership.centre_CP.tolist()]
    return [1 / sum((d / other) ** (1 / (m - 1)) for other in squared) for d in squared]


@pytest.mark.parametrize("name", sorted({*HEADS} - {"none", "specialists"}))
def test_a_head_gives_a_score_for_each_network_whatever_stands_beside_it(name: str) -> None:
    head, h = made(name), embeddings(10)
    head.refresh(embeddings(20, 3), torch.linspace(-1, 1, 20).double())
    scores = head(h)
    assert scores.shape == (10,)
    torch.testing.assert_close(head(h[3:5]), scores[3:5])


def test_the_fuzzy_head_is_the_formula() -> None:
    head = made("fuzzy-mlp", clusters=3)
    assert isinstance(head, FuzzyHead)
    h = embeddings(8, 2)
    expected = [
        sum(
            share * perceptron(head.experts, j, row)
            for j, share in enumerate(naive_shares(head, row))
        )
        for row in h.tolist()
    ]
    np.testing.assert_allclose(head(h).detach().numpy(), expected, atol=1e-6)


def naive_odds(head: PairwiseHead, first: list[float], second: list[float]) -> float:
    there = [
        perceptron(head.experts, c, first + second) for c in range(len(head.experts.weights[0]))
    ]
    back = [perceptron(head.experts, c, second + first) for c in range(len(there))]
    if isinstance(head, FuzzyPairwiseHead):
        mine, other = naive_shares(head, first), naive_shares(head, second)
        shares = [(a + b) / 2 for a, b in zip(mine, other, strict=True)]
    else:
        shares = [1.0]
    return sum(s * (a - b) for s, a, b in zip(shares, there, back, strict=True))


@pytest.mark.parametrize("name", ["pairwise", "fuzzy-pairwise"])
def test_pairwise_odds_and_their_mean_over_the_anchors_are_the_formula(name: str) -> None:
    head = made(name, anchors=5)
    assert isinstance(head, PairwiseHead)
    h = embeddings(4, 2)
    head.anchor_KF.copy_(embeddings(5, 4))
    odds = head.compare(h[:1], h[1:]).tolist()
    expected = [[naive_odds(head, a, b) for b in h[1:].tolist()] for a in h[:1].tolist()]
    np.testing.assert_allclose(odds, expected, atol=1e-6)
    means = [
        sum(naive_odds(head, row, anchor) for anchor in head.anchor_KF.tolist()) / 5
        for row in h.tolist()
    ]
    np.testing.assert_allclose(head(h).detach().numpy(), means, atol=1e-6)


@pytest.mark.parametrize("name", ["pairwise", "fuzzy-pairwise"])
def test_the_pairwise_loss_is_the_mean_over_the_pairs_with_a_better_first(name: str) -> None:
    head = made(name)
    assert isinstance(head, PairwiseHead)
    h, target = embeddings(5, 2), torch.tensor([0.3, 0.1, 0.3, 0.9, 0.5]).double()
    rows = h.tolist()
    terms = [
        math.log(1 + math.exp(-naive_odds(head, rows[i], rows[j])))
        for i in range(5)
        for j in range(5)
        if target[i] > target[j]
    ]
    assert head.loss(h, target, mse).item() == pytest.approx(sum(terms) / len(terms), abs=1e-6)


def test_turning_a_pair_around_turns_its_odds_around() -> None:
    head = made("fuzzy-pairwise")
    assert isinstance(head, PairwiseHead)
    a, b = embeddings(6, 2), embeddings(6, 3)
    torch.testing.assert_close(head.compare(a, b), -head.compare(b, a).T)


def test_a_batch_of_equal_labels_teaches_pairs_nothing() -> None:
    head = made("pairwise")
    loss = head.loss(embeddings(4).requires_grad_(), torch.ones(4).double(), mse)
    loss.backward()
    assert loss.item() == 0
    assert all(p.grad is None or not p.grad.any() for p in head.parameters())


@pytest.mark.parametrize("name", ["mlp", "fuzzy-mlp", "pairwise", "fuzzy-pairwise", "linear"])
def test_gradients_are_right(name: str) -> None:
    head, target = made(name), torch.tensor([0.1, 0.9, 0.4]).double()
    h = embeddings(3, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: head.loss(x, target, mse), (h,))


def test_anchors_span_the_labels_and_bring_scores_to_their_scale() -> None:
    head = made("pairwise", anchors=3)
    assert isinstance(head, PairwiseHead)
    h = embeddings(11)
    # labels that follow what the head thinks already, on another scale
    with torch.no_grad():
        target = 7 * head.compare(h, h[:1])[:, 0] + 40
    head.refresh(h, target)
    order = target.argsort()
    torch.testing.assert_close(head.anchor_KF, h[order[[0, 5, 10]]])
    assert head(h).mean().item() == pytest.approx(target.mean().item(), abs=1e-6)


def test_labels_against_the_head_never_turn_its_order_around() -> None:
    head = made("pairwise", anchors=3)
    assert isinstance(head, PairwiseHead)
    h = embeddings(11)
    before = head(h).detach()
    head.refresh(h, -before)
    assert head.scale_2[0] > 0


def test_experts_start_like_torchs_own_layers() -> None:
    torch.manual_seed(0)
    experts = Experts(50, 16, 8)
    assert experts.weights[0].abs().max() <= 16**-0.5
    assert experts.weights[0].std().item() == pytest.approx(16**-0.5 / 3**0.5, rel=0.05)


def test_a_fuzzy_head_tells_how_crisp_its_clusters_are() -> None:
    figures = made("fuzzy-mlp", clusters=3).prepare(embeddings())
    assert 0.5 < figures["partition"] <= 1


def test_a_pretrained_encoder_without_a_head_scores_nothing() -> None:
    with pytest.raises(GennapeError, match="scores none; train heads on it"):
        made("none")(embeddings(3))


def test_unknown_settings_of_the_clusters_are_refused() -> None:
    with pytest.raises(GennapeError, match="fuzzifier"):
        HEADS["fuzzy-mlp"](WIDTH, fuzzifier=0.9)


@pytest.mark.parametrize("name", ["fuzzy-mlp", "fuzzy-pairwise"])
def test_clusters_follow_their_networks_when_the_encoder_moves(name: str) -> None:
    rng = np.random.default_rng(0)
    middle = rng.normal(0, 5, (4, 8))[np.arange(200) % 4]
    clouds = torch.from_numpy(middle + rng.normal(0, 0.3, (200, 8))).float()
    head = HEADS[name](8, clusters=4)
    head.prepare(clouds, seed=0)
    assert isinstance(head, Clustered)
    before = head.membership(clouds).argmax(dim=1)
    # Slowly each cloud goes to where another one was: centres that stayed would swap networks.
    there = torch.roll(clouds, 1, dims=0)
    for step in range(1, 301):
        head.follow(torch.lerp(clouds, there, min(step / 200, 1.0)))
    assert torch.equal(head.membership(there).argmax(dim=1), before)
    assert head.figures(there)["partition"] > 0.9
    head.prepare(clouds, seed=0)
    assert not (head.membership(there).argmax(dim=1) == before).any()


def test_centres_move_a_share_of_the_way_to_where_the_formula_has_them() -> None:
    membership = Membership(2, 3, fuzzifier=1.5)
    centres = torch.tensor([[0.0, 0.0, 0.0], [4.0, 4.0, 4.0]])
    membership.centre_CP.copy_(centres)
    points = torch.tensor([[0.5, 0.0, 1.0], [3.0, 4.0, 5.0], [1.0, 1.0, 1.0], [4.0, 3.0, 4.0]])
    shares = membership(points)
    expected = []
    for j in range(2):
        weights = [float(shares[i, j]) ** 1.5 for i in range(4)]
        mean = [sum(weights[i] * float(points[i, d]) for i in range(4)) for d in range(3)]
        step = 0.1 * min(sum(weights), 1.0)
        expected.append(
            [
                float(c) + step * (m / sum(weights) - float(c))
                for c, m in zip(centres[j], mean, strict=True)
            ]
        )
    membership.track(points, rate=0.1)
    np.testing.assert_allclose(membership.centre_CP.numpy(), expected, atol=1e-6)


def test_clusters_that_have_become_one_are_refused() -> None:
    membership = Membership(3, 4)
    points = torch.randn(50, 4)
    membership.centre_CP.copy_(points.mean(dim=0).expand(3, 4))
    with pytest.raises(CollapsedClustersError):
        membership.partition(points)


def test_heads_without_clusters_have_nothing_to_say() -> None:
    assert HEADS["mlp"](8).figures(torch.zeros(4, 8)) == {}
