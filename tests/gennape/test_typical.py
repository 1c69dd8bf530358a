"""Sizes of typical operators, against loops over nodes and paths."""

import math

import numpy as np
import pytest

from gennape.features.paths import paths
from gennape.features.typical import FEATURES, typical
from onnx_bench.builder import GraphBuilder
from onnx_bench.canonical import fuse
from onnx_bench.collections import GraphCollection
from onnx_bench.cost import activations_N, macs_N, parameters_N
from onnx_bench.families import family
from onnx_bench.graph import IN_SHAPE, OP, ComputationGraph
from onnx_bench.operators import Op
from tests.gennape.feature_graphs import cells

NAMES = [feature.name for feature in FEATURES]
WORKS = (Op.CONV, Op.LINEAR)


def of(*graphs: ComputationGraph) -> np.ndarray:
    return typical(GraphCollection.from_graphs(graphs))


def amounts(graph: ComputationGraph) -> dict[str, list[float]]:
    """Of each node that works, in the order of nodes: logarithms, nan of those that do not."""
    nodes = graph.nodes_NK
    working = np.isin(nodes[:, OP], WORKS)
    each = {
        "macs": macs_N(nodes),
        "parameters": parameters_N(nodes),
        "outputs": activations_N(nodes),
        "channels": nodes[:, IN_SHAPE][:, 0],  # the first axis, of images and of vectors
    }
    return {
        name: [math.log10(1 + v) if w else math.nan for v, w in zip(values, working, strict=True)]
        for name, values in each.items()
    }


@pytest.mark.parametrize("seed", range(3))
def test_all_operators_count_alike(seed: int) -> None:
    for graph in cells(seed):
        row = dict(zip(NAMES, of(graph)[0], strict=True))
        for name, values in amounts(graph).items():
            working = [value for value in values if not math.isnan(value)]
            mean = sum(working) / len(working)
            assert row[f"typical_{name}"] == pytest.approx(mean)
            if name in ("macs", "parameters"):
                assert row[f"even_{name}"] == pytest.approx(mean + math.log10(1 + len(working)))


def test_on_paths_it_is_what_lies_on_them() -> None:
    """Two paths, of one and of two convolutions, that meet in a sum."""
    g = GraphBuilder()
    image = g.input(4, 8, 8)
    long = g.conv(g.conv(image, 8, 3), 16, 3)
    pooled = g.global_avg_pool(g.add(g.conv(image, 16, 1), long))
    g.output(g.linear(g.reshape(pooled, 16), 10))
    graph = fuse(g.build("two paths"))
    row = dict(zip(NAMES, of(graph)[0], strict=True))
    macs = {n: [v for v in values if not math.isnan(v)] for n, values in amounts(graph).items()}
    found = sorted(macs["macs"])
    head, one, first, second = found  # linear, 1x1, 3x3 to 8, 3x3 to 16
    assert row["longest_typical_macs"] == pytest.approx((first + second + head) / 3)
    for way in ("walk", "mean"):  # either path is half of it
        total = ((one + head) + (first + second + head)) / 2
        assert row[f"{way}_typical_macs"] == pytest.approx(total / 2.5)
        assert row[f"{way}_even_macs"] == pytest.approx(total / 2.5 + math.log10(3.5))


def test_where_all_widths_are_swapped_the_sum_moves_and_the_typical_operator_does_not() -> None:
    space = family("nats-sss")
    ends = [fuse(space.graph(text)) for text in ("64:64:8:8:8", "8:8:8:64:64")]
    even = of(*ends)[:, NAMES.index("typical_channels")]
    assert abs(even[0] - even[1]) < 0.2
    total = [math.log10(macs_N(graph.nodes_NK).sum()) for graph in ends]
    assert abs(total[0] - total[1]) > 0.5


def test_the_longest_path_has_as_many_operators_as_paths_say() -> None:
    graphs = GraphCollection.from_graphs(cells(7, 5))
    row = typical(graphs)
    place = {name: i for i, name in enumerate(NAMES)}
    depth = row[:, place["longest_even_macs"]] - row[:, place["longest_typical_macs"]]
    operators = 10**depth - 1
    np.testing.assert_allclose(operators, paths(graphs)[:, 10])  # longest_operator
