"""From labels to targets and back, by the paper's formula."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gennape.targets import TargetScale

LABELS = np.array([90.0, 92.5, 94.0, 71.0])
MACS = np.array([1.5e8, 4.4e9, 0.0, 6e11])


def test_the_transform_is_the_papers_formula() -> None:
    scale = TargetScale.of(LABELS, MACS, per_flops=True)
    over = [
        label / (math.log10(2 * macs / 1e9 + 1) + 1)
        for label, macs in zip(LABELS, MACS, strict=True)
    ]
    mean = sum(over) / 4
    std = math.sqrt(sum((value - mean) ** 2 for value in over) / 4)
    expected = [(value - mean) / std for value in over]
    np.testing.assert_allclose(scale.standardise(LABELS, MACS), expected, atol=1e-9)


@pytest.mark.parametrize("per_flops", [False, True])
def test_predictions_go_back_the_way_the_labels_came(per_flops: bool) -> None:
    scale = TargetScale.of(LABELS, MACS, per_flops)
    there = scale.standardise(LABELS, MACS)
    assert there.mean() == pytest.approx(0, abs=1e-9)
    assert there.std() == pytest.approx(1)
    np.testing.assert_allclose(scale.restore(there, MACS), LABELS)


def test_tensors_are_standardised_as_arrays_are() -> None:
    scale = TargetScale.of(LABELS, MACS, per_flops=True)
    tensors = torch.from_numpy(LABELS), torch.from_numpy(MACS)
    np.testing.assert_allclose(scale.standardise(*tensors), scale.standardise(LABELS, MACS))
    np.testing.assert_allclose(scale.restore(*tensors), scale.restore(LABELS, MACS))


def test_a_network_without_work_keeps_its_label() -> None:
    assert TargetScale(0.0, 1.0, per_flops=True).standardise(LABELS, MACS)[2] == LABELS[2]


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3), st.booleans())
def test_a_scale_keeps_the_order_of_networks_of_one_size(
    mean: float, std: float, per_flops: bool
) -> None:
    scale = TargetScale(mean, std, per_flops)
    same = np.full(4, 1e9)
    assert (scale.restore(LABELS, same).argsort() == LABELS.argsort()).all()
