"""`gennape finetune`: learns, reports, saves all or nothing, and ends every mistake in one line."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from gennape.checkpoint import Checkpoint
from gennape.inference import Predictor
from gennape.metrics import spearman
from gennape.models.performance import PerformanceModel
from gennape.tuning import TuneSettings
from onnx_bench.graph import ComputationGraph
from onnx_bench.onnx_export import save_onnx
from tests.gennape.commands import Capture, contents, one_line, refusal, run


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that the commands run in."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_finetune_writes_a_checkpoint_that_predicts(
    table: Path, checkpoint: Path, work: Path, networks: tuple[str, ...], capsys: Capture
) -> None:
    arguments = ("--label", "accuracy", "-o", "mine", "--epochs", "3")
    assert run("finetune", checkpoint, table, *arguments) == 0
    shown = capsys.readouterr().out
    assert "learnt from 31 networks\n8 others chose the epoch" in shown
    assert "on 8 networks held out" in shown
    assert "--coverage 0.89 or less works" in shown
    assert {path.name for path in work.iterdir()} == {"mine"}
    assert run("predict", *networks[:3], "-m", "mine", "--json", "--coverage", ".85") == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 3
    assert all(row["low"] < row["score"] < row["high"] for row in rows)


def test_finetune_leaves_a_report(table: Path, checkpoint: Path, work: Path) -> None:
    arguments = ("--label", "accuracy", "-o", "mine", "--epochs", "2", "--validation", "0.25")
    assert run("finetune", checkpoint, table, *arguments) == 0
    names = {"model.safetensors", "config.json", "report.csv", "report.png"}
    assert {path.name for path in (work / "mine").iterdir()} == names
    report = pd.read_csv(work / "mine" / "report.csv", index_col="when")
    assert report.index.tolist() == ["before", "after"]
    assert report["networks"].tolist() == [10, 10]
    assert (work / "mine" / "report.png").read_bytes().startswith(b"\x89PNG")
    saved = Predictor.from_pretrained("mine").checkpoint
    assert saved.metrics["val_spearman"] == pytest.approx(report.loc["after", "spearman"])
    assert saved.source == f"labels.csv, label accuracy, from {checkpoint}"


def test_finetune_does_what_fit_does(
    table: Path,
    checkpoint: Path,
    predictor: Predictor,
    graphs: list[ComputationGraph],
    labels: npt.NDArray[np.float64],
) -> None:
    run("finetune", checkpoint, table, "--label", "accuracy", "-o", "mine", "--epochs", "2")
    expected = predictor.fit(
        graphs, pd.read_csv(table)["accuracy"], TuneSettings(epochs=2, validation=0.2)
    ).predict(graphs)
    assert Predictor.from_pretrained("mine").predict(graphs) == pytest.approx(expected)
    assert np.abs(expected - labels).mean() < labels.std()


def test_finetune_on_few_labels_holds_none_out(
    table: Path, checkpoint: Path, work: Path, capsys: Capture
) -> None:
    pd.read_csv(table).head(19).to_csv(table, index=False)
    arguments = ("--label", "accuracy", "-o", "mine", "--epochs", "1")
    assert run("finetune", checkpoint, table, *arguments) == 0
    assert "learnt from 19 networks\nthere is no report" in capsys.readouterr().out
    assert {path.name for path in (work / "mine").iterdir()} == {"model.safetensors", "config.json"}
    assert Predictor.from_pretrained("mine").checkpoint.metrics == {}


def test_finetune_counts_a_network_once(table: Path, checkpoint: Path, capsys: Capture) -> None:
    frame = pd.read_csv(table).head(12)
    pd.concat([frame, frame.head(9)]).to_csv(table, index=False)
    arguments = ("--label", "accuracy", "-o", "mine", "--epochs", "1")
    assert run("finetune", checkpoint, table, *arguments) == 0
    shown = capsys.readouterr().out
    assert "21 rows name 12 networks" in shown
    assert "learnt from 12 networks\n" in shown


def test_finetune_leaves_labels_out_in_turn_where_numbers_are_learnt_from(
    table: Path,
    work: Path,
    make_model: Callable[..., PerformanceModel],
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    monkeypatch.setattr("gennape.models.solved.stacking.MANY", 3)
    base = Predictor(Checkpoint(make_model("gnn", hidden=8, layers=1), form="fused"))
    base.save(work / "base")
    assert run("finetune", "base", table, "--label", "accuracy", "-o", "mine") == 0
    shown = capsys.readouterr().out
    assert "on 39 networks each left out in turn" in shown
    assert "learnt from 39 networks: score 0." in shown
    report = pd.read_csv(work / "mine" / "report.csv", index_col="when")
    assert report["networks"].tolist() == [39, 39]
    assert report.loc["after", "covered"] >= 0.9
    options = ("--label", "accuracy", "-o", "half", "--validation", "0.5")
    assert run("finetune", work / "base", table, *options) == 0
    assert "held out" in capsys.readouterr().out


def test_finetune_on_latencies_ranks_the_fastest_first(
    table: Path, checkpoint: Path, networks: tuple[str, ...], capsys: Capture
) -> None:
    frame = pd.read_csv(table)
    milliseconds = 100 - frame["accuracy"]
    frame.assign(ms=milliseconds).to_csv(table, index=False)
    arguments = ("--label", "ms", "--lower-is-better", "-o", "mine", "--epochs", "10")
    assert run("finetune", checkpoint, table, *arguments) == 0
    assert run("predict", *networks, "-m", "mine", "--json", "--coverage", ".8") == 0
    shown = capsys.readouterr().out
    rows = json.loads(shown[shown.index("[\n") :])
    scores = [row["score"] for row in rows]
    assert scores == sorted(scores)
    assert abs(np.mean(scores) - milliseconds.mean()) < milliseconds.std()
    assert all(row["low"] < row["score"] < row["high"] for row in rows)
    order = milliseconds.set_axis(frame["network"])[[row["network"] for row in rows]]
    assert spearman(np.arange(len(order)), order) > 0.5
    report = pd.read_csv("mine/report.csv", index_col="when")
    assert report.loc["after", "spearman"] > 0
    assert np.isnan(report.loc["before", "mae"])


def test_finetune_may_leave_the_encoder(table: Path, checkpoint: Path, trained: Predictor) -> None:
    arguments = ("--label", "accuracy", "-o", "mine", "--epochs", "2", "--freeze", "encoder")
    assert run("finetune", checkpoint, table, *arguments) == 0
    before = trained.checkpoint.model.state_dict()
    after = Predictor.from_pretrained("mine").checkpoint.model.state_dict()
    changed = {name.partition(".")[0] for name in before if not before[name].equal(after[name])}
    assert changed == {"head"}


def test_finetune_reads_onnx_files_beside_the_table(
    graphs: list[ComputationGraph],
    work: Path,
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files = [f"net{i}.onnx" for i in range(5)]
    for name, graph in zip(files, graphs, strict=False):
        save_onnx(graph, work / name)
    frame = pd.DataFrame({"file": files, "value": [3.0, 1.0, 2.0, 5.0, 4.0]})
    frame.to_csv(work / "mine.csv", index=False)
    monkeypatch.chdir(tmp_path)
    arguments = ("--network", "file", "-o", "tuned", "--epochs", "1")
    assert run("finetune", checkpoint, work / "mine.csv", *arguments) == 0
    assert (tmp_path / "tuned" / "config.json").is_file()


Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.rename(columns={"accuracy": "acc"}), "no column 'accuracy'"),
        (lambda frame: frame.rename(columns={"network": "net"}), "no column 'network'"),
        (lambda frame: frame.assign(accuracy=frame["accuracy"].where(frame.index != 4)), "row 5"),
        (lambda frame: frame.assign(accuracy="good"), "row 1"),
        (lambda frame: frame.assign(network=[*frame["network"][:-1], "digits-chains:x"]), "row 40"),
        (lambda frame: frame.assign(network=[*frame["network"][:-1], "gone.onnx"]), "gone.onnx"),
        (lambda frame: frame.head(0), "no rows"),
    ],
    ids=["label", "network", "nan", "words", "specification", "file", "empty"],
)
def test_finetune_with_a_bad_table_names_it_and_writes_nothing(
    change: Change, message: str, table: Path, checkpoint: Path, capsys: Capture
) -> None:
    change(pd.read_csv(table)).to_csv(table, index=False)
    line = one_line(capsys, "finetune", checkpoint, table, "--label", "accuracy", "-o", "mine")
    assert str(table) in line
    assert message in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--validation", "1"), "validation is 1.0"),
        (("--validation", "0.01"), "0 of 39 networks would be held out"),
        (("--validation", "0.99"), "0 of 39 networks would be learnt from"),
        (("--coverage", "90"), "coverage is 90"),
        (("--learning-rate", "0"), "learning_rate 0"),
        (("--loss", "huber"), "no loss is called 'huber'"),
        (("--model", "x"), "No such option"),
    ],
)
def test_finetune_with_a_bad_option_says_so_before_it_learns(
    options: tuple[str, ...], message: str, table: Path, checkpoint: Path, capsys: Capture
) -> None:
    arguments = ("--label", "accuracy", "-o", "mine", "--epochs", "100000")
    assert message in refusal(capsys, "finetune", checkpoint, table, *arguments, *options)


@pytest.mark.parametrize("values", [[90.0], [90.0, 91.0]])
def test_finetune_on_one_network_says_so(
    values: list[float], table: Path, checkpoint: Path, capsys: Capture
) -> None:
    same = pd.read_csv(table).iloc[[0] * len(values)].assign(accuracy=values)
    same.to_csv(table, index=False)
    line = one_line(capsys, "finetune", checkpoint, table, "--label", "accuracy", "-o", "mine")
    assert "teach no order" in line


def test_finetune_on_equal_labels_names_the_table(
    table: Path, checkpoint: Path, capsys: Capture
) -> None:
    pd.read_csv(table).assign(accuracy=90.0).to_csv(table, index=False)
    line = one_line(capsys, "finetune", checkpoint, table, "--label", "accuracy", "-o", "mine")
    assert str(table) in line


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n" + bytes(200)])
@pytest.mark.parametrize("name", ["mine.csv", "mine.parquet"])
def test_finetune_on_a_file_that_is_no_table_names_it(
    name: str, content: bytes, work: Path, checkpoint: Path, capsys: Capture
) -> None:
    (work / name).write_bytes(content)
    assert f"error: {name}: " in one_line(capsys, "finetune", checkpoint, name, "-o", "mine")


def test_finetune_on_a_table_that_is_not_there_names_it(checkpoint: Path, capsys: Capture) -> None:
    line = one_line(capsys, "finetune", checkpoint, "gone.csv", "-o", "mine")
    assert line == "error: gone.csv: no such file"


def test_finetune_never_replaces_a_folder_of_other_files(
    table: Path, checkpoint: Path, work: Path, capsys: Capture
) -> None:
    (work / "data").mkdir()
    (work / "data" / "thesis.txt").write_text("years")
    arguments = ("--label", "accuracy", "-o", "data", "--epochs", "1")
    assert run("finetune", checkpoint, table, *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: data")
    assert contents(work) == {"data": b"", "data/thesis.txt": b"years"}
