"""From labels to a checkpoint that knows its errors, and the comparison with what it was."""

import io
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import matplotlib.image
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from gennape.assessment import Assessment, assess, left_out, predicted
from gennape.batch import EncodedGraphs
from gennape.checkpoint import Checkpoint, load
from gennape.comparison import Comparison, learn_and_compare, remarks
from gennape.conformal import Calibration
from gennape.finetuning import default_validation, distinct, fine_tuned
from gennape.inference import Predictor, encode
from gennape.metrics import kendall, mae, spearman
from gennape.models.performance import PerformanceModel
from gennape.tuning import TuneSettings
from onnx_bench.canonical import fuse
from onnx_bench.errors import GennapeError, LabelError
from onnx_bench.graph import ComputationGraph
from onnx_bench.onnx_export import to_onnx
from onnx_bench.onnx_import import from_onnx

Values = npt.NDArray[np.float64]
HELD = TuneSettings(epochs=2, validation=0.25)


@pytest.fixture(scope="module")
def encoded(graphs: list[ComputationGraph]) -> EncodedGraphs:
    return EncodedGraphs(graphs)


@pytest.fixture
def old(predictor: Predictor) -> Checkpoint:
    return predictor.checkpoint


# networks that are named more than once


def test_a_network_counts_once_with_the_mean_of_its_labels(
    graphs: list[ComputationGraph],
) -> None:
    named = [graphs[0], graphs[1], graphs[0], graphs[2], graphs[0]]
    found, values = distinct(EncodedGraphs(named), np.array([1.0, 5.0, 2.0, 7.0, 6.0]))
    assert [graph.hash for graph in found.graphs] == [graph.hash for graph in graphs[:3]]
    assert values.tolist() == [3.0, 5.0, 7.0]


def test_a_network_is_the_same_in_another_spelling(graphs: list[ComputationGraph]) -> None:
    recorded = from_onnx(to_onnx(graphs[3]))
    found, values = distinct(EncodedGraphs([graphs[3], graphs[4], recorded]), np.arange(3.0))
    assert len(found) == 2
    assert values.tolist() == [1.0, 1.0]


def test_distinct_networks_stay_as_they_are(graphs: list[ComputationGraph]) -> None:
    given, labels = EncodedGraphs(graphs[:5]), np.arange(5.0)
    found, values = distinct(given, labels)
    assert found is given
    assert values is labels


@pytest.mark.parametrize("seed", range(5))
def test_no_network_is_both_learnt_from_and_held_out(
    seed: int, predictor: Predictor, graphs: list[ComputationGraph], labels: Values
) -> None:
    """Given twice, it is as if it had been given once with the mean."""
    settings = replace(HELD, seed=seed, epochs=1)
    twice = [*graphs[:12], *graphs[:12]]
    other = np.concatenate([labels[:12] - 1, labels[:12] + 1])
    once = Predictor(predictor.checkpoint).fit(graphs[:12], labels[:12], settings)
    predictor.fit(twice, other, settings)
    assert predictor.predict(graphs) == pytest.approx(once.predict(graphs))
    ours, theirs = predictor.checkpoint.calibration, once.checkpoint.calibration
    assert ours is not None
    assert theirs is not None
    assert ours.scores == pytest.approx(theirs.scores)


# what the checkpoint knows afterwards


def test_what_is_held_out_calibrates(
    old: Checkpoint, encoded: EncodedGraphs, labels: Values
) -> None:
    new = fine_tuned(old, encoded, labels, HELD)
    _, held_out = HELD.split(len(labels))
    errors = np.abs(Predictor(new).predict(encoded) - labels)[held_out]
    assert new.calibration is not None
    np.testing.assert_allclose(new.calibration.scores, np.sort(errors), rtol=1e-4)


def test_without_validation_an_old_calibration_does_not_stay(
    old: Checkpoint, encoded: EncodedGraphs, labels: Values
) -> None:
    sure = replace(old, calibration=Calibration((0.1,) * 20))
    new = fine_tuned(sure, encoded, labels, TuneSettings(epochs=1))
    assert new.calibration is None
    assert np.isnan(assess(new, encoded).low_N).all()


def test_an_encoder_that_has_learnt_knows_the_new_networks_alone(
    old: Checkpoint, encoded: EncodedGraphs, labels: Values
) -> None:
    cells = np.arange(1, 40, 2)
    some = EncodedGraphs(encoded.graphs.take(cells))
    new = fine_tuned(old, some, labels[cells], TuneSettings(epochs=1))
    assert new.reference is not None
    assert [own.family for own in new.reference.known] == ["digits-cells"]
    expected = Predictor(new).embed(some)
    kept = new.reference.known[0].embedding_RF[:, : expected.shape[1]]
    np.testing.assert_allclose(np.sort(kept, axis=0), np.sort(expected, axis=0), rtol=1e-5)


def test_a_frozen_encoder_still_knows_the_old_ones(
    old: Checkpoint, encoded: EncodedGraphs, labels: Values
) -> None:
    settings = TuneSettings("encoder", epochs=1)
    new = fine_tuned(old, encoded, labels, settings)
    assert old.reference is not None
    assert new.reference is not None
    assert [own.family for own in new.reference.known] == ["digits-chains", "digits-cells"] * 2
    assert new.reference.known[: len(old.reference.known)] == old.reference.known


def test_labels_of_which_less_is_better_are_learnt_negated(
    old: Checkpoint, encoded: EncodedGraphs, labels: Values
) -> None:
    settings = TuneSettings(epochs=10, validation=0.25, learning_rate=5e-3)
    higher = fine_tuned(old, encoded, -labels, settings)
    lower = fine_tuned(old, encoded, labels, settings, lower_is_better=True)
    np.testing.assert_array_equal(
        Predictor(lower).predict(encoded), Predictor(higher).predict(encoded)
    )
    said, turned = assess(lower, encoded, 0.8), assess(higher, encoded, 0.8)
    np.testing.assert_array_equal(said.score_N, -turned.score_N)
    np.testing.assert_allclose(said.low_N, -turned.high_N)
    np.testing.assert_allclose(said.high_N, -turned.low_N)
    assert spearman(said.score_N, labels) > 0
    again = fine_tuned(lower, encoded, labels, TuneSettings(epochs=1))
    assert not again.lower_is_better


@pytest.mark.parametrize(
    ("values", "validation", "message"),
    [
        ([1.0, 2.0], 0.2, "0 of 2 networks would be held out"),
        ([1.0, 2.0, 3.0, 4.0], 0.2, "1 of 4 networks would be held out"),
        ([1.0, 2.0, 3.0, 4.0], 0.8, "1 of 4 networks would be learnt from"),
    ],
)
def test_parts_that_teach_nothing_are_refused(
    values: list[float],
    validation: float,
    message: str,
    predictor: Predictor,
    graphs: list[ComputationGraph],
) -> None:
    with pytest.raises(LabelError, match=message):
        predictor.fit(graphs[: len(values)], values, TuneSettings(validation=validation))


def test_held_out_labels_that_are_all_the_same_are_refused(
    predictor: Predictor, graphs: list[ComputationGraph]
) -> None:
    _, held_out = HELD.split(20)
    labels = np.arange(20.0)
    labels[held_out] = 3.5
    with pytest.raises(LabelError, match=r"held out .*take another share or seed"):
        predictor.fit(graphs[:20], labels, HELD)


def test_a_network_that_is_given_twice_with_two_labels_teaches_no_order(
    predictor: Predictor, graphs: list[ComputationGraph]
) -> None:
    with pytest.raises(LabelError, match="teach no order"):
        predictor.fit([graphs[0], graphs[0]], [1.0, 2.0], HELD)


@pytest.mark.parametrize(("count", "share"), [(2, 0.0), (19, 0.0), (20, 0.2), (500, 0.2)])
def test_few_networks_are_all_learnt_from(count: int, share: float) -> None:
    assert default_validation(count, "network") == share
    assert default_validation(count, "numbers") == 0


# before and after


def said(score: Iterable[float], half: float = np.nan) -> Assessment:
    values = np.array([*score])
    nothing = np.zeros(len(values))
    return Assessment(
        values, values - half, values + half, nothing, nothing.astype(str), nothing, nothing > 0
    )


TRUE = np.array([1.0, 2.0, 3.0, 5.0])


def test_figures_are_those_of_the_metrics() -> None:
    first, second = [2.0, 1.0, 4.0, 3.0], [1.5, 2.5, 3.0, 4.0]
    figures = Comparison(TRUE, said(first), said(second, half=0.5)).figures()
    for when, score in (("before", first), ("after", second)):
        assert figures[when]["spearman"] == pytest.approx(spearman(score, TRUE))
        assert figures[when]["kendall"] == pytest.approx(kendall(score, TRUE))
        assert figures[when]["mae"] == pytest.approx(mae(score, TRUE))
    assert (figures["after"]["width"], figures["after"]["covered"]) == (1.0, 0.75)
    assert np.isnan([figures["before"]["width"], figures["before"]["covered"]]).all()


def test_a_predictor_of_the_other_direction_is_turned_around() -> None:
    comparison = Comparison(TRUE, said(-TRUE), said(TRUE), turned=True)
    figures = comparison.figures()
    assert figures["before"]["spearman"] == pytest.approx(1.0)
    assert np.isnan(figures["before"]["mae"])
    assert figures["after"]["mae"] == 0


def test_what_cannot_be_measured_is_left_open() -> None:
    comparison = Comparison(TRUE, said([1.0] * 4), said(TRUE, half=np.inf))
    assert np.isnan(comparison.figures()["before"]["spearman"])
    assert comparison.figures()["after"]["covered"] == 1.0
    assert comparison.metrics() == pytest.approx(
        {"val_spearman": 1.0, "val_kendall": 1.0, "val_mae": 0.0}
    )
    cells = [[*column.cells] for column in comparison.table().columns]
    assert [column[0] for column in cells] == ["before", *["–"] * 5]
    assert [column[1] for column in cells] == ["after", "1.000", "1.000", "0.000", "–", "100%"]


def test_the_report_is_a_table_and_a_picture() -> None:
    comparison = Comparison(TRUE, said(-TRUE), said(TRUE, half=0.5))
    files = comparison.files()
    assert set(files) == {"report.csv", "report.png"}
    table = pd.read_csv(io.BytesIO(files["report.csv"]), index_col="when")
    assert table.loc["after", "width"] == 1.0
    picture = matplotlib.image.imread(io.BytesIO(files["report.png"]))
    assert picture.shape[1] > 600
    assert picture.std() > 0.01
    wide = Comparison(TRUE, said(-TRUE), said(TRUE, half=1.0)).files()
    assert wide["report.png"] != files["report.png"]


def test_both_checkpoints_are_compared_on_what_was_held_out(
    old: Checkpoint, encoded: EncodedGraphs, labels: Values
) -> None:
    graphs, values = distinct(encoded, labels)
    new, comparison = learn_and_compare(old, graphs, values, HELD, coverage=0.5)
    _, held_out = HELD.split(len(values))
    assert comparison is not None
    np.testing.assert_array_equal(comparison.true_N, values[held_out])
    assert comparison.before.score_N == pytest.approx(
        Predictor(old).predict(graphs)[held_out], abs=1e-4
    )
    assert comparison.after.score_N == pytest.approx(
        Predictor(new).predict(graphs)[held_out], abs=1e-4
    )
    assert comparison.figures()["after"]["covered"] >= 0.5
    assert new.metrics == comparison.metrics()


def test_nothing_is_compared_where_nothing_is_held_out(
    old: Checkpoint, encoded: EncodedGraphs, labels: Values
) -> None:
    settings = TuneSettings(epochs=1)
    new, comparison = learn_and_compare(old, encoded, labels, settings)
    assert comparison is None
    assert new.metrics == {}
    learnt, remark = remarks(new, settings, len(labels), 0.9)
    assert learnt == f"learnt from {len(labels)} networks"
    assert "no report and no interval" in remark


def test_a_coverage_that_is_none_is_refused_before_learning(
    old: Checkpoint, encoded: EncodedGraphs, labels: Values
) -> None:
    with pytest.raises(GennapeError, match="coverage is 2"):
        learn_and_compare(old, encoded, labels, TuneSettings(epochs=10**6), coverage=2)


def test_too_small_a_calibration_is_said(old: Checkpoint) -> None:
    few = replace(old, calibration=Calibration((1.0,) * 4))
    *_, remark = remarks(few, TuneSettings(validation=0.2), 20, 0.9)
    assert remark.startswith("4 networks are too few for an interval that holds with 0.9")
    assert "--coverage 0.8 or less" in remark
    *_, remark = remarks(few, TuneSettings(), 5, 0.9)
    assert remark.startswith("5 networks are too few")
    enough = replace(old, calibration=Calibration((1.0,) * 10))
    assert len([*remarks(enough, TuneSettings(validation=0.2), 50, 0.9)]) == 2


# a learner of few labels


@pytest.fixture(scope="module")
def fused(graphs: list[ComputationGraph]) -> EncodedGraphs:
    return EncodedGraphs([fuse(graph) for graph in graphs])


@pytest.fixture
def base(
    make_model: Callable[..., PerformanceModel], monkeypatch: pytest.MonkeyPatch
) -> Checkpoint:
    """A checkpoint of fused graphs; labels are left out in thirds, not in tenths."""
    monkeypatch.setattr("gennape.models.solved.stacking.MANY", 3)
    return Checkpoint(make_model("gnn", hidden=8, layers=1), form="fused")


@pytest.mark.parametrize("lower_is_better", [False, True])
def test_a_learner_of_few_labels_is_tested_on_each_label(
    base: Checkpoint, fused: EncodedGraphs, labels: Values, lower_is_better: bool
) -> None:
    settings = TuneSettings(learner="numbers")
    given = -labels if lower_is_better else labels
    new, comparison = learn_and_compare(
        base, fused, given, settings, lower_is_better=lower_is_better
    )
    assert comparison is not None
    np.testing.assert_array_equal(comparison.true_N, given)
    said = left_out(new)
    assert said is not None
    after = comparison.after
    np.testing.assert_allclose(after.score_N, -said[0] if lower_is_better else said[0])
    errors = np.abs(after.score_N - given)
    assert errors.mean() > np.abs(assess(new, fused).score_N - given).mean()
    assert new.calibration is not None
    scores = errors / (after.spread_N + new.calibration.floor)
    np.testing.assert_allclose(new.calibration.scores, np.sort(scores), rtol=1e-5)
    figures = comparison.figures()["after"]
    assert figures["networks"] == len(labels)
    assert 0.9 <= figures["covered"] <= 1
    assert new.metrics["val_spearman"] == pytest.approx(spearman(after.score_N, given))
    learnt, by = remarks(new, settings, len(labels), 0.9)
    assert learnt.startswith(f"learnt from {len(labels)} networks: score 0.")
    assert learnt.endswith("(inner cross-validation)")
    assert by == "each of them, predicted without its label, set the intervals"


def test_a_learner_of_few_labels_may_hold_some_out(
    base: Checkpoint, fused: EncodedGraphs, labels: Values
) -> None:
    settings = TuneSettings(validation=0.25, learner="numbers")
    new, comparison = learn_and_compare(base, fused, labels, settings)
    _, held_out = settings.split(len(labels))
    assert comparison is not None
    np.testing.assert_array_equal(comparison.true_N, labels[held_out])
    mean_N, spread_N = predicted(new, fused, held_out)
    np.testing.assert_allclose(comparison.after.score_N, mean_N, rtol=1e-5)
    assert (spread_N > 0).all()
    assert new.calibration == Calibration.of(mean_N, spread_N, labels[held_out])
    assert "10 others set the intervals" in [*remarks(new, settings, len(labels), 0.9)]


def test_with_very_few_labels_there_is_no_report(
    base: Checkpoint, fused: EncodedGraphs, labels: Values
) -> None:
    some, settings = EncodedGraphs(fused.graphs.take(np.arange(4))), TuneSettings()
    new, comparison = learn_and_compare(base, some, labels[:4], settings)
    assert comparison is None
    assert new.calibration is None
    assert "5 or more in turn" in [*remarks(new, settings, 4, 0.9)][1]


def test_what_was_left_out_is_no_part_of_a_checkpoint(
    base: Checkpoint, fused: EncodedGraphs, labels: Values, tmp_path: Path
) -> None:
    new = fine_tuned(base, fused, labels, TuneSettings())
    assert left_out(new) is not None
    new.save(tmp_path / "few")
    assert left_out(load(tmp_path / "few")) is None
    assert left_out(base) is None


def test_specifications_are_read_in_the_form_of_the_checkpoint(
    old: Checkpoint, networks: tuple[str, ...], labels: Values
) -> None:
    fused = replace(old, form="fused")
    predictor = Predictor(fused).fit(networks[:12], labels[:12], TuneSettings(epochs=1))
    sizes = encode(networks[:12], "fused").graphs.sizes
    assert (sizes < encode(networks[:12]).graphs.sizes).all()
    assert predictor.predict(networks[:3]).shape == (3,)
