"""Labels: tables of a user's own, and how the tables of public benchmarks are found and refused."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from onnx_bench import benchmarks
from onnx_bench.benchmarks import LabelTable, read_table
from onnx_bench.errors import LabelError
from onnx_bench.families import build_spec
from onnx_bench.onnx_export import save_onnx

CHAIN = "digits-chains:plain-w4-d1-k1-w4-d1-k1-w4-d1-k1"
TOKENS = "digits-tokens:p4-c8-r1-ff-skip-skip-skip"

# a user's own table


def csv(folder: Path, *rows: str, header: str = "network,label") -> Path:
    path = folder / "labels.csv"
    path.write_text("\n".join((header, *rows)) + "\n")
    return path


def refusal(path: Path, label: str = "label", network: str = "network") -> str:
    """The one-line message with which a table is refused; it names the file."""
    with pytest.raises(LabelError, match=re.escape(str(path))) as caught:
        read_table(path, label, network)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_csv_gives_networks_labels_and_kinds_in_its_order(tmp_path: Path) -> None:
    table = read_table(csv(tmp_path, f"{CHAIN},61.5", f"{TOKENS},70"), "label")
    assert table.networks == (CHAIN, TOKENS)
    assert table.values.tolist() == [61.5, 70.0]
    assert table.values.dtype == np.float64
    assert table.kinds == ("digits-chains", "digits-tokens")
    assert (table.label, table.source) == ("label", str(tmp_path / "labels.csv"))
    assert len(table) == 2


def test_a_parquet_file_reads_as_the_csv_does(tmp_path: Path) -> None:
    frame = pd.DataFrame({"network": [CHAIN, TOKENS], "label": [61.5, 70.0]})
    frame.to_parquet(tmp_path / "labels.parquet")
    table = read_table(tmp_path / "labels.parquet", "label")
    assert table.networks == (CHAIN, TOKENS)
    assert table.values.tolist() == [61.5, 70.0]


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    path = csv(tmp_path, f"7,{CHAIN},3", header="top1,what,label")
    table = read_table(path, "top1", network="what")
    assert (table.networks, table.values.tolist(), table.label) == ((CHAIN,), [7.0], "top1")


def test_graphs_are_the_networks_of_the_rows(tmp_path: Path) -> None:
    table = read_table(csv(tmp_path, f"{CHAIN},1", f"{TOKENS},2"), "label")
    assert list(table.graphs()) == [build_spec(CHAIN), build_spec(TOKENS)]


@pytest.mark.parametrize("name", ["labels.csv", "labels.parquet"])
def test_a_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    assert "no such file" in refusal(tmp_path / name)


@pytest.mark.parametrize("name", ["labels.csv", "labels.parquet"])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\xff\xfe\x00no table\x00\n\n,,,\x81")
    refusal(path)


@pytest.mark.parametrize("name", ["labels.csv", "labels.parquet"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    refusal(tmp_path / name)


def test_a_folder_in_the_place_of_the_table_is_refused(tmp_path: Path) -> None:
    refusal(tmp_path)


@pytest.mark.parametrize(("label", "network"), [("accuracy", "network"), ("label", "spec")])
def test_a_missing_column_is_refused_with_those_that_there_are(
    tmp_path: Path, label: str, network: str
) -> None:
    message = refusal(csv(tmp_path, f"{CHAIN},1"), label, network)
    assert f"no column {'accuracy' if label == 'accuracy' else 'spec'!r}" in message
    assert "network, label" in message


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    assert "no rows" in refusal(csv(tmp_path))


@pytest.mark.parametrize("bad", ["", "nan", "inf", "-inf", "n/a", "61,5", "61.5 %"])
def test_a_label_that_is_no_finite_number_is_refused_with_its_row(tmp_path: Path, bad: str) -> None:
    rows = [f"{CHAIN},1", f"{CHAIN},2", f'{CHAIN},"{bad}"', f"{CHAIN},4", f'{CHAIN},"{bad}"']
    message = refusal(csv(tmp_path, *rows))
    assert "'label' is not a finite number in 2 of 5 rows, first in row 3" in message


def test_a_missing_label_in_a_parquet_file_is_refused_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    pd.DataFrame({"network": [CHAIN] * 3, "label": [1.0, None, 2.0]}).to_parquet(path)
    assert "first in row 2" in refusal(path)


def test_a_missing_network_is_refused_with_its_row(tmp_path: Path) -> None:
    message = refusal(csv(tmp_path, f"{CHAIN},1", ",2"))
    assert "row 2" in message
    assert "'network'" in message


@pytest.mark.parametrize(
    "text", ["digits-chains:plain-w4", "no-such-family:a-b", "digits-chains", "nowhere.onnx"]
)
def test_a_network_that_cannot_be_built_is_refused_with_its_row(tmp_path: Path, text: str) -> None:
    path = csv(tmp_path, f"{CHAIN},1", f"{text},2", f"{CHAIN},3")
    graphs = read_table(path, "label").graphs()
    assert next(graphs) == build_spec(CHAIN)
    with pytest.raises(LabelError, match=f"^{re.escape(str(path))}, row 2: ") as caught:
        next(graphs)
    assert text.removeprefix("digits-chains:") in str(caught.value)


def test_paths_of_onnx_files_are_relative_to_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = build_spec(CHAIN)
    (tmp_path / "tables" / "networks").mkdir(parents=True)
    save_onnx(graph, tmp_path / "tables" / "networks" / "chain.onnx")
    path = csv(tmp_path / "tables", "networks/chain.onnx,61", f"{CHAIN},62")
    monkeypatch.chdir(tmp_path)
    table = read_table(path.relative_to(tmp_path), "label")
    assert table.kinds == ("onnx", "digits-chains")
    assert [found.parameters for found in table.graphs()] == [graph.parameters] * 2


def test_absolute_paths_of_onnx_files_stay(tmp_path: Path) -> None:
    (tmp_path / "table").mkdir()
    save_onnx(build_spec(CHAIN), tmp_path / "chain.onnx")
    table = read_table(csv(tmp_path / "table", f"{tmp_path / 'chain.onnx'},61"), "label")
    assert table.networks == (str(tmp_path / "chain.onnx"),)
    assert [found.parameters for found in table.graphs()] == [build_spec(CHAIN).parameters]


def test_take_gives_the_rows_in_the_order_asked_for() -> None:
    table = LabelTable(("a", "b", "c"), np.array([1.0, 2.0, 3.0]), ("x", "y", "z"), "file", "label")
    taken = table.take([2, 0])
    assert (taken.networks, taken.values.tolist(), taken.kinds) == (
        ("c", "a"),
        [3.0, 1.0],
        ("z", "x"),
    )
    assert (taken.source, taken.label) == ("file", "label")
    assert table.take(np.array([1])).networks == ("b",)
    assert len(table.take([])) == 0


# public benchmarks


def small_root(folder: Path) -> Path:
    """A folder laid out as the public tables are, with two rows of each benchmark."""
    cells = ["|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"]
    cells.append(cells[0].replace("none", "skip_connect"))
    nb201 = {"arch_str": cells, "c10_test_200_mean": [10.0, 84.0], "in16_test_200_mean": [1.0, 2.0]}
    nb101 = {
        "adjacency": ["0100"] * 2,
        "operations": ["input,output"] * 2,
        "val_acc_108_r0": [90.0, 91.0],
        "sampled_in": ["full;budget", "fullest;other"],
    }
    for name, columns in (("nasbench201", nb201), ("nasbench101", nb101)):
        (folder / name).mkdir(parents=True)
        pd.DataFrame(columns).to_parquet(folder / name / "labels.parquet")
    return folder


PUBLIC = ["nasbench101", "nasbench201"]


def test_an_unknown_benchmark_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(LabelError, match="'nasbench999'") as caught:
        benchmarks.read("nasbench999")
    assert all(name in str(caught.value) for name in benchmarks.BENCHMARKS)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_subset_that_is_not_there_is_refused_with_those_that_are(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(LabelError, match=f"{name} has no subset 'half'.*all"):
        benchmarks.read(name, small_root(tmp_path), subset="half")


@pytest.mark.parametrize("name", PUBLIC)
def test_a_label_that_is_not_there_is_refused_with_those_that_are(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(LabelError, match=f"{name} has no label 'beauty'; there are cifar10-"):
        benchmarks.read(name, small_root(tmp_path), label="beauty")


@pytest.mark.parametrize("name", PUBLIC)
@pytest.mark.parametrize("value", [None, ""])
def test_without_a_folder_of_tables_the_message_says_how_to_give_one(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str | None
) -> None:
    monkeypatch.delenv("GENNAPE_DATA", raising=False)
    if value is not None:
        monkeypatch.setenv("GENNAPE_DATA", value)
    with pytest.raises(LabelError, match=f"set GENNAPE_DATA.*{name}/labels.parquet"):
        benchmarks.read(name)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_folder_without_the_table_is_named(tmp_path: Path, name: str) -> None:
    missing = re.escape(str(tmp_path / name / "labels.parquet"))
    with pytest.raises(LabelError, match=f"{missing}: no such file.*GENNAPE_DATA"):
        benchmarks.read(name, tmp_path)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_broken_table_is_refused_with_its_path(tmp_path: Path, name: str) -> None:
    path = small_root(tmp_path) / name / "labels.parquet"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(LabelError, match=re.escape(str(path))):
        benchmarks.read(name, tmp_path)


@pytest.mark.parametrize(
    ("name", "column"), [("nasbench101", "operations"), ("nasbench201", "arch_str")]
)
def test_a_table_without_its_networks_is_refused_with_its_path(
    tmp_path: Path, name: str, column: str
) -> None:
    path = small_root(tmp_path) / name / "labels.parquet"
    pd.read_parquet(path).drop(columns=column).to_parquet(path)
    with pytest.raises(LabelError, match=f"{re.escape(str(path))}.*{column}"):
        benchmarks.read(name, tmp_path)


def test_the_folder_of_the_environment_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENNAPE_DATA", str(small_root(tmp_path)))
    assert benchmarks.read("nasbench201").values.tolist() == [10.0, 84.0]


def test_a_folder_that_is_given_goes_before_that_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENNAPE_DATA", str(tmp_path / "nowhere"))
    assert len(benchmarks.read("nasbench201", small_root(tmp_path / "here"))) == 2


def test_only_the_exact_tag_full_is_the_subset_full(tmp_path: Path) -> None:
    root = small_root(tmp_path)
    assert benchmarks.read("nasbench101", root).values.tolist() == [90.0]
    assert benchmarks.read("nasbench101", root, subset="all").values.tolist() == [90.0, 91.0]


def test_tables_say_what_they_hold(tmp_path: Path) -> None:
    table = benchmarks.read("nasbench201", small_root(tmp_path), "imagenet16-test-200", "no-none")
    assert table.values.tolist() == [2.0]
    assert (table.label, table.subset, table.kinds) == (
        "imagenet16-test-200",
        "no-none",
        ("nasbench201",),
    )
    assert table.source == str(tmp_path / "nasbench201" / "labels.parquet")
