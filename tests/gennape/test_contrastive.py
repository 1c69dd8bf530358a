"""The contrastive loss against loops written from the formula, its gradients, and its weights."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from gennape.features.spectrum import spectra
from gennape.models.contrastive import (
    Projection,
    contrastive_loss,
    group_weights,
    spectral_weights,
)
from onnx_bench.errors import GennapeError
from onnx_bench.families import build_spec


def views(count: int = 7, width: int = 5, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(count, width, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(drawn, dim=1)


def weights(count: int = 7, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.rand(count, count, generator=generator, dtype=torch.float64)
    drawn.fill_diagonal_(0.0)
    return drawn / drawn.sum(dim=1, keepdim=True)


def naive_loss(z: list[list[float]], alpha: list[list[float]], temperature: float) -> float:
    """Eq. 1, term by term, over the number of views."""

    def similarity(i: int, j: int) -> float:
        return sum(a * b for a, b in zip(z[i], z[j], strict=True)) / temperature

    total = 0.0
    for i in range(len(z)):
        others = [r for r in range(len(z)) if r != i]
        below = sum(math.exp(similarity(i, r)) for r in others)
        total -= sum(alpha[i][j] * math.log(math.exp(similarity(i, j)) / below) for j in others)
    return total / len(z)


@pytest.mark.parametrize("temperature", [0.05, 0.5, 2.0])
def test_the_loss_is_the_formula(temperature: float) -> None:
    z, alpha = views(), weights()
    expected = naive_loss(z.tolist(), alpha.tolist(), temperature)
    assert contrastive_loss(z, alpha, temperature).item() == pytest.approx(expected, abs=1e-6)


def test_the_gradient_is_that_of_the_formula() -> None:
    z, alpha = views(5, 3).requires_grad_(), weights(5)
    assert torch.autograd.gradcheck(lambda x: contrastive_loss(x, alpha, 0.5), (z,))


def test_the_loss_is_the_same_whatever_stands_on_the_diagonal_of_the_weights() -> None:
    z, alpha = views(), weights()
    other = alpha.clone()
    other.fill_diagonal_(3.0)
    assert contrastive_loss(z, alpha) == contrastive_loss(z, other)


def test_the_loss_does_not_depend_on_the_order_of_the_views() -> None:
    z, alpha = views(), weights()
    order = torch.randperm(len(z), generator=torch.Generator().manual_seed(3))
    moved = contrastive_loss(z[order], alpha[order][:, order])
    assert moved.item() == pytest.approx(contrastive_loss(z, alpha).item(), abs=1e-12)


def test_drawing_positives_together_lowers_the_loss() -> None:
    group = torch.tensor([0, 0, 1, 1])
    apart = torch.eye(4, dtype=torch.float64)
    together = torch.eye(2, dtype=torch.float64)[group]
    alpha = group_weights(group).double()
    assert contrastive_loss(together, alpha) < contrastive_loss(apart, alpha)


def test_a_small_temperature_does_not_overflow() -> None:
    assert torch.isfinite(contrastive_loss(views().float(), weights().float(), 1e-3))


# weights


def naive_weights(spectra_list: list[list[float]], sign: float, temperature: float) -> list:
    rows = []
    for i, own in enumerate(spectra_list):
        distance = [math.dist(own, other) for other in spectra_list]
        scores = [math.exp(sign * d / temperature) if j != i else 0 for j, d in enumerate(distance)]
        rows.append([score / sum(scores) for score in scores])
    return rows


@pytest.mark.parametrize(("reading", "sign"), [("near", -1.0), ("far", 1.0)])
@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_spectral_weights_are_the_formula(reading: str, sign: float, temperature: float) -> None:
    spectra_VQ = torch.rand(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = spectral_weights(spectra_VQ, temperature, reading)  # type: ignore[arg-type]
    expected = naive_weights(spectra_VQ.tolist(), sign, temperature)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def test_weights_sum_to_one_and_leave_the_view_itself_out() -> None:
    alpha = spectral_weights(torch.rand(9, 21))
    torch.testing.assert_close(alpha.sum(dim=1), torch.ones(9))
    assert (alpha.diagonal() == 0).all()


def test_near_networks_are_the_positives_unless_the_text_is_taken_by_the_letter() -> None:
    spectra_VQ = torch.tensor([[0.0, 0.1], [0.0, 0.11], [0.0, 1.9]])
    assert spectral_weights(spectra_VQ)[0].argmax() == 1
    assert spectral_weights(spectra_VQ, reading="far")[0].argmax() == 2


def test_a_reading_that_there_is_not_is_refused() -> None:
    with pytest.raises(GennapeError, match=r"'nearest'.*'near', 'far'"):
        spectral_weights(torch.rand(3, 2), reading="nearest")  # type: ignore[arg-type]


def test_group_weights_share_alike_among_the_group() -> None:
    alpha = group_weights(torch.tensor([0, 1, 0, 0, 2]))
    expected = [
        [0, 0, 0.5, 0.5, 0],
        [0, 0, 0, 0, 0],
        [0.5, 0, 0, 0.5, 0],
        [0.5, 0, 0.5, 0, 0],
        [0, 0, 0, 0, 0],
    ]
    torch.testing.assert_close(alpha, torch.tensor(expected))


# the projection and the spectrum


def test_the_projection_ends_on_the_unit_sphere() -> None:
    torch.manual_seed(0)
    z = Projection(8, 3)(torch.randn(10, 8))
    assert z.shape == (10, 3)
    torch.testing.assert_close(z.norm(dim=1), torch.ones(10))


def test_networks_of_one_wiring_are_each_others_nearest_spectra() -> None:
    texts = [
        "digits-chains:plain-w4-d3-k1-w4-d3-k1-w4-d3-k1",
        "digits-chains:plain-w8-d3-k3-w8-d3-k3-w8-d3-k3",
        "digits-chains:residual-w4-d3-k3-w8-d3-k3-w8-d3-k3",
    ]
    found = torch.from_numpy(spectra(build_spec(text) for text in texts))
    assert spectral_weights(found)[0].argmax() == 1
