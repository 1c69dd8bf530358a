"""From labels to targets and back, by the paper's formula."""

import math
from dataclasses import asdict
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gennape.targets import Flops, TargetScale
from onnx_bench.errors import GennapeError

LABELS = np.array([90.0, 92.5, 94.0, 71.0])
MACS = np.array([1.5e8, 4.4e9, 0.0, 6e11])


def test_the_transform_is_the_papers_formula() -> None:
    scale = TargetScale.of(LABELS, MACS, flops="divided")
    over = [
        label / (math.log10(2 * macs / 1e9 + 1) + 1)
        for label, macs in zip(LABELS, MACS, strict=True)
    ]
    mean = sum(over) / 4
    std = math.sqrt(sum((value - mean) ** 2 for value in over) / 4)
    expected = [(value - mean) / std for value in over]
    np.testing.assert_allclose(scale.standardise(LABELS, MACS), expected, atol=1e-9)


@pytest.mark.parametrize("flops", get_args(Flops))
def test_predictions_go_back_the_way_the_labels_came(flops: Flops) -> None:
    scale = TargetScale.of(LABELS, MACS, flops)
    there = scale.standardise(LABELS, MACS)
    assert there.mean() == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(scale.restore(there, MACS), LABELS)


@pytest.mark.parametrize("flops", get_args(Flops))
def test_what_is_learnt_has_a_deviation_of_one(flops: Flops) -> None:
    assert TargetScale.of(LABELS, MACS, flops).standardise(LABELS, MACS).std() == pytest.approx(1)


@pytest.mark.parametrize("flops", get_args(Flops))
def test_scores_of_other_labels_become_predictions_of_these(flops: Flops) -> None:
    scores = np.array([0.3, -1.2, 0.1, 0.25])
    scale = TargetScale.of(LABELS, MACS, flops).around(scores)
    learnt = scale.standardise(LABELS, MACS)
    assert (learnt.mean(), learnt.std()) == pytest.approx((scores.mean(), scores.std()))
    np.testing.assert_allclose(scale.restore(learnt, MACS), LABELS)


def test_scores_without_a_spread_leave_that_of_the_labels() -> None:
    scale = TargetScale.of(LABELS).around(np.full(4, 2.5))
    learnt = scale.standardise(LABELS, MACS)
    assert (learnt.mean(), learnt.std()) == pytest.approx((2.5, 1))


def test_a_scale_is_plain_data_that_gives_itself_back() -> None:
    scale = TargetScale.of(LABELS, MACS, "divided")
    assert TargetScale.from_dict(asdict(scale)) == scale


@pytest.mark.parametrize(("per_flops", "flops"), [(True, "divided"), (False, "ignored")])
def test_scales_of_older_checkpoints_are_read(per_flops: bool, flops: Flops) -> None:
    given = {"mean": 1.0, "std": 2.0, "per_flops": per_flops}
    assert TargetScale.from_dict(given) == TargetScale(1.0, 2.0, flops)


def test_another_way_to_treat_size_is_refused() -> None:
    with pytest.raises(GennapeError, match="flops is 'halved', expected one of"):
        TargetScale(flops="halved")  # type: ignore[arg-type]


def test_tensors_are_standardised_as_arrays_are() -> None:
    scale = TargetScale.of(LABELS, MACS, flops="divided")
    tensors = torch.from_numpy(LABELS), torch.from_numpy(MACS)
    np.testing.assert_allclose(scale.standardise(*tensors), scale.standardise(LABELS, MACS))
    np.testing.assert_allclose(scale.restore(*tensors), scale.restore(LABELS, MACS))


def test_a_network_without_work_keeps_its_label() -> None:
    assert TargetScale(0.0, 1.0, flops="divided").standardise(LABELS, MACS)[2] == LABELS[2]


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3), st.sampled_from(get_args(Flops)))
def test_a_scale_keeps_the_order_of_networks_of_one_size(
    mean: float, std: float, flops: Flops
) -> None:
    scale = TargetScale(mean, std, flops)
    same = np.full(4, 1e9)
    assert (scale.restore(LABELS, same).argsort() == LABELS.argsort()).all()
