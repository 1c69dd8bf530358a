"""What is said of networks: scores, intervals, spread of an ensemble, familiarity."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from gennape.assessment import assess, predicted, with_uncertainty
from gennape.batch import EncodedGraphs
from gennape.checkpoint import Checkpoint
from gennape.conformal import Calibration
from gennape.inference import Predictor
from gennape.models.ensemble import Ensemble, EnsembleConfig, Member
from gennape.models.performance import PerformanceModel
from gennape.targets import TargetScale
from onnx_bench.errors import GennapeError
from onnx_bench.families import family_of
from onnx_bench.graph import ComputationGraph

Values = npt.NDArray[np.float64]
TRAIN, HELD_OUT = np.arange(30), np.arange(30, 40)


@pytest.fixture(scope="module")
def encoded(graphs: list[ComputationGraph]) -> EncodedGraphs:
    return EncodedGraphs(graphs)


@pytest.fixture(scope="module")
def kinds(networks: tuple[str, ...]) -> list[str]:
    return [family_of(network) for network in networks]


@pytest.fixture(scope="module")
def three(make_model: Callable[..., PerformanceModel]) -> Checkpoint:
    """An ensemble of three models, their weights 1, 2 and 5."""
    models = [make_model(hidden=8, layers=2, seed=seed) for seed in range(3)]
    members = (
        Member(str(i), model.config, TargetScale(80.0 + i, 3.0), weight)
        for i, (model, weight) in enumerate(zip(models, (1.0, 2.0, 5.0), strict=True))
    )
    return Checkpoint(Ensemble.of(EnsembleConfig(tuple(members)), models))


def test_an_ensembles_spread_is_the_weighted_deviation_of_its_members(
    three: Checkpoint, encoded: EncodedGraphs
) -> None:
    assert isinstance(three.model, Ensemble)
    each = [
        Predictor(Checkpoint(model, member.scale)).predict(encoded)
        for model, member in zip(three.model.models, three.model.config.members, strict=True)
    ]
    mean_N, spread_N = predicted(three, encoded)
    for place, (mean, spread) in enumerate(zip(mean_N, spread_N, strict=True)):
        values = [found[place] for found in each]
        expected = (values[0] + 2 * values[1] + 5 * values[2]) / 8
        squares = [(value - expected) ** 2 for value in values]
        assert mean == pytest.approx(expected)
        variance = (squares[0] + 2 * squares[1] + 5 * squares[2]) / 8
        assert spread == pytest.approx(variance**0.5, rel=1e-4)


def test_a_single_model_has_no_spread(trained: Predictor, encoded: EncodedGraphs) -> None:
    mean_N, spread_N = predicted(trained.checkpoint, encoded)
    np.testing.assert_array_equal(mean_N, trained.predict(encoded))
    assert not spread_N.any()


def test_what_is_not_known_is_left_open(three: Checkpoint, encoded: EncodedGraphs) -> None:
    found = assess(three, encoded)
    for values in (found.low_N, found.high_N, found.distance_N):
        assert np.isnan(values).all()
    assert set(found.family_N) == {""}
    assert not found.strange_N.any()


def test_intervals_widen_with_the_spread_and_the_coverage(
    three: Checkpoint, encoded: EncodedGraphs
) -> None:
    sure = replace(three, calibration=Calibration((1.0, 2.0, 3.0, 4.0), floor=0.5))
    found = assess(sure, encoded, coverage=0.6)
    np.testing.assert_allclose(found.high_N - found.score_N, 3.0 * (found.spread_N + 0.5))
    np.testing.assert_allclose(found.score_N - found.low_N, 3.0 * (found.spread_N + 0.5))
    assert (assess(sure, encoded, coverage=0.8).high_N > found.high_N).all()
    assert np.isinf(assess(sure, encoded, coverage=0.9).high_N).all()


@pytest.mark.parametrize("coverage", [0.0, 1.0, 90.0])
def test_a_coverage_that_is_no_share_is_refused_with_or_without_intervals(
    coverage: float, three: Checkpoint, encoded: EncodedGraphs
) -> None:
    for checkpoint in (three, replace(three, calibration=Calibration((1.0,)))):
        with pytest.raises(GennapeError, match="coverage"):
            assess(checkpoint, encoded, coverage)


def test_what_was_held_out_calibrates_and_all_rows_are_known(
    three: Checkpoint, encoded: EncodedGraphs, labels: Values, kinds: list[str]
) -> None:
    found = with_uncertainty(three, encoded, labels, TRAIN, HELD_OUT, kinds)
    mean_N, spread_N = predicted(three, encoded)
    expected = Calibration.of(mean_N[HELD_OUT], spread_N[HELD_OUT], labels[HELD_OUT])
    assert found.calibration is not None
    assert found.calibration.floor == pytest.approx(expected.floor, rel=1e-3)
    assert found.calibration.scores == pytest.approx(expected.scores, rel=1e-3)
    said = assess(found, encoded, 0.9)
    inside_N = (said.low_N <= labels) & (labels <= said.high_N)
    assert inside_N[HELD_OUT].all()  # the tenth of ten
    assert found.reference is not None
    assert [len(own.embedding_RF) for own in found.reference.known] == [20, 20]
    assert said.family_N.tolist() == kinds
    assert said.strange_N.mean() <= 0.1


def test_nothing_held_out_calibrates_nothing(
    three: Checkpoint, encoded: EncodedGraphs, labels: Values, kinds: list[str]
) -> None:
    sure = replace(three, calibration=Calibration((1.0,)))
    found = with_uncertainty(sure, encoded, labels, TRAIN, HELD_OUT[:0], kinds)
    assert found.calibration is None
    assert found.reference is not None


def test_a_known_reference_is_joined(
    trained: Predictor, encoded: EncodedGraphs, labels: Values
) -> None:
    known = trained.checkpoint.reference
    assert known is not None
    found = with_uncertainty(
        trained.checkpoint, encoded, labels, TRAIN, HELD_OUT, ["mine"] * 40, known=known
    )
    assert found.reference is not None
    names = [own.family for own in found.reference.known]
    assert names == ["digits-chains", "digits-cells", "mine"]


def test_a_predictor_says_what_its_checkpoint_knows(
    trained: Predictor, networks: tuple[str, ...], encoded: EncodedGraphs
) -> None:
    """Of networks in any form; strange ones of another kind among them."""
    for found, expected in zip(
        trained.assess(networks), assess(trained.checkpoint, encoded), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    tokens = trained.assess(["digits-tokens:p4-c24-r2-attn4-attn4-attn1-attn1", networks[0]])
    assert tokens.strange_N.tolist() == [True, False]
