"""Fine-tuning: what is held out, which epoch stays, a frozen encoder, and an ensemble's members."""

import copy
from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import stats

from gennape.batch import EncodedGraphs
from gennape.learning import steps, tune
from gennape.losses import mse
from gennape.models.ensemble import Ensemble, EnsembleConfig, Member, kendall_weights
from gennape.models.performance import PerformanceModel
from gennape.scoring import embedded, predictions, scores
from gennape.targets import Flops, TargetScale
from gennape.tuning import TuneSettings, fine_tune
from onnx_bench.errors import GennapeError
from onnx_bench.graph import ComputationGraph

Labels = npt.NDArray[np.float64]
MakeModel = Callable[..., PerformanceModel]


@pytest.fixture(scope="module")
def encoded(graphs: list[ComputationGraph]) -> EncodedGraphs:
    return EncodedGraphs(graphs)


@pytest.fixture
def model(make_model: MakeModel) -> PerformanceModel:
    return make_model(hidden=8, layers=2)


@pytest.fixture
def pair(make_model: MakeModel) -> Ensemble:
    """Two members, one with dropout, on scales of their own."""
    models = [make_model(hidden=8, layers=2), make_model("gated-gcn", hidden=8, layers=2)]
    scales = [TargetScale(60.0, 5.0), TargetScale(50.0, 4.0, "divided")]
    parts = zip(("one", "other"), models, scales, strict=True)
    config = EnsembleConfig(tuple(Member(name, m.config, scale) for name, m, scale in parts))
    return Ensemble.of(config, models)


def equal(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    theirs = other.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in one.state_dict().items())


# what is held out


def test_a_split_is_a_share_of_the_rows_and_the_same_each_time() -> None:
    settings = TuneSettings(validation=0.2, seed=3)
    learnt, held_out = settings.split(50)
    assert (len(learnt), len(held_out)) == (40, 10)
    assert sorted([*learnt, *held_out]) == list(range(50))
    for part, same in zip((learnt, held_out), settings.split(50), strict=True):
        np.testing.assert_array_equal(part, same)
    _, other = TuneSettings(validation=0.2, seed=4).split(50)
    assert set(held_out) != set(other)


def test_without_validation_nothing_is_held_out() -> None:
    learnt, held_out = TuneSettings().split(7)
    assert (learnt.tolist(), held_out.tolist()) == (list(range(7)), [])


def test_labels_that_are_held_out_are_not_learnt_from(
    model: PerformanceModel, encoded: EncodedGraphs, labels: Labels
) -> None:
    """Scaling them alone changes neither weights nor scale, where they cannot stop training."""
    settings = TuneSettings(epochs=1, validation=0.25)
    _, held_out = settings.split(len(labels))
    other = labels.copy()
    other[held_out] += 7.0
    one, scale = tune(model, TargetScale(), encoded, labels, settings)
    same, same_scale = tune(model, TargetScale(), encoded, other, settings)
    assert equal(one, same)
    assert scale == same_scale


# which epoch stays


def errors_by_epoch(
    model: PerformanceModel, encoded: EncodedGraphs, labels: Labels, epochs: int
) -> tuple[list[float], list[dict[str, Any]]]:
    """The error on the rows held out and the weights after each of some epochs, by runs of each."""
    settings = TuneSettings(validation=0.25, learning_rate=0.02, seed=1)
    learnt, held_out = settings.split(len(labels))
    scale = TargetScale.of(labels[learnt])
    target_N = torch.from_numpy((labels - scale.mean) / scale.std).float()
    errors, weights = [], []
    for epoch in range(1, epochs + 1):
        copied = copy.deepcopy(model)
        whole = TuneSettings(epochs=epoch, learning_rate=0.02, seed=1)
        fine_tune(copied, encoded, target_N, whole, learnt, held_out[:0])
        found = torch.from_numpy(scores(copied, encoded, held_out)).float()
        errors.append(float(mse(found, target_N[held_out])))
        weights.append(copied.state_dict())
    return errors, weights


def test_the_epoch_that_predicts_best_what_is_held_out_stays(
    model: PerformanceModel, encoded: EncodedGraphs, labels: Labels
) -> None:
    errors, weights = errors_by_epoch(model, encoded, labels, epochs=8)
    best = int(np.argmin(errors))
    assert best < 7  # else the last epoch would stay anyway
    settings = TuneSettings(epochs=8, validation=0.25, learning_rate=0.02, seed=1)
    tuned, _ = tune(model, TargetScale(), encoded, labels, settings)
    found = tuned.state_dict()
    assert all(torch.equal(found[name], value) for name, value in weights[best].items())


def test_training_ends_after_some_epochs_without_a_better_one(
    model: PerformanceModel, encoded: EncodedGraphs, labels: Labels
) -> None:
    errors, _ = errors_by_epoch(model, encoded, labels, epochs=8)
    patience, best, expected = 2, 0, 8
    for epoch, error in enumerate(errors):
        best = epoch if error < errors[best] else best
        if epoch - best == patience:
            expected = epoch + 1
            break
    assert expected < 8
    seen: list[int] = []
    settings = TuneSettings(
        epochs=8, validation=0.25, patience=patience, learning_rate=0.02, seed=1
    )
    tune(model, TargetScale(), encoded, labels, settings, lambda epoch, _: seen.append(epoch))
    assert seen == list(range(1, expected + 1))


# a frozen encoder


def test_a_frozen_encoder_is_not_touched_and_its_head_learns_as_on_its_embeddings(
    make_model: MakeModel, encoded: EncodedGraphs, labels: Labels
) -> None:
    model = make_model("gated-gcn", hidden=8, layers=2)
    settings = TuneSettings("encoder", epochs=3, batch_size=16, seed=2)
    tuned, scale = tune(model, TargetScale(), encoded, labels, settings)
    assert isinstance(tuned, PerformanceModel)
    assert equal(tuned.encoder, model.encoder)

    head, h = copy.deepcopy(model.head), embedded(model, encoded)
    target = torch.from_numpy((labels - scale.mean) / scale.std).float()
    optimizer, rng = torch.optim.Adam(head.parameters(), lr=1e-3), np.random.default_rng(2)
    for _ in range(3):
        order = rng.permutation(len(labels))
        for rows in (order[:16], order[16:32], order[32:]):
            optimizer.zero_grad()
            mse(head(h[rows]), target[rows]).backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(head.parameters(), 5.0)
            optimizer.step()
    for found, expected in zip(tuned.head.parameters(), head.parameters(), strict=True):
        torch.testing.assert_close(found, expected)


# an ensemble


def test_each_member_learns_as_it_would_alone(
    pair: Ensemble, encoded: EncodedGraphs, labels: Labels
) -> None:
    settings = TuneSettings(epochs=2, validation=0.2, seed=5)
    tuned, scale = tune(pair, TargetScale(), encoded, labels, settings)
    assert isinstance(tuned, Ensemble)
    assert scale == TargetScale()
    for place, member in enumerate(pair.config.members):
        alone, own = tune(pair.models[place], member.scale, encoded, labels, settings)
        assert equal(tuned.models[place], alone)
        assert tuned.config.members[place].scale == own


def test_weights_are_the_softmax_of_kendalls_tau_on_what_was_learnt_from(
    pair: Ensemble, encoded: EncodedGraphs, labels: Labels
) -> None:
    settings = TuneSettings(epochs=2, validation=0.2, seed=5)
    tuned, scale = tune(pair, TargetScale(), encoded, labels, settings)
    learnt, _ = settings.split(len(labels))
    found_NK = predictions(tuned, scale, encoded, learnt)
    taus = [stats.kendalltau(column, labels[learnt]).statistic for column in found_NK.T]
    assert isinstance(tuned, Ensemble)
    weights = [member.weight for member in tuned.config.members]
    assert taus[0] != taus[1]
    np.testing.assert_allclose(weights, kendall_weights(taus))


def test_tuning_leaves_the_given_ensemble_as_it_was(
    pair: Ensemble, encoded: EncodedGraphs, labels: Labels
) -> None:
    before, config = copy.deepcopy(pair), pair.config
    tune(pair, TargetScale(), encoded, labels, TuneSettings(epochs=1))
    assert equal(pair, before)
    assert pair.config == config


def test_progress_counts_the_epochs_of_all_members(
    pair: Ensemble, model: PerformanceModel, encoded: EncodedGraphs, labels: Labels
) -> None:
    settings, seen = TuneSettings(epochs=3), list[int]()
    tune(pair, TargetScale(), encoded, labels, settings, lambda done, _: seen.append(done))
    assert seen == list(range(1, 7))
    assert (steps(pair, encoded, settings), steps(model, encoded, settings)) == (6, 3)


def test_predictions_have_a_column_a_member_in_the_units_of_labels(
    pair: Ensemble, encoded: EncodedGraphs
) -> None:
    rows = np.array([4, 2, 9])
    found = predictions(pair, TargetScale(1.0, 2.0), encoded, rows, batch_size=2)
    macs = encoded.macs_G.numpy()[rows]
    for column, member, model in zip(found.T, pair.config.members, pair.models, strict=True):
        expected = member.scale.restore(scores(model, encoded, rows), macs)
        np.testing.assert_allclose(column, expected, rtol=1e-5)


def test_predictions_of_one_model_are_one_column(
    model: PerformanceModel, encoded: EncodedGraphs
) -> None:
    scale = TargetScale(90.0, 2.0)
    found = predictions(model, scale, encoded, np.arange(5))
    np.testing.assert_array_equal(found[:, 0], scores(model, encoded, np.arange(5)) * 2.0 + 90.0)
    assert found.shape == (5, 1)
    np.testing.assert_allclose(predictions(model, scale, encoded)[:5], found)


# settings


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"freeze": "head"}, "freeze is 'head'"),
        ({"validation": 1.0}, "validation is 1.0"),
        ({"validation": -0.1}, "validation is -0.1"),
        ({"validation": float("nan")}, "validation is nan"),
        ({"loss": "huber"}, "no loss is called 'huber'"),
        ({"loss": "pairwise-hinge", "batch_size": 1}, "batch_size must be 2 or more"),
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": 0}, "batch_size 0"),
        ({"patience": 0}, "patience 0"),
        ({"learning_rate": 0.0}, "learning_rate 0"),
        ({"learning_rate": float("nan")}, "learning_rate nan"),
    ],
)
def test_settings_that_make_no_sense_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(GennapeError, match=message):
        TuneSettings(**given)


@pytest.mark.parametrize("flops", get_args(Flops))
def test_the_scale_is_that_of_the_labels(
    flops: Flops, model: PerformanceModel, encoded: EncodedGraphs, labels: Labels
) -> None:
    _, scale = tune(model, TargetScale(flops=flops), encoded, labels, TuneSettings(epochs=1))
    assert scale == TargetScale.of(labels, encoded.macs_G.numpy(), flops)
