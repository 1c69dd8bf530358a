"""Many labels: a graph network that learns beside a model, and is heard as far as it is right."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gennape.batch import EncodedGraphs
from gennape.beside import NETWORK, steps_beside
from gennape.checkpoint import Checkpoint, seeded_model
from gennape.inference import Predictor
from gennape.learning import steps, tune
from gennape.models.performance import PerformanceModel
from gennape.models.scored import ScoredEncoder
from gennape.models.solved import FewLabelsHead
from gennape.models.solved.robust import knots
from gennape.models.solved.stacking import folds
from gennape.scoring import represented, scores
from gennape.tuning import TuneSettings, fine_tune
from onnx_bench.canonical import fuse
from onnx_bench.graph import ComputationGraph

Labels = npt.NDArray[np.float64]
NUMBERS = TuneSettings(learner="numbers", seed=4)
LEAST = 20


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph network from few labels on, hardly trained."""
    monkeypatch.setattr("gennape.beside.MANY", LEAST)
    monkeypatch.setattr("gennape.beside.EPOCHS", 3)
    monkeypatch.setattr("gennape.models.solved.stacking.MANY", 3)


@pytest.fixture(scope="module")
def fused(graphs: list[ComputationGraph]) -> EncodedGraphs:
    return EncodedGraphs([fuse(graph) for graph in graphs])


@pytest.fixture
def base(make_model: Callable[..., PerformanceModel]) -> Checkpoint:
    """Knows nothing yet."""
    return Checkpoint(make_model("gnn", hidden=8, layers=1), form="fused")


def parts(model: object) -> tuple[ScoredEncoder, FewLabelsHead]:
    assert isinstance(model, PerformanceModel)
    assert isinstance(model.encoder, ScoredEncoder)
    assert isinstance(model.head, FewLabelsHead)
    return model.encoder, model.head


def test_the_network_is_that_of_all_labels_and_is_weighed_by_ones_without(
    base: Checkpoint, fused: EncodedGraphs, labels: Labels, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[torch.Tensor] = []
    solve = FewLabelsHead.solve

    def noted(self: FewLabelsHead, read_NR: torch.Tensor, *args: object) -> None:
        read.append(read_NR.clone())
        solve(self, read_NR, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(FewLabelsHead, "solve", noted)
    model, scale = tune(base.model, base.scale, fused, labels, NUMBERS)
    before = scores(base.model, fused)
    label_K, seen_K = knots(scale.standardise(labels, np.zeros(len(labels))))
    seen = np.interp((labels - scale.mean) / scale.std, label_K, seen_K)
    target = torch.from_numpy(seen - 0.7 * (before - before.mean()) / before.std()).float()

    def taught(rows: npt.NDArray[np.int64]) -> PerformanceModel:
        network = seeded_model(NETWORK, 4)
        assert network.whole is not None
        network.whole.prepare(fused.whole_GD[rows])
        settings = TuneSettings(epochs=3, batch_size=16, seed=4, learner="network")
        fine_tune(network, fused, target, settings, rows, rows[:0])
        return network

    every = np.arange(len(labels))
    expected = scores(taught(every), fused)
    np.testing.assert_allclose(represented(model, fused)[:, 1], expected, rtol=1e-5)
    for out, rest in folds(len(labels), 4, 3):
        np.testing.assert_allclose(read[0][out, 1], scores(taught(rest), fused, out), rtol=1e-5)
    assert not np.allclose(read[0][:, 1], expected, rtol=1e-2)


def test_large_graphs_train_none(
    base: Checkpoint, fused: EncodedGraphs, labels: Labels, monkeypatch: pytest.MonkeyPatch
) -> None:
    mean = np.diff(fused.graphs.node_ptr).mean()
    for limit, trained in ((mean + 1, True), (mean - 1, False)):
        monkeypatch.setattr("gennape.beside.LARGE", limit)
        encoder, _ = parts(tune(base.model, base.scale, fused, labels, NUMBERS)[0])
        assert (encoder.network is not None) == trained
        assert (steps_beside(fused, NUMBERS) > 1) == trained


def test_few_labels_train_none(base: Checkpoint, fused: EncodedGraphs, labels: Labels) -> None:
    some = np.arange(LEAST - 1)
    encoder, head = parts(tune(base.model, base.scale, fused.take(some), labels[some], NUMBERS)[0])
    assert encoder.network is None
    assert len(head.share_W) == 3
    held_out = TuneSettings(learner="numbers", validation=0.8)
    assert parts(tune(base.model, base.scale, fused, labels, held_out)[0])[0].network is None


def test_it_comes_back_whole_and_learns_again(
    base: Checkpoint, fused: EncodedGraphs, labels: Labels, tmp_path: Path
) -> None:
    predictor = Predictor(base).fit(fused, labels, NUMBERS)
    predictor.save(tmp_path / "many")
    found = Predictor.from_pretrained(tmp_path / "many")
    for one, other in zip(found.assess(fused), predictor.assess(fused), strict=True):
        np.testing.assert_array_equal(one, other)
    again = found.fit(fused, labels, NUMBERS)
    np.testing.assert_array_equal(again.predict(fused), predictor.predict(fused))
    few = again.fit(fused.take(np.arange(9)), labels[:9], NUMBERS)
    assert parts(few.checkpoint.model)[0].network is None


def test_progress_counts_what_is_trained(
    base: Checkpoint, fused: EncodedGraphs, labels: Labels
) -> None:
    seen: list[int] = []
    tune(base.model, base.scale, fused, labels, NUMBERS, lambda done, _: seen.append(done))
    assert seen == list(range(1, 3 * 4 + 2))
    assert steps(base.model, fused, NUMBERS) == steps_beside(fused, NUMBERS) == seen[-1]
    assert steps(base.model, fused.take(np.arange(LEAST - 1)), NUMBERS) == 1
