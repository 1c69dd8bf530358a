"""The identity of a graph, its file and its checks."""

import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import graphs

from onnx_bench import graph as layout
from onnx_bench.builder import GraphBuilder
from onnx_bench.errors import GraphError
from onnx_bench.graph import MAX_RANK, WIDTH, ComputationGraph, IntArray, Node
from onnx_bench.operators import COMMUTATIVE, VOCABULARY_VERSION, Op

few = settings(max_examples=60)


def rewired(graph: ComputationGraph, rows: IntArray, inputs: list[list[int]]) -> ComputationGraph:
    """A graph of these rows in which node i reads `inputs[i]`."""
    pointers = np.cumsum([0, *(len(sources) for sources in inputs)]).astype(np.int32)
    flat = np.array([source for sources in inputs for source in sources], np.int32)
    return ComputationGraph(rows, pointers, flat, graph.name).validate()


def all_inputs(graph: ComputationGraph) -> list[list[int]]:
    return [graph.inputs_of(i) for i in range(len(graph))]


def reordered(graph: ComputationGraph, priorities: list[int]) -> ComputationGraph:
    """The same network in another topological order: of the ready nodes, the most urgent first."""
    waiting, order = set(range(len(graph))), list[int]()
    while waiting:
        ready = [i for i in waiting if not waiting & set(graph.inputs_of(i))]
        order.append(min(ready, key=priorities.__getitem__))
        waiting.remove(order[-1])
    place = {old: new for new, old in enumerate(order)}
    inputs = [[place[source] for source in graph.inputs_of(old)] for old in order]
    return rewired(graph, graph.nodes_NK[order], inputs)


@st.composite
def twice(draw: st.DrawFn) -> tuple[ComputationGraph, ComputationGraph]:
    """A random network, and itself in another order."""
    graph = draw(graphs())
    priorities = draw(st.permutations(range(len(graph))))
    return graph, reordered(graph, priorities)


Block = Callable[[GraphBuilder], int]


def small(block: Block) -> ComputationGraph:
    """The network of one image, which is node 0, and a block that reads it."""
    g = GraphBuilder()
    g.input(4, 6, 6)
    g.output(block(g))
    return g.build()


# identity


@few
@given(twice())
def test_hash_is_blind_to_the_order_of_independent_nodes(
    pair: tuple[ComputationGraph, ComputationGraph],
) -> None:
    graph, other = pair
    assert other.hash == graph.hash


def test_another_order_moves_nodes() -> None:
    """The property above is about something: here the order does change the arrays."""
    graph = small(lambda g: g.add(g.relu(0), g.sigmoid(0)))
    other = reordered(graph, [0, 2, 1, 3, 4])
    assert other.ops.tolist() != graph.ops.tolist()
    assert other == graph


@few
@given(graphs(), st.randoms(use_true_random=False))
def test_hash_is_blind_to_the_order_of_inputs_of_commutative_operators(
    graph: ComputationGraph, random: Random
) -> None:
    inputs = all_inputs(graph)
    for index in range(len(graph)):
        if graph.node(index).op in COMMUTATIVE:
            random.shuffle(inputs[index])
    rows = graph.nodes_NK
    assert rewired(graph, rows, inputs).hash == graph.hash


@few
@given(graphs(), st.data())
def test_hash_changes_with_any_one_value_of_any_node(
    graph: ComputationGraph, data: st.DataObject
) -> None:
    rows = graph.nodes_NK.copy()
    node, column = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.integers(1, WIDTH - 1))
    rows[node, column] += 1
    assert rewired(graph, rows, all_inputs(graph)).hash != graph.hash


def _attend(g: GraphBuilder, query: Op, key: Op) -> int:
    tokens = g.reshape(0, 6, 24)
    return g.attention(g.unary(query, tokens), g.unary(key, tokens), tokens, heads=2)


def _behind(g: GraphBuilder, behind_gelu: bool) -> int:
    """relu(gelu(x)) + x, or + gelu(x)."""
    y = g.gelu(0)
    return g.add(g.relu(y), y if behind_gelu else 0)


def _two_activations(g: GraphBuilder, shared: bool) -> int:
    """Two activations of one convolution, or of one each."""
    a = g.conv(0, 4, 3)
    return g.add(g.relu(a), g.gelu(a if shared else g.conv(0, 4, 3)))


def _product(g: GraphBuilder, square: bool) -> int:
    """The same nodes: one relu times itself with the other unread, or one times the other."""
    a, b = g.relu(0), g.relu(0)
    return g.mul(a, a if square else b)


def _unread(g: GraphBuilder, unread: bool) -> int:
    if unread:
        g.gelu(0)
    return g.relu(0)


def _squashed(g: GraphBuilder, same: bool) -> int:
    """Of two equal convolutions one is squashed twice, or each once."""
    a, b = g.conv(0, 4, 3), g.conv(0, 4, 3)
    return g.add(a, b, g.relu(a), g.gelu(a if same else b))


def _shared_place(g: GraphBuilder, first: bool) -> int:
    """Of two equal convolutions in a concat, another node reads the first, or the second."""
    a, b = g.conv(0, 4, 3), g.conv(0, 4, 3)
    return g.concat(g.concat(a, b), g.relu(a if first else b))


DIFFERENT: dict[str, tuple[Block, Block]] = {
    "orders of concat": (
        lambda g: g.concat(g.relu(0), g.gelu(0)),
        lambda g: g.concat(g.gelu(0), g.relu(0)),
    ),
    "query and key": (
        lambda g: _attend(g, Op.RELU, Op.GELU),
        lambda g: _attend(g, Op.GELU, Op.RELU),
    ),
    "sources of an edge": (lambda g: _behind(g, True), lambda g: _behind(g, False)),
    "shared and repeated work": (
        lambda g: _two_activations(g, True),
        lambda g: _two_activations(g, False),
    ),
    "a square and a product": (lambda g: _product(g, True), lambda g: _product(g, False)),
    "with and without an unread node": (lambda g: _unread(g, True), lambda g: _unread(g, False)),
    "readers of equal branches": (lambda g: _squashed(g, True), lambda g: _squashed(g, False)),
    "places of a shared branch": (
        lambda g: _shared_place(g, True),
        lambda g: _shared_place(g, False),
    ),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_different_networks_have_different_hashes(case: str) -> None:
    first, second = DIFFERENT[case]
    assert small(first).hash != small(second).hash


@pytest.mark.parametrize("join", [GraphBuilder.add, GraphBuilder.mul])
def test_hash_is_blind_to_which_factor_is_broadcast(join: Callable[..., int]) -> None:
    first = small(lambda g: join(g, 0, g.global_avg_pool(0)))
    second = small(lambda g: join(g, g.global_avg_pool(0), 0))
    assert first.hash == second.hash


def test_equality_is_of_networks_not_of_names() -> None:
    def build(name: str) -> ComputationGraph:
        g = GraphBuilder()
        g.output(g.relu(g.input(3)))
        return g.build(name)

    assert build("a") == build("b")
    assert hash(build("a")) == hash(build("b"))
    assert len({build("a"), build("b")}) == 1


def test_hash_is_the_same_in_every_process() -> None:
    script = (
        "from onnx_bench.builder import GraphBuilder; g = GraphBuilder(); "
        "g.output(g.relu(g.input(4, 6, 6))); print(g.build().hash)"
    )
    told = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == small(lambda g: g.relu(0)).hash


# files


@few
@given(graphs())
def test_a_saved_graph_loads_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, graph: ComputationGraph
) -> None:
    path = tmp_path_factory.mktemp("graphs") / "graph.npz"
    graph.save(path)
    loaded = ComputationGraph.load(path)
    np.testing.assert_array_equal(loaded.nodes_NK, graph.nodes_NK)
    np.testing.assert_array_equal(loaded.input_ptr, graph.input_ptr)
    np.testing.assert_array_equal(loaded.inputs, graph.inputs)
    assert loaded.name == graph.name


def saved(tmp_path: Path) -> bytes:
    path = tmp_path / "whole.npz"
    small(lambda g: g.conv(0, 8, 3)).save(path)
    return path.read_bytes()


def archive(**changed: npt.NDArray[Any] | None) -> bytes:
    """A saved graph with some of its arrays exchanged, or left out (None)."""
    graph = broken()
    arrays: dict[str, Any] = {
        "version": np.array([layout.GRAPH_FORMAT, VOCABULARY_VERSION]),
        "nodes": graph.nodes_NK,
        "input_ptr": graph.input_ptr,
        "inputs": graph.inputs,
        "name": np.array("x"),
    }
    stream = io.BytesIO()
    kept = {name: a for name, a in {**arrays, **changed}.items() if a is not None}
    np.savez(stream, allow_pickle=True, **kept)
    return stream.getvalue()


def single_array() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.arange(3))
    return stream.getvalue()


def flipped(whole: bytes) -> bytes:
    """The file with some bytes inside the node table inverted."""
    at = whole.index(b"nodes.npy") + 60
    return whole[:at] + bytes(255 - byte for byte in whole[at : at + 8]) + whole[at + 8 :]


def test_an_archive_with_nothing_changed_loads(tmp_path: Path) -> None:
    """The spoilt archives below are refused for what is spoilt in them."""
    path = tmp_path / "graph.npz"
    path.write_bytes(archive())
    assert ComputationGraph.load(path) == broken()


SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "garbage": lambda _: b"no graph at all\n" * 9,
    "empty": lambda _: b"",
    "first half": lambda whole: whole[: len(whole) // 2],
    "without the last bytes": lambda whole: whole[:-4],
    "flipped bytes": flipped,
    "one array alone": lambda _: single_array(),
    "without nodes": lambda _: archive(nodes=None),
    "without version": lambda _: archive(version=None),
    "scalar version": lambda _: archive(version=np.array(layout.GRAPH_FORMAT)),
    "pickled objects": lambda _: archive(nodes=np.array([{"op": 1}], object)),
    "text for numbers": lambda _: archive(inputs=np.array(["a", "b"])),
    "a cycle": lambda _: archive(inputs=np.array([2, 1], np.int32)),
    "a flat node table": lambda _: archive(nodes=np.ones(3 * WIDTH, np.int32)),
    "pointers in a matrix": lambda _: archive(input_ptr=np.zeros((4, 2), np.int32)),
    "inputs in a matrix": lambda _: archive(inputs=np.zeros((2, 2), np.int32)),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_file_that_is_no_graph_is_refused_in_one_line_with_its_path(
    tmp_path: Path, case: str
) -> None:
    path = tmp_path / "spoilt.npz"
    path.write_bytes(SPOILT[case](saved(tmp_path)))
    with pytest.raises(GraphError, match=re.escape(str(path))) as caught:
        ComputationGraph.load(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "nowhere.npz"
    with pytest.raises(GraphError, match=re.escape(str(path))):
        ComputationGraph.load(path)


@pytest.mark.parametrize("constant", ["GRAPH_FORMAT", "VOCABULARY_VERSION"])
def test_a_graph_of_another_version_is_refused_with_both_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, constant: str
) -> None:
    path = tmp_path / "graph.npz"
    with monkeypatch.context() as patch:
        patch.setattr(layout, constant, 99)
        small(lambda g: g.relu(0)).save(path)
    with pytest.raises(GraphError, match="99") as caught:
        ComputationGraph.load(path)
    assert str(path) in str(caught.value)
    assert str((layout.GRAPH_FORMAT, VOCABULARY_VERSION)) in str(caught.value)


# checks


def broken(
    nodes: int = 3, ptr: tuple[int, ...] = (0, 0, 1, 2), inputs: tuple[int, ...] = (0, 1)
) -> ComputationGraph:
    """By default input, relu, output in a row: valid."""
    rows = small(lambda g: g.relu(0)).nodes_NK[:nodes].copy()
    return ComputationGraph(rows, np.array(ptr, np.int32), np.array(inputs, np.int32))


def test_validate_returns_the_graph_itself() -> None:
    graph = broken()
    assert graph.validate() is graph


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (broken(inputs=(0, 2)), "cycle"),
        (broken(inputs=(2, 1)), "cycle"),
        (broken(inputs=(0, 7)), "cycle"),
        (broken(inputs=(-1, 1)), "cycle"),
        (broken(ptr=(0, 0, 1)), "input_ptr"),
        (broken(ptr=(1, 1, 1, 2)), "input_ptr"),
        (broken(ptr=(0, 0, 1, 3)), "input_ptr"),
        (broken(ptr=(0, 0, 3, 2)), "input_ptr"),
        (broken(nodes=0, ptr=(0,), inputs=()), "node table"),
    ],
    ids=[
        "reads itself",
        "reads a later node",
        "reads a node that is not there",
        "reads a negative node",
        "too few pointers",
        "pointers do not begin with 0",
        "pointers end past the edges",
        "pointers fall",
        "no nodes",
    ],
)
def test_validate_refuses_arrays_that_are_no_network(graph: ComputationGraph, reason: str) -> None:
    with pytest.raises(GraphError, match=reason):
        graph.validate()


@pytest.mark.parametrize("column", [layout.OP, layout.ACTIVATION], ids=["op", "activation"])
@pytest.mark.parametrize("number", [-1, len(Op), 10_000])
def test_validate_refuses_operators_outside_the_vocabulary(column: int, number: int) -> None:
    graph = broken()
    graph.nodes_NK[1, column] = number
    with pytest.raises(GraphError, match="operators"):
        graph.validate()


def test_validate_refuses_a_table_of_another_width() -> None:
    rows = np.ones((1, WIDTH - 1), np.int32)
    with pytest.raises(GraphError, match=f"{WIDTH}"):
        ComputationGraph(rows, np.zeros(2, np.int32), np.zeros(0, np.int32)).validate()


# nodes


def _shape() -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(st.integers(1, 2**20), max_size=MAX_RANK).map(tuple)


def _pair() -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(0, 99), st.integers(0, 99))


def _attributes() -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(st.integers(0, 99), max_size=5).map(tuple)


nodes = st.builds(
    Node,
    op=st.sampled_from(Op),
    in_shape=_shape(),
    out_shape=_shape(),
    kernel=_pair(),
    stride=_pair(),
    dilation=_pair(),
    padding=st.tuples(*[st.integers(0, 99)] * 4),
    groups=st.integers(0, 999),
    bias=st.booleans(),
    parameters=st.integers(0, 2**31 - 1),
    activation=st.sampled_from(Op),
    attributes=_attributes(),
)


def graph_of(node: Node) -> ComputationGraph:
    rows = np.frombuffer(node.encode(), np.int32).reshape(1, WIDTH)
    return ComputationGraph(rows, np.zeros(2, np.int32), np.zeros(0, np.int32))


@given(nodes)
def test_a_node_comes_back_from_its_row(node: Node) -> None:
    decoded = graph_of(node).node(0)
    assert decoded.encode() == node.encode()
    kept = len(decoded.attributes)
    assert decoded._replace(attributes=node.attributes) == node
    assert node.attributes[:kept] == decoded.attributes
    assert not any(node.attributes[kept:])


@given(st.integers(1, MAX_RANK).flatmap(lambda rank: st.permutations(range(rank))))
def test_a_transpose_keeps_its_whole_permutation_even_where_it_ends_with_0(
    permutation: list[int],
) -> None:
    g = GraphBuilder()
    x = g.input(*range(2, 2 + len(permutation)))
    y = g.transpose(x, *permutation)
    node = g.build().node(y)
    assert [node.attribute(i) for i in range(len(permutation))] == permutation


@pytest.mark.parametrize(
    "node",
    [
        Node(Op.LINEAR, (1,), (1,), parameters=2**31),
        Node(Op.SLICE, (1,), (1,), attributes=(0,) * 9),
        Node(Op.RELU, (1,) * (MAX_RANK + 1), (1,)),
        Node(Op.RESHAPE, (1,), (1,) * (MAX_RANK + 1)),
    ],
    ids=["too many parameters", "too many attributes", "too many axes in", "too many axes out"],
)
def test_a_node_that_does_not_fit_its_row_is_refused(node: Node) -> None:
    with pytest.raises(GraphError, match=node.op.label):
        node.encode()


# reading


def test_walk_gives_producers_before_readers_with_their_inputs_in_order() -> None:
    g = GraphBuilder()
    x = g.input(2, 3)
    y = g.relu(x)
    z = g.concat(y, x, y)
    g.output(z)
    graph = g.build()
    assert [(index, node.op, inputs) for index, node, inputs in graph.walk()] == [
        (0, Op.INPUT, []),
        (1, Op.RELU, [0]),
        (2, Op.CONCAT, [1, 0, 1]),
        (3, Op.OUTPUT, [2]),
    ]
    assert graph.edge_index.tolist() == [[0, 1, 0, 1, 2], [1, 2, 2, 2, 3]]
    assert (len(graph), graph.num_edges) == (4, 5)
    assert graph.nodes_of(Op.CONCAT) == [2]
    assert graph.nodes_of(Op.CONV) == []


def test_coverage_is_the_share_of_known_operators_without_the_ends() -> None:
    g = GraphBuilder()
    x = g.relu(g.input(3))
    g.output(g.unknown((3,), g.relu(g.relu(x))))
    assert g.build().coverage == 0.75
    assert small(lambda g: g.relu(0)).coverage == 1


def test_coverage_of_a_network_without_operators_is_whole() -> None:
    assert small(lambda _: 0).coverage == 1
