"""Fuzzy membership against the formula and skfuzzy, and clusters that collapse."""

import numpy as np
import pytest
import skfuzzy
import torch

from gennape.models.membership import CollapsedClustersError, Membership
from onnx_bench.errors import GennapeError


def clouds(width: int = 8, clusters: int = 3, each: int = 40, seed: int = 0) -> np.ndarray:
    """Points around far centres, one cloud after another."""
    rng = np.random.default_rng(seed)
    centres = 6 * rng.standard_normal((clusters, width))
    return np.concatenate([c + rng.standard_normal((each, width)) for c in centres])


def naive_shares(h: np.ndarray, centres: np.ndarray, m: float) -> list[list[float]]:
    """Eq. 2, term by term."""
    rows = []
    for point in h:
        squared = [float(((point - centre) ** 2).sum()) for centre in centres]
        rows.append([1 / sum((d / other) ** (1 / (m - 1)) for other in squared) for d in squared])
    return rows


def with_centres(centres: np.ndarray, m: float) -> Membership:
    membership = Membership(*centres.shape, fuzzifier=m).double()
    membership.centre_CP.copy_(torch.from_numpy(centres))
    return membership


@pytest.mark.parametrize("m", [1.2, 1.5, 2.0, 3.0])
def test_shares_are_the_formula(m: float) -> None:
    rng = np.random.default_rng(0)
    h, centres = rng.standard_normal((10, 4)), rng.standard_normal((5, 4))
    found = with_centres(centres, m)(torch.from_numpy(h))
    np.testing.assert_allclose(found.numpy(), naive_shares(h, centres, m), atol=1e-6)


@pytest.mark.parametrize("m", [1.2, 2.0])
def test_shares_are_what_skfuzzy_predicts(m: float) -> None:
    rng = np.random.default_rng(1)
    h, centres = rng.standard_normal((30, 4)), rng.standard_normal((3, 4))
    expected, *_ = skfuzzy.cmeans_predict(h.T, centres, m, 1e-9, 1000, seed=0)
    found = with_centres(centres, m)(torch.from_numpy(h))
    np.testing.assert_allclose(found.numpy(), expected.T, atol=1e-6)


def test_gradients_of_shares_are_right() -> None:
    membership = with_centres(np.random.default_rng(0).standard_normal((3, 4)), 1.5)
    h = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(membership, (h.requires_grad_(),))


def test_a_network_on_a_centre_belongs_to_it_alone() -> None:
    centres = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    shares = with_centres(centres, 1.2).float()(torch.tensor([[1.0, 0.0]]))
    torch.testing.assert_close(shares, torch.tensor([[0.0, 1.0, 0.0]]))


def test_a_fit_finds_the_clouds() -> None:
    h = clouds()
    membership = Membership(3, 8)
    coefficient = membership.fit(h)
    assert coefficient > 0.95
    chosen = membership(torch.from_numpy(h).float()).argmax(dim=1).reshape(3, 40)
    assert all(len(set(row.tolist())) == 1 for row in chosen)
    assert len(set(chosen[:, 0].tolist())) == 3


def test_the_fit_is_a_fixed_point_of_the_papers_two_equations() -> None:
    h, m = clouds(), 1.5
    membership = Membership(3, 8, fuzzifier=m).double()
    membership.fit(h)
    raised = membership(torch.from_numpy(h)).numpy() ** m
    centres = raised.T @ h / raised.sum(axis=0)[:, None]
    np.testing.assert_allclose(membership.centre_CP.numpy(), centres, atol=1e-6)


def test_a_projection_keeps_clouds_apart_at_m_of_two() -> None:
    h = clouds(width=64)
    with pytest.raises(CollapsedClustersError, match=r"m = 2 collapsed.*1\.05 to 1\.2"):
        Membership(8, 64, fuzzifier=2.0).fit(np.random.default_rng(0).standard_normal((300, 64)))
    assert Membership(3, 64, fuzzifier=2.0, projection=2).fit(h) > 0.6


def test_the_same_seed_gives_the_same_centres() -> None:
    first, second = Membership(3, 8), Membership(3, 8)
    first.fit(clouds(), seed=4)
    second.fit(clouds(), seed=4)
    assert torch.equal(first.centre_CP, second.centre_CP)


def test_centres_travel_with_the_weights() -> None:
    fitted, empty = Membership(3, 8, projection=4), Membership(3, 8, projection=4)
    fitted.fit(clouds())
    empty.load_state_dict(fitted.state_dict())
    h = torch.from_numpy(clouds(seed=5)).float()
    assert torch.equal(fitted(h), empty(h))


@pytest.mark.parametrize(
    "arguments",
    [
        {"clusters": 1},
        {"fuzzifier": 1.0},
        {"fuzzifier": 0.5},
        {"projection": 0},
        {"projection": 9},
    ],
)
def test_settings_that_mean_nothing_are_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(GennapeError, match=next(iter(arguments))):
        Membership(**{"clusters": 3, "features": 8, **arguments})  # type: ignore[arg-type]


def test_fewer_networks_than_clusters_are_refused() -> None:
    with pytest.raises(GennapeError, match="2 networks cannot make 3 clusters"):
        Membership(3, 8).fit(clouds()[:2])
