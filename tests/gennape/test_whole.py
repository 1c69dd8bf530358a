"""Numbers of the whole graph beside the embedding: the prior, and what heads read of them."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gennape.batch import EncodedGraphs
from gennape.checkpoint import Checkpoint, load, seeded_model
from gennape.features.living import living
from gennape.features.paths import paths
from gennape.features.structure import structure
from gennape.features.whole import COLUMN, FEATURES, whole_graph
from gennape.inference import Predictor
from gennape.learning import tune
from gennape.metrics import spearman
from gennape.models.ensemble import Ensemble, EnsembleConfig, Member
from gennape.models.performance import ModelConfig, PerformanceModel
from gennape.models.whole import SIZES, WholeGraph
from gennape.scoring import predictions, priors, represented, scores
from gennape.targets import TargetScale
from gennape.tuning import TuneSettings
from onnx_bench.canonical import fuse
from onnx_bench.collections import GraphCollection
from onnx_bench.cost import cost
from onnx_bench.errors import GennapeError
from onnx_bench.graph import ComputationGraph

Labels = npt.NDArray[np.float64]
WIDTH = 8


@pytest.fixture(scope="module")
def fused(graphs: list[ComputationGraph]) -> list[ComputationGraph]:
    return [fuse(graph) for graph in graphs]


@pytest.fixture(scope="module")
def encoded(fused: list[ComputationGraph]) -> EncodedGraphs:
    return EncodedGraphs(fused)


def made(encoded: EncodedGraphs, head: str = "mlp", **whole: float) -> PerformanceModel:
    """A small fresh model that has looked at all networks."""
    config = ModelConfig("k-gnn", {"hidden": WIDTH, "layers": 2}, head, {}, dict(whole))
    model = seeded_model(config, 0).eval()
    assert model.whole is not None
    model.whole.prepare(encoded.whole_GD)
    model.head.prepare(represented(model, encoded))
    return model


# the table


def test_the_table_is_its_parts_side_by_side(encoded: EncodedGraphs) -> None:
    found, collection = whole_graph(encoded.graphs), encoded.graphs
    assert found.shape == (len(collection), len(FEATURES))
    assert len(COLUMN) == len(FEATURES)
    first = structure(living(collection))
    np.testing.assert_allclose(found[:, : first.shape[1]], first, rtol=1e-6)
    np.testing.assert_allclose(
        found[:, COLUMN["shortest_operator"] :][:, :81],
        paths(living(collection)),
        rtol=1e-6,
        atol=1e-12,
    )


def test_large_collections_are_computed_in_parts_and_once(
    encoded: EncodedGraphs, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = whole_graph(encoded.graphs)
    monkeypatch.setattr("gennape.features.whole.PART", 7)
    monkeypatch.setattr("gennape.features.whole.STORED", len(encoded))
    np.testing.assert_allclose(whole_graph(encoded.graphs), expected, rtol=1e-6)
    monkeypatch.setattr("gennape.features.whole._computed", None)  # would be an error if called
    np.testing.assert_allclose(whole_graph(encoded.graphs), expected, rtol=1e-6)


def test_batches_have_the_numbers_only_where_they_are_asked_for(encoded: EncodedGraphs) -> None:
    rows = [5, 0, 5]
    assert encoded.batch(rows).whole_BD.shape == (3, 0)
    assert torch.equal(encoded.batch(rows, whole=True).whole_BD, encoded.whole_GD[rows])
    some = encoded.take(np.array(rows)).batch([0, 1, 2], whole=True)
    assert torch.allclose(some.whole_BD, encoded.whole_GD[rows])


# the prior


def test_the_prior_is_the_formula(encoded: EncodedGraphs, fused: list[ComputationGraph]) -> None:
    alive = living(GraphCollection.from_graphs(fused))
    model = WholeGraph(prior=0.7)
    model.prepare(encoded.whole_GD)
    depth = paths(alive)[:, COLUMN["mean_activation"] - COLUMN["shortest_operator"]]
    columns = [
        [math.log10(1 + cost(graph).macs) for graph in alive],
        [math.log10(1 + cost(graph).parameters) for graph in alive],
        [math.log10(1 + value) for value in depth],
    ]
    expected = np.zeros(len(fused))
    for column in columns:
        mean = sum(column) / len(column)
        std = math.sqrt(sum((value - mean) ** 2 for value in column) / len(column))
        expected += [0.7 / 3 * (value - mean) / std for value in column]
    found = model.prior(encoded.batch(range(len(fused)), whole=True))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_even_prior_is_of_typical_operators(encoded: EncodedGraphs) -> None:
    model = WholeGraph(prior=1.0, size="even", numbers=len(FEATURES))
    model.prepare(encoded.whole_GD)
    table = encoded.whole_GD.double().numpy()
    columns = [table[:, COLUMN[name]] for name in SIZES["even"]]
    expected = np.mean([(column - column.mean()) / column.std() for column in columns], axis=0)
    batch = encoded.batch(range(len(encoded)), whole=True)
    np.testing.assert_allclose(model.prior(batch), expected, atol=1e-4)
    assert model(batch).shape == table.shape


@pytest.mark.parametrize("given", [{"size": "width"}, {"numbers": 0}, {"numbers": 10**4}])
def test_there_is_no_such_size_or_column(given: dict[str, Any]) -> None:
    with pytest.raises(GennapeError, match="expected one of total, even"):
        WholeGraph(**given)


def test_a_size_that_never_moves_says_nothing(encoded: EncodedGraphs) -> None:
    model = WholeGraph()
    model.prepare(encoded.whole_GD[[3] * 5])
    assert torch.allclose(model.prior(encoded.batch([3], whole=True)), torch.zeros(1), atol=1e-5)
    assert (model(encoded.batch(range(9), whole=True)) == 0).all()


# what heads read


def test_numbers_are_standardised_and_keep_to_the_range_of_training(
    encoded: EncodedGraphs,
) -> None:
    model, table = WholeGraph(), encoded.whole_GD.double().numpy()
    model.prepare(encoded.whole_GD)
    table = table[:, : model.out_features]
    low, high = np.quantile(table, 0.01, axis=0), np.quantile(table, 0.99, axis=0)
    kept = np.clip(table, low, high)
    moving = kept.std(axis=0) > 1e-3
    expected = (kept - kept.mean(axis=0))[:, moving] / kept.std(axis=0)[moving]
    batch = encoded.batch(range(len(encoded)), whole=True)
    np.testing.assert_allclose(model(batch)[:, moving], expected, atol=2e-3)
    huge = batch._replace(whole_BD=batch.whole_BD + 1e6)
    np.testing.assert_allclose(model(huge)[0], model(batch).amax(dim=0), atol=1e-4)


def test_some_numbers_are_hidden_while_heads_learn_and_none_after(encoded: EncodedGraphs) -> None:
    model = made(encoded, hidden=0.25)
    seen = represented(model, encoded)
    assert torch.equal(model.hidden(seen), seen)
    torch.manual_seed(0)
    found = model.train().hidden(seen)
    width = model.encoder.out_features
    assert torch.equal(found[:, :width], seen[:, :width])
    numbers, shown = seen[:, width:], found[:, width:]
    there = numbers != 0
    assert (shown[there] == 0).float().mean() == pytest.approx(0.25, abs=0.03)
    kept = there & (shown != 0)
    assert torch.allclose(shown[kept], numbers[kept] / 0.75)


@pytest.mark.parametrize("head", ["fuzzy-mlp", "fuzzy-pairwise"])
def test_clusters_lie_in_the_embedding_alone(head: str, encoded: EncodedGraphs) -> None:
    model = made(encoded, head)
    assert model.head.membership.centre_CP.shape[1] == model.encoder.out_features
    batch = encoded.batch(range(6), whole=True)
    other = batch._replace(whole_BD=batch.whole_BD.flip(0))
    shares = [model.head.belonging(model.represent(each)) for each in (batch, other)]
    assert torch.equal(*shares)
    assert not torch.allclose(model(batch), model(other))


# the model


def test_a_score_is_the_prior_and_what_was_learnt(encoded: EncodedGraphs) -> None:
    model = made(encoded)
    batch = encoded.batch(range(5), whole=True)
    expected = model.head(model.represent(batch)) + model.prior(batch)
    assert torch.allclose(model(batch), expected)
    assert model.prior(batch).std() > 0.1
    plain = seeded_model(ModelConfig("k-gnn", {"hidden": WIDTH, "layers": 2}), 0).eval()
    assert torch.equal(plain.prior(batch), torch.zeros(5))
    assert torch.equal(plain(batch), plain.head(plain.encoder(batch)))


def test_a_checkpoint_keeps_ranges_and_prior(encoded: EncodedGraphs, tmp_path: Path) -> None:
    model = made(encoded, "fuzzy-mlp", hidden=0.1, prior=0.4)
    Checkpoint(model, form="fused").save(tmp_path / "saved")
    found = load(tmp_path / "saved").model
    assert isinstance(found, PerformanceModel)
    assert found.config == model.config
    np.testing.assert_array_equal(scores(found, encoded), scores(model, encoded))


def test_members_with_and_without_numbers_stand_side_by_side(encoded: EncodedGraphs) -> None:
    models = [made(encoded), seeded_model(ModelConfig("size", head="linear"), 0)]
    members = [
        Member(name, model.config, TargetScale(90, 2))
        for name, model in zip("ab", models, strict=True)
    ]
    ensemble = Ensemble.of(EnsembleConfig(tuple(members)), models)
    assert ensemble.reads_whole
    assert not models[1].reads_whole
    found = predictions(ensemble, TargetScale(), encoded)
    for place, model in enumerate(models):
        own = predictions(model, TargetScale(90, 2), encoded)[:, 0]
        np.testing.assert_allclose(found[:, place], own)
    prior = priors(ensemble, TargetScale(), encoded)
    batch = encoded.batch(range(len(encoded)), whole=True)
    np.testing.assert_allclose(prior[:, 0], 90 + 2 * models[0].prior(batch), rtol=1e-6)
    np.testing.assert_allclose(prior[:, 1], 90)


@pytest.mark.parametrize("head", ["mlp", "fuzzy-mlp", "pairwise", "fuzzy-pairwise"])
def test_a_model_with_numbers_learns_a_few_labels(
    head: str, encoded: EncodedGraphs, labels: Labels
) -> None:
    settings = TuneSettings(epochs=60, learning_rate=3e-3)
    model, scale = tune(made(encoded, head), TargetScale(), encoded, labels, settings)
    assert spearman(predictions(model, scale, encoded)[:, 0], labels) > 0.95


def test_fine_tuning_starts_from_what_the_model_says(
    encoded: EncodedGraphs, labels: Labels
) -> None:
    model, still = made(encoded), TuneSettings(epochs=1, learning_rate=1e-12)
    tuned, scale = tune(model, TargetScale(), encoded, labels, still)
    found = predictions(tuned, scale, encoded)[:, 0]
    assert (found.mean(), found.std()) == pytest.approx((labels.mean(), labels.std()), rel=1e-4)
    assert spearman(found, scores(model, encoded)) == pytest.approx(1)


def test_networks_are_scored_one_by_one_as_together(
    encoded: EncodedGraphs, fused: list[ComputationGraph]
) -> None:
    predictor = Predictor(Checkpoint(made(encoded), form="fused"))
    together = predictor.predict(fused[:6])
    alone = [predictor.predict(graph)[0] for graph in fused[:6]]
    np.testing.assert_allclose(alone, together, rtol=1e-4)


@pytest.mark.parametrize("whole", [{"hidden": 1.0}, {"hidden": -0.1}, {"prior": -1.0}, {"q": 3}])
def test_arguments_that_make_no_sense_are_refused(whole: dict[str, float]) -> None:
    with pytest.raises(GennapeError, match=r"hidden is|'q'"):
        PerformanceModel(ModelConfig(whole=whole))
