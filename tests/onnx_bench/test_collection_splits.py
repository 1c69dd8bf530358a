"""No network on both sides of a split, however it is spelt."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnx_bench.builder import GraphBuilder
from onnx_bench.canonical import fuse
from onnx_bench.collections import GraphCollection
from onnx_bench.collections.isomorphism import groups, hexes, keys, packed
from onnx_bench.collections.splits import leave_one_out, overlap, split
from onnx_bench.errors import CollectionError
from onnx_bench.families import family
from onnx_bench.families.nasbench201 import NasBench201
from onnx_bench.graph import ComputationGraph

SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}
numbers = st.lists(st.integers(0, 12), max_size=80)


@given(numbers, st.integers(0, 5))
def test_every_graph_is_in_one_part_and_no_group_in_two(members: list[int], seed: int) -> None:
    groups_G = np.array(members, np.int64)
    parts = split(groups_G, SHARES, seed)
    together = np.concatenate(list(parts.values()))
    assert sorted(together.tolist()) == list(range(len(members)))
    assert overlap(groups_G, parts) == 0
    for part in parts.values():
        assert part.tolist() == sorted(part.tolist())


@given(numbers.filter(bool), st.integers(0, 5))
def test_parts_are_as_large_as_asked_but_for_a_group(members: list[int], seed: int) -> None:
    largest = max(Counter(members).values())
    for name, part in split(np.array(members), SHARES, seed).items():
        assert abs(len(part) - SHARES[name] * len(members)) <= largest


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from("ab")), min_size=1, max_size=60))
def test_each_stratum_is_split_by_the_shares(members: list[tuple[int, str]]) -> None:
    groups_G = np.array([hash(pair) for pair in members])  # no group in two strata
    strata = [stratum for _, stratum in members]
    parts = split(groups_G, SHARES, 0, strata)
    assert overlap(groups_G, parts) == 0
    for stratum in set(strata):
        own = [pair for pair in members if pair[1] == stratum]
        for name, part in parts.items():
            count = sum(strata[i] == stratum for i in part)
            assert abs(count - SHARES[name] * len(own)) <= max(Counter(own).values())


def test_a_seed_gives_one_split_and_another_seed_another() -> None:
    groups_G = np.arange(200) // 2
    first, again, other = (split(groups_G, SHARES, seed)["test"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert set(first.tolist()) != set(other.tolist())


def test_without_doubles_the_sizes_are_exact() -> None:
    parts = split(np.arange(1000), SHARES)
    assert {name: len(part) for name, part in parts.items()} == {
        "train": 700,
        "val": 100,
        "test": 200,
    }


@pytest.mark.parametrize("shares", [{}, {"a": 0.5}, {"a": 1.5, "b": -0.5}, {"a": 0.5, "b": 0.6}])
def test_shares_that_are_none_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(CollectionError, match="must be 0 or more and 1 in sum"):
        split(np.arange(3), shares)


def test_strata_and_families_are_one_for_each_graph() -> None:
    with pytest.raises(CollectionError, match="2 strata for 3 graphs"):
        split(np.arange(3), SHARES, strata=["a", "b"])
    with pytest.raises(CollectionError, match="2 families for 3 graphs"):
        list(leave_one_out(np.arange(3), ["a", "b"]))
    with pytest.raises(CollectionError, match="none is left to train on"):
        list(leave_one_out(np.arange(3), ["a"] * 3))


def test_a_family_is_left_out_with_its_twins_elsewhere() -> None:
    groups_G = np.array([0, 1, 2, 1, 3, 0])
    families = ["a", "a", "b", "b", "c", "c"]
    found = {part.family: part for part in leave_one_out(groups_G, families)}
    assert found["a"].test.tolist() == [0, 1]
    assert found["a"].train.tolist() == [2, 4]
    assert found["a"].shared == 2
    assert found["b"].train.tolist() == [0, 4, 5]
    assert (found["c"].train.tolist(), found["c"].shared) == ([1, 2, 3], 1)


# which graphs are one


def branch(first: str, second: str, zero: bool) -> ComputationGraph:
    """A sum of two operators on the input, perhaps with a third term that is nothing."""
    g = GraphBuilder()
    x = g.input(4, 8, 8)
    terms = [getattr(g, name)(x) for name in (first, second)]
    g.output(g.add(*terms, *([g.zero(x)] if zero else [])))
    return g.build()


def test_keys_are_blind_to_spelling_and_hashes_are_not() -> None:
    one = branch("relu", "sigmoid", zero=False)
    turned, spelt = branch("sigmoid", "relu", zero=False), branch("relu", "sigmoid", zero=True)
    other = branch("relu", "relu", zero=False)
    graphs = GraphCollection.from_graphs([one, turned, spelt, other])
    found = keys(graphs)
    assert groups(found.hash_G16).tolist() == [0, 0, 1, 2]
    assert groups(found.key_G16).tolist() == [0, 0, 0, 1]


def test_keys_are_the_hashes_of_both_forms() -> None:
    space, rng = family("digits-cells"), np.random.default_rng(0)
    graphs = [space.build(space.sample(rng)) for _ in range(8)]
    done: list[int] = []
    found = keys(GraphCollection.from_graphs(graphs), progress=done.append)
    assert hexes(found.hash_G16) == [graph.hash for graph in graphs]
    assert hexes(found.key_G16) == [fuse(graph).hash for graph in graphs]
    assert sum(done) == 8
    fused = keys(GraphCollection.from_graphs(map(fuse, graphs)), fused=True)
    np.testing.assert_array_equal(fused.hash_G16, found.key_G16)
    np.testing.assert_array_equal(packed(hexes(found.key_G16)), found.key_G16)


def test_no_graphs_have_no_keys() -> None:
    found = keys(GraphCollection.from_graphs([]))
    assert found.key_G16.shape == (0, 16)
    assert groups(found.key_G16).tolist() == []


@pytest.mark.parametrize("text", ["zz" * 16, "ab", ""])
def test_a_text_that_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(CollectionError):
        packed(["00" * 16, text])


def test_groups_of_two_kinds_of_keys_are_what_either_puts_together() -> None:
    one, other = np.array([5, 5, 7, 8, 9]), np.array([1, 2, 2, 3, 4])
    assert groups(one).tolist() == [0, 0, 1, 2, 3]
    assert groups(one, other).tolist() == [0, 0, 0, 1, 2]
    with pytest.raises(CollectionError, match="do not go together"):
        groups(one, other[:3])


@pytest.mark.data
def test_a_split_of_nasbench201_keeps_its_twins_together(data_root: Path) -> None:
    """A corner of the space full of doubles, cells of four `none` or more, in a short skeleton."""
    frame = pd.read_parquet(data_root / "nasbench201" / "labels.parquet")
    corner = frame[frame["arch_str"].str.count("none") >= 4]
    short = NasBench201(channels=4, cells=1)
    graphs = GraphCollection.from_graphs(map(short.graph, corner["arch_str"]))
    found = keys(graphs)
    groups_G = groups(found.key_G16)
    assert (len(graphs), len(np.unique(groups(found.hash_G16)))) == (265, 257)
    assert len(np.unique(groups_G)) == 44
    parts = split(groups_G, SHARES)
    assert overlap(groups_G, parts) == 0
    by_graph = split(np.arange(len(graphs)), SHARES)
    assert overlap(groups_G, by_graph) > 10
    everything = groups(found.key_G16, corner["iso_group"].to_numpy())
    assert overlap(everything, split(everything, SHARES)) == 0
