"""Activations go onto their producers, where they are the only readers."""

import pytest
from canonical_models import Block, alike, fused_through, labels, macs, network

from onnx_bench.builder import GraphBuilder
from onnx_bench.canonical import fuse, fusion
from onnx_bench.operators import ACTIVATIONS, Op


@pytest.mark.parametrize("op", sorted(ACTIVATIONS))
def test_an_activation_goes_onto_its_producer(op: Op) -> None:
    graph = fuse(network(lambda g, x: g.unary(op, g.batch_norm(g.conv(x, 5, 3)))))
    assert labels(graph) == ["conv"]
    assert graph.node(1).activation == op


@pytest.mark.parametrize(
    ("block", "found"),
    [
        (lambda g, x: g.relu(g.linear(x, 5)), ["linear"]),
        (lambda g, x: g.relu(g.layer_norm(x)), ["layer_norm"]),
        (lambda g, x: g.relu(g.batch_norm(x)), ["batch_norm"]),
        (lambda g, x: g.relu(g.add(x, x)), ["add"]),
        (lambda g, x: g.relu(g.max_pool(x, 2)), ["max_pool", "relu"]),
        (lambda g, x: g.relu(g.mul(x, x)), ["mul", "relu"]),
        (lambda g, x: g.relu(g.sigmoid(g.conv(x, 5))), ["conv", "relu"]),
        (lambda g, x: g.unary(Op.SOFTMAX, g.linear(x, 5)), ["linear", "softmax"]),
    ],
)
def test_who_carries_an_activation(block: Block, found: list[str]) -> None:
    assert labels(fuse(network(block))) == found


def test_a_producer_that_is_read_again_carries_none() -> None:
    def block(g: GraphBuilder, x: int) -> int:
        y = g.conv(x, 3)
        return g.mul(y, g.relu(y))

    assert labels(fuse(network(block))) == ["conv", "relu", "mul"]


def test_an_activation_behind_a_move_goes_onto_the_producer() -> None:
    assert alike(
        lambda g, x: g.relu(g.flatten(g.conv(x, 5, 3))),
        lambda g, x: g.flatten(g.relu(g.conv(x, 5, 3))),
    )


def test_nothing_is_left() -> None:
    def block(g: GraphBuilder, x: int) -> int:
        y = g.relu(g.conv(x, 3, 3))
        y = g.add(g.add(y, g.zero(x)), g.add(x, g.sigmoid(x)), g.sigmoid(x))
        return g.relu(g.add(y, g.zero(y)))

    graph = network(block)
    once = fused_through(graph, fusion.fuse)
    assert fused_through(once, fusion.fuse) == once
    assert macs(once) == macs(graph)
