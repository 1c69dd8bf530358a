"""Parquet tables hold a collection bit for bit, for us and for plain pandas."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packed import assert_same_arrays
from strategies import graphs

from onnx_bench.benchmarks import benchmark
from onnx_bench.collections import GraphCollection, exchange
from onnx_bench.collections.isomorphism import keys
from onnx_bench.collections.labelled import (
    LabelledCollection,
    Measured,
    Origin,
    labels_of,
)
from onnx_bench.cost import cost
from onnx_bench.errors import CollectionError
from onnx_bench.families import build_spec
from onnx_bench.graph import GRAPH_FORMAT, ComputationGraph
from onnx_bench.operators import VOCABULARY_VERSION


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENNAPE_CACHE", str(tmp_path / "cache"))


def digits(count: int = 6) -> LabelledCollection:
    found = benchmark("digits")
    long = found.long(labels=["accuracy"])
    texts = tuple(dict.fromkeys(long["network"]))[:: 1020 // count][:count]
    place = {text: i for i, text in enumerate(texts)}
    rows = long[long["network"].isin(place)]
    packed = GraphCollection.from_graphs(map(build_spec, texts))
    measured = (Measured.of(found.label("accuracy"), found.licence),)
    origins = (Origin("digits", found.title, "ours", found.licence, count, ("one: why",)),)
    labels = labels_of(rows.assign(graph=rows["network"].map(place)))
    return LabelledCollection(packed, texts, labels, measured, origins, keys=keys(packed))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    exchange.write(digits(), tmp_path / "written")
    return tmp_path / "written"


def assert_same(got: LabelledCollection, expected: LabelledCollection) -> None:
    assert_same_arrays(got.graphs, expected.graphs)
    assert tuple(got.networks) == tuple(expected.networks)
    pd.testing.assert_frame_equal(got.labels, expected.labels)
    assert (got.measured, got.origins, got.fused) == (
        expected.measured,
        expected.origins,
        expected.fused,
    )
    assert got.keys is not None
    assert expected.keys is not None
    np.testing.assert_array_equal(got.keys.hash_G16, expected.keys.hash_G16)
    np.testing.assert_array_equal(got.keys.key_G16, expected.keys.key_G16)


def test_what_is_written_is_read_bit_for_bit(folder: Path) -> None:
    for _ in range(2):
        assert_same(exchange.read(folder), digits())


@settings(max_examples=15)
@given(st.lists(graphs(max_steps=4), max_size=4))
def test_random_networks_come_back_bit_for_bit(packed: list[ComputationGraph]) -> None:
    graphs = GraphCollection.from_graphs(packed)
    texts = tuple(f"{i}.onnx" for i in range(len(packed)))
    expected = LabelledCollection(graphs, texts, labels_of([]), (), keys=keys(graphs))
    with TemporaryDirectory() as place:
        exchange.write(expected, Path(place) / "written")
        assert_same(exchange.read(Path(place) / "written"), expected)


def test_row_groups_are_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "BLOCK", 4)
    exchange.write(digits(11), tmp_path / "written")
    assert pq.ParquetFile(tmp_path / "written" / exchange.GRAPHS).num_row_groups == 3
    assert_same(exchange.read(tmp_path / "written"), digits(11))


def test_every_table_is_compressed_by_zstd(folder: Path) -> None:
    for name in (exchange.GRAPHS, exchange.ROWS, exchange.LABELS):
        column = pq.ParquetFile(folder / name).metadata.row_group(0).column(0)
        assert column.compression == "ZSTD", name


def test_plain_pandas_reads_the_graphs(folder: Path) -> None:
    """The graph as numbers, by nothing but the names of the columns."""
    expected = digits()
    table, rows = (pd.read_parquet(folder / f"{name}.parquet") for name in ("graphs", "rows"))
    for index, graph in enumerate(expected.graphs):
        line = table.iloc[index]
        assert (line["graph"], line["network"]) == (index, expected.networks[index])
        assert (line["name"], line["hash"]) == (graph.name, graph.hash)
        assert (line["nodes"], line["edges"]) == (len(graph), graph.num_edges)
        assert (line["parameters"], line["macs"]) == (graph.parameters, cost(graph).macs)
        nodes = rows.iloc[line["rows"]]
        assert nodes["op"].tolist() == graph.ops.tolist()
        assert nodes["operator"].tolist() == [n.op.label for _, n, _ in graph.walk()]
        assert nodes["parameters"].sum() == graph.parameters
        for i, (_, node, inputs) in enumerate(graph.walk()):
            mine = nodes.iloc[i]
            shape = [mine[f"out_shape_{axis}"] for axis in range(len(node.out_shape))]
            assert shape == list(node.out_shape)
            assert (mine["kernel_0"], mine["stride_1"]) == (node.kernel[0], node.stride[1])
            assert line["producers"][line["readers"] == i].tolist() == inputs


def test_plain_pandas_reads_the_labels(folder: Path) -> None:
    frame = pd.read_parquet(folder / "labels.parquet")
    original = benchmark("digits").frame()
    original["network"] = original["kind"] + ":" + original["spec"]
    merged = frame.merge(original, on="network")
    assert len(merged) == 18
    for seed in range(3):
        rows = merged[merged["seed"] == seed]
        np.testing.assert_array_equal(rows["value"], rows[f"accuracy_{seed}"])


def test_the_datasheet_says_what_there_is(folder: Path) -> None:
    sheet = json.loads((folder / "datasheet.json").read_text())
    assert (sheet["networks"], sheet["form"]) == (6, "atomic")
    assert sheet["graph_format"] == GRAPH_FORMAT
    assert sheet["origins"][0]["skipped"] == ["one: why"]
    page = (folder / "datasheet.md").read_text()
    assert "| digits | 6 | 1 |" in page
    assert "Apache-2.0" in page


def rewrite(folder: Path, **changes: object) -> None:
    path = folder / exchange.DATASHEET
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_newer_vocabularies_and_other_formats_are_refused_and_older_ones_read(folder: Path) -> None:
    rewrite(folder, vocabulary_version=VOCABULARY_VERSION - 1)
    assert len(exchange.read(folder)) == 6
    rewrite(folder, vocabulary_version=VOCABULARY_VERSION + 1)
    with pytest.raises(CollectionError, match="update the package"):
        exchange.read(folder)
    rewrite(folder, vocabulary_version=VOCABULARY_VERSION, graph_format=GRAPH_FORMAT - 1)
    with pytest.raises(CollectionError, match="again from its sources"):
        exchange.read(folder)


@pytest.mark.parametrize("name", ["graphs.parquet", "rows.parquet", "labels.parquet"])
@pytest.mark.parametrize("damage", ["cut short", "gone", "a column lacks"])
def test_a_damaged_table_is_an_error(folder: Path, name: str, damage: str) -> None:
    path = folder / name
    match damage:
        case "cut short":
            path.write_bytes(path.read_bytes()[:-100])
        case "gone":
            path.unlink()
        case _:
            pd.read_parquet(path).iloc[:, 1:-1].to_parquet(path)
    with pytest.raises(CollectionError, match="written"):
        exchange.read(folder)


@pytest.mark.parametrize(
    "changes", [{"measured": [{}]}, {"origins": 3}, {"measured": [{"name": "a"}]}]
)
def test_a_datasheet_of_something_else_is_an_error(
    folder: Path, changes: dict[str, object]
) -> None:
    rewrite(folder, **changes)
    with pytest.raises(CollectionError, match="not a readable collection"):
        exchange.read(folder)


def test_graphs_that_are_none_are_refused(folder: Path) -> None:
    frame = pd.read_parquet(folder / "graphs.parquet")
    frame.at[2, "producers"] = frame.at[2, "readers"].copy()
    frame.to_parquet(folder / "graphs.parquet")
    with pytest.raises(CollectionError, match="graph 2: an edge that leads nowhere"):
        exchange.read(folder)


def test_rows_that_are_not_in_order_are_refused(folder: Path) -> None:
    frame = pd.read_parquet(folder / "rows.parquet")
    frame[::-1].to_parquet(folder / "rows.parquet", index=False)
    with pytest.raises(CollectionError, match="not numbered from 0"):
        exchange.read(folder)


def test_measurements_of_graphs_that_are_not_there_are_refused(folder: Path) -> None:
    frame = pd.read_parquet(folder / "labels.parquet")
    frame.loc[0, "graph"] = 6
    frame.to_parquet(folder / "labels.parquet")
    with pytest.raises(CollectionError, match="measurements of graphs that are not there"):
        exchange.read(folder)


def test_only_a_collection_is_replaced(folder: Path, tmp_path: Path) -> None:
    exchange.write(digits(3), folder)
    assert len(exchange.read(folder)) == 3
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(CollectionError, match="not empty, and no collection"):
        exchange.write(digits(3), tmp_path / "mine")
    with pytest.raises(CollectionError, match="is a file"):
        exchange.write(digits(3), tmp_path / "mine" / "thesis.txt")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "all of it"


def test_a_folder_of_something_else_is_no_collection(tmp_path: Path) -> None:
    with pytest.raises(CollectionError, match=r"no collection \(it has no datasheet\.json\)"):
        exchange.read(tmp_path)
