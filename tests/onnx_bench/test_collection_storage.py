"""A folder of arrays is the collection that was written, or an error that says why not."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packed import assert_same_arrays
from strategies import graphs

from onnx_bench.builder import GraphBuilder
from onnx_bench.collections import GraphCollection, storage
from onnx_bench.errors import CollectionError
from onnx_bench.families import family
from onnx_bench.graph import GRAPH_FORMAT, ComputationGraph
from onnx_bench.operators import VOCABULARY_VERSION


def members(count: int = 7) -> Iterator[ComputationGraph]:
    space, rng = family("digits-cells"), np.random.default_rng(0)
    return (space.build(space.sample(rng)) for _ in range(count))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    storage.save(members(), tmp_path / "kept")
    return tmp_path / "kept"


@settings(max_examples=25)
@given(st.lists(graphs(max_steps=4), max_size=4))
def test_what_is_saved_comes_back_bit_for_bit(packed: list[ComputationGraph]) -> None:
    expected = GraphCollection.from_graphs(packed)
    with TemporaryDirectory() as place:
        storage.save(packed, Path(place) / "kept")
        found = storage.load(Path(place) / "kept")
        assert_same_arrays(found, expected)
        for got, graph in zip(found, packed, strict=True):
            np.testing.assert_array_equal(got.nodes_NK, graph.nodes_NK)
            np.testing.assert_array_equal(got.input_ptr, graph.input_ptr)
            assert (got.inputs.dtype, got.input_ptr.dtype) == (np.int32, np.int32)
            assert got.hash == graph.hash


def test_parts_are_joined_as_if_packed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "PART", 3)
    expected = GraphCollection.from_graphs(members())
    storage.save(members(), tmp_path / "from graphs")
    storage.save(expected, tmp_path / "from a collection")
    assert_same_arrays(storage.load(tmp_path / "from graphs"), expected)
    assert_same_arrays(storage.load(tmp_path / "from a collection"), expected)


def test_names_may_hold_any_letter(tmp_path: Path) -> None:
    g = GraphBuilder()
    g.output(g.input(1))
    names = ["", "größe", "网络", "a|b~0"]
    graph = g.build()
    packed = GraphCollection.from_graphs([graph] * 4).renamed(names)
    storage.save(packed, tmp_path / "kept")
    found = storage.load(tmp_path / "kept").names
    assert list(found) == names
    assert (found[-1], found[1:3], len(found)) == ("a|b~0", ["größe", "网络"], 4)
    with pytest.raises(IndexError):
        found[4]


def test_arrays_are_mapped_and_not_read(folder: Path) -> None:
    found = storage.load(folder)
    assert not found.row_M.flags.owndata
    assert not found.row_M.flags.writeable
    assert type(found.row_M) is np.ndarray


def test_a_collection_that_is_there_is_replaced(folder: Path) -> None:
    storage.save(members(2), folder)
    assert len(storage.load(folder)) == 2
    assert [path.name for path in folder.parent.iterdir()] == ["kept"]


FILES = [f"{n}.npy" for n in ("rows_RK", "row_M", "node_ptr", "edges_2E", "edge_ptr", "names")]


@pytest.mark.parametrize("name", [*FILES, "name_ptr.npy"])
@pytest.mark.parametrize("damage", ["cut short", "emptied", "gone", "no array"])
def test_a_damaged_array_is_an_error_that_names_its_place(
    folder: Path, name: str, damage: str
) -> None:
    path = folder / name
    content = path.read_bytes()
    match damage:
        case "cut short":
            path.write_bytes(content[:-4])
        case "emptied":
            path.write_bytes(b"")
        case "gone":
            path.unlink()
        case _:
            path.write_bytes(b"some text" * 40)
    with pytest.raises(CollectionError, match=r"kept.*(damaged|delete it)"):
        storage.load(folder)


@pytest.mark.parametrize("name", FILES)
def test_an_array_of_another_collection_is_an_error(folder: Path, name: str) -> None:
    g = GraphBuilder()
    g.output(g.relu(g.input(3)))
    storage.save([g.build("another")], folder.parent / "other")
    (folder / name).write_bytes((folder.parent / "other" / name).read_bytes())
    if name == "names.npy":
        with pytest.raises(CollectionError, match="not what was written"):
            storage.verify(folder)
    else:
        with pytest.raises(CollectionError, match="damaged"):
            storage.load(folder)


def test_verify_sees_a_changed_byte(folder: Path) -> None:
    storage.verify(folder)
    content = bytearray((folder / "row_M.npy").read_bytes())
    content[200] ^= 1
    (folder / "row_M.npy").write_bytes(content)
    with pytest.raises(CollectionError, match="not what was written"):
        storage.verify(folder)


def rewrite(folder: Path, **changes: object) -> None:
    about = json.loads((folder / storage.ABOUT).read_text())
    (folder / storage.ABOUT).write_text(json.dumps({**about, **changes}))


def test_other_versions_are_refused_with_the_way_out(folder: Path) -> None:
    rewrite(folder, vocabulary_version=VOCABULARY_VERSION + 1)
    with pytest.raises(CollectionError, match="update the package, or build the collection again"):
        storage.load(folder)
    rewrite(folder, vocabulary_version=VOCABULARY_VERSION, graph_format=GRAPH_FORMAT + 1)
    with pytest.raises(CollectionError, match=f"this version reads {GRAPH_FORMAT}; build"):
        storage.load(folder)


def test_an_older_vocabulary_is_still_read(folder: Path) -> None:
    rewrite(folder, vocabulary_version=VOCABULARY_VERSION - 1)
    assert len(storage.load(folder)) == 7


@pytest.mark.parametrize("text", ["", "[]", "{", '"a"'])
def test_a_damaged_description_is_an_error(folder: Path, text: str) -> None:
    (folder / storage.ABOUT).write_text(text)
    with pytest.raises(CollectionError):
        storage.load(folder)


def test_a_folder_of_something_else_is_no_collection(tmp_path: Path) -> None:
    with pytest.raises(CollectionError, match="no collection"):
        storage.load(tmp_path)


def test_a_failing_generator_leaves_nothing(tmp_path: Path) -> None:
    def failing() -> Iterator[ComputationGraph]:
        yield from members(3)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        storage.save(failing(), tmp_path / "kept")
    assert list(tmp_path.iterdir()) == []


STREAM = """
import resource, sys
from itertools import repeat
from pathlib import Path
from onnx_bench.collections import storage
from onnx_bench.families import build_spec, family

graph = build_spec("nasbench201:" + family("nasbench201").example)
storage.save([graph], Path(sys.argv[1]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
storage.save(repeat(graph, 12_000), Path(sys.argv[1]))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def test_writing_holds_a_few_graphs_at_a_time(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STREAM, str(tmp_path / "kept")]
    grown = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    whole = sum(path.stat().st_size for path in (tmp_path / "kept").iterdir()) / 2**20
    assert whole > 30
    assert grown < whole / 2
