"""The order of flow, against walking through graphs one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gennape.features.waves import Waves
from onnx_bench.collections import GraphCollection
from onnx_bench.families import family
from onnx_bench.graph import ComputationGraph

CELLS = family("nasbench101")


def sampled(seed: int, count: int = 4) -> list[ComputationGraph]:
    rng = np.random.default_rng(seed)
    return [CELLS.build(CELLS.sample(rng)) for _ in range(count)]


def longest_paths(graph: ComputationGraph) -> list[int]:
    longest = [0] * len(graph)
    for source, reader in graph.edge_index.T.tolist():  # ordered by reader
        longest[reader] = max(longest[reader], longest[source] + 1)
    return longest


@given(st.integers(0, 1000))
def test_levels_are_the_longest_paths(seed: int) -> None:
    graphs = sampled(seed, 3)
    expected = [level for graph in graphs for level in longest_paths(graph)]
    assert Waves.of(GraphCollection.from_graphs(graphs)).level_M.tolist() == expected


@given(st.integers(0, 1000))
def test_every_edge_comes_once_and_after_all_that_it_needs(seed: int) -> None:
    waves = Waves.of(GraphCollection.from_graphs(sampled(seed)))
    edges = sorted(zip(waves.source_E.tolist(), waves.reader_E.tolist(), strict=True))
    for flow, needed, given_ in (
        (list(waves.forward()), waves.reader_E, 0),
        (list(waves.backward()), waves.source_E, 1),
    ):
        seen = sorted(pair for s, r in flow for pair in zip(s.tolist(), r.tolist(), strict=True))
        assert seen == edges
        open_ = np.bincount(needed, minlength=len(waves.level_M))
        for ends in flow:
            assert (open_[ends[given_]] == 0).all()
            np.subtract.at(open_, ends[1 - given_], 1)
        assert (open_ == 0).all()


def test_nothing_flows_in_an_empty_collection() -> None:
    waves = Waves.of(GraphCollection.from_graphs([]))
    assert list(waves.forward()) == []
    assert list(waves.backward()) == []
