"""Graphs come from the cache as if they had just been built, whatever happened to it before."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from packed import assert_same_arrays

from onnx_bench import families
from onnx_bench.benchmarks import read
from onnx_bench.collections import GraphCollection, cache, fingerprint, storage
from onnx_bench.collections.build import build, in_order, network, pieces
from onnx_bench.collections.cache import graphs_of, kept, keys_of
from onnx_bench.collections.isomorphism import keys
from onnx_bench.errors import CollectionError, LabelError
from onnx_bench.families import build_spec, family
from onnx_bench.onnx_export import save_onnx

KEY = "0" * 32


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the cache's graphs, empty."""
    monkeypatch.setenv("GENNAPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "graphs"


def texts(count: int = 6, name: str = "digits-cells", seed: int = 0) -> list[str]:
    space, rng = family(name), np.random.default_rng(seed)
    return [f"{name}:{space.format(space.sample(rng))}" for _ in range(count)]


def small() -> GraphCollection:
    return GraphCollection.from_graphs(map(build_spec, texts()))


def fill(writer: storage.Writer) -> None:
    writer.add(small())


def never(_: storage.Writer) -> None:
    raise AssertionError("built although it was there")


def entries(root: Path) -> list[str]:
    """What lies in the cache, but for the lock that is always there."""
    return sorted(path.name for path in root.iterdir() if path.name != ".lock")


def test_digits_come_back_as_they_are_built() -> None:
    table = read("digits")
    expected = GraphCollection.from_graphs(table.graphs())
    for _ in range(2):
        assert_same_arrays(graphs_of(table.networks), expected)


@pytest.mark.data
def test_cells_of_nasbench201_come_back_as_they_are_built(data_root: Path) -> None:
    table = read("nasbench201", data_root)
    sample = table.take(np.random.default_rng(0).permutation(len(table))[:700])
    expected = GraphCollection.from_graphs(sample.graphs())
    for _ in range(2):
        assert_same_arrays(graphs_of(sample.networks), expected)


def test_fused_graphs_are_kept_apart() -> None:
    chosen = texts()
    expected = GraphCollection.from_graphs(network(text, fused=True) for text in chosen)
    assert_same_arrays(graphs_of(chosen), small())
    for _ in range(2):
        assert_same_arrays(graphs_of(chosen, fused=True), expected)


def test_nothing_is_built_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    graphs_of(texts(), progress=done.append)
    assert sum(done) == 6
    monkeypatch.setattr(cache, "build", never)
    graphs_of(texts(), progress=done.append)
    assert sum(done) == 6


def test_no_networks_are_a_collection() -> None:
    assert len(graphs_of([])) == 0
    assert len(graphs_of([])) == 0


def test_other_processes_build_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnx_bench.collections.build.PATIENCE", 0.0)
    chosen = texts(600)
    found = list(in_order(build, pieces(chosen, False, 200), workers=2))
    expected = list(map(build, pieces(chosen, False, 200)))
    for got, wanted in zip(found, expected, strict=True):
        assert_same_arrays(got.graphs, wanted.graphs)


def test_a_text_that_is_no_network_is_named_by_its_row(root: Path) -> None:
    chosen = [*texts(), "digits-cells:nonsense"]
    with pytest.raises(LabelError, match=r"^table\.csv, row 7: digits-cells: 'nonsense'"):
        graphs_of(chosen, source="table.csv")
    with pytest.raises(LabelError, match=r"^row 7: "):
        graphs_of(chosen)
    assert entries(root) == []


def test_files_are_known_by_their_content(tmp_path: Path, root: Path) -> None:
    path = tmp_path / "net.onnx"
    first, second = texts(2, "digits-chains")
    save_onnx(build_spec(first), path)
    one = graphs_of([str(path)])
    save_onnx(build_spec(second), path)
    two = graphs_of([str(path)])
    assert (one[0].hash, two[0].hash) == (build_spec(first).hash, build_spec(second).hash)
    assert len(entries(root)) == 2


def test_saved_graphs_are_read_too(tmp_path: Path) -> None:
    graph = build_spec(texts(1)[0])
    graph.save(tmp_path / "one.npz")
    assert graphs_of([str(tmp_path / "one.npz")])[0].hash == graph.hash


def test_which_networks_are_one_is_kept_too(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, done = keys(small()), list[int]()
    found = keys_of(texts(), progress=done.append)
    np.testing.assert_array_equal(found.key_G16, expected.key_G16)
    again = keys_of(texts(), progress=done.append)
    np.testing.assert_array_equal(again.hash_G16, expected.hash_G16)
    assert sum(done) == 6
    (path,) = root.glob("*/keys-*.npy")
    path.write_bytes(path.read_bytes()[:-8])
    keys_of(texts(), progress=done.append)
    monkeypatch.setattr(cache, "code_of", lambda *_: "another")
    keys_of(texts(), progress=done.append)
    assert sum(done) == 18


# what a key depends on


def test_keys_tell_texts_forms_and_orders_apart() -> None:
    a, b = texts(2)
    asked = [([a, b], False), ([b, a], False), ([a, b], True), ([a], False), ([a, a], False)]
    assert len({fingerprint.key_of(*question) for question in asked}) == len(asked)


@pytest.mark.parametrize("version", ["GRAPH_FORMAT", "VOCABULARY_VERSION"])
def test_keys_change_with_the_versions(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint.key_of(texts(), False)
    monkeypatch.setattr(fingerprint, version, getattr(fingerprint, version) + 1)
    assert fingerprint.key_of(texts(), False) != before


def reached(chosen: list[str], monkeypatch: pytest.MonkeyPatch, fused: bool = False) -> set[str]:
    """What the key depends on: modules of ours, and other packages."""
    found: list[str] = []
    content = fingerprint._content
    fingerprint._digest.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(fingerprint, "_content", lambda name: (found.append(name), content(name))[1])
        fingerprint.code_of(chosen, fused)
    return {name.removeprefix("onnx_bench.") for name in found}


def test_keys_follow_the_code_that_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = reached(texts(1), monkeypatch)
    assert cells >= {"families.digits", "families.nasbench201", "families.base", "families"}
    assert cells >= {"builder", "shapes", "rows", "graph", "operators", "collections.graphs"}
    assert not {"families.nasbench101", "canonical.fusion", "onnx_import", "onnx"} & cells
    assert "canonical.fusion" in reached(texts(1), monkeypatch, fused=True)
    files = reached(["a.onnx"], monkeypatch)
    assert files >= {"onnx_import", "trace", "canonical.noops", "onnx"}
    recorded = reached(["timm:resnet18"], monkeypatch)
    assert recorded >= {"families.timm_zoo", "torch_import", "canonical.noops", "timm", "torch"}


def test_a_changed_source_file_is_another_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fingerprint.key_of(texts(), False)
    source, changed = fingerprint._source, tmp_path / "shapes.py"
    changed.write_text(source("onnx_bench.shapes").read_text() + "\n# another\n")
    swapped = {"onnx_bench.shapes": changed}
    monkeypatch.setattr(fingerprint, "_source", lambda name: swapped.get(name) or source(name))
    fingerprint._digest.cache_clear()
    assert fingerprint.key_of(texts(), False) != before
    fingerprint._digest.cache_clear()


@pytest.mark.parametrize("way", ["import_module", "families import", "read_text", "open("])
def test_no_family_depends_on_what_its_imports_do_not_show(way: str) -> None:
    folder = Path(families.__file__).parent
    sources = [path for path in folder.rglob("*.py") if path.name != "__init__.py"]
    assert len(sources) > 2
    assert [path.name for path in sources if way in path.read_text()] == []


# damage, interruption, company


def test_a_damaged_entry_is_built_again_and_says_so(root: Path) -> None:
    kept(KEY, fill)
    path = root / KEY / "row_M.npy"
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.warns(UserWarning, match=r"built again: .*damaged"):
        found = kept(KEY, fill)
    assert_same_arrays(found, small())
    assert_same_arrays(kept(KEY, never), small())
    assert entries(root) == [KEY]


def test_an_entry_of_another_version_is_built_again(root: Path) -> None:
    kept(KEY, fill)
    about = root / KEY / storage.ABOUT
    about.write_text(about.read_text().replace('"graph_format": ', '"graph_format": 9'))
    with pytest.warns(UserWarning, match="graph format"):
        assert_same_arrays(kept(KEY, fill), small())


def test_a_build_that_fails_leaves_nothing(root: Path) -> None:
    def stopped(writer: storage.Writer) -> None:
        fill(writer)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept(KEY, stopped)
    assert entries(root) == []


SLOW = """
import signal
import time
from onnx_bench.collections import GraphCollection
from onnx_bench.collections.cache import kept
from onnx_bench.families import build_spec, family

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it

def fill(writer):
    spec = "digits-cells:" + family("digits-cells").example
    writer.add(GraphCollection.from_graphs([build_spec(spec)]))
    print("half", flush=True)
    time.sleep(60)

kept("0" * 32, fill)
"""


def stopped_by(number: signal.Signals) -> None:
    """Builds in a process of its own, and stops that in the middle."""
    with subprocess.Popen(
        [sys.executable, "-c", SLOW], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        process.send_signal(number)
        process.wait(20)


def test_an_interrupted_process_leaves_nothing(root: Path) -> None:
    stopped_by(signal.SIGINT)
    assert entries(root) == []


def test_what_a_killed_process_leaves_is_no_entry_and_goes_with_the_next_build(root: Path) -> None:
    stopped_by(signal.SIGKILL)
    left = entries(root)
    assert len(left) == 2
    assert all(name.startswith(".") for name in left)
    assert_same_arrays(kept(KEY, fill), small())
    assert entries(root) == [KEY]


def test_the_work_of_a_living_process_is_left_alone(root: Path) -> None:
    def meanwhile(writer: storage.Writer) -> None:
        kept("1" * 32, fill)  # sweeps, and must not sweep what is being written here
        fill(writer)

    assert_same_arrays(kept(KEY, meanwhile), small())
    assert entries(root) == [KEY, "1" * 32]


def test_who_comes_second_takes_what_the_first_has_built(root: Path) -> None:
    def overtaken(writer: storage.Writer) -> None:
        kept(KEY, fill)
        fill(writer)

    found = kept(KEY, overtaken)
    written = (root / KEY / storage.ABOUT).stat().st_ino
    assert_same_arrays(found, small())
    assert_same_arrays(kept(KEY, never), small())
    assert (root / KEY / storage.ABOUT).stat().st_ino == written
    assert entries(root) == [KEY]


TOGETHER = """
import sys
from onnx_bench.collections.cache import graphs_of
from onnx_bench.families import family
import numpy as np

space, rng = family("digits-cells"), np.random.default_rng(0)
texts = [f"digits-cells:{space.format(space.sample(rng))}" for _ in range(2000)]
print("ready", flush=True)
sys.stdin.readline()
graphs = graphs_of(texts)
print(len(graphs), int(graphs.row_M.astype(np.int64).sum()))
"""


def test_two_processes_at_once_end_with_one_good_copy(root: Path) -> None:
    command = [sys.executable, "-c", TOGETHER]
    both = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    answers = [process.communicate("go\n", timeout=60)[0] for process in both]
    expected = graphs_of(texts(2000))
    total = int(expected.row_M.astype(np.int64).sum())
    assert answers == [f"2000 {total}\n"] * 2
    (entry,) = entries(root)
    storage.verify(root / entry)


def test_entries_that_nobody_opens_go_in_the_end(root: Path) -> None:
    kept("a" * 32, fill)
    kept("b" * 32, fill)
    long_ago = time.time() - (cache.DAYS + 1) * 86400
    for name in "ab":
        os.utime(root / (name * 32) / storage.ABOUT, (long_ago, long_ago))
    kept("b" * 32, never)  # opened: kept
    kept("c" * 32, fill)
    assert entries(root) == ["b" * 32, "c" * 32]


def test_a_cache_that_cannot_be_written_is_done_without(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root.parent.parent.joinpath("file").write_text("")
    monkeypatch.setenv("GENNAPE_CACHE", str(root.parent.parent / "file"))
    with pytest.warns(UserWarning, match="set GENNAPE_CACHE to another folder"):
        assert_same_arrays(graphs_of(texts()), small())


def test_a_process_that_dies_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnx_bench.collections.build.PATIENCE", -1.0)
    with pytest.raises(CollectionError, match="brought down the process"):
        list(in_order(die, [False, True, True], workers=2))


def die(really: bool) -> None:
    if really:
        os._exit(1)
