"""Many files become one folder: resumable, and no bad file stops the others."""

import csv
import os
from pathlib import Path

import pytest
from onnx_models import onnx_model

from onnx_bench import import_files as module
from onnx_bench.canonical import fuse
from onnx_bench.cli import main
from onnx_bench.cost import cost
from onnx_bench.errors import ModelFileError
from onnx_bench.families import build_spec, family
from onnx_bench.graph import ComputationGraph
from onnx_bench.import_files import GRAPHS, INDEX, Row, import_files
from onnx_bench.onnx_export import save_onnx

NAMES = ("digits-cells", "digits-tokens", "nasbench201")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Three networks, one of them twice, and a file that is none."""
    folder = tmp_path / "models"
    for name in NAMES:
        save_onnx(network(name), folder / f"{name}.onnx")
    save_onnx(network(NAMES[0]), folder / "again.onnx", seed=3)
    (folder / "bad.onnx").write_bytes(b"no model")
    return folder


def network(name: str) -> ComputationGraph:
    return build_spec(f"{name}:{family(name).example}")


def run(models: Path, folder: Path, **options: object) -> dict[str, Row]:
    rows = import_files(sorted(models.glob("*.onnx")), folder, workers=2, **options)  # type: ignore[arg-type]
    return {Path(row.file).stem: row for row in rows}


def index(folder: Path) -> list[dict[str, str]]:
    with (folder / INDEX).open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_file_has_a_row_and_every_network_a_graph(models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    rows = run(models, folder)
    for name in NAMES:
        row, graph = rows[name], network(name)
        assert ComputationGraph.load(folder / GRAPHS / f"{row.hash}.npz") == graph
        assert (row.nodes, row.macs) == (len(graph), cost(graph).macs)
        assert (row.parameters, row.coverage, row.unknown) == (graph.parameters, 1.0, "")
    assert rows["again"].hash == rows[NAMES[0]].hash
    assert "not an ONNX" in rows["bad"].error
    assert len(list((folder / GRAPHS).iterdir())) == len(NAMES)
    assert [Path(r["file"]).stem for r in index(folder)] == sorted(rows)


def test_the_fused_form_on_demand(models: Path, tmp_path: Path) -> None:
    rows = run(models, tmp_path / "out", fused=True)
    for name in NAMES:
        assert rows[name].hash == fuse(network(name)).hash


def test_a_second_run_reads_only_what_has_changed(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    first = run(models, folder)
    read: list[str] = []

    def note(tasks: list[module._Task], _: int) -> list[Row]:
        read.extend(task.path.stem for task in tasks)
        return [module._read(task) for task in tasks]

    monkeypatch.setattr(module, "_run", note)
    assert run(models, folder) == first
    assert read == []
    save_onnx(network("digits-chains"), models / "again.onnx")
    (folder / GRAPHS / f"{first[NAMES[1]].hash}.npz").unlink()
    second = run(models, folder)
    assert sorted(read) == ["again", NAMES[1]]
    assert second["again"].hash == network("digits-chains").hash
    read.clear()
    run(models, folder, fused=True)
    assert len(read) == 5


def test_a_run_that_was_stopped_goes_on(models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    whole = run(models, folder)
    lines = (folder / INDEX).read_text().splitlines(keepends=True)
    (folder / INDEX).write_text("".join(lines[:3]) + lines[3][:20])  # cut in the middle of a row
    assert run(models, folder) == whole
    assert len(index(folder)) == len(whole)


def test_a_file_that_brings_the_reader_down_is_reported(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KILLED", "digits-tokens.onnx")
    monkeypatch.setattr(module, "_read", fatal)
    rows = run(models, tmp_path / "out")
    assert "brought the process down" in rows["digits-tokens"].error
    assert [name for name, row in rows.items() if not row.error] != []
    assert rows["nasbench201"].hash == network("nasbench201").hash


def fatal(task: module._Task) -> Row:
    """Reads a file, unless it is the one that ends the process."""
    if task.path.name == os.environ["KILLED"]:
        os._exit(9)
    return original(task)


original = module._read


def test_a_folder_with_another_index_is_refused_and_left_alone(
    models: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / INDEX).write_text("my,own,table\n1,2,3\n")
    with pytest.raises(ModelFileError, match="no index of ours"):
        run(models, folder)
    assert (folder / INDEX).read_text() == "my,own,table\n1,2,3\n"


def command(*arguments: str) -> int:
    try:
        main(list(arguments))
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_the_command_reports_and_goes_on(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = onnx_model([("Det", "x", "y")], {"x": ("batch", 4, "n", "n")})
    (models / "open.onnx").write_bytes(model.SerializeToString())
    folder = tmp_path / "out"
    assert command("import", str(models), "-o", str(folder), "--shape", "x=1,4,5,5") == 0
    output, errors = capsys.readouterr()
    assert output == f"{folder}: 5 of 6 files read, 4 different networks\n"
    assert f"skipped: {models / 'bad.onnx'}: not an ONNX" in errors
    assert "open.onnx: outside the vocabulary: Det:1" in errors
    only_bad = str(models / "bad.onnx")
    assert command("import", only_bad, "-o", str(tmp_path / "none")) == 1
    assert command("import", only_bad, "-o", str(folder), "--shape", "x") == 2
    assert "expected NAME=SIZES" in capsys.readouterr().err
