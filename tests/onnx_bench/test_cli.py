"""The command `onnx-bench`, from its arguments to its output and exit code."""

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from onnx_models import onnx_model

from onnx_bench.canonical import fuse
from onnx_bench.cli import main
from onnx_bench.cost import cost
from onnx_bench.families import FAMILIES, build_spec, family
from onnx_bench.onnx_export import to_onnx
from onnx_bench.onnx_import import from_onnx

SPEC = family("digits-tokens").example
CELL = family("nasbench101").example  # holds a colon itself


def run(*arguments: str) -> int:
    """The command's exit code."""
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    return int(caught.value.code or 0)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line of an error that a user can mend."""
    assert run(*arguments) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    return errors


@pytest.mark.parametrize(
    "words", [["digits-tokens", SPEC], [f"digits-tokens:{SPEC}"], ["nasbench101", CELL]]
)
def test_build_writes_the_network(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.onnx"
    assert run("build", *words, "-o", str(path)) == 0
    graph = build_spec(":".join(words))
    assert from_onnx(path) == graph
    assert f"{graph.parameters:,} parameters" in capsys.readouterr().out


def test_build_draws_weights_by_the_seed(tmp_path: Path) -> None:
    for seed in ("1", "2"):
        run("build", "digits-tokens", SPEC, "-o", str(tmp_path / seed), "--seed", seed)
    expected = to_onnx(build_spec(f"digits-tokens:{SPEC}"), seed=1).SerializeToString()
    assert (tmp_path / "1").read_bytes() == expected
    assert (tmp_path / "2").read_bytes() != expected


@pytest.mark.parametrize("as_file", [True, False])
def test_show_as_json(as_file: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = f"nasbench101:{CELL}"
    if as_file:
        network = str(tmp_path / "a:b.onnx")
        run("build", "nasbench101", CELL, "-o", network)
        capsys.readouterr()
    assert run("show", network, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    total = cost(build_spec(f"nasbench101:{CELL}"))
    assert (facts["macs"], facts["parameters"]) == (total.macs, total.parameters)
    assert facts["network"] == network
    assert facts["coverage"] == {"nodes": 1, "parameters": 1, "macs": 1}
    assert facts["unknown"] == facts["assumed"] == {}
    for column in ("count", "macs", "parameters"):
        assert sum(row[column] for row in facts["operators"].values()) == facts[column]
    for column in ("nodes", "macs", "parameters"):
        assert sum(row[column] for row in facts["stages"]) == facts[column]
    pools = facts["operators"]["max_pool"]
    assert (pools["count"], pools["macs"], pools["parameters"]) == (2, 0, 0)


def test_show_fused_is_one_graph_for_file_and_specification(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "x.onnx")
    run("build", "nasbench101", CELL, "-o", path)
    capsys.readouterr()
    hashes = []
    for network in (path, f"nasbench101:{CELL}"):
        assert run("show", network, "--json", "--fused") == 0
        hashes.append(json.loads(capsys.readouterr().out)["hash"])
    assert hashes == [fuse(build_spec(f"nasbench101:{CELL}")).hash] * 2


def test_show_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "picture.svg"
    assert run("show", f"digits-tokens:{SPEC}", "--svg", str(path)) == 0
    assert path.read_text().startswith("<svg")
    assert "attention" in path.read_text()
    assert f"wrote {path}" in capsys.readouterr().err


def test_show_says_what_it_took_open_axes_as(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.onnx"
    model = onnx_model([("Relu", "x", "y")], {"x": ("batch", 3, "h", "w")})
    path.write_bytes(model.SerializeToString())
    assert run("show", str(path)) == 0
    assert "'x' has open axes; taken as 1,3,224,224 (--shape x=" in capsys.readouterr().err
    assert run("show", str(path), "--shape", "x=1,3,32,48", "--json") == 0
    output, errors = capsys.readouterr()
    assert json.loads(output)["stages"][0]["out_shape"] == [3, 32, 48]
    assert errors == ""
    assert "there is no input 'z'" in refused(capsys, "show", str(path), "--shape", "z=1,3")
    assert "expected NAME=SIZES" in refused(capsys, "show", str(path), "--shape", "1,3,32,32")


def test_show_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", f"digits-tokens:{SPEC}") == 0
    output = capsys.readouterr().out
    total = cost(build_spec(f"digits-tokens:{SPEC}"))
    for text in ("attention", "layer_norm", "total", f"{total.macs:,}", f"{total.parameters:,}"):
        assert text in output


def test_show_warns_of_operators_that_it_does_not_know(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(onnx_model([("Relu", "x", "r"), ("Det", "r", "y")]).SerializeToString())
    assert run("show", str(path), "--json") == 0
    output, errors = capsys.readouterr()
    facts = json.loads(output)
    assert (facts["coverage"]["nodes"], facts["unknown"]) == (0.5, {"Det": 1})
    assert errors.startswith("warning: 50% of the operators are known")
    assert "Det (1)" in errors
    assert errors.count("\n") == 1


def test_sample_prints_networks_that_can_be_built(capsys: pytest.CaptureFixture[str]) -> None:
    for name in FAMILIES:
        if name == "timm" and find_spec("timm") is None:
            continue
        assert run("sample", name, "-n", "3", "--seed", "4") == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 3
        assert all(len(build_spec(line)) > 3 for line in lines)
        run("sample", name, "-n", "3", "--seed", "4")
        assert capsys.readouterr().out.splitlines() == lines
        run("sample", name, "-n", "3", "--seed", "5")
        assert capsys.readouterr().out.splitlines() != lines


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["build", "nobody", "x"], "no family is called 'nobody'; there are"),
        (["build", "nobody"], "not of the form FAMILY:SPECIFICATION"),
        (["build", "digits-tokens", "p9"], "a valid specification is"),
        (["show", "nobody:x"], "nobody:x: no such file, and no family is called so; there are"),
        (["show", "nowhere.onnx"], "nowhere.onnx: no such file"),
        (["show", "digits-tokens:p9"], "a valid specification is"),
        (["sample", "nobody"], "no family is called 'nobody'"),
    ],
)
def test_what_a_user_can_mend_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refused(capsys, *arguments)


def test_a_place_that_cannot_be_written_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "x.onnx"
    assert str(tmp_path / "file") in refused(
        capsys, "build", "digits-tokens", SPEC, "-o", str(path)
    )


def test_a_refused_build_writes_nothing(tmp_path: Path) -> None:
    assert run("build", "digits-tokens", "p9", "-o", str(tmp_path / "x.onnx")) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [["build"], ["sample", "digits-cells", "-n", "0"], ["show"], ["dance"], ["--loud"]]
)
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    assert run(*arguments) == 2


@pytest.mark.parametrize("command", ["build", "show", "import", "sample"])
def test_help_teaches_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, "--help") == 0
    assert f"onnx-bench {command}" in re.split("Examples?:", capsys.readouterr().out)[1]


def test_examples_of_the_help_can_be_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in ("build", "sample"):
        run(command, "--help")
        example = capsys.readouterr().out.split("Example:")[1].split("\n")[1]
        words = example.partition(">")[0].split()[1:]
        assert run(*words) == 0
        capsys.readouterr()


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, onnx_bench.cli; print(*sorted({'torch', 'onnx', 'pandas'} & {*sys.modules}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == ""


def test_the_installed_command_answers() -> None:
    command = Path(sys.executable).with_name("onnx-bench")
    words = [command, "sample", "digits-cells", "-n", "4"]
    result = subprocess.run(words, capture_output=True, text=True, check=True)
    assert len(result.stdout.splitlines()) == 4
