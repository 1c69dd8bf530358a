"""Configurations made of parts, and those that ship with the project."""

from pathlib import Path
from typing import Any

import pytest

from gennape.models.performance import ModelConfig, PerformanceModel
from gennape.training.cli import main
from gennape.training.composition import CompositionError, all_parts
from gennape.training.runs import Run

CONFIGS = Path(__file__).parents[2] / "configs"
SHIPPED = sorted({*CONFIGS.glob("*.yaml"), *CONFIGS.glob("gennape/*.yaml")})


def write(folder: Path, **files: str) -> Path:
    """Writes NAME.yaml for each, `__` in a name is a folder; gives the path of the first."""
    paths = [folder / f"{name.replace('__', '/')}.yaml" for name in files]
    for path, text in zip(paths, files.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return paths[0]


def settings(config: Path, *more: str, pretrain: bool = False) -> dict[str, Any]:
    """All settings that a command line comes to."""
    return Run("test", Path("unused"), pretrain, (f"--config={config}", *more)).settings


def read(config: Path, *more: str, pretrain: bool = False) -> tuple[object, ...]:
    found = settings(config, *more, pretrain=pretrain)
    return found["model"]["encoder"], found["data"]["limit"], found["trainer"]["max_epochs"]


def test_parts_are_read_before_the_file_and_the_later_wins(tmp_path: Path) -> None:
    config = write(
        tmp_path,
        whole="parts: [parts/first.yaml, parts/second.yaml]\ntrainer: {max_epochs: 3}",
        parts__first="model: {encoder: gnn}\ndata: {limit: 1}\ntrainer: {max_epochs: 1}",
        parts__second="data: {limit: 2}\ntrainer: {max_epochs: 2}",
    )
    assert read(config) == ("gnn", 2, 3)
    assert read(config, "--data.limit=4") == ("gnn", 4, 3)


def test_parts_have_parts_which_lie_beside_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write(
        tmp_path,
        whole="parts: [deep/middle.yaml]",
        deep__middle="parts: [er/last.yaml]\ndata: {limit: 7}",
        deep__er__last="model: {encoder: gated-gcn}\ndata: {limit: 8}",
    )
    monkeypatch.chdir(tmp_path / "deep")
    assert read(config)[:2] == ("gated-gcn", 7)


def test_a_part_of_two_parts_is_read_once_before_both(tmp_path: Path) -> None:
    config = write(
        tmp_path,
        whole="parts: [one.yaml, two.yaml]",
        one="parts: [both.yaml]\ndata: {limit: 1}",
        two="parts: [both.yaml]",
        both="data: {limit: 9}",
    )
    assert [path.stem for path in all_parts(config)] == ["both", "one", "two"]
    assert read(config)[1] == 1


def test_of_several_files_the_later_wins_with_its_parts(tmp_path: Path) -> None:
    write(tmp_path, other="parts: [part.yaml]", part="data: {limit: 5}")
    config = write(tmp_path, first="data: {limit: 1}\nmodel: {encoder: gnn}")
    assert read(config, "-c", str(tmp_path / "other.yaml"))[:2] == ("gnn", 5)
    assert read(tmp_path / "other.yaml", "--config", str(config))[:2] == ("gnn", 1)


def test_pretraining_is_made_of_parts_too(tmp_path: Path) -> None:
    config = write(tmp_path, whole="parts: [part.yaml]", part="data: {q: 5, limit: 3}")
    assert read(config, pretrain=True)[1] == 3
    assert settings(config, pretrain=True)["data"]["q"] == 5


def test_what_a_run_saves_is_whole_and_names_no_parts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write(tmp_path, whole="parts: [part.yaml]", part="data: {limit: 3}")
    with pytest.raises(SystemExit) as caught:
        main(["fit", "--config", str(config), "--print_config"])
    assert caught.value.code == 0
    printed = capsys.readouterr().out
    assert "part.yaml" not in printed
    again = write(tmp_path / "elsewhere", saved=printed)
    with pytest.raises(SystemExit):
        main(["fit", "--config", str(again), "--print_config"])
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a": "parts: [b.yaml]"}, r"a\.yaml: its part .*b\.yaml is missing"),
        (
            {"a": "parts: [b.yaml]", "b": "parts: [c.yaml]"},
            r"b\.yaml: its part .*c\.yaml is missing",
        ),
        ({"a": "parts: [a.yaml]"}, r"a\.yaml: is a part of itself \(a\.yaml -> a\.yaml\)"),
        (
            {"a": "parts: [b.yaml]", "b": "parts: [c.yaml]", "c": "parts: [b.yaml]"},
            r"is a part of itself \(a\.yaml -> b\.yaml -> c\.yaml -> b\.yaml\)",
        ),
        ({"a": "parts: b.yaml", "b": ""}, r"a\.yaml: parts is 'b\.yaml', expected a list"),
    ],
    ids=["missing", "missing below", "itself", "in a round", "no list"],
)
def test_parts_that_cannot_be_are_one_line(
    files: dict[str, str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write(tmp_path, **files)
    with pytest.raises(CompositionError, match=message):
        all_parts(config)
    with pytest.raises(SystemExit) as caught:
        main(["fit", "--config", str(config)])
    assert caught.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_parts_on_the_command_line_are_refused_not_ignored(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["fit", "--parts", "[mine.yaml]"])
    assert caught.value.code == 2
    assert "parts belong in a configuration file" in capsys.readouterr().err


def test_help_tells_of_parts_and_of_ensembles(capsys: pytest.CaptureFixture[str]) -> None:
    for command, expected in (("fit", "--parts"), ("pretrain", "--parts"), ("", "ensemble.yaml")):
        with pytest.raises(SystemExit):
            main([*command.split(), "--help"])
        assert expected in capsys.readouterr().out


# what ships


def is_pretraining(path: Path) -> bool:
    return path.stem.startswith("pretrain")


@pytest.mark.parametrize(
    "path", [path for path in SHIPPED if path.stem != "ensemble"], ids=lambda path: path.stem
)
def test_a_shipped_configuration_is_read_and_its_model_can_be_made(path: Path) -> None:
    found = settings(path, pretrain=is_pretraining(path))
    model = found["model"]
    head = model.get("head", "none")
    arguments = model["encoder_args"] or {}, head, model.get("head_args") or {}, model.get("whole")
    made = PerformanceModel(ModelConfig(model["encoder"], *arguments))
    assert sum(buffer.numel() for buffer in made.state_dict().values()) > 0
    assert found["run_dir"].startswith("runs/")


def test_every_shipped_run_has_a_folder_of_its_own() -> None:
    folders = [
        settings(path, pretrain=is_pretraining(path))["run_dir"]
        for path in SHIPPED
        if path.stem != "ensemble"
    ]
    assert len(set(folders)) == len(folders)


@pytest.mark.parametrize(
    ("name", "encoder", "head"),
    [
        ("cl", "gnn", "mlp"),
        ("cl_t", "gnn-transformer", "mlp"),
        ("cl_fcm", "gnn", "fuzzy-mlp"),
        ("cl_fcm_t", "gnn-transformer", "fuzzy-mlp"),
        ("cl_pairwise", "gnn", "pairwise"),
        ("cl_pairwise_fcm", "gnn", "fuzzy-pairwise"),
        ("kgnn", "k-gnn", "mlp"),
        ("flops", "size", "linear"),
    ],
)
def test_members_are_those_of_the_paper_on_the_same_labels(
    name: str, encoder: str, head: str
) -> None:
    found = settings(CONFIGS / "gennape" / f"{name}.yaml")
    assert (found["model"]["encoder"], found["model"]["head"]) == (encoder, head)
    assert found["model"]["whole"] == (None if name == "flops" else {})
    data = found["data"]
    assert (data["benchmark"], data["subset"], data["floor"]) == ("nasbench101", "full", 80)
    assert data["fused"]
    pretrained = found["model"]["pretrained"]
    if name.startswith("cl"):
        source = "pretrain_cl_t" if name.endswith("_t") else "pretrain_cl"
        assert pretrained == f"runs/gennape/{source}/encoder"
        theirs = settings(CONFIGS / "gennape" / f"{source}.yaml", pretrain=True)
        assert theirs["model"]["encoder"] == encoder
        assert theirs["model"]["encoder_args"] == found["model"]["encoder_args"]
        assert theirs["data"]["fused"]
    else:
        assert pretrained is None


@pytest.mark.parametrize("kind", ["as_published", "end_to_end"])
@pytest.mark.parametrize("name", ["cl", "cl_t", "cl_fcm", "cl_fcm_t"])
def test_models_beside_the_shipped_ones_differ_as_they_say(kind: str, name: str) -> None:
    ours = settings(CONFIGS / "gennape" / f"{name}.yaml")["model"]
    theirs = settings(CONFIGS / "gennape" / kind / f"{name}.yaml")["model"]
    other = {key for key in ours if ours[key] != theirs[key]}
    assert other == ({"whole"} if kind == "as_published" else {"whole", "freeze"})
    assert theirs["whole"] is None


def test_the_sibling_papers_pretraining_differs_as_it_says() -> None:
    ours, theirs = (
        settings(CONFIGS / "gennape" / f"{name}.yaml", pretrain=True)
        for name in ("pretrain_cl", "pretrain_sibling")
    )
    assert (ours["model"]["positives"], ours["data"]["q"]) == ("spectral", 21)
    assert (theirs["model"]["positives"], theirs["data"]["q"]) == ("family", 11)
    assert theirs["model"]["spectral_temperature"] == 0.05
    assert len(theirs["data"]["sources"]) > 1  # else all networks are of one family
