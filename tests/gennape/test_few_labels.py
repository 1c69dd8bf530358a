"""Few labels: a learner beside a model that stays as it is."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gennape.batch import EncodedGraphs
from gennape.checkpoint import Checkpoint, load
from gennape.inference import Predictor
from gennape.learning import tune
from gennape.metrics import spearman
from gennape.models.performance import ModelConfig, PerformanceModel
from gennape.models.scored import ScoredEncoder
from gennape.models.solved import FewLabelsHead
from gennape.models.solved.head import Table
from gennape.models.solved.robust import interpolated, knots
from gennape.models.solved.stacking import NETWORK, expected_shares, folds
from gennape.scoring import predictions, scores
from gennape.tuning import TuneSettings
from onnx_bench.canonical import fuse
from onnx_bench.errors import GennapeError
from onnx_bench.graph import ComputationGraph

Labels = npt.NDArray[np.float64]
NUMBERS = TuneSettings(learner="numbers")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels are left out in thirds, not in tenths."""
    monkeypatch.setattr("gennape.models.solved.stacking.MANY", 3)


@pytest.fixture(scope="module")
def fused(graphs: list[ComputationGraph]) -> EncodedGraphs:
    return EncodedGraphs([fuse(graph) for graph in graphs])


@pytest.fixture
def base(make_model: Callable[..., PerformanceModel]) -> Predictor:
    """A predictor of fused graphs that knows nothing yet."""
    return Predictor(Checkpoint(make_model("gnn", hidden=8, layers=1), form="fused"))


def table(rows: int, width: int = 6, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """A score and numbers, and labels that both tell something of."""
    rng = np.random.default_rng(seed)
    read = rng.normal(size=(rows, width))
    return torch.tensor(read), torch.tensor(
        read[:, 0] + read[:, 1] ** 2 + rng.normal(size=rows) / 5
    )


@pytest.mark.parametrize("patterns", [0, 2])
def test_the_head_is_the_formula(patterns: int) -> None:
    (read, target), (other, _) = table(40), table(20, seed=1)
    head = FewLabelsHead(6, trees=10, patterns=patterns).eval()
    head.solve(read, target, seed=1)
    score = (other[:, 0] - read[:, 0].mean()) / read[:, 0].std(correction=0)
    seen = torch.cat([score[:, None], other[:, 1:]], dim=1)
    numbers = torch.cat([score[:, None], other[:, 1 + patterns :]], dim=1)
    ways = torch.stack([0.7 * score, head.process(seen), head.forest(numbers)])
    label_K, seen_K = map(torch.from_numpy, knots(target.numpy()))
    assert torch.equal(head.label_K, label_K)
    said = interpolated(head.share_W @ ways, seen_K, label_K)
    torch.testing.assert_close(head(other), said)
    off = head.process.judge(seen)[1]
    ends = [interpolated(head.share_W @ ways + s * off, seen_K, label_K) for s in (1, -1)]
    assert torch.allclose(head.judge(other)[1], (ends[0] - ends[1]) / 2)


def test_with_few_labels_the_score_is_not_lost() -> None:
    (read, target), found = table(200), []
    for start in range(0, 100, 5):
        head = FewLabelsHead(6, trees=10, crossed=False)
        head.solve(read[start : start + 5], target[start : start + 5])
        found.append(spearman(head(read[100:]), target[100:]))
    assert np.mean(found) > spearman(read[100:, 0], target[100:]) - 0.05
    head.solve(read[:100], target[:100])
    assert spearman(head(read[100:]), target[100:]) > 0.9
    head.solve(read[:100], -target[:100])
    assert spearman(head(read[100:]), target[100:]) < -0.9


def test_five_labels_in_the_reverse_order_do_not_turn_the_score_round() -> None:
    (read, _), (other, _) = table(5), table(100, seed=1)
    head = FewLabelsHead(6, trees=10)
    head.solve(read, -read[:, 0])
    assert spearman(head(other), other[:, 0]) > 0


def test_a_network_is_heard_by_itself_and_teaches_the_others_nothing() -> None:
    (read, target), (other, expected) = table(60), table(100, seed=1)
    heads = [FewLabelsHead(6, trees=10), FewLabelsHead(7, trees=10, network=True)]
    heads[0].solve(read, target)
    # What it adds to the score of deviation 1, seen as labels are: all that is lacking.
    label_K, seen_K = knots(target.numpy())
    score = 0.7 * (read[:, 0] - read[:, 0].mean()) / read[:, 0].std(correction=0)
    added = torch.from_numpy(np.interp(target.numpy(), label_K, seen_K)) - score
    heads[1].solve(torch.cat([read[:, :1], added[:, None], read[:, 1:]], dim=1), target)
    for name in ("process", "forest"):
        pairs = zip(*(getattr(head, name).buffers() for head in heads), strict=True)
        assert all(torch.equal(one, same) for one, same in pairs)
    assert heads[1].share_W[3] > NETWORK
    assert "graph network 0." in heads[1].describe()
    assert "graph network" not in heads[0].describe()
    seen = torch.from_numpy(np.interp(expected.numpy(), label_K, seen_K))
    score = 0.7 * (other[:, 0] - read[:, 0].mean()) / read[:, 0].std(correction=0)
    told = torch.cat([other[:, :1], (seen - score)[:, None], other[:, 1:]], dim=1)
    assert spearman(heads[1](told), expected) > spearman(heads[0](other), expected)


def test_an_outlier_spoils_nothing() -> None:
    (read, target), (other, expected) = table(60), table(200, seed=1)
    heads = [FewLabelsHead(6, crossed=False), FewLabelsHead(6, crossed=False)]
    heads[0].solve(read, target)
    heads[1].solve(read, target.index_fill(0, torch.tensor([int(target.argmin())]), -1000.0))
    clean, spoilt = (spearman(head(other), expected) for head in heads)
    assert spoilt > clean - 0.1


def test_each_label_is_left_out_of_what_is_said_of_it() -> None:
    read, target = table(30)
    head = FewLabelsHead(6, trees=10)
    head.solve(read, target, seed=2)
    assert head.left_out is not None
    row = 11
    fold = Table(read.numpy(), target.numpy())
    place = int(np.flatnonzero(fold.order() == row)[0])
    (rest,) = (rest for out, rest in folds(30, seed=2) if place in out)
    some = FewLabelsHead(6, trees=10, crossed=False)
    ordered = fold.ordered().taken(rest)
    some.solve(torch.tensor(ordered.read_NR), torch.tensor(ordered.target_N), seed=2)
    network = read[row : row + 1]
    assert head.left_out.deviation_N[row] == pytest.approx(some.judge(network)[1].item())
    # The shares are those of all labels, the ways those of the others.
    score = (network[:, 0] - some.score_2[0]) / some.score_2[1]
    seen = torch.cat([score[:, None], network[:, 1:]], dim=1)
    said = [0.7 * score, some.process(seen), some.forest(seen)]
    labels = [interpolated(way, some.seen_K, some.label_K) for way in said]
    ways = torch.stack([interpolated(label, head.label_K, head.seen_K) for label in labels])
    expected = interpolated(head.share_W @ ways, head.seen_K, head.label_K)
    assert head.left_out.prediction_N[row] == pytest.approx(expected.item())


@pytest.mark.parametrize("count", [2, 3, 4])
def test_of_very_few_labels_none_is_left_out(count: int) -> None:
    read, target = table(count)
    head = FewLabelsHead(6, trees=10)
    head.solve(*table(9))
    assert head.left_out is not None
    head.solve(read, target)
    assert head.left_out is None
    np.testing.assert_allclose(head.share_W, expected_shares(count))
    assert head(read).isfinite().all()


def test_labels_of_two_values_are_learnt() -> None:
    read, target = table(20)
    head = FewLabelsHead(6)
    head.solve(read, (target > target.median()).double())
    assert head.left_out is not None
    assert np.isfinite(head.left_out).all()
    better = head(read)[target > target.median()]
    assert better.min() > head(read)[target <= target.median()].max()


def test_nothing_beside_the_score_is_refused() -> None:
    with pytest.raises(GennapeError, match="in_features is 1, expected a whole number from 2 on"):
        FewLabelsHead(1)
    with pytest.raises(GennapeError, match="in_features is 4, expected a whole number from 5 on"):
        FewLabelsHead(4, patterns=3)
    with pytest.raises(GennapeError, match="patterns is -1, expected a whole number from 0 on"):
        FewLabelsHead(4, patterns=-1)


@pytest.mark.parametrize("target", [torch.full((4,), 2.0), torch.tensor([2.0])])
def test_labels_that_teach_no_order_are_learnt_as_they_are(target: torch.Tensor) -> None:
    head = FewLabelsHead(6)
    head.solve(table(len(target))[0], target)
    assert torch.allclose(head(table(9)[0]), torch.full((9,), 2.0).double())


def test_what_the_model_said_is_where_learning_starts(
    base: Predictor, fused: EncodedGraphs, labels: Labels
) -> None:
    before = scores(base.checkpoint.model, fused)
    model, scale = tune(base.checkpoint.model, base.checkpoint.scale, fused, labels, NUMBERS)
    assert isinstance(model, PerformanceModel)
    assert isinstance(model.encoder, ScoredEncoder)
    np.testing.assert_array_equal(scores(model.encoder.model, fused), before)
    assert isinstance(model.head, FewLabelsHead)
    assert model.encoder.patterns is not None
    assert model.head.patterns == model.encoder.patterns.out_features
    assert spearman(predictions(model, scale, fused)[:, 0], labels) > 0.95


def test_learning_again_starts_from_the_same_model(
    base: Predictor, fused: EncodedGraphs, labels: Labels
) -> None:
    once = Predictor(base.checkpoint).fit(fused, labels)
    twice = Predictor(once.checkpoint).fit(fused, labels)
    assert twice.checkpoint.model.config == once.checkpoint.model.config
    np.testing.assert_array_equal(twice.predict(fused), once.predict(fused))


def test_a_predictor_of_few_labels_comes_back_whole(
    base: Predictor, fused: EncodedGraphs, labels: Labels, tmp_path: Path
) -> None:
    predictor = base.fit(fused, labels)
    predictor.save(tmp_path / "few")
    found = Predictor.from_pretrained(tmp_path / "few")
    np.testing.assert_array_equal(found.predict(fused), predictor.predict(fused))
    said = found.assess(fused)
    for one, other in zip(said, predictor.assess(fused), strict=True):
        np.testing.assert_array_equal(one, other)
    assert (said.low_N < said.score_N).all()
    assert len(np.unique(np.round(said.high_N - said.low_N, 9))) > 10
    assert found.embed(fused).shape == (len(labels), 8)
    assert load(tmp_path / "few").reference is not None


def test_fused_checkpoints_learn_from_numbers_and_atomic_ones_train(
    base: Predictor,
    trained: Predictor,
    fused: EncodedGraphs,
    graphs: list[ComputationGraph],
    labels: Labels,
) -> None:
    quick = TuneSettings(epochs=1)
    assert isinstance(base.fit(fused, labels, quick).checkpoint.model.encoder, ScoredEncoder)
    atomic = Predictor(trained.checkpoint).fit(graphs, labels, quick)
    assert not isinstance(atomic.checkpoint.model.encoder, ScoredEncoder)
    with pytest.raises(GennapeError, match="take the learner network"):
        Predictor(trained.checkpoint).fit(graphs, labels, NUMBERS)


def test_what_labels_taught_counts_whole(
    base: Predictor, fused: EncodedGraphs, labels: Labels
) -> None:
    base.checkpoint = replace(base.checkpoint, trust=0.3)
    assert base.fit(fused, labels).checkpoint.trust == 1


def test_fitting_changes_no_weights_of_the_model(
    base: Predictor, fused: EncodedGraphs, labels: Labels
) -> None:
    old = base.checkpoint
    weights = {name: value.clone() for name, value in old.model.state_dict().items()}
    base.fit(fused, labels, NUMBERS)
    assert all(torch.equal(value, weights[name]) for name, value in old.model.state_dict().items())


def test_other_learners_are_refused() -> None:
    with pytest.raises(GennapeError, match="learner is 'forest', expected one of"):
        TuneSettings(learner="forest")  # type: ignore[arg-type]


def test_a_model_in_a_model_is_plain_data() -> None:
    inner = ModelConfig("gnn", {"hidden": 4, "layers": 1})
    config = ModelConfig("scored", {"model": inner.to_dict()}, "few-labels", {}, {})
    assert PerformanceModel(config).encoder.embedder.out_features == 4
