"""The ensemble's recipe: what it says, how its runs are trained, stopped and gone on with."""

import pickle
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gennape.checkpoint import Checkpoint, load
from gennape.inference import Predictor
from gennape.metrics import evaluate
from gennape.models.ensemble import Ensemble
from gennape.models.performance import ModelConfig, PerformanceModel
from gennape.targets import TargetScale
from gennape.training.cli import main
from gennape.training.data import LabelData
from gennape.training.ensemble import assemble, train_ensemble
from gennape.training.recipe import Recipe, RecipeError
from gennape.training.runs import Run, RunError
from onnx_bench.errors import LabelError
from tests.gennape.in_process import InProcess

RECIPE = """
pretraining: {pre: pre.yaml}
members:
  fuzzy: {config: fuzzy.yaml, encoder: pre}
  size: {config: size.yaml}
"""
FILES = {
    "recipe": RECIPE,
    "gnn": "model: {encoder: gnn, encoder_args: {hidden: 8, layers: 1}}",
    "pre": "parts: [gnn.yaml]\ndata: {sources: [digits/digits-chains], limit: 24, batch_size: 8}",
    "rows": "data: {subset: digits-chains, limit: 40, fused: true, fractions: [0.2, 0.2]}",
    "fuzzy": "parts: [gnn.yaml, rows.yaml]\n"
    "model: {head: fuzzy-mlp, head_args: {clusters: 3}, freeze: true}",
    "size": "parts: [rows.yaml]\nmodel: {encoder: size, head: linear}",
}
SHORT: dict[str, Any] = {"trainer.max_epochs": 2, "trainer.accelerator": "cpu"}


def write(folder: Path, **changed: str) -> Path:
    """The recipe and its configurations, some of them changed; gives the path of the recipe."""
    for name, text in (FILES | changed).items():
        (folder / f"{name}.yaml").write_text(text)
    return folder / "recipe.yaml"


@pytest.fixture(autouse=True, scope="module")
def one_process() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gennape.training.workers.ProcessPoolExecutor", InProcess)
        yield


# rows that a recipe leaves out


def of(table: Path, **arguments: Any) -> LabelData:
    return LabelData(table=table, label="accuracy", fractions=(0.2, 0.2), **arguments)


def test_labels_below_the_floor_are_left_out_before_any_are_drawn(
    table: Path, labels: npt.NDArray[np.float64]
) -> None:
    floor = float(np.sort(labels)[12])
    data, some = of(table, floor=floor), of(table, floor=floor, limit=20)
    for each in (data, some):
        each.setup("fit")
    assert data.labels is not None
    assert data.labels.values.tolist() == labels[labels >= floor].tolist()
    assert len(data.values) == sum(map(len, data.split)) == 28
    assert len(some.values) == 20
    assert min(some.values.tolist()) >= np.float32(floor)
    assert data.source == f"labels.csv, rows all, label accuracy of {floor:g} or more"


def test_without_a_floor_every_label_counts(table: Path) -> None:
    data = of(table)
    data.setup("fit")
    assert len(data.values) == 40
    assert data.source == "labels.csv, rows all, label accuracy"


def test_a_floor_that_nothing_reaches_is_refused(table: Path) -> None:
    with pytest.raises(
        LabelError, match=r"labels\.csv: no label reaches the floor of 1000, the be"
    ):
        of(table, floor=1000).setup("fit")


# the recipe


def runs(folder: Path, seed: int = 0, **given: Any) -> dict[str, Run]:
    found = Recipe.read(folder / "recipe.yaml").runs(folder / "runs", seed, given.get("settings"))
    return {run.name: run for run in found}


def test_runs_are_the_recipes_in_folders_of_their_own(tmp_path: Path) -> None:
    write(tmp_path)
    found = runs(tmp_path)
    assert [(run.name, run.pretrain, run.needs) for run in found.values()] == [
        ("pre", True, None),
        ("fuzzy", False, "pre"),
        ("size", False, None),
    ]
    assert found["pre"].result == tmp_path / "runs" / "pre" / "encoder"
    assert found["size"].result == tmp_path / "runs" / "size" / "predictor"
    assert found["fuzzy"].settings["model"]["pretrained"] == str(found["pre"].result)
    assert found["size"].settings["model"]["pretrained"] is None


def test_a_seed_reaches_splits_and_weights_of_all(tmp_path: Path) -> None:
    write(tmp_path, rows="data: {seed: 3}\nseed_everything: 4")
    for run in runs(tmp_path, seed=7).values():
        assert run.settings["data"]["seed"] == run.settings["seed_everything"] == 7


def test_a_run_travels_to_another_process(tmp_path: Path) -> None:
    write(tmp_path)
    for run in runs(tmp_path).values():
        expected = run.settings
        assert pickle.loads(pickle.dumps(run)) == run  # noqa: S301 (our own)
        assert pickle.loads(pickle.dumps(run)).settings == expected  # noqa: S301


def values(found: dict[str, Run], section: str, key: str) -> list[Any]:
    return [run.settings[section].get(key) for run in found.values()]


def test_a_setting_reaches_all_that_have_it_and_the_more_special_wins(tmp_path: Path) -> None:
    write(tmp_path)
    given = {"size.data.limit": 13, "data.limit": 10, "pretrain.data.limit": 11}
    given |= {"member.trainer.max_epochs": 5, "data.q": 4, "data.floor": 1.5, "figure.every": 0}
    found = runs(tmp_path, settings=given)
    assert values(found, "data", "limit") == [11, 10, 13]
    assert values(found, "trainer", "max_epochs") == [40, 5, 5]
    assert values(found, "figure", "every") == [0, 0, 0]
    assert values(found, "data", "q") == [4, None, None]
    assert values(found, "data", "floor") == [None, 1.5, 1.5]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, None), ("null", None), (7, 7), ("7", 7)],
)
def test_a_setting_is_a_value_or_its_text(value: Any, expected: Any, tmp_path: Path) -> None:
    write(tmp_path)
    assert set(values(runs(tmp_path, settings={"data.limit": value}), "data", "limit")) == {
        expected
    }


def test_lists_and_dictionaries_are_settings_too(tmp_path: Path) -> None:
    write(tmp_path)
    given = {"data.sources": ["digits", "darts:5"], "fuzzy.model.head_args": {"clusters": 2}}
    found = runs(tmp_path, settings=given)
    assert found["pre"].settings["data"]["sources"] == ["digits", "darts:5"]
    assert found["fuzzy"].settings["model"]["head_args"] == {"clusters": 2}


@pytest.mark.parametrize(
    "key",
    ["data.limt", "limit", "data", "pretrain.data.floor", "kgnn.data.limit", "trainer.max_epoch"],
)
def test_a_setting_that_reaches_none_is_refused(key: str, tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(RecipeError, match=f"no run has a setting '{key}'"):
        runs(tmp_path, settings={key: 3})


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("members: {}", "there are no members"),
        ("pretraining: {pre: pre.yaml}", "members"),
        ("- size", "recipe.yaml"),
        ("members: [size", "recipe.yaml"),
        ("members: {size: {config: nosuch.yaml}}", r"nosuch\.yaml"),
        ("members: {size: {confg: size.yaml}}", "confg"),
        ("members: {fuzzy: {config: fuzzy.yaml, encoder: pre}}", "no pretraining is called 'pre'"),
        ("members: {ensemble: {config: size.yaml}}", "no run can be called 'ensemble'"),
        ("members: {member: {config: size.yaml}}", "no run can be called 'member'"),
        ("members: {a/b: {config: size.yaml}}", "no run can be called 'a/b'"),
        (
            "pretraining: {a: pre.yaml}\nmembers: {a: {config: size.yaml}}",
            "pretraining and members are both called a",
        ),
    ],
)
def test_what_is_no_recipe_is_refused_with_its_file(
    recipe: str, message: str, tmp_path: Path
) -> None:
    path = write(tmp_path, recipe=recipe)
    with pytest.raises(RecipeError, match=message) as caught:
        Recipe.read(path)
    assert "recipe.yaml" in str(caught.value)


def test_a_recipe_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"nosuch\.yaml"):
        Recipe.read(tmp_path / "nosuch.yaml")


@pytest.mark.parametrize(
    ("changed", "settings", "message"),
    [
        ({"size": "modle: {encoder: size}"}, {}, "size: .*modle"),
        ({}, {"size.data.limit": "many"}, "size: .*data.limit"),
        ({}, {"fuzzy.data.limit": 30}, "fuzzy and size differ in data.limit 30 and 40"),
        ({}, {"size.data.fused": False}, "fuzzy and size differ in data.fused True and False"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is(
    changed: dict[str, str], settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = write(tmp_path, **changed)
    with pytest.raises((RunError, RecipeError), match=f"(?s){message}"):
        train_ensemble(path, tmp_path / "runs", settings=settings)
    assert not (tmp_path / "runs").exists()


def test_members_may_differ_in_the_size_of_their_batches(tmp_path: Path) -> None:
    write(tmp_path)
    found = runs(tmp_path, settings={"size.data.batch_size": 4})
    assert values(found, "data", "batch_size") == [8, 32, 4]


# a trained ensemble


class Trained(NamedTuple):
    """A recipe that was followed once."""

    recipe: Path
    run_dir: Path
    folder: Path
    lines: list[str]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    root, lines = tmp_path_factory.mktemp("ensemble"), list[str]()
    recipe = write(root)
    folder = train_ensemble(recipe, root / "runs", settings=SHORT, report=lines.append)
    return Trained(recipe, root / "runs", folder, lines)


def test_every_epoch_is_reported_and_what_is_needed_comes_first(trained: Trained) -> None:
    expected = {f"{name}: {n} of 2 epochs" for name in ("pre", "fuzzy", "size") for n in range(3)}
    assert set(trained.lines) == expected
    assert len(trained.lines) == 9
    assert trained.lines.index("pre: 2 of 2 epochs") < trained.lines.index("fuzzy: 0 of 2 epochs")


def test_the_ensemble_predicts_the_mean_of_its_members(trained: Trained) -> None:
    networks = ["digits-chains:plain-w4-d1-k1-w4-d1-k1-w4-d1-k1"]
    networks += ["digits-chains:plain-w8-d1-k3-w4-d1-k1-w4-d1-k1"]
    ensemble = Predictor.from_pretrained(trained.folder)
    single = [
        Predictor.from_pretrained(trained.run_dir / name / "predictor").predict(networks)
        for name in ("fuzzy", "size")
    ]
    np.testing.assert_allclose(ensemble.predict(networks), np.mean(single, axis=0), rtol=1e-5)
    assert isinstance(ensemble.checkpoint.model, Ensemble)
    names = [member.name for member in ensemble.checkpoint.model.config.members]
    assert names == ["fuzzy", "size"]


def test_its_figures_are_those_of_the_rows_that_no_member_has_learnt_from(
    trained: Trained,
) -> None:
    data = runs(trained.recipe.parent, settings=SHORT)["size"].data()
    data.setup("validate")
    assert data.labels is not None
    networks = [data.labels.networks[i] for i in data.split.val]
    found = Predictor.from_pretrained(trained.folder)
    figures = evaluate(found.predict(networks), data.labels.values[data.split.val])
    metrics = found.checkpoint.metrics
    for name, value in figures.items():
        assert metrics[f"val_{name}"] == pytest.approx(value, rel=1e-4)
    for name in ("fuzzy", "size"):
        own = load(trained.run_dir / name / "predictor").metrics
        assert metrics[f"{name}_val_spearman"] == own["val_spearman"]
    assert 1 / 3 < metrics["fuzzy_partition"] <= 1
    assert "size_partition" not in metrics


def test_it_knows_what_it_was_trained_on(trained: Trained) -> None:
    found, member = load(trained.folder), load(trained.run_dir / "size" / "predictor")
    assert found.families == member.families == ("digits-chains",)
    assert found.source == member.source == "digits, rows digits-chains, label accuracy"
    assert found.form == "fused"


def test_members_start_from_the_encoder_of_their_pretraining(trained: Trained) -> None:
    theirs = load(trained.run_dir / "pre" / "encoder").model.encoder.state_dict()
    fuzzy = load(trained.run_dir / "fuzzy" / "predictor").model.encoder.state_dict()  # frozen
    assert all(torch.equal(theirs[name], fuzzy[name]) for name in theirs)


def test_a_finished_recipe_trains_nothing_again(trained: Trained) -> None:
    files = [path for path in trained.run_dir.rglob("*") if trained.folder not in path.parents]
    before, lines = {path: path.stat().st_mtime_ns for path in files if path.is_file()}, list[str]()
    train_ensemble(trained.recipe, trained.run_dir, settings=SHORT, report=lines.append)
    assert lines == []
    assert before == {path: path.stat().st_mtime_ns for path in before}


@pytest.mark.parametrize(
    ("seed", "settings", "message"),
    [
        (1, {}, r"pre was trained with another data\.seed, seed_everything \("),
        (0, {"fuzzy.model.head_args.clusters": 2}, r"fuzzy was trained with another model\.head_a"),
        (0, {"trainer.max_epochs": 3}, r"pre was trained with another trainer\.max_epochs"),
    ],
)
def test_a_folder_of_other_settings_is_refused(
    seed: int, settings: dict[str, Any], message: str, trained: Trained
) -> None:
    with pytest.raises(RunError, match=message):
        train_ensemble(trained.recipe, trained.run_dir, seed, SHORT | settings)


def test_folders_may_move(trained: Trained, tmp_path: Path) -> None:
    """The path of the pretrained encoder is in the record of the settings, too."""
    trained.run_dir.rename(tmp_path / "moved")
    try:
        train_ensemble(trained.recipe, tmp_path / "moved", settings=SHORT)
    finally:
        (tmp_path / "moved").rename(trained.run_dir)


def test_other_files_in_the_place_of_the_ensemble_are_left_alone(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "runs" / "ensemble").mkdir(parents=True)
    (tmp_path / "runs" / "ensemble" / "mine.txt").touch()
    with pytest.raises(Exception, match="holds something else"):
        train_ensemble(path, tmp_path / "runs")
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["ensemble"]


# stopping, going on, failing


@pytest.fixture
def alone(tmp_path: Path) -> Run:
    """A run of four epochs that needs none, and has not begun."""
    write(tmp_path)
    return runs(tmp_path, settings=SHORT | {"trainer.max_epochs": 4})["size"]


def test_a_stopped_run_goes_on_with_the_next_epoch(alone: Run) -> None:
    epochs: list[int] = []

    def report(epoch: int) -> bool:
        epochs.append(epoch)
        return epoch == 2

    alone.train(report)
    assert (alone.epochs_done, alone.finished) == (2, False)
    alone.check()
    alone.train(report)
    assert (alone.epochs_done, alone.finished) == (4, True)
    assert epochs == [0, 1, 2, 2, 3, 4]


def test_the_encoder_that_a_member_stands_on_cannot_be_made_anew(
    trained: Trained, tmp_path: Path
) -> None:
    hidden = trained.run_dir / "pre"
    hidden.rename(tmp_path / "pre")
    try:
        with pytest.raises(RunError, match="fuzzy was trained on an encoder pre that is no longer"):
            train_ensemble(trained.recipe, trained.run_dir, settings=SHORT)
        assert not hidden.exists()
    finally:
        (tmp_path / "pre").rename(hidden)


def test_a_failing_run_ends_in_one_line_that_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = RECIPE.replace("  size: {config: size.yaml}\n", "")
    recipe = write(tmp_path, recipe=alone, pre="model: {encoder: sise}")
    with pytest.raises(SystemExit) as caught:
        main(["ensemble", "--config", str(recipe), "--run_dir", str(tmp_path / "runs")])
    assert caught.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("error: pre: no encoder is called 'sise'")
    assert "Traceback" not in "".join(lines)
    assert "no encoder is called 'sise'" in (tmp_path / "runs" / "pre" / "log.txt").read_text()
    assert not (tmp_path / "runs" / "fuzzy").exists()


def test_the_command_says_where_the_ensemble_is(
    trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    more = [f"--set={key}={value}" for key, value in SHORT.items()]
    main_with = ["--config", str(trained.recipe), "--run_dir", str(trained.run_dir), *more]
    with pytest.raises(SystemExit) as caught:
        main(["ensemble", *main_with])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert f"gennape predict -m {trained.folder}" in shown
    assert f"{load(trained.folder).metrics['val_spearman']:.3f}" in shown


def test_a_setting_without_a_value_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["ensemble", "--config", "a.yaml", "--run_dir", "runs", "--set", "data.limit"])
    assert caught.value.code == 2
    assert "expected KEY=VALUE" in " ".join(capsys.readouterr().err.split())


def test_runs_may_be_in_processes_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gennape.training.workers.ProcessPoolExecutor", ProcessPoolExecutor)
    recipe, lines = write(tmp_path, recipe="members: {size: {config: size.yaml}}"), list[str]()
    train_ensemble(recipe, tmp_path / "runs", settings=SHORT, processes=2, report=lines.append)
    assert lines == [f"size: {epoch} of 2 epochs" for epoch in range(3)]
    assert load(tmp_path / "runs" / "ensemble").families == ("digits-chains",)


# assembling


def member(trained: Trained, **other: Any) -> dict[str, Checkpoint]:
    found = load(trained.run_dir / "size" / "predictor")
    given = {"families": found.families, "source": found.source, "form": found.form} | other
    model = PerformanceModel(ModelConfig("size", head="linear")).eval()
    return {"size": found, "other": Checkpoint(model, TargetScale(90, 2), **given)}


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"families": ("darts",)}, "darts"),
        ({"source": "mine.csv"}, r"mine\.csv"),
        ({"form": "atomic"}, "atomic"),
    ],
)
def test_members_of_other_networks_make_no_ensemble(
    other: dict[str, Any], message: str, trained: Trained
) -> None:
    data = runs(trained.recipe.parent, settings=SHORT)["size"].data()
    data.setup("validate")
    assert isinstance(assemble(member(trained), data).model, Ensemble)
    with pytest.raises(RecipeError, match=f"member other was trained on .*{message}"):
        assemble(member(trained, **other), data)


def test_an_ensemble_is_no_member(trained: Trained) -> None:
    data = runs(trained.recipe.parent, settings=SHORT)["size"].data()
    data.setup("validate")
    with pytest.raises(RecipeError, match="member whole is an ensemble itself"):
        assemble({"whole": load(trained.folder)}, data)
