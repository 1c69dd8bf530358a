"""`gennape suggest`, and the round that it makes with `gennape finetune`."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from gennape import cli
from gennape.commands import suggest
from gennape.inference import Predictor
from onnx_bench.canonical import fuse
from onnx_bench.families import build_spec
from onnx_bench.graph import OP, ComputationGraph
from onnx_bench.onnx_export import save_onnx
from onnx_bench.operators import Op
from tests.gennape.commands import Capture, one_line, refusal, run

COLUMNS = ["network", "label", "score", "nearest", "distance", "new"]


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that the commands run in."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def pool(work: Path, networks: tuple[str, ...]) -> Path:
    """A text that names all networks, a line each, with an empty one."""
    (work / "pool.txt").write_text("\n".join(networks[:20]) + "\n\n" + "\n".join(networks[20:]))
    return Path("pool.txt")


def test_the_default_model_is_that_of_the_other_commands() -> None:
    assert suggest.DEFAULT_MODEL == cli.DEFAULT_MODEL


def test_help_shows_the_whole_round(capsys: Capture) -> None:
    assert run("suggest", "--help") == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("onnx-bench sample", "gennape finetune", "--labelled"))
    assert max(map(len, shown.splitlines())) <= 80


def test_suggestions_are_filled_in_learnt_from_and_never_made_again(
    pool: Path,
    checkpoint: Path,
    networks: tuple[str, ...],
    labels: npt.NDArray[np.float64],
    capsys: Capture,
) -> None:
    truth = dict(zip(networks, labels, strict=True))
    assert run("suggest", pool, "-k", 12, "-m", checkpoint, "-o", "first.csv") == 0
    shown = capsys.readouterr().out
    assert "12 of 40 networks" in shown
    assert "... and 2 more" in shown
    table = pd.read_csv("first.csv")
    assert list(table.columns) == COLUMNS
    assert table["label"].isna().all()
    assert table["network"].is_unique
    assert set(table["network"]) <= {*networks}
    assert table["new"].iloc[0] == 1

    table["label"] = table["network"].map(truth)
    table.to_csv("first.csv", index=False)
    learn = ("finetune", checkpoint, "first.csv", "--label", "label", "-o", "mine", "--epochs", 1)
    assert run(*learn) == 0
    search = ("--labelled", "first.csv", "--goal", "find-best", "-o", "more.csv")
    assert run("suggest", pool, "-k", 27, "-m", "mine", *search) == 0
    more = pd.read_csv("more.csv")
    both = pd.concat([table, more])["network"]
    assert both.is_unique
    assert {fuse(build_spec(text)).hash for text in both} == {
        fuse(build_spec(text)).hash for text in networks
    }
    assert "append its rows to first.csv" in capsys.readouterr().out


def test_the_command_does_what_the_method_does(
    pool: Path, checkpoint: Path, networks: tuple[str, ...]
) -> None:
    assert run("suggest", pool, "-k", 6, "-m", checkpoint) == 0
    found = Predictor.from_pretrained(checkpoint).suggest(networks, 6)
    table = pd.read_csv("to_label.csv")
    assert table["network"].tolist() == [networks[row] for row in found.row_K]
    np.testing.assert_allclose(table["score"], found.score_K, rtol=1e-6)
    np.testing.assert_allclose(table["distance"], found.distance_K, atol=1e-3)


def test_files_and_tables_are_pools_and_paths_hold_from_where_they_are_written(
    work: Path, graphs: list[ComputationGraph], networks: tuple[str, ...], checkpoint: Path
) -> None:
    (work / "nets").mkdir()
    for place in (0, 1, 2):
        save_onnx(graphs[place], work / "nets" / f"{place}.onnx")
    pd.DataFrame({"net": ["2.onnx", networks[3]]}).to_csv("nets/more.csv", index=False)
    # The second is the first file spelt as a text, and has a label already.
    pd.DataFrame({"net": [networks[1], networks[9]]}).to_csv("done.csv", index=False)
    pool = ("nets/0.onnx", Path("nets/1.onnx").absolute(), "nets/more.csv", networks[0])
    options = ("--network", "net", "--labelled", "done.csv", "-o", "out/next.csv")
    assert run("suggest", *pool, "-k", 3, "-m", checkpoint, *options) == 0
    found = set(pd.read_csv("out/next.csv")["network"])
    assert found == {"../nets/0.onnx", "../nets/2.onnx", networks[3]}
    assert run("suggest", Path("nets/1.onnx").absolute(), "-k", 1, "-m", checkpoint) == 0
    assert pd.read_csv("to_label.csv")["network"].tolist() == [str(work / "nets" / "1.onnx")]


def test_a_column_of_labels_has_the_name_that_is_asked_for(pool: Path, checkpoint: Path) -> None:
    assert run("suggest", pool, "-k", 2, "-m", checkpoint, "--label", "accuracy") == 0
    assert list(pd.read_csv("to_label.csv").columns) == ["network", "accuracy", *COLUMNS[2:]]


def test_labels_that_were_filled_in_are_never_written_over(
    pool: Path, checkpoint: Path, work: Path, capsys: Capture
) -> None:
    (work / "to_label.csv").write_text("network,label\nx,93.1\n")
    assert "is there already" in one_line(capsys, "suggest", pool, "-k", 2, "-m", checkpoint)


Write = Callable[[tuple[str, ...]], None]


def _table(name: str, **columns: list[object]) -> Write:
    return lambda _: pd.DataFrame(columns).to_csv(name, index=False)


@pytest.mark.parametrize(
    ("arguments", "write", "message"),
    [
        (
            ("pool.txt", "-k", 40),
            None,
            "40 networks are asked for, and 39 are left: the pool's 40, less 1",
        ),
        (("empty.txt",), lambda _: Path("empty.txt").write_text("\n"), "the pool is empty"),
        (("gone.txt",), None, "gone.txt: no such file"),
        (("gone.csv",), None, "gone.csv: no such file"),
        (("gone.onnx",), None, "gone.onnx"),
        (("digits-chains:x",), None, "digits-chains"),
        (("a.csv",), _table("a.csv", net=["x"]), "a.csv: no column 'network'"),
        (("a.csv",), _table("a.csv", network=["x.onnx", None]), "'network' is empty in row 2"),
        (("pool.txt", "--labelled", "gone.csv"), None, "gone.csv: no such file"),
        (("pool.txt", "-o", "labels.txt"), None, "expected a name that ends in .csv"),
        (("pool.txt", "--label", "score"), None, "cannot be called 'score'"),
        (
            ("pool.txt", "-k", 1, "--labelled", "all.csv"),
            lambda networks: _table("all.csv", network=[*networks])(networks),
            "nothing is left to suggest: all 40 networks are labelled",
        ),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(
    arguments: tuple[object, ...],
    write: Write | None,
    message: str,
    pool: Path,
    checkpoint: Path,
    networks: tuple[str, ...],
    capsys: Capture,
) -> None:
    assert pool.exists()
    if write:
        write(networks)
    assert message in one_line(capsys, "suggest", *arguments, "-m", checkpoint)


@pytest.mark.parametrize(
    ("options", "message"),
    [(("-k", 0), "'--count'"), (("--goal", "best"), "'--goal'")],
)
def test_a_bad_option_says_so(
    options: tuple[object, ...], message: str, pool: Path, capsys: Capture
) -> None:
    assert message in refusal(capsys, "suggest", pool, *options)


def test_a_table_of_no_labelled_networks_is_none(pool: Path, checkpoint: Path) -> None:
    pd.DataFrame({"network": []}).to_csv("none.csv", index=False)
    assert run("suggest", pool, "-k", 2, "-m", checkpoint, "--labelled", "none.csv") == 0


def test_networks_with_unknown_operators_are_counted(
    work: Path, checkpoint: Path, networks: tuple[str, ...], capsys: Capture
) -> None:
    graph = build_spec(networks[0])
    nodes = graph.nodes_NK.copy()
    nodes[len(nodes) // 2, OP] = Op.UNKNOWN
    strange = ComputationGraph(nodes, graph.input_ptr, graph.inputs, "strange")
    strange.save(work / "strange.npz")
    assert run("suggest", "strange.npz", networks[1], "-k", 2, "-m", checkpoint) == 0
    assert "unknown operators, which may be misplaced: 1" in capsys.readouterr().out
