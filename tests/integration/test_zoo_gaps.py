"""What explains a gap between our MACs and published ones, without the zoo's own libraries."""

import pytest

from onnx_bench.builder import GraphBuilder
from onnx_bench.cost import cost
from onnx_bench.graph import ComputationGraph
from scripts.zoo.gaps import explain, gap, norms_and_pools


def network(width: int = 64) -> ComputationGraph:
    g = GraphBuilder()
    x = g.relu(g.batch_norm(g.conv(g.input(3, 64, 64), width, 3)))
    x = g.depthwise(x, 9)
    g.output(g.linear(g.flatten(g.global_avg_pool(x)), 10))
    return g.build()


def test_normalisation_counts_twice_its_values_and_pooling_once() -> None:
    assert norms_and_pools(network()) == 2 * 64 * 64 * 64 + 64 * 64 * 64


def test_a_gap_is_relative_unless_rounding_hides_it() -> None:
    assert gap(1.1e9, 1e9) == pytest.approx(0.1)
    assert gap(14e6, 10e6) == 0


def test_the_fewest_rules_that_close_a_gap_explain_it() -> None:
    graph = network(512)
    macs = cost(graph).macs
    depthwise = 512 * 64 * 64 * 81
    with_norms = macs + norms_and_pools(graph)
    assert explain("x", graph, macs - depthwise) == "convolutions with same padding not counted"
    both = explain("x", graph, with_norms - depthwise)
    assert both.startswith(("convolutions with same padding", "normalisation and pooling"))
    assert explain("x", graph, 40 * macs) == "unexplained"
    assert explain("swinv2_cr_small", graph, 2 * macs).startswith("a network of constants")
