"""Packed graphs come back as they were, one by one or as one disconnected graph."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packed import assert_same_arrays
from strategies import graphs

from onnx_bench.builder import GraphBuilder
from onnx_bench.collections import GraphCollection
from onnx_bench.collections.graphs import pointers
from onnx_bench.cost import parameters_N
from onnx_bench.errors import CollectionError
from onnx_bench.families import family
from onnx_bench.graph import WIDTH, ComputationGraph

few = settings(max_examples=40)


def chain(length: int) -> ComputationGraph:
    g = GraphBuilder()
    x = g.input(3)
    for _ in range(length):
        x = g.relu(x)
    g.output(g.add(x, x))
    return g.build(f"chain of {length}")


@few
@given(st.lists(graphs(max_steps=4), max_size=4))
def test_packed_graphs_come_back_as_they_were(packed: list[ComputationGraph]) -> None:
    collection = GraphCollection.from_graphs(packed)
    assert len(collection) == len(packed)
    for got, expected in zip(collection, packed, strict=True):
        np.testing.assert_array_equal(got.nodes_NK, expected.nodes_NK)
        np.testing.assert_array_equal(got.input_ptr, expected.input_ptr)
        np.testing.assert_array_equal(got.inputs, expected.inputs)
        assert got == expected


def test_names_come_back_and_belong_to_their_graphs() -> None:
    collection = GraphCollection.from_graphs(chain(length) for length in (2, 1, 3))
    assert collection.names == ("chain of 2", "chain of 1", "chain of 3")
    assert collection[2].name == "chain of 3"


@few
@given(st.lists(graphs(max_steps=4), min_size=1, max_size=4), st.data())
def test_gather_is_the_concatenation_done_by_hand(
    packed: list[ComputationGraph], data: st.DataObject
) -> None:
    indices = data.draw(st.lists(st.integers(0, len(packed) - 1), max_size=5))
    collection = GraphCollection.from_graphs(packed)
    row_N, edges_2E, sizes = collection.gather(indices)

    nodes, edges, offset = [], [], 0
    for graph in (packed[i] for i in indices):
        nodes += graph.nodes_NK.tolist()
        edges += [(a + offset, b + offset) for a, b in graph.edge_index.T.tolist()]
        offset += len(graph)
    assert collection.rows_RK[row_N].tolist() == nodes
    assert [tuple(edge) for edge in edges_2E.T.tolist()] == edges
    assert sizes.tolist() == [len(packed[i]) for i in indices]


def test_gather_takes_an_array_of_indices() -> None:
    collection = GraphCollection.from_graphs([chain(1), chain(2)])
    from_array, from_list = collection.gather(np.array([1, 0, 1])), collection.gather([1, 0, 1])
    for got, expected in zip(from_array, from_list, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_an_empty_collection_is_one() -> None:
    collection = GraphCollection.from_graphs([])
    row_N, edges_2E, sizes = collection.gather([])
    assert len(collection) == 0
    assert list(collection) == []
    assert collection.rows_RK.shape == (0, WIDTH)
    assert (row_N.shape, edges_2E.shape, sizes.shape) == ((0,), (2, 0), (0,))


def test_gathering_nothing_gives_empty_arrays() -> None:
    row_N, edges_2E, sizes = GraphCollection.from_graphs([chain(1)]).gather([])
    assert (row_N.shape, edges_2E.shape, sizes.shape) == ((0,), (2, 0), (0,))


def test_sizes_are_the_numbers_of_nodes() -> None:
    packed = [chain(3), chain(0), chain(1)]
    sizes = GraphCollection.from_graphs(packed).sizes
    assert sizes.tolist() == [len(graph) for graph in packed]


def test_a_graph_without_edges_is_kept_between_others() -> None:
    g = GraphBuilder()
    g.input(7)
    lonely = g.build("lonely")
    collection = GraphCollection.from_graphs([chain(1), lonely, chain(2)])
    assert list(collection) == [chain(1), lonely, chain(2)]


def test_each_distinct_row_is_kept_once() -> None:
    members, rng = family("nasbench201"), np.random.default_rng(0)
    packed = [members.build(members.sample(rng)) for _ in range(20)]
    collection = GraphCollection.from_graphs(packed)
    rows = {row.tobytes() for graph in packed for row in graph.nodes_NK}
    assert {row.tobytes() for row in collection.rows_RK} == rows
    assert len(collection.rows_RK) == len(rows)


@pytest.mark.parametrize("index", [2, 99, -3])
def test_an_index_outside_the_collection_is_an_index_error(index: int) -> None:
    with pytest.raises(IndexError):
        GraphCollection.from_graphs([chain(1), chain(2)])[index]


def test_a_negative_index_counts_from_the_end() -> None:
    assert GraphCollection.from_graphs([chain(1), chain(2)])[-1] == chain(2)


@few
@given(st.lists(graphs(max_steps=4), min_size=1, max_size=4), st.data())
def test_taking_is_packing_the_chosen_ones(
    packed: list[ComputationGraph], data: st.DataObject
) -> None:
    indices = data.draw(st.lists(st.integers(0, len(packed) - 1), max_size=5))
    taken = GraphCollection.from_graphs(packed).take(indices)
    assert_same_arrays(taken, GraphCollection.from_graphs([packed[i] for i in indices]))


def test_totals_are_sums_over_the_nodes_of_each_graph() -> None:
    packed = [chain(3), chain(0), chain(1)]
    collection = GraphCollection.from_graphs(packed)
    ones = np.ones(len(collection.rows_RK), np.int64)
    assert collection.totals(ones).tolist() == [len(graph) for graph in packed]
    members, rng = family("digits-cells"), np.random.default_rng(0)
    packed = [members.build(members.sample(rng)) for _ in range(5)]
    collection = GraphCollection.from_graphs(packed)
    parameters = collection.totals(parameters_N(collection.rows_RK))
    assert parameters.tolist() == [graph.parameters for graph in packed]


@few
@given(st.lists(graphs(max_steps=4), max_size=4))
def test_whatever_was_packed_is_valid(packed: list[ComputationGraph]) -> None:
    GraphCollection.from_graphs(packed).validate()


@pytest.mark.parametrize(
    ("array", "place", "value", "message"),
    [
        ("row_M", 5, 99, "a row that is not there"),
        ("row_M", 5, -1, "a row that is not there"),
        ("node_ptr", 1, 0, "do not rise"),
        ("node_ptr", -1, 3, "end at 3 nodes"),
        ("edge_ptr", 1, 99, "do not rise"),
        ("edges_2E", (0, 4), 9, "graph 1: an edge that leads nowhere, or a cycle"),
        ("edges_2E", (0, 0), -1, "graph 0: an edge"),
        ("edges_2E", (1, 0), 3, "graph 0: an edge"),
        ("rows_RK", (0, 0), 9999, "vocabulary does not know"),
    ],
)
def test_arrays_that_are_no_graphs_are_refused(
    array: str, place: int | tuple[int, int], value: int, message: str
) -> None:
    collection = GraphCollection.from_graphs([chain(1), chain(2)])
    broken = getattr(collection, array).copy()
    broken[place] = value
    with pytest.raises(CollectionError, match=message):
        replace(collection, **{array: broken}).validate()


def test_pointers_reach_beyond_two_thousand_million_nodes() -> None:
    assert pointers([2**31 - 1, 2**31 - 1])[-1] == 2**32 - 2
