"""Predictor: a network has one score in any form; fine-tuning learns, repeats, is all or none."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch

from gennape.batch import EncodedGraphs
from gennape.checkpoint import Checkpoint, seeded_model
from gennape.inference import Predictor, encode
from gennape.metrics import spearman
from gennape.models.ensemble import Ensemble, EnsembleConfig, Member
from gennape.models.performance import ModelConfig, PerformanceModel
from gennape.targets import TargetScale
from gennape.tuning import TuneSettings
from onnx_bench.collections import GraphCollection
from onnx_bench.errors import GennapeError, LabelError
from onnx_bench.graph import ComputationGraph
from onnx_bench.onnx_export import save_onnx, to_onnx

Graphs = list[ComputationGraph]
Labels = npt.NDArray[np.float64]
Weights = dict[str, torch.Tensor]


def weights(predictor: Predictor, part: str = "") -> Weights:
    state = predictor.checkpoint.model.state_dict()
    return {name: value.clone() for name, value in state.items() if name.startswith(part)}


def equal(one: Weights, other: Weights) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture
def fresh(make_model: Callable[..., PerformanceModel]) -> Predictor:
    """A predictor that has not learnt anything."""
    return Predictor(Checkpoint(make_model(hidden=16, layers=3)))


@pytest.fixture
def gated(make_model: Callable[..., PerformanceModel]) -> Predictor:
    """A predictor with dropout."""
    return Predictor(Checkpoint(make_model("gated-gcn", hidden=16, layers=2)))


# predict and embed


def test_graphs_and_specifications_score_alike(
    trained: Predictor, graphs: Graphs, networks: tuple[str, ...]
) -> None:
    np.testing.assert_array_equal(trained.predict(graphs), trained.predict(networks))


def test_onnx_files_score_as_their_networks(
    trained: Predictor, graphs: Graphs, tmp_path: Path
) -> None:
    paths = [tmp_path / f"{i}.onnx" for i in range(4)]
    for graph, path in zip(graphs, paths, strict=False):
        save_onnx(graph, path)
    expected = pytest.approx(trained.predict(graphs[:4]), abs=1e-4)
    assert trained.predict(paths) == expected
    assert trained.predict([str(path) for path in paths]) == expected


def test_forms_may_be_mixed(
    trained: Predictor, graphs: Graphs, networks: tuple[str, ...], tmp_path: Path
) -> None:
    save_onnx(graphs[2], tmp_path / "c.onnx")
    mixed = trained.predict([graphs[0], networks[1], tmp_path / "c.onnx"])
    assert mixed == pytest.approx(trained.predict(graphs[:3]), abs=1e-4)


def test_one_network_alone_gives_one_score(
    trained: Predictor, graphs: Graphs, networks: tuple[str, ...], tmp_path: Path
) -> None:
    save_onnx(graphs[0], tmp_path / "a.onnx")
    for network in (graphs[0], networks[0], tmp_path / "a.onnx"):
        scores = trained.predict(network)
        assert scores.shape == (1,)
        assert scores[0] == pytest.approx(trained.predict(graphs)[0], abs=1e-4)


def test_collections_and_generators_score_as_lists(trained: Predictor, graphs: Graphs) -> None:
    expected = trained.predict(graphs)
    for form in (GraphCollection.from_graphs(graphs), EncodedGraphs(graphs), iter(graphs)):
        np.testing.assert_array_equal(trained.predict(form), expected)


@pytest.mark.parametrize("size", [1, 7, 40, 1000])
def test_the_size_of_a_batch_does_not_change_scores(
    trained: Predictor, graphs: Graphs, size: int
) -> None:
    assert trained.predict(graphs, batch_size=size) == pytest.approx(
        trained.predict(graphs), abs=1e-4
    )


def test_scores_are_in_the_units_of_the_labels(
    trained: Predictor, graphs: Graphs, labels: Labels
) -> None:
    assert np.abs(trained.predict(graphs) - labels).mean() < labels.std() / 2


def test_embeddings_have_a_row_a_network_and_the_encoders_width(
    trained: Predictor, graphs: Graphs
) -> None:
    found = trained.embed(graphs[:5])
    assert found.shape == (5, 16)
    assert np.isfinite(found).all()


def test_the_head_of_the_embedding_is_the_score(trained: Predictor, graphs: Graphs) -> None:
    point = trained.checkpoint
    with torch.inference_mode():
        z = point.model.head(torch.from_numpy(trained.embed(graphs)).float()).double().numpy()
    assert z * point.scale.std + point.scale.mean == pytest.approx(trained.predict(graphs))


def test_a_model_that_comes_in_training_mode_predicts_without_dropout(graphs: Graphs) -> None:
    predictor = Predictor(Checkpoint(PerformanceModel(ModelConfig("gated-gcn"))))
    np.testing.assert_array_equal(predictor.predict(graphs), predictor.predict(graphs))


@pytest.mark.parametrize("call", [Predictor.predict, Predictor.embed, Predictor.assess])
def test_no_networks_are_refused(trained: Predictor, call: Callable[..., Any]) -> None:
    with pytest.raises(GennapeError, match="no networks"):
        call(trained, [])


def test_a_network_that_cannot_be_read_is_named(trained: Predictor, tmp_path: Path) -> None:
    with pytest.raises(GennapeError, match=r"missing\.onnx: no such file"):
        trained.predict([tmp_path / "missing.onnx"])


def test_a_network_with_operators_that_are_not_known_is_scored_with_a_warning(
    trained: Predictor, graphs: Graphs, tmp_path: Path
) -> None:
    model = to_onnx(graphs[0])
    odd = next(node for node in model.graph.node if node.op_type == "Relu")
    odd.op_type, odd.domain = "Magic", "wizards"
    onnx.save(model, tmp_path / "odd.onnx")
    with pytest.warns(UserWarning, match=r"odd\.onnx: only \d\d% of its operators"):
        scores = trained.predict(tmp_path / "odd.onnx")
    assert np.isfinite(scores).all()


# an ensemble


@pytest.fixture
def pair(make_model: Callable[..., PerformanceModel]) -> Predictor:
    """A predictor of two members that have not learnt anything."""
    models = [make_model(hidden=16, layers=3, seed=seed) for seed in range(2)]
    members = (Member(str(i), model.config, TargetScale()) for i, model in enumerate(models))
    return Predictor(Checkpoint(Ensemble.of(EnsembleConfig(tuple(members)), models)))


def test_an_ensemble_predicts_the_mean_of_its_members_and_embeds_as_the_first(
    pair: Predictor, graphs: Graphs
) -> None:
    ensemble = pair.checkpoint.model
    assert isinstance(ensemble, Ensemble)
    one, other = (Predictor(Checkpoint(model)) for model in ensemble.models)
    expected = (one.predict(graphs) + other.predict(graphs)) / 2
    assert pair.predict(graphs) == pytest.approx(expected)
    np.testing.assert_array_equal(pair.embed(graphs), one.embed(graphs))


def test_an_ensemble_learns_in_the_units_of_new_labels(
    pair: Predictor, graphs: Graphs, labels: Labels
) -> None:
    before = pair.checkpoint
    seen: list[int] = []
    settings = TuneSettings(epochs=30, learning_rate=5e-3)
    pair.fit(graphs, labels, settings, lambda epoch, _: seen.append(epoch))
    assert seen == list(range(1, 61))
    assert np.abs(pair.predict(graphs) - labels).mean() < labels.std()
    assert spearman(pair.predict(graphs), labels) > 0.6
    assert pair.families == ("digits-chains", "digits-cells")
    assert pair.checkpoint.model is not before.model


def test_an_ensemble_is_sure_where_its_members_agree(
    pair: Predictor, graphs: Graphs, labels: Labels
) -> None:
    pair.fit(graphs, labels, TuneSettings(epochs=5, validation=0.3))
    found = pair.assess(graphs, 0.8)
    assert (found.spread_N > 0).all()
    order = np.argsort(found.spread_N)
    assert (np.diff((found.high_N - found.low_N)[order]) > 0).all()


# fit


def test_fitting_improves_the_order_of_its_labels(
    fresh: Predictor, graphs: Graphs, labels: Labels
) -> None:
    before = spearman(fresh.predict(graphs), labels)
    fresh.fit(graphs, labels, TuneSettings(epochs=40, learning_rate=5e-3))
    after = spearman(fresh.predict(graphs), labels)
    assert after > before
    assert after > 0.8


@pytest.mark.parametrize("loss", ["pairwise-hinge", "pairwise-logistic"])
def test_ranking_losses_learn_the_order_too(
    fresh: Predictor, graphs: Graphs, labels: Labels, loss: str
) -> None:
    fresh.fit(graphs, labels, TuneSettings(epochs=20, learning_rate=5e-3, loss=loss))
    assert spearman(fresh.predict(graphs), labels) > 0.8


def test_fit_gives_the_predictor_itself(
    predictor: Predictor, graphs: Graphs, labels: Labels
) -> None:
    assert predictor.fit(graphs, labels, TuneSettings(epochs=1)) is predictor


def test_the_loss_is_reported_and_falls(fresh: Predictor, graphs: Graphs, labels: Labels) -> None:
    seen: list[tuple[int, float]] = []
    fresh.fit(
        graphs, labels, TuneSettings(epochs=8), lambda epoch, loss: seen.append((epoch, loss))
    )
    assert [epoch for epoch, _ in seen] == list(range(1, 9))
    assert seen[-1][1] < seen[0][1]


def test_freezing_the_encoder_trains_the_head_alone(
    predictor: Predictor, graphs: Graphs, labels: Labels
) -> None:
    encoder, head = weights(predictor, "encoder."), weights(predictor, "head.")
    predictor.fit(graphs, -labels, TuneSettings(freeze="encoder", epochs=2))
    assert equal(weights(predictor, "encoder."), encoder)
    assert not equal(weights(predictor, "head."), head)


def test_freezing_nothing_trains_both(predictor: Predictor, graphs: Graphs, labels: Labels) -> None:
    encoder, head = weights(predictor, "encoder."), weights(predictor, "head.")
    predictor.fit(graphs, -labels, TuneSettings(epochs=2))
    assert not equal(weights(predictor, "encoder."), encoder)
    assert not equal(weights(predictor, "head."), head)


def test_a_frozen_encoder_learns_again_later(
    predictor: Predictor, graphs: Graphs, labels: Labels
) -> None:
    predictor.fit(graphs, labels, TuneSettings(freeze="encoder", epochs=1))
    encoder = weights(predictor, "encoder.")
    predictor.fit(graphs, -labels, TuneSettings(epochs=1))
    assert not equal(weights(predictor, "encoder."), encoder)


def test_the_same_seed_gives_the_same_weights(
    make_model: Callable[..., PerformanceModel], graphs: Graphs, labels: Labels
) -> None:
    def fitted(seed: int, noise: int) -> Weights:
        torch.manual_seed(noise)  # what the user's own code left behind does not matter
        predictor = Predictor(Checkpoint(make_model("gated-gcn", hidden=16, layers=2)))
        return weights(predictor.fit(graphs, labels, TuneSettings(epochs=2, seed=seed)))

    assert equal(fitted(0, noise=1), fitted(0, noise=2))
    assert not equal(fitted(0, noise=1), fitted(1, noise=1))


def test_fitting_leaves_the_stream_of_the_user_alone(
    predictor: Predictor, graphs: Graphs, labels: Labels
) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    predictor.fit(graphs, labels, TuneSettings(epochs=1))
    assert torch.equal(torch.rand(3), expected)


def test_families_that_are_new_are_added(predictor: Predictor, labels: Labels) -> None:
    specs = [f"digits-tokens:p4-c8-r1-{mixer}-skip-skip-skip" for mixer in ("ff", "mlp", "attn1")]
    predictor.fit(specs, labels[:3], TuneSettings(epochs=1))
    assert predictor.families == ("digits-chains", "digits-cells", "digits-tokens")


def test_scores_take_the_units_of_the_new_labels(
    predictor: Predictor, graphs: Graphs, labels: Labels
) -> None:
    predictor.fit(graphs, labels / 100, TuneSettings(epochs=5))
    assert np.abs(predictor.predict(graphs) - labels / 100).max() < 0.2


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "nan": ({"labels": [1.0, np.nan, 3.0]}, "label 2 of 3 is nan"),
    "infinite": ({"labels": [1.0, 2.0, np.inf]}, "label 3 of 3 is inf"),
    "too few": ({"labels": [1.0, 2.0]}, "2 labels for 3 networks"),
    "too many": ({"labels": [1.0, 2.0, 3.0, 4.0]}, "4 labels for 3 networks"),
    "constant": ({"labels": [5.0, 5.0, 5.0]}, "without a difference"),
    "freeze": ({"freeze": "head"}, "freeze is 'head', expected one of"),
    "loss": ({"loss": "huber"}, "no loss is called 'huber'"),
    "loss, frozen": ({"loss": "huber", "freeze": "encoder"}, "no loss is called 'huber'"),
    "no pairs": ({"loss": "pairwise-hinge", "batch_size": 1}, "batch_size must be 2 or more"),
    "network": ({"networks": ["digits-chains:no", "digits-chains:nor"]}, "digits-chains"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_fit_that_is_refused_changes_nothing(
    case: str, predictor: Predictor, graphs: Graphs
) -> None:
    changes, message = REFUSED[case]
    before, point = weights(predictor), predictor.checkpoint
    given = {"networks": graphs[:3], "labels": [1.0, 2.0, 3.0]} | changes
    networks, values = given.pop("networks"), given.pop("labels")
    with pytest.raises(GennapeError, match=message):
        predictor.fit(networks, values, TuneSettings(**given))
    assert equal(weights(predictor), before)
    assert predictor.checkpoint == point
    assert not point.model.training
    assert all(parameter.requires_grad for parameter in point.model.parameters())


@pytest.mark.parametrize("useless", [[np.nan, 1.0], [1.0], [2.0, 2.0]])
def test_labels_that_teach_nothing_are_label_errors(
    predictor: Predictor, graphs: Graphs, useless: list[float]
) -> None:
    with pytest.raises(LabelError):
        predictor.fit(graphs[:2], useless)


def test_no_networks_teach_nothing(predictor: Predictor) -> None:
    with pytest.raises(LabelError, match="0 labels"):
        predictor.fit([], [])


def test_a_fit_that_is_interrupted_changes_nothing(
    gated: Predictor, graphs: Graphs, labels: Labels
) -> None:
    def stop(epoch: int, _: float) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    before = gated.predict(graphs)
    with pytest.raises(KeyboardInterrupt):
        gated.fit(graphs, labels, TuneSettings(epochs=5), stop)
    np.testing.assert_array_equal(gated.predict(graphs), before)


def test_encoding_twice_is_encoding_once(graphs: Graphs) -> None:
    encoded = encode(graphs)
    assert encode(encoded) is encoded


# what is imported


def imported_by(code: str) -> set[str]:
    """Top-level packages that a fresh interpreter has imported after `code`."""
    report = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_importing_gennape_is_light() -> None:
    heavy = {"torch", "torch_geometric", "lightning", "pandas", "onnx", "matplotlib"}
    assert not imported_by("import gennape; gennape.GennapeError") & heavy


def test_predicting_never_imports_lightning_or_plots(
    checkpoint: Path, networks: tuple[str, ...]
) -> None:
    code = (
        "from gennape.inference import Predictor\n"
        f"assert Predictor.from_pretrained({str(checkpoint)!r}).predict({networks[0]!r}).size == 1"
    )
    found = imported_by(code)
    assert "torch" in found
    assert not found & {"lightning", "pytorch_lightning", "matplotlib", "tensorboard"}


def test_predicting_imports_little_but_torch(tmp_path: Path, networks: tuple[str, ...]) -> None:
    models = [
        seeded_model(ModelConfig("gnn", {"hidden": 8, "layers": 1}, "fuzzy-mlp", whole={}), 0),
        seeded_model(ModelConfig("k-gnn"), 0),
    ]
    members = tuple(Member(str(place), m.config, TargetScale()) for place, m in enumerate(models))
    ensemble = Ensemble.of(EnsembleConfig(members), models)
    Checkpoint(ensemble, form="fused").save(tmp_path / "both")
    code = (
        "from gennape.inference import Predictor\n"
        f"Predictor.from_pretrained({str(tmp_path / 'both')!r}).assess({networks[0]!r})"
    )
    slow = {"torch_geometric", "sklearn", "skfuzzy", "pandas", "networkx", "onnx", "lightning"}
    assert not imported_by(code) & slow


def test_the_predictor_is_part_of_the_package() -> None:
    import gennape

    assert gennape.Predictor is Predictor
    with pytest.raises(AttributeError, match="no attribute 'Predicter'"):
        _ = gennape.Predicter
