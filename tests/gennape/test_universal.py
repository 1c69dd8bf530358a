"""The universal model, trained small on the embedded benchmark."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from gennape.checkpoint import Checkpoint, load
from gennape.inference import Predictor
from gennape.metrics import spearman
from gennape.models.performance import PerformanceModel
from gennape.models.scored import ScoredEncoder
from gennape.models.specialists import SpecialistsHead
from gennape.tuning import TuneSettings
from gennape.universal.build import build
from gennape.universal.sources import GENERALIST, SPECIALISTS, Source, families, ranks
from gennape.universal.training import Recipe, Split, lessons, some, trained_on
from onnx_bench.benchmarks import read
from onnx_bench.errors import LabelError

SMALL = Recipe(
    perceptrons=2, rows=150, epochs=3, forest_rows=150, trees=8, specialist_trees=8, place=5
)
DIGITS = Source("digits")


@pytest.fixture(scope="module")
def trained() -> Checkpoint:
    """Its generalist learnt on cells, its specialists on the three other families of digits."""
    return build(seed=0, recipe=SMALL, wide=DIGITS, narrow=(DIGITS,))


def test_it_knows_its_families_better_than_the_generalist(trained: Checkpoint) -> None:
    assert trained.families == ("digits-cells", "digits-chains", "digits-mbconv", "digits-tokens")
    model, table = trained.model, read("digits")
    assert isinstance(model, PerformanceModel)
    head = model.head
    assert isinstance(head, SpecialistsHead)
    others = families(DIGITS)[1:]
    taught = lessons(model, others, trained_on(others, 0), SMALL, 0)
    for family in others:
        rows = Split.of(len(family), 0).held_out
        graphs = family.graphs.take(rows)
        known = spearman(Predictor(trained).predict(graphs), family.rank_N[rows])
        head.leave_out(head.families, taught)
        alone = spearman(Predictor(trained).predict(graphs), family.rank_N[rows])
        head.leave_out([], taught)
        assert known > max(alone, 0.6)
        assert trained.metrics[f"spearman_{family.name}"] == pytest.approx(known, abs=0.05)
    assert len(table) == sum(len(family) for family in families(DIGITS))


def test_the_same_seed_builds_the_same_and_a_saved_one_is_the_one(
    trained: Checkpoint, tmp_path: Path
) -> None:
    networks = list(read("digits").networks[::50])
    expected = Predictor(trained).predict(networks)
    trained.save(tmp_path / "kept")
    np.testing.assert_array_equal(Predictor(load(tmp_path / "kept")).predict(networks), expected)
    again = build(seed=0, recipe=SMALL, wide=DIGITS, narrow=(DIGITS,))
    np.testing.assert_allclose(Predictor(again).predict(networks), expected, atol=1e-6)
    other = build(seed=1, recipe=SMALL, wide=DIGITS, narrow=(DIGITS,))
    assert not np.allclose(Predictor(other).predict(networks), expected)


def test_it_assesses_and_learns_from_few_labels(trained: Checkpoint) -> None:
    table = read("digits")
    networks, labels = list(table.networks[:60]), table.values[:60]
    found = Predictor(trained).assess(networks)
    assert np.isfinite(found.low_N).all()
    assert (found.low_N < found.high_N).all()
    assert (found.family_N == "digits-cells").mean() > 0.8
    fitted = Predictor(replace(trained)).fit(networks[:40], labels[:40], TuneSettings(seed=0))
    assert spearman(fitted.predict(networks[40:]), labels[40:]) > 0.5
    # What was learnt joins what was known: the specialists are still there.
    encoder = fitted.checkpoint.model.encoder
    assert isinstance(encoder, ScoredEncoder)
    assert encoder.model.config == trained.model.config


def test_a_network_has_one_score_whatever_stands_beside_it(trained: Checkpoint) -> None:
    networks, predictor = list(read("digits").networks[::100]), Predictor(trained)
    alone = [float(predictor.predict(network)[0]) for network in networks]
    np.testing.assert_allclose(predictor.predict(networks), alone, atol=1e-5)


def test_ranks_are_standardised_ranks() -> None:
    labels = np.random.default_rng(0).normal(size=50).round(1)
    np.testing.assert_allclose(ranks(labels), stats.zscore(stats.rankdata(labels)))
    assert (ranks([3.0, 3.0]) == 0).all()


def test_several_tasks_are_the_mean_of_their_ranks() -> None:
    chosen = ("accuracy_0", "accuracy_1")
    both = families(Source("digits", chosen))[0]
    each = [families(Source("digits", (name,)))[0].rank_N for name in chosen]
    np.testing.assert_allclose(both.rank_N, ranks(np.mean(each, axis=0)))


def test_all_sources_may_train_what_ships() -> None:
    assert all(source.ships for source in (GENERALIST, *SPECIALISTS))
    assert not Source("nats-sss").ships


def test_a_floor_above_all_labels_is_an_error() -> None:
    with pytest.raises(LabelError, match="no label of 101 or more"):
        families(Source("digits", floor=101.0))


def test_rows_are_drawn_by_the_seed() -> None:
    rows = np.arange(100, 200)
    drawn = some(rows, 10, 0)
    assert len(drawn) == 10
    assert set(drawn) <= set(rows)
    assert (drawn == some(rows, 10, 0)).all()
    assert some(rows, 1000, 0) is rows
    split = Split.of(100, 3)
    assert sorted([*split.train, *split.held_out]) == list(range(100))
