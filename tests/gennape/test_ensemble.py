"""The ensemble against its formulas."""

import math

import numpy as np
import pytest
import torch

from gennape.batch import EncodedGraphs
from gennape.models.ensemble import Ensemble, EnsembleConfig, Member, kendall_weights
from gennape.models.performance import ModelConfig
from gennape.targets import TargetScale
from onnx_bench.errors import GennapeError
from onnx_bench.graph import ComputationGraph


def config(*weights: float) -> EnsembleConfig:
    encoders = [ModelConfig("size", head="linear"), ModelConfig("k-gnn", {"hidden": 8})]
    scales = [TargetScale(90.0, 2.0), TargetScale(80.0, 3.0, flops="divided")]
    parts = zip(encoders, scales, weights, strict=False)
    return EnsembleConfig(
        tuple(
            Member(str(i), model, scale, weight) for i, (model, scale, weight) in enumerate(parts)
        )
    )


def test_the_prediction_is_the_weighted_mean_of_what_each_member_predicts(
    graphs: list[ComputationGraph],
) -> None:
    torch.manual_seed(0)
    ensemble = Ensemble(config(1.0, 3.0)).eval()
    batch = EncodedGraphs(graphs[:4]).batch(range(4))
    with torch.inference_mode():
        found = ensemble(batch).tolist()
        scores = [model(batch).tolist() for model in ensemble.members]
    for i, macs in enumerate(batch.macs_B.tolist()):
        first = scores[0][i] * 2.0 + 90.0
        second = (scores[1][i] * 3.0 + 80.0) * (math.log10(2 * macs / 1e9 + 1) + 1)
        assert found[i] == pytest.approx((first + 3 * second) / 4, abs=1e-4)


def test_a_configuration_is_plain_data_that_gives_itself_back() -> None:
    assert EnsembleConfig.from_dict(config(1.0, 2.0).to_dict()) == config(1.0, 2.0)


@pytest.mark.parametrize("weights", [(), (0.0, 0.0), (1.0, -1.0)])
def test_weights_that_make_no_mean_are_refused(weights: tuple[float, ...]) -> None:
    with pytest.raises(GennapeError, match="positive weights"):
        Ensemble(config(*weights))


def test_fine_tuned_weights_are_the_softmax_of_kendalls_tau() -> None:
    taus = [0.7, 0.1, -0.4]
    raised = [math.exp(tau) for tau in taus]
    expected = [value / sum(raised) for value in raised]
    np.testing.assert_allclose(kendall_weights(taus), expected, atol=1e-9)


def test_a_constant_member_counts_as_one_that_knows_nothing() -> None:
    np.testing.assert_allclose(kendall_weights([float("nan"), 0.0]), [0.5, 0.5])
