"""Checkpoints come back as they were; damaged ones are refused; none is half-written."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from gennape.checkpoint import (
    CONFIG,
    WEIGHTS,
    Checkpoint,
    CheckpointError,
    load,
    pretrained_names,
)
from gennape.conformal import Calibration
from gennape.inference import Predictor
from gennape.models.encoder import ENCODERS
from gennape.models.ensemble import Ensemble, EnsembleConfig, Member
from gennape.models.performance import PerformanceModel
from gennape.targets import TargetScale
from onnx_bench.errors import GennapeError
from onnx_bench.graph import ComputationGraph

Damage = Callable[[Path], object]


@pytest.fixture
def folder(tmp_path: Path, predictor: Predictor) -> Path:
    """A saved predictor, alone in the test's folder."""
    predictor.save(tmp_path / "mine")
    return tmp_path / "mine"


def config_with(**changes: Any) -> Damage:
    """Changes entries of the configuration; None removes one."""

    def damage(folder: Path) -> None:
        config = json.loads((folder / CONFIG).read_text()) | changes
        kept = {key: value for key, value in config.items() if value is not None}
        (folder / CONFIG).write_text(json.dumps(kept))

    return damage


def model_with(**changes: Any) -> Damage:
    """Changes entries of the model's own configuration."""

    def damage(folder: Path) -> None:
        model = json.loads((folder / CONFIG).read_text())["model"]
        config_with(model=model | changes)(folder)

    return damage


def refusal(name: str | Path) -> str:
    """The one line of the error that loading gives."""
    with pytest.raises(CheckpointError) as caught:
        load(name)
    message = str(caught.value)
    assert "\n" not in message
    return message


# there and back


@pytest.mark.parametrize("encoder", sorted({*ENCODERS} - {"scored"}))
def test_predictions_come_back_bit_for_bit(
    encoder: str,
    tmp_path: Path,
    graphs: list[ComputationGraph],
    make_model: Callable[..., PerformanceModel],
) -> None:
    saved = Predictor(Checkpoint(make_model(encoder), TargetScale(91.25, 0.1)))
    saved.save(tmp_path / "mine")
    found = Predictor.from_pretrained(tmp_path / "mine")
    np.testing.assert_array_equal(found.predict(graphs), saved.predict(graphs))


def test_what_the_weights_mean_comes_back(folder: Path, trained: Predictor) -> None:
    found = load(folder)
    assert found.model.config == trained.checkpoint.model.config
    assert found.scale == trained.checkpoint.scale
    assert found.families == ("digits-chains", "digits-cells")
    assert (found.source, found.metrics) == ("conftest", {"val_spearman": 0.5})


def test_direction_calibration_and_reference_come_back(
    tmp_path: Path, predictor: Predictor, graphs: list[ComputationGraph]
) -> None:
    calibration = Calibration((0.125, 0.5, 2.0), 0.75)
    changed = replace(predictor.checkpoint, lower_is_better=True, calibration=calibration)
    Predictor(changed).save(tmp_path / "mine")
    found = Predictor.from_pretrained(tmp_path / "mine")
    assert found.checkpoint.lower_is_better
    assert found.checkpoint.calibration == calibration
    said, expected = found.assess(graphs, 0.5), Predictor(changed).assess(graphs, 0.5)
    for one, other in zip(said, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_ensemble_comes_back(
    tmp_path: Path, graphs: list[ComputationGraph], make_model: Callable[..., PerformanceModel]
) -> None:
    models = [make_model("k-gnn", hidden=8), make_model("gated-gcn", hidden=8)]
    scales = (TargetScale(90.0, 2.0), TargetScale(80.0, 3.0, "divided"))
    members = (
        Member(f"member {i}", model.config, scale, weight=1.0 + i)
        for i, (model, scale) in enumerate(zip(models, scales, strict=True))
    )
    config = EnsembleConfig(tuple(members))
    saved = Predictor(Checkpoint(Ensemble.of(config, models), form="fused"))
    saved.save(tmp_path / "mine")
    found = Predictor.from_pretrained(tmp_path / "mine")
    assert isinstance(found.checkpoint.model, Ensemble)
    assert found.checkpoint.model.config == config
    assert not found.checkpoint.model.training
    np.testing.assert_array_equal(found.predict(graphs), saved.predict(graphs))
    np.testing.assert_array_equal(found.embed(graphs), saved.embed(graphs))


def test_a_checkpoint_of_before_calibrations_and_references_is_read(
    folder: Path, graphs: list[ComputationGraph], trained: Predictor
) -> None:
    config_with(calibration=None, reference=None, lower_is_better=None)(folder)
    weights = load_file(folder / WEIGHTS)
    kept = {name: value for name, value in weights.items() if not name.startswith("reference.")}
    save_file(kept, folder / WEIGHTS)
    found = Predictor.from_pretrained(folder)
    assert not found.checkpoint.lower_is_better
    assert found.checkpoint.calibration is None
    assert found.checkpoint.reference is None
    np.testing.assert_array_equal(found.predict(graphs), trained.predict(graphs))


def test_further_files_are_saved_with_it(tmp_path: Path, predictor: Predictor) -> None:
    predictor.save(tmp_path / "mine", {"report.csv": b"1,2\n"})
    assert (tmp_path / "mine" / "report.csv").read_bytes() == b"1,2\n"
    assert load(tmp_path / "mine").scale == predictor.checkpoint.scale
    predictor.save(tmp_path / "mine")
    assert {path.name for path in (tmp_path / "mine").iterdir()} == {WEIGHTS, CONFIG}


def test_a_loaded_model_is_ready_to_predict(folder: Path) -> None:
    assert not load(folder).model.training


def test_a_checkpoint_is_weights_and_a_configuration(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {WEIGHTS, CONFIG}


def test_a_folder_is_found_by_text_and_by_path(folder: Path) -> None:
    assert load(str(folder)).scale == load(folder).scale


@pytest.mark.parametrize("label", [0.1, 5.0, 91.3])
@pytest.mark.parametrize("count", [1, 3, 10])
def test_the_scale_of_equal_labels_divides_by_one(label: float, count: int) -> None:
    # Their computed deviation is not always zero: that of three times 0.1 is 1.4e-17.
    assert TargetScale.of([label] * count).std == 1.0


def test_the_scale_standardises_its_labels() -> None:
    labels = np.array([88.0, 91.0, 94.0])
    scale = TargetScale.of(labels)
    z = (labels - scale.mean) / scale.std
    assert (z.mean(), z.std()) == (pytest.approx(0), pytest.approx(1))


# shipped checkpoints


def test_shipped_checkpoints_are_found_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, predictor: Predictor
) -> None:
    monkeypatch.setattr("gennape.checkpoint.PRETRAINED", tmp_path / "pretrained")
    for name in ("small", "large"):
        predictor.save(tmp_path / "pretrained" / name)
    assert pretrained_names() == ["large", "small"]
    assert load("small").scale == predictor.checkpoint.scale
    assert refusal("tiny").endswith("(there are large, small)")


def test_an_unknown_name_says_when_nothing_is_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gennape.checkpoint.PRETRAINED", tmp_path)
    assert "there are none" in refusal("kgnn")


def test_a_folder_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    assert str(tmp_path) in refusal(tmp_path)


# what is damaged or of another version


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (config_with(format=99), "format is 99"),
        (config_with(graph_format=99), "graph_format is 99"),
        (config_with(vocabulary=99), "vocabulary is 99"),
        (config_with(vocabulary=None), "vocabulary is None"),
        (config_with(operator_types=["conv", "relu"]), "2 operators"),
        (config_with(operator_types=["conv", "teleport"]), "operator_types"),
        (config_with(operator_types=["conv", "conv"]), "operator_types"),
        (config_with(format=None), "not a gennape checkpoint"),
        (config_with(model=None), "'model'"),
        (config_with(target={"mean": 1.0}), "'std'"),
        (config_with(target={"mean": "much", "std": 1.0}), "much"),
        (config_with(families=3), "int"),
        (config_with(metrics=["val_spearman"]), ""),
        (config_with(lower_is_better="no"), "lower_is_better is 'no'"),
        (config_with(calibration={"scores": [2.0, 1.0], "floor": 1.0}), "ascending scores"),
        (config_with(calibration={"scores": [1.0]}), "'floor'"),
        (config_with(calibration=[1.0]), ""),
        (config_with(reference={"families": ["x"], "networks": [3], "limits": [1.0]}), "[3]"),
        (config_with(reference={"families": ["x"]}), "'networks'"),
        (config_with(reference="all"), ""),
        (model_with(layers=3), "layers"),
        (model_with(encoder="gin"), "gin"),
        (model_with(encoder_args={"hidden": "wide"}), "wide"),
        (model_with(encoder_args={"hidden": -4}), "-4"),
        (lambda folder: (folder / CONFIG).write_text("[]"), "not a gennape checkpoint"),
        (lambda folder: (folder / CONFIG).write_text('{"format": 1'), "JSON"),
        (lambda folder: (folder / CONFIG).write_text(""), "JSON"),
        (lambda folder: (folder / CONFIG).write_bytes(b"\xff\xfe\x00{"), "JSON"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused_by_name(
    folder: Path, damage: Damage, word: str
) -> None:
    damage(folder)
    message = refusal(folder)
    assert message.startswith(f"{folder / CONFIG}: ")
    assert word in message


def test_a_checkpoint_of_an_older_vocabulary_predicts_as_it_did(
    folder: Path, predictor: Predictor, graphs: list[ComputationGraph]
) -> None:
    """What a version with fewer operators, in another order, would have written."""
    before = predictor.predict(graphs[:4])
    types = json.loads((folder / CONFIG).read_text())["operator_types"]
    older = [name for name in types[::-1] if name not in ("gather", "lstm")]
    weights = load_file(folder / WEIGHTS)
    (table,) = [name for name in weights if name.endswith("embed.operator.weight")]
    weights[table] = weights[table][[types.index(name) for name in older]].clone()
    save_file(weights, folder / WEIGHTS)
    config_with(operator_types=older, vocabulary=1, graph_format=1)(folder)
    read = Predictor.from_pretrained(folder)
    np.testing.assert_array_equal(read.predict(graphs[:4]), before)
    unseen = read.checkpoint.model.encoder.embed.operator.weight[types.index("lstm")]
    assert not unseen.any()


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / WEIGHTS).unlink(),
        lambda folder: (folder / WEIGHTS).write_bytes(b""),
        lambda folder: (folder / WEIGHTS).write_bytes(b"\x93NUMPY" * 50),
        lambda folder: cut_short(folder / WEIGHTS),
        model_with(encoder_args={"hidden": 8, "layers": 3}),
        model_with(encoder="gated-gcn"),
    ],
    ids=["missing", "empty", "other format", "cut short", "other width", "other encoder"],
)
def test_weights_that_do_not_fit_are_refused_by_name(folder: Path, damage: Damage) -> None:
    damage(folder)
    assert refusal(folder).startswith(f"{folder / WEIGHTS}: ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.pop("reference.embedding"), "lack the reference's embedding"),
        (lambda tensors: tensors.pop("reference.deviation"), "lack the reference's deviation"),
        (lambda tensors: tensors["reference.embedding"].fill_(float("nan")), "expected finite"),
        (lambda tensors: tensors["reference.deviation"].zero_(), "a deviation a feature"),
        (
            lambda tensors: tensors.update(
                {
                    name: tensors[name][..., :3].contiguous()
                    for name in ("reference.embedding", "reference.deviation")
                }
            ),
            "the reference has 3 features, expected 16 of the",
        ),
    ],
)
def test_a_damaged_reference_is_refused(
    folder: Path, change: Callable[[dict[str, torch.Tensor]], object], message: str
) -> None:
    weights = load_file(folder / WEIGHTS)
    change(weights)
    save_file(weights, folder / WEIGHTS)
    assert message in refusal(folder)


def test_an_ensemble_without_its_members_is_refused(folder: Path) -> None:
    config_with(model={"members": [{"name": "one"}]})(folder)
    assert "'model'" in refusal(folder)


def test_weights_of_another_model_are_refused(
    folder: Path, tmp_path: Path, make_model: Callable[..., PerformanceModel]
) -> None:
    Checkpoint(make_model("gated-gcn")).save(tmp_path / "other")
    (tmp_path / "other" / WEIGHTS).replace(folder / WEIGHTS)
    assert refusal(folder).startswith(f"{folder / WEIGHTS}: does not hold this model's weights")


# saving


def test_a_new_checkpoint_replaces_the_old_one(
    folder: Path, graphs: list[ComputationGraph], make_model: Callable[..., PerformanceModel]
) -> None:
    new = Predictor(Checkpoint(make_model("gated-gcn")))
    new.save(folder)
    found = Predictor.from_pretrained(folder)
    np.testing.assert_array_equal(found.predict(graphs), new.predict(graphs))
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]


def test_missing_parents_are_made(tmp_path: Path, predictor: Predictor) -> None:
    predictor.save(tmp_path / "a" / "b" / "mine")
    assert load(tmp_path / "a" / "b" / "mine").scale == predictor.checkpoint.scale


def no_space(*_: object) -> None:
    raise OSError("no space left on device")


@pytest.mark.parametrize("step", ["gennape.checkpoint.save_file", "pathlib.Path.write_text"])
def test_a_save_that_fails_leaves_the_old_checkpoint_whole(
    step: str,
    folder: Path,
    graphs: list[ComputationGraph],
    trained: Predictor,
    make_model: Callable[..., PerformanceModel],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    new = Checkpoint(make_model("gated-gcn"))
    with monkeypatch.context() as patch:
        patch.setattr(step, no_space)
        with pytest.raises(OSError, match="no space"):
            new.save(folder)
    found = Predictor.from_pretrained(folder)
    np.testing.assert_array_equal(found.predict(graphs), trained.predict(graphs))
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]


def test_a_first_save_that_fails_leaves_nothing(
    tmp_path: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gennape.checkpoint.save_file", no_space)
    with pytest.raises(OSError, match="no space"):
        predictor.save(tmp_path / "mine")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_other_files_is_never_replaced(tmp_path: Path, predictor: Predictor) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.txt").write_text("years")
    with pytest.raises(GennapeError, match="work"):
        predictor.save(tmp_path / "work")
    assert (tmp_path / "work" / "thesis.txt").read_text() == "years"
    assert [path.name for path in tmp_path.iterdir()] == ["work"]


def test_a_file_is_never_replaced(tmp_path: Path, predictor: Predictor) -> None:
    (tmp_path / "labels.csv").write_text("network,accuracy\n")
    with pytest.raises(GennapeError, match=r"labels\.csv"):
        predictor.save(tmp_path / "labels.csv")
    assert (tmp_path / "labels.csv").read_text() == "network,accuracy\n"
    assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]


def test_saving_leaves_the_model_in_memory_as_it_was(folder: Path, predictor: Predictor) -> None:
    before = {k: v.clone() for k, v in predictor.checkpoint.model.state_dict().items()}
    predictor.save(folder)
    after = predictor.checkpoint.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
