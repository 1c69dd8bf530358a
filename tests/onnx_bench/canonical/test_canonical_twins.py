"""What is computed twice is computed once, unless it learns."""

import pytest
from canonical_models import Block, alike, fused_through, labels, macs, network

from onnx_bench.builder import GraphBuilder
from onnx_bench.canonical import fuse, twins


def test_what_is_computed_twice_is_computed_once() -> None:
    assert alike(
        lambda g, x: g.add(g.conv(g.relu(x), 3), g.conv(g.relu(x), 3, 3)),
        lambda g, x: _edges(g, x, g.relu(x)),
    )
    assert alike(
        lambda g, x: g.mul(g.max_pool(g.relu(x), 2), g.gelu(g.max_pool(g.relu(x), 2))),
        lambda g, x: _gated(g, g.max_pool(g.relu(x), 2)),
    )


def _edges(g: GraphBuilder, _: int, y: int) -> int:
    return g.add(g.conv(y, 3), g.conv(y, 3, 3))


def _gated(g: GraphBuilder, y: int) -> int:
    return g.mul(y, g.gelu(y))


def test_twins_of_twins_are_one_too() -> None:
    def block(g: GraphBuilder, x: int) -> int:
        sums = [g.add(x, g.relu(x)), g.add(g.relu(x), x)]
        return g.mul(*(g.gelu(y) for y in sums))

    assert labels(fuse(network(block))) == ["relu", "add", "mul"]


@pytest.mark.parametrize(
    ("block", "label"),
    [
        (lambda g, x: g.concat(g.conv(x, 3), g.conv(x, 3)), "conv"),
        (lambda g, x: g.concat(g.linear(x, 3), g.linear(x, 3)), "linear"),
        (lambda g, x: g.concat(g.position(x), g.position(x)), "position"),
    ],
)
def test_steps_with_weights_are_no_twins(block: Block, label: str) -> None:
    assert labels(fuse(network(block))).count(label) == 2


def test_a_gate_that_only_twins_or_dead_steps_read_again_is_a_gate() -> None:
    def twins_read(g: GraphBuilder, x: int) -> int:
        gate = g.sigmoid(x)
        return g.sub(g.gelu(g.mul(x, gate)), g.relu(g.mul(gate, x)))

    def dead_reads(g: GraphBuilder, x: int) -> int:
        gate = g.sigmoid(x)
        g.relu(gate)
        return g.mul(x, gate)

    assert labels(fuse(network(twins_read))) == ["silu", "gelu", "relu", "sub"]
    assert labels(fuse(network(dead_reads))) == ["silu"]


def test_pools_of_other_windows_are_no_twins() -> None:
    graph = fuse(network(lambda g, x: g.concat(g.max_pool(x, 3), g.max_pool(x, 5))))
    assert labels(graph) == ["max_pool", "max_pool", "concat"]


def test_nothing_is_left() -> None:
    def block(g: GraphBuilder, x: int) -> int:
        y = g.relu(g.conv(x, 3, 3))
        y = g.add(g.add(y, g.zero(x)), g.add(x, g.sigmoid(x)), g.sigmoid(x))
        return g.relu(g.add(y, g.zero(y)))

    graph = network(block)
    once = fused_through(graph, twins.merge)
    assert fused_through(once, twins.merge) == once
    assert macs(once) == macs(graph)
