"""The `gennape` command: ranks networks, and ends every mistake in one line.

The name differs from the file for `onnx-bench`, as pytest wants without packages.
"""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper

from gennape.conformal import Calibration
from gennape.inference import Predictor
from onnx_bench.cost import cost
from onnx_bench.families import family
from onnx_bench.graph import ComputationGraph
from onnx_bench.onnx_export import save_onnx, to_onnx
from tests.gennape.commands import Capture, contents, one_line, refusal, run

COLUMNS = ["rank", "network", "score", "macs", "parameters", "coverage", "familiar"]
COLUMNS += ["assumed", "low", "high", "nearest", "distance", "strange", "mode"]


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that the commands run in."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def files(work: Path, graphs: list[ComputationGraph]) -> list[str]:
    """Five ONNX files, their names in no order of merit."""
    names = [f"net{i}.onnx" for i in range(5)]
    for name, graph in zip(names, graphs, strict=False):
        save_onnx(graph, work / name)
    return names


# predict


def test_help_names_the_commands(capsys: Capture) -> None:
    assert run("--help") == 0
    shown = capsys.readouterr().out
    assert all(command in shown for command in ("predict", "finetune", "transfer"))


@pytest.mark.parametrize("command", ["predict", "finetune", "transfer"])
def test_help_of_a_command_shows_an_example(command: str, capsys: Capture) -> None:
    assert run(command, "--help") == 0
    assert f"gennape {command} " in capsys.readouterr().out


def test_networks_are_ranked_best_first_with_their_costs(
    files: list[str],
    checkpoint: Path,
    trained: Predictor,
    graphs: list[ComputationGraph],
    capsys: Capture,
) -> None:
    assert run("predict", *files, "-m", checkpoint, "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [list(row) for row in rows] == [COLUMNS] * 5
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5]
    scores = trained.predict(graphs[:5])
    order = [files.index(row["network"]) for row in rows]
    assert order == np.argsort(-scores).tolist()
    assert [row["score"] for row in rows] == pytest.approx(scores[order].tolist(), abs=1e-3)
    assert [row["macs"] for row in rows] == [cost(graphs[i]).macs for i in order]
    assert [row["parameters"] for row in rows] == [graphs[i].parameters for i in order]
    assert {row["coverage"] for row in rows} == {1.0}
    assert {(row["low"], row["high"]) for row in rows} == {(None, None)}
    assert {row["nearest"] for row in rows} <= {"digits-chains", "digits-cells"}


def test_csv_is_the_same_table(files: list[str], checkpoint: Path, capsys: Capture) -> None:
    assert run("predict", *files, "-m", checkpoint, "--json") == 0
    expected = json.loads(capsys.readouterr().out)
    assert run("predict", *files, "-m", checkpoint, "--csv") == 0
    found = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert found.columns.tolist() == COLUMNS
    assert found["network"].tolist() == [row["network"] for row in expected]
    assert found["score"].tolist() == pytest.approx([row["score"] for row in expected])


def test_the_table_names_every_network_in_the_order_of_rank(
    files: list[str], checkpoint: Path, trained: Predictor, capsys: Capture
) -> None:
    assert run("predict", *files, "-m", checkpoint) == 0
    shown = capsys.readouterr().out
    best_first = [files[i] for i in np.argsort(-trained.predict(files))]
    assert sorted(best_first, key=shown.index) == best_first


def test_specifications_and_files_rank_together(
    files: list[str], checkpoint: Path, networks: tuple[str, ...], capsys: Capture
) -> None:
    given = [files[0], networks[1], networks[2]]
    assert run("predict", *given, "-m", checkpoint, "--json") == 0
    assert {row["network"] for row in json.loads(capsys.readouterr().out)} == set(given)


def test_predicting_writes_no_file(files: list[str], checkpoint: Path, work: Path) -> None:
    assert run("predict", *files, "-m", checkpoint) == 0
    assert sorted(path.name for path in work.iterdir()) == files


def with_unknown_operator(graph: ComputationGraph) -> onnx.ModelProto:
    """The network's model with one Relu exchanged for an operator outside the vocabulary."""
    model = to_onnx(graph)
    odd = next(node for node in model.graph.node if node.op_type == "Relu")
    odd.op_type, odd.domain = "Magic", "wizards"
    return model


def test_operators_that_are_not_known_are_counted_and_said(
    checkpoint: Path, graphs: list[ComputationGraph], capsys: Capture
) -> None:
    onnx.save(with_unknown_operator(graphs[0]), "odd.onnx")
    save_onnx(graphs[0], "even.onnx")
    assert run("predict", "odd.onnx", "even.onnx", "-m", checkpoint, "--json") == 0
    rows = {row["network"]: row for row in json.loads(capsys.readouterr().out)}
    assert 0.5 < rows["odd.onnx"]["coverage"] < 1
    assert rows["even.onnx"]["coverage"] == 1
    assert run("predict", "odd.onnx", "even.onnx", "-m", checkpoint) == 0
    notes = [line for line in capsys.readouterr().out.splitlines() if "operators are known" in line]
    assert [note.partition(":")[0] for note in notes] == ["odd.onnx"]


@pytest.fixture
def old(trained: Predictor, work: Path) -> Path:
    """A checkpoint of before references and calibrations were kept; outside the work folder."""
    folder = work.parent / "old"
    Predictor(replace(trained.checkpoint, reference=None)).save(folder)
    return folder


def test_families_that_the_model_has_not_seen_are_said(old: Path, capsys: Capture) -> None:
    tokens = f"digits-tokens:{family('digits-tokens').example}"
    chains = f"digits-chains:{family('digits-chains').example}"
    assert run("predict", tokens, chains, "-m", old, "--json") == 0
    rows = {row["network"]: row["familiar"] for row in json.loads(capsys.readouterr().out)}
    assert rows == {tokens: False, chains: True}
    assert run("predict", tokens, chains, "-m", old) == 0
    assert "1 of 2 networks are of a family that the model has not seen" in capsys.readouterr().out
    assert run("predict", chains, "-m", old) == 0
    assert "has not seen" not in capsys.readouterr().out


def test_an_old_checkpoint_leaves_what_it_does_not_know_empty(
    old: Path, files: list[str], capsys: Capture
) -> None:
    assert run("predict", *files, "-m", old, "--csv") == 0
    found = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert found.columns.tolist() == COLUMNS
    assert found[["low", "high", "nearest", "distance", "strange"]].isna().all(axis=None)
    assert run("predict", *files, "-m", old) == 0
    shown = capsys.readouterr().out
    assert "nearest" not in shown
    assert "±" not in shown


def test_strange_networks_are_marked(
    checkpoint: Path, trained: Predictor, networks: tuple[str, ...], capsys: Capture
) -> None:
    tokens = "digits-tokens:p4-c24-r2-attn4-attn4-attn1-attn1"
    said = trained.assess([tokens, networks[0]])
    assert said.strange_N.tolist() == [True, False]
    assert run("predict", tokens, networks[0], "-m", checkpoint, "--json") == 0
    rows = {row["network"]: row for row in json.loads(capsys.readouterr().out)}
    assert (rows[tokens]["strange"], rows[networks[0]]["strange"]) == (True, False)
    assert rows[tokens]["distance"] == pytest.approx(said.distance_N[0])
    assert run("predict", tokens, networks[0], "-m", checkpoint) == 0
    shown = capsys.readouterr().out
    assert said.distance_N[0] > 99
    assert ">99 !" in shown
    assert f"{said.distance_N[1]:.2f} !" not in shown
    assert "1 of 2 networks are strange" in shown


def test_intervals_are_shown_where_the_model_has_them(
    trained: Predictor, files: list[str], work: Path, capsys: Capture
) -> None:
    calibration = Calibration(tuple(float(score) for score in range(1, 10)))
    Predictor(replace(trained.checkpoint, calibration=calibration)).save(work.parent / "sure")
    model = ("-m", work.parent / "sure")
    assert run("predict", *files, *model, "--csv", "--coverage", "0.5") == 0
    found = pd.read_csv(io.StringIO(capsys.readouterr().out))
    np.testing.assert_allclose(found["high"] - found["score"], 5.0)
    np.testing.assert_allclose(found["score"] - found["low"], 5.0)
    assert run("predict", *files, *model) == 0
    assert capsys.readouterr().out.count("± 9.000") == 5
    assert run("predict", *files, *model, "--coverage", "0.95") == 0
    shown = capsys.readouterr().out
    assert "±" not in shown
    assert "too few labels were held out for this coverage" in shown
    assert "coverage is 1.0" in one_line(capsys, "predict", *files, *model, "--coverage", "1")


# bad doors of predict


def cyclic_model() -> bytes:
    nodes = [
        helper.make_node("Add", ["x", "b"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
    ]
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", 4]) for n in "xb"]
    graph = helper.make_graph(nodes, "cycle", values[:1], values[1:])
    data: bytes = helper.make_model(graph).SerializeToString()
    return data


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a model\n" * 20,
        bytes(range(256)) * 4,
        cyclic_model(),
        onnx.ModelProto(ir_version=8).SerializeToString(),
    ],
    ids=["empty", "text", "bytes", "cycle", "no graph"],
)
def test_a_file_that_is_no_network_is_named(
    content: bytes, files: list[str], checkpoint: Path, work: Path, capsys: Capture
) -> None:
    (work / "bad.onnx").write_bytes(content)
    assert "bad.onnx" in one_line(capsys, "predict", *files, "bad.onnx", "-m", checkpoint)


def test_a_file_that_is_cut_short_is_named(
    files: list[str], checkpoint: Path, work: Path, capsys: Capture
) -> None:
    (work / "bad.onnx").write_bytes((work / files[0]).read_bytes()[:-2000])
    assert "bad.onnx" in one_line(capsys, "predict", *files, "bad.onnx", "-m", checkpoint)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("missing.onnx", "missing.onnx: no such file"),
        (".", "is a folder"),
        ("digits-chains:plain-w3", "'plain-w3'"),
        ("nasbench201:|conv~0|", "'|conv~0|'"),
        ("nasbench999:abc", "nasbench999:abc"),
    ],
)
def test_a_network_that_is_not_there_is_named(
    network: str, message: str, files: list[str], checkpoint: Path, capsys: Capture
) -> None:
    assert message in one_line(capsys, "predict", files[0], network, "-m", checkpoint)


def changed_config(**changes: Any) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (changed_config(format=99), "config.json: format is 99"),
        (changed_config(vocabulary=99), "config.json: vocabulary is 99"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json: "),
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors: missing"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"0"), "model.safetensors: "),
        (lambda folder: (folder / "config.json").unlink(), "mine: no checkpoint"),
    ],
    ids=["format", "vocabulary", "no JSON", "no weights", "bad weights", "no configuration"],
)
def test_a_checkpoint_that_does_not_fit_is_named(
    damage: Callable[[Path], object],
    message: str,
    files: list[str],
    trained: Predictor,
    work: Path,
    capsys: Capture,
) -> None:
    trained.save(work / "mine")
    damage(work / "mine")
    assert message in one_line(capsys, "predict", *files, "-m", "mine")


def test_a_model_that_is_not_there_is_named(files: list[str], capsys: Capture) -> None:
    assert "kgnn-nb999" in one_line(capsys, "predict", *files, "-m", "kgnn-nb999")


def test_json_and_csv_at_once_are_refused(
    files: list[str], checkpoint: Path, capsys: Capture
) -> None:
    shown = refusal(capsys, "predict", *files, "-m", checkpoint, "--json", "--csv")
    assert "choose one of --json and --csv" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict"], "Missing argument"),
        (["predict", "a.onnx", "--modle", "x"], "No such option"),
        (["predicts"], "No such command"),
        (["finetune", "x", "t.csv"], "--out"),
        (["finetune", "x", "t.csv", "-o", "y", "--epochs", "0"], "--epochs"),
        (["finetune", "x", "t.csv", "-o", "y", "--freeze", "head"], "--freeze"),
        (["transfer", "--out", "x.csv", "--shots", "-1"], "--shots"),
        (["transfer", "--out", "x.csv", "--seeds", "0"], "--seeds"),
    ],
)
def test_a_usage_that_is_wrong_is_refused(
    arguments: list[str], message: str, capsys: Capture
) -> None:
    assert message in refusal(capsys, *arguments)


# transfer


@pytest.fixture
def protocols(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the command hands to the protocol, which is not run."""
    seen: list[Any] = []

    def fake(protocol: Any, seeds: int, out: Path, *_: Any) -> pd.DataFrame:
        seen.append((protocol, seeds, out))
        row = {"source": protocol.source, "target": protocol.target, "subset": "all"}
        row |= {"label": "top1", "encoder": protocol.model.encoder, "source_model": protocol.key}
        figures = {"spearman": 0.5, "kendall": 0.4, "ndcg10": 0.9, "mae": 2.0}
        return pd.DataFrame([row | {"shots": 0, "seed": 0, "networks": 20} | figures])

    monkeypatch.setattr("gennape.transfer.run.run", fake)
    return seen


def test_transfer_takes_several_values_after_one_flag(protocols: list[Any], work: Path) -> None:
    subsets = ("--target-subsets", "all", "no-none")
    flags = ("--shots", "0", "10", "50", "--seeds", "3", *subsets, "--encoder", "gated-gcn")
    assert run("transfer", "--out", "rows.csv", *flags) == 0
    ((protocol, seeds, out),) = protocols
    assert (protocol.source, protocol.target) == ("nasbench101", "nasbench201")
    assert protocol.shots == (0, 10, 50)
    assert protocol.target_subsets == ("all", "no-none")
    assert protocol.model.encoder == "gated-gcn"
    assert (seeds, out) == (3, Path("rows.csv"))
    assert [path.name for path in work.iterdir()] == ["rows_summary.csv"]


def test_transfer_scores_the_default_rows_where_none_are_named(protocols: list[Any]) -> None:
    assert run("transfer", "--out", "rows.csv") == 0
    assert protocols[0][0].target_subsets == (None,)
    assert protocols[0][0].shots == (0, 50)


def refused_transfer(capsys: Capture, *arguments: str) -> str:
    """The last line of a transfer that ends with code 2 and leaves nothing."""
    flags = ("--out", "rows.csv", "--seeds", "1", "--processes", "1", *arguments)
    assert run("transfer", *flags) == 2
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    assert contents(Path.cwd()) == {}
    return shown.strip().splitlines()[-1]


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [
        ("--encoder", "gin", "error: no encoder is called 'gin'; there are"),
        ("--loss", "huber", "error: no loss is called 'huber'; there are"),
        ("--data-root", "gone", "error: gone/nasbench101/labels.parquet: no such file"),
    ],
)
def test_transfer_with_a_name_that_is_not_there_is_refused(
    flag: str, value: str, message: str, capsys: Capture
) -> None:
    assert refused_transfer(capsys, flag, value).startswith(message)


def test_an_error_in_a_process_of_the_pool_arrives(capsys: Capture) -> None:
    line = refused_transfer(capsys, "--source", "imagenet")
    assert line.startswith("error: no benchmark is called 'imagenet'; there are")


# as a process


def process(*arguments: object) -> "subprocess.CompletedProcess[str]":
    code = "from gennape.cli import main; main()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_output_of_a_process_is_json_alone(files: list[str], checkpoint: Path) -> None:
    done = process("predict", *files, "-m", checkpoint, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(json.loads(done.stdout)) == 5


def test_a_process_that_fails_prints_one_line(files: list[str], checkpoint: Path) -> None:
    done = process("predict", *files, "missing.onnx", "-m", checkpoint)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "error: missing.onnx: no such file; give the path of an ONNX file"
    ]
