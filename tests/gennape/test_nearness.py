"""Distances to the nearest of a sample, against scipy's trees."""

import numpy as np
import pytest
import torch
from scipy.spatial import KDTree

from gennape.models.nearness import nearness


@pytest.mark.parametrize("part", [7, 4096])
def test_distances_are_those_of_a_tree(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gennape.models.nearness.PART", part)
    rng = np.random.default_rng(0)
    sample, points = rng.normal(size=(30, 5)), rng.normal(size=(20, 5))
    found = nearness(torch.from_numpy(points), torch.from_numpy(sample), 4)
    np.testing.assert_allclose(found, KDTree(sample).query(points, 4)[0].mean(axis=1))
    alone = nearness(torch.from_numpy(sample), torch.from_numpy(sample), 4, itself=True)
    np.testing.assert_allclose(alone, KDTree(sample).query(sample, 5)[0][:, 1:].mean(axis=1))


def test_no_points_have_no_distances() -> None:
    assert nearness(torch.zeros(0, 5), torch.zeros(9, 5), 4).shape == (0,)
