"""`onnx-bench collect` and `stats`: what a user types, sees and can do about it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import typer

from onnx_bench.collections import collect as collecting
from onnx_bench.collections import exchange
from onnx_bench.collections.build import Built, Piece
from onnx_bench.collections.sources import read_source
from onnx_bench.commands.collections import add_to
from onnx_bench.errors import CollectionError, LabelError
from onnx_bench.families import build_spec, family
from onnx_bench.import_files import import_files
from onnx_bench.onnx_export import save_onnx
from onnx_bench.terminal import run

CHAIN = f"digits-chains:{family('digits-chains').example}"
TOKENS = f"digits-tokens:{family('digits-tokens').example}"


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENNAPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "160")


def bench(*arguments: object) -> None:
    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    add_to(app)
    with pytest.raises(SystemExit) as ended:
        run(app, [str(argument) for argument in arguments])
    if ended.value.code:
        raise ended.value


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A specification, a file, a network of nobody's and a label that is no number."""
    save_onnx(build_spec(TOKENS), tmp_path / "tokens.onnx")
    path = tmp_path / "mine.csv"
    path.write_text(
        f"network,accuracy,speed,note\n{CHAIN},50.5,1,a\ntokens.onnx,60,fast,b\n"
        "digits-chains:nonsense,70,3,c\ngone.onnx,80,4,d\n"
    )
    return path


def test_several_sources_make_one_collection(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    bench("collect", "digits", table, "-o", out, "--limit", 20, "--label", "accuracy")
    printed = capsys.readouterr()
    assert f"{out}: 22 networks of 5 families, 22 of them different; 1 label" in printed.out
    assert "left out: digits-chains:nonsense: digits-chains: 'nonsense' has 1 values" in printed.err
    assert "gone.onnx" in printed.err
    found = exchange.read(out)
    assert found.networks[-2:] == (CHAIN, str(tmp_path / "tokens.onnx"))
    assert found.values("accuracy")[-2:].tolist() == [50.5, 60]
    assert found.graphs[21].hash == build_spec(TOKENS).hash
    assert [origin.networks for origin in found.origins] == [20, 2]
    assert [path.name for path in tmp_path.iterdir() if "parts" in path.name] == []


def test_every_column_of_numbers_is_a_label(table: Path) -> None:
    frame = pd.read_csv(table)
    frame["speed"] = [1.0, None, 3.0, 4.0]
    frame.to_csv(table, index=False)
    found = read_source(str(table))
    assert [label.name for label in found.measured] == ["accuracy", "speed"]
    assert len(found.labels) == 7
    assert found.origin.skipped == ()
    assert [label.name for label in read_source(str(table), ["speed"]).measured] == ["speed"]


def test_a_cell_that_is_no_number_is_listed(table: Path) -> None:
    found = read_source(str(table), ["speed"])
    assert found.origin.skipped == (f"{table}, row 2: 'speed' is 'fast', no number",)
    assert found.labels["value"].tolist() == [1, 3, 4]


def test_under_strict_the_first_bad_row_is_an_error(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        bench("collect", table, "-o", tmp_path / "out", "--strict")
    assert "error: digits-chains:nonsense: digits-chains: 'nonsense'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_folders_of_files_and_of_graphs_are_sources(tmp_path: Path) -> None:
    for name, text in {"a": CHAIN, "b": TOKENS, "c": CHAIN}.items():
        save_onnx(build_spec(text), tmp_path / "models" / f"{name}.onnx")
    (tmp_path / "models" / "d.onnx").write_text("no model")
    files = sorted((tmp_path / "models").iterdir())
    list(import_files(files, tmp_path / "graphs", workers=1))
    bench("collect", tmp_path / "graphs", "-o", tmp_path / "one", "--workers", 1)
    bench("collect", tmp_path / "models", "-o", tmp_path / "two", "--workers", 1)
    one, two = exchange.read(tmp_path / "one"), exchange.read(tmp_path / "two")
    hashes = [build_spec(text).hash for text in (CHAIN, TOKENS)]
    assert [graph.hash for graph in one.graphs] == hashes
    assert [graph.hash for graph in two.graphs] == [*hashes, hashes[0]]
    assert len(one.origins[0].skipped) == len(two.origins[0].skipped) == 1
    assert one.measured == ()


def test_a_fused_collection_is_fused(tmp_path: Path) -> None:
    bench("collect", "digits", "-o", tmp_path / "out", "--limit", 3, "--fused")
    found = exchange.read(tmp_path / "out")
    assert found.fused
    assert found.keys is not None
    assert (found.keys.hash_G16 == found.keys.key_G16).all()


def test_a_network_of_two_sources_is_there_once_with_both_labels(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text(f"network,a\n{CHAIN},1\n")
    (tmp_path / "two.csv").write_text(f"spec,b\n{TOKENS},2\n{CHAIN},3\n")
    bench("collect", tmp_path / "one.csv", tmp_path / "two.csv", "-o", tmp_path / "out")
    found = exchange.read(tmp_path / "out")
    assert found.networks == (CHAIN, TOKENS)
    assert found.values("b").tolist() == [3, 2]
    assert found.labels["graph"].tolist() == [0, 0, 1]


def test_a_limit_draws_the_same_networks_each_time() -> None:
    whole = read_source("digits")
    one, other = whole.limited(30), whole.limited(30)
    assert one.networks == other.networks
    assert [text for text in whole.networks if text in set(one.networks)] == list(one.networks)
    assert len({text.partition(":")[0] for text in one.networks}) == 4
    assert set(one.labels["network"]) == set(one.networks)
    assert whole.limited(5000) is whole


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: neither a table, a folder, an ONNX file nor a benchmark"),
        (["gone.csv"], "gone.csv: no such file"),
        (["digits", "--label", "speed"], "no source has the label 'speed'"),
        (["digits", "--subset", "none"], "digits has no subset 'none'; there are all"),
        (["digits", "--subset", "other=all"], "other is none of the sources"),
    ],
)
def test_what_cannot_be_collected_is_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        bench("collect", *arguments, "-o", tmp_path / "out")
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_subsets_are_of_the_benchmark_that_is_named(tmp_path: Path) -> None:
    bench(
        "collect",
        "digits",
        "--subset",
        "digits=digits-tokens",
        "-o",
        tmp_path / "out",
        "--limit",
        4,
    )
    assert set(exchange.read(tmp_path / "out").families) == {"digits-tokens"}


def test_an_empty_table_and_an_empty_folder_are_errors(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("network,a\n")
    with pytest.raises(LabelError, match="has no rows"):
        read_source(str(tmp_path / "empty.csv"))
    with pytest.raises(CollectionError, match="no ONNX file in it"):
        read_source(str(tmp_path))


def test_no_network_at_all_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("network,a\ndigits-chains:no,1\n")
    source = read_source(str(tmp_path / "bad.csv"))
    with pytest.raises(CollectionError, match="none of the networks can be built; the first"):
        collecting.collect([source], tmp_path / "out")


def test_what_is_there_and_no_collection_stays(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("all of it")
    with pytest.raises(SystemExit):
        bench("collect", "digits", "-o", tmp_path / "out", "--limit", 2)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


# going on


def test_a_run_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "PIECE", 4)
    source = read_source("digits").limited(20)
    built: list[int] = []
    build = collecting.build

    def counted(piece: Piece) -> Built:
        built.append(len(piece.texts))
        if len(built) == 4:
            raise KeyboardInterrupt
        return build(piece)

    monkeypatch.setattr(collecting, "build", counted)
    with pytest.raises(KeyboardInterrupt):
        collecting.collect([source], tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out.parts"]
    sheet = collecting.collect([source], tmp_path / "out")
    assert len(built) == 4 + 2  # three of the five pieces were there
    assert sheet["networks"] == 20
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != "cache") == ["out"]
    monkeypatch.setattr(collecting, "build", build)
    collecting.collect([source], tmp_path / "whole")
    for name in (exchange.GRAPHS, exchange.ROWS, exchange.LABELS, exchange.DATASHEET):
        whole = (tmp_path / "whole" / name).read_bytes()
        assert (tmp_path / "out" / name).read_bytes() == whole, name


KILLED = """
import sys, time
from pathlib import Path
from onnx_bench.collections import collect as collecting
from onnx_bench.collections.sources import read_source

collecting.PIECE = 4
build = collecting.build

def slow(piece):
    found = build(piece)
    print("built", flush=True)
    time.sleep(0.3)
    return found

collecting.build = slow
collecting.collect([read_source("digits").limited(20)], Path(sys.argv[1]))
"""


def test_a_run_that_was_killed_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(3):
            assert process.stdout.readline() == "built\n"
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(collecting, "PIECE", 4)
    sheet = collecting.collect([read_source("digits").limited(20)], tmp_path / "out")
    assert sheet["networks"] == 20
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != "cache") == ["out"]
    assert exchange.read(tmp_path / "out").graphs.validate()


# stats


def test_stats_of_a_collection(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench("collect", "digits", "-o", tmp_path / "out", "--limit", 30, "--label", "accuracy")
    capsys.readouterr()
    bench("stats", tmp_path / "out", "--figure", tmp_path / "stats.png")
    printed = capsys.readouterr()
    assert "30 networks of 4 families, 30 of them different; 1 label" in printed.out
    assert "digits-mbconv" in printed.out
    assert "Apache-2.0" in printed.out
    assert (tmp_path / "stats.png").read_bytes().startswith(b"\x89PNG")
    assert "wrote" in printed.err


def test_stats_of_a_benchmark_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    bench("stats", "digits", "--json", "--workers", 1)
    sheet = json.loads(capsys.readouterr().out)
    assert [row["networks"] for row in sheet["families"]] == [255] * 4
    assert sheet["labels"][0]["measurements"] == 3060
    assert sheet["labels"][0]["spearman_between_runs"] == pytest.approx(0.97, abs=0.01)
    bench("stats", "digits", "--markdown", "--workers", 1)
    assert "| digits-cells | 255 | ? |" in capsys.readouterr().out


def test_stats_of_nothing_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        bench("stats", tmp_path)
    assert ended.value.code == 2
    assert "no collection" in capsys.readouterr().err
