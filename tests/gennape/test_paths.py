"""Paths through networks, against following every one of them."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gennape.features.paths import FEATURES, LENGTHS, lengths, paths
from onnx_bench.builder import GraphBuilder
from onnx_bench.canonical import fuse
from onnx_bench.collections import GraphCollection
from onnx_bench.graph import ComputationGraph, Node
from onnx_bench.operators import Op
from tests.gennape.feature_graphs import cells, examples, plain

NAMES = [feature.name for feature in FEATURES]


def of(*graphs: ComputationGraph) -> np.ndarray:
    return paths(GraphCollection.from_graphs(graphs))


def value(graph: ComputationGraph, name: str) -> float:
    return float(of(graph)[0, NAMES.index(name)])


def ends(graph: ComputationGraph) -> list[int]:
    read = set(graph.inputs.tolist())
    return [i for i in range(len(graph)) if i not in read]


def walked(graph: ComputationGraph, end: int, chance: float) -> Iterator[tuple[list[int], float]]:
    """Every path to `end`, and how likely a random walk takes it."""
    inputs = graph.inputs_of(end)
    if not inputs:
        yield [end], chance
    for source in inputs:
        for path, likely in walked(graph, source, chance / len(inputs)):
            yield [*path, end], likely


def by_following(graph: ComputationGraph) -> list[float]:
    """All numbers, from the list of all paths."""
    each = lengths(graph.nodes_NK)
    last = ends(graph)
    found = [p for end in last for p in walked(graph, end, 1 / len(last))]
    sums = np.array([each[path].sum(axis=0) for path, _ in found])
    likely = np.array([chance for _, chance in found])
    assert likely.sum() == pytest.approx(1)
    low, high, walk, mean = sums.min(0), sums.max(0), likely @ sums, sums.mean(0)
    ratios = [
        v / h if h else 0 for part in (low, walk, mean) for v, h in zip(part, high, strict=True)
    ]
    per_walk = [v / walk[0] if walk[0] else 0 for v in walk[1:]]
    count = math.log(len(found))
    ends_ = [count, count / high[0] if high[0] else 0]
    return [*low, *high, *walk, *mean, *ratios, *per_walk, *ends_]


def by_nodes(graph: ComputationGraph) -> dict[str, float]:
    """Some numbers of graphs with too many paths to follow, node by node; counts are integers."""
    each, one = lengths(graph.nodes_NK), list(LENGTHS).index("operator")
    low, high, walk, total, count = (list[float](), list[float](), list[float](), list[int](), [])
    for index, _, inputs in graph.walk():
        own = int(each[index, one])
        ways = sum(count[i] for i in inputs) or 1
        low.append(own + min((low[i] for i in inputs), default=0))
        high.append(own + max((high[i] for i in inputs), default=0))
        walk.append(own + sum(walk[i] for i in inputs) / max(len(inputs), 1))
        total.append(own * ways + sum(total[i] for i in inputs))
        count.append(ways)
    last = ends(graph)
    return {
        "shortest_operator": min(low[i] for i in last),
        "longest_operator": max(high[i] for i in last),
        "walk_operator": sum(walk[i] for i in last) / len(last),
        "mean_operator": sum(total[i] for i in last) / sum(count[i] for i in last),
        "paths": math.log(sum(count[i] for i in last)),
    }


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_numbers_of_one_cell_are_what_following_every_path_gives(seed: int) -> None:
    graphs = [first_nodes(graph, 14) for graph in cells(seed)]
    expected = [by_following(graph) for graph in graphs]
    np.testing.assert_allclose(of(*graphs), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["video", "unknown", "one node", "nasbench-nlp", "ofa-mbv3"])
def test_numbers_of_odd_graphs_are_what_following_every_path_gives(name: str) -> None:
    graph = first_nodes(examples()[name], 30)
    np.testing.assert_allclose(of(graph)[0], by_following(graph), rtol=1e-9, atol=1e-12)


def first_nodes(graph: ComputationGraph, count: int) -> ComputationGraph:
    edges = [(s, r) for s, r in graph.edge_index.T.tolist() if r < count]
    return plain([graph.node(i) for i in range(min(count, len(graph)))], edges)


@pytest.mark.parametrize("name", [name for name in examples() if name != "no nodes"])
def test_numbers_of_every_family_are_what_walking_over_nodes_gives(name: str) -> None:
    graph = examples()[name]
    found = dict(zip(NAMES, of(graph)[0].tolist(), strict=True))
    expected = by_nodes(graph) if name != "doubling" else doubled(2000)
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-9)


def doubled(depth: int) -> dict[str, float]:
    """Every block is passed or not."""
    return {
        "shortest_operator": 0,
        "longest_operator": depth,
        "walk_operator": depth / 2,
        "mean_operator": depth / 2,
        "paths": depth * math.log(2),
    }


def test_a_chain_has_one_path() -> None:
    g = GraphBuilder()
    x = g.relu(g.conv(g.input(3, 16, 16), 8, 5, padding=2))
    x = g.max_pool(g.conv(x, 4, 1, bias=False), 2, 2, 0)
    pooled = g.global_avg_pool(g.avg_pool(x, 3, 1, 1))
    g.output(g.linear(g.reshape(pooled, 4), 10))
    graph = fuse(g.build("chain"))
    expected = {
        "operator": 3,
        "conv": 2,
        "spatial": 1,
        "pointwise": 1,
        "matmul": 1,
        "activation": 1,
        "avg_pool": 1,
        "max_pool": 1,
        "field": 4 / 16 + 1 / 16 + 2 / 8,
        "width": math.log2(3) + math.log2(8) + math.log2(4),
    }
    for path in ("shortest", "longest", "walk", "mean"):
        found = {name: value(graph, f"{path}_{name}") for name in LENGTHS}
        assert found == pytest.approx(expected)
    assert value(graph, "paths") == 0
    assert value(graph, "walk_spatial_of_longest") == 1
    assert value(graph, "walk_spatial_of_operators") == pytest.approx(1 / 3)


def test_a_window_reaches_as_far_as_its_longest_axis_says() -> None:
    line = Node(Op.CONV, (4, 20), (4, 20), (5, 0), (1, 0), (2, 0), (4, 0, 4, 0), 1, False, 80)
    flat = Node(Op.CONV, (4, 9, 30), (4, 9, 30), (1, 7), (1, 1), (1, 1), (0, 3, 0, 3), 1)
    see_all = Node(Op.ATTENTION, (9, 8), (9, 8), attributes=(2, 9))
    rows = plain([line, flat, see_all], []).nodes_NK
    found = lengths(rows)[:, list(LENGTHS).index("field")]
    assert found == pytest.approx([4 * 2 / 20, 6 / 30, 1])
