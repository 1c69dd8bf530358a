"""`onnx-bench list` and `onnx-bench labels`; `fetch` is in test_fetch.py."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from onnx_bench.benchmarks import BENCHMARKS, benchmark
from onnx_bench.benchmarks.base import LONG
from onnx_bench.cli import main
from onnx_bench.families import FAMILIES, family

CELL = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


def run(*arguments: object) -> int:
    """The command's exit code."""
    with pytest.raises(SystemExit) as caught:
        main(list(map(str, arguments)))
    return int(caught.value.code or 0)


def listed(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, dict[str, Any]]:
    """The rows of `list --json` by name, of families and of benchmarks."""
    assert run("list", "--json", *arguments) == 0
    found = json.loads(capsys.readouterr().out)
    return {kind: {row["name"]: row for row in found[kind]} for kind in ("families", "benchmarks")}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of tables that holds three rows of NAS-Bench-201, and nothing else."""
    monkeypatch.delenv("GENNAPE_DATA", raising=False)
    (tmp_path / "nasbench201").mkdir()
    frame = pd.DataFrame(
        {
            "arch_str": [
                CELL,
                CELL.replace("none", "skip_connect"),
                CELL.replace("none~2", "skip_connect~2"),
            ],
            "c10_test_200_mean": [10.0, 84.0, None],
            "c10valid_val_200_seed0": [9.0, 80.0, 70.0],
            "c10valid_val_200_seed1": [11.0, 82.0, None],
        }
    )
    frame.to_parquet(tmp_path / "nasbench201" / "labels.parquet")
    return tmp_path


@pytest.mark.parametrize("command", ["list", "labels", "fetch"])
def test_help_teaches_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, "--help") == 0
    assert f"onnx-bench {command}" in re.split("Examples?:", capsys.readouterr().out)[1]


# list


def test_every_family_is_listed_with_a_network_of_it(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = listed(capsys, "--data-root", root)["families"]
    assert list(rows) == list(FAMILIES)
    for name, row in rows.items():
        assert row["example"] == f"{name}:{family(name).example}"
        assert row["specifications"] is None or row["specifications"] == family(name).size
    assert rows["nasbench201"]["specifications"] == 15_625
    assert rows["nasbench201"]["benchmarks"]["nasbench201"] == len(benchmark("nasbench201").labels)
    assert rows["digits-tokens"]["benchmarks"] == {"digits": 4}


def test_every_benchmark_is_listed_found_or_not(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = listed(capsys, "--data-root", root)["benchmarks"]
    assert list(rows) == list(BENCHMARKS)
    found = {name for name, row in rows.items() if row["found"]}
    assert found == {"digits", "digits-more", "nasbench201"}
    cells = rows["nasbench201"]
    assert (cells["networks"], cells["tasks"]) == (3, ["cifar10", "cifar100", "imagenet16"])
    assert cells["subsets"] == ["all", "no-none", "distinct", "reachable"]
    assert "cifar10-val-200" in cells["ships"]
    assert "cifar10-test-200" not in cells["ships"]
    assert rows["nasbench101"]["networks"] is None
    assert listed(capsys)["benchmarks"]["nasbench201"]["found"] is False


def test_the_authors_own_file_is_found_too(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "nasbench101").mkdir()
    path = root / "nasbench101" / "nasbench_only108.tfrecord"
    path.touch()
    row = listed(capsys, "--data-root", root)["benchmarks"]["nasbench101"]
    assert (row["found"], row["path"], row["networks"]) == (True, str(path), None)


def test_the_tables_show_what_the_json_says(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", "--data-root", root) == 0
    lines = [re.split(r"\s{2,}", line.strip()) for line in capsys.readouterr().out.splitlines()]
    by_name = {line[0]: line for line in lines}
    assert set(FAMILIES) | set(BENCHMARKS) <= set(by_name)
    assert "93,312" in by_name["digits-chains"]
    assert by_name["digits"][1] == "1,020"
    assert by_name["digits"][-2:] == ["yes", "yes"]
    assert by_name["nasbench101"][-2:] == ["no", "yes"]
    assert by_name["nasbench201-adversarial"][-2:] == ["no", "no"]


# labels


def test_the_labels_of_a_benchmark_are_summed_up(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("labels", "nasbench201", "--data-root", root, "--json") == 0
    test, val = json.loads(capsys.readouterr().out)
    assert (test["label"], test["networks"], test["lowest"], test["highest"]) == (
        "cifar10-test-200",
        2,
        10.0,
        84.0,
    )
    assert (test["split"], test["epochs"], test["runs"], test["ships"]) == ("test", 200, 1, False)
    assert (val["label"], val["measurements"], val["runs"]) == ("cifar10-val-200", 5, 3)
    assert run("labels", "nasbench201", "--data-root", root) == 0
    shown = capsys.readouterr().out
    assert "subsets: all, no-none, distinct" in shown
    assert "10 to 84" in shown


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_every_measurement_is_written(
    ending: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "out" / f"long.{ending}"
    assert run("labels", "nasbench201", "--data-root", root, "-o", path) == 0
    assert f"wrote {path}: 7 measurements" in capsys.readouterr().out
    long = pd.read_csv(path) if ending == "csv" else pd.read_parquet(path)
    assert tuple(long.columns) == LONG
    val = long[long["label"] == "cifar10-val-200"]
    assert val["value"].tolist() == [9.0, 80.0, 70.0, 11.0, 82.0]
    assert val["seed"].tolist() == [0, 0, 0, 1, 1]
    assert long[long["label"] == "cifar10-test-200"]["seed"].isna().all()
    assert long["network"][0] == f"nasbench201:{CELL}"
    assert set(long["epochs"]) == {200}


def test_labels_can_be_chosen(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    names = ("accuracy_2", "accuracy_0")
    assert run("labels", "digits", *(f"--label={name}" for name in names), "-o", path) == 0
    long = pd.read_csv(path)
    assert tuple(dict.fromkeys(long["label"])) == names
    assert len(long) == 2 * 1020
    assert np.isfinite(long["value"]).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "no benchmark is called 'nowhere'; there are digits,"),
        (("digits", "--label", "beauty"), "digits has no label 'beauty'; there are accuracy,"),
        (("digits", "-o", "long.txt"), "long.txt: expected a name that ends in .csv or .parquet"),
        (("nasbench201",), "set GENNAPE_DATA (or --data-root)"),
        (("nasbench201", "--data-root", "."), "labels.parquet: no such file"),
    ],
)
def test_what_a_user_can_mend_is_one_line(
    arguments: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GENNAPE_DATA", raising=False)
    assert run("labels", *arguments) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    assert message in errors
    assert list(tmp_path.iterdir()) == []
