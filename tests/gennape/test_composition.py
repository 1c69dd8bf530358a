"""What a network is made of, against counting node by node."""

import math

import numpy as np
import pytest

from gennape.features.composition import composition
from gennape.features.nodes import OPERATOR_TYPES, node_features
from onnx_bench.collections import GraphCollection
from onnx_bench.cost import cost
from onnx_bench.families import build_spec
from onnx_bench.graph import ComputationGraph


def by_hand(graph: ComputationGraph) -> list[float]:
    features, count = node_features(graph.nodes_NK), len(graph)
    shares = [sum(t == k for t in features.type_N) / count for k in range(len(OPERATOR_TYPES))]
    kernel = sum(int(k) for k in features.kernel_N2[:, 0]) / count
    height = sum(math.log2(1 + 256 * r[1]) for r in features.resolution_N6.tolist()) / count
    width = sum(math.log2(1 + 512 * r[5]) for r in features.resolution_N6.tolist()) / count
    return [*shares, kernel, height, width, math.log2(count), math.log2(1 + cost(graph).macs)]


def test_every_number_is_what_counting_gives(graphs: list[ComputationGraph]) -> None:
    found = composition(GraphCollection.from_graphs(graphs[:6]))
    expected = [by_hand(graph) for graph in graphs[:6]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_shares_of_operators_sum_to_one(graphs: list[ComputationGraph]) -> None:
    shares = composition(GraphCollection.from_graphs(graphs))[:, : len(OPERATOR_TYPES)]
    assert shares.sum(axis=1) == pytest.approx(1)


def test_families_differ_more_than_their_members() -> None:
    texts = ["nats-sss:8:8:16:40:40", "nats-sss:8:16:16:40:40", "nasbench-macro:02012100"]
    first, second, other = composition(GraphCollection.from_graphs(map(build_spec, texts)))
    assert np.linalg.norm(first - other) > 5 * np.linalg.norm(first - second)
