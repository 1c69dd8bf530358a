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
from gennape.metrics import spearman
from gennape.models.performance import ModelConfig, PerformanceModel
from gennape.models.scored import ScoredEncoder
from gennape.models.solved import FewLabelsHead
from gennape.tuning import TuneSettings, predictions, scores, tune
from onnx_bench.canonical import fuse
from onnx_bench.errors import GennapeError
from onnx_bench.graph import ComputationGraph

Labels = npt.NDArray[np.float64]
NUMBERS = TuneSettings(learner="numbers")


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


def test_the_head_is_the_formula() -> None:
    read, target = table(40)
    head = FewLabelsHead(6, known=8, trees=10).eval()
    head.solve(read, target, seed=1)
    score = (read[:, 0] - read[:, 0].mean()) / read[:, 0].std(correction=0)
    label = (target - target.mean()) / target.std(correction=0)
    slope = (score * label).mean()
    seen = torch.cat([3 * score[:, None], read[:, 1:]], dim=1)
    direct = sum(learner(seen) for learner in head.direct) / 3
    rest = sum(learner(seen) for learner in head.residual) / 3
    both = (direct + slope * score + rest) / 2
    expected = (40 * both + 8 * score) / 48 * target.std(correction=0) + target.mean()
    assert torch.allclose(head(read), expected, atol=1e-6)


def test_with_few_labels_the_score_is_what_counts() -> None:
    read, target = table(60)
    few, all_of_them = FewLabelsHead(6), FewLabelsHead(6)
    few.solve(read[:5], -target[:5])
    all_of_them.solve(read, -target)
    assert spearman(few(read), read[:, 0]) > 0.5
    assert spearman(all_of_them(read), -target) > 0.8


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
    predictor = base.fit(fused, labels, TuneSettings(validation=0.25))
    predictor.save(tmp_path / "few")
    found = Predictor.from_pretrained(tmp_path / "few")
    np.testing.assert_array_equal(found.predict(fused), predictor.predict(fused))
    said = found.assess(fused)
    assert np.isfinite(said.low_N).all() or np.isinf(said.low_N).all()
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
