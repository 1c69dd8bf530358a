"""Sums, products and concatenations of many, in any order and nesting."""

from itertools import permutations
from typing import Any

import pytest
from canonical_models import Block, alike, fused_through, labels, macs, network

from onnx_bench.builder import GraphBuilder
from onnx_bench.canonical import fuse, joins
from onnx_bench.operators import Op


@pytest.mark.parametrize("op", [Op.ADD, Op.MUL])
def test_sums_and_products_in_any_order_and_nesting(op: Op) -> None:
    def join(g: GraphBuilder, *xs: int) -> int:
        return g.add(*xs) if op == Op.ADD else g.mul(*xs)

    def terms(g: GraphBuilder, x: int) -> list[int]:
        return [x, g.relu(x), g.gelu(x), g.unary(Op.TANH, x)]

    flat = fuse(network(lambda g, x: join(g, *terms(g, x))))
    for order in permutations(range(4)):
        for nest in (
            lambda g, t: join(g, join(g, t[0], t[1]), join(g, t[2], t[3])),
            lambda g, t: join(g, t[0], join(g, t[1], join(g, t[2], t[3]))),
            lambda g, t: join(g, join(g, t[0], t[1], t[2]), t[3]),
        ):

            def block(g: GraphBuilder, x: int, order: Any = order, nest: Any = nest) -> int:
                made = terms(g, x)
                return int(nest(g, [made[i] for i in order]))

            assert fuse(network(block)) == flat


def test_concatenations_along_one_axis_are_one() -> None:
    assert alike(
        lambda g, x: g.concat(g.concat(x, g.relu(x)), g.sigmoid(x)),
        lambda g, x: g.concat(x, g.relu(x), g.sigmoid(x)),
    )


@pytest.mark.parametrize(
    "block",
    [
        lambda g, x: g.concat(g.concat(x, g.relu(x), axis=1), g.concat(g.gelu(x), x, axis=1)),
        lambda g, x: g.mul(x, g.add(x, g.relu(x))),
        lambda g, x: g.add(x, g.mul(x, g.relu(x))),
        lambda g, x: g.add(x, g.relu(g.add(x, g.sigmoid(x)))),
    ],
)
def test_other_nestings_stay(block: Block) -> None:
    graph = network(block)
    kept = [label for label in labels(fuse(graph)) if label in ("add", "mul", "concat")]
    assert kept == [label for label in labels(graph) if label in ("add", "mul", "concat")]


def test_a_sum_that_is_read_twice_stays() -> None:
    def block(g: GraphBuilder, x: int) -> int:
        inner = g.add(x, g.sigmoid(x))
        return g.add(inner, g.mul(inner, x))

    assert labels(fuse(network(block))).count("add") == 2


def test_a_sum_of_another_shape_stays() -> None:
    def block(g: GraphBuilder, x: int) -> int:
        pooled = g.global_avg_pool(x)
        return g.add(x, g.add(pooled, g.sigmoid(pooled)))

    assert labels(fuse(network(block))).count("add") == 2


def test_a_concatenation_that_is_turned_around_between_stays() -> None:
    def block(g: GraphBuilder, x: int) -> int:
        pair = g.concat(x, g.relu(x), axis=0)
        return g.concat(g.reshape(pair, 2, 3), g.reshape(x, 1, 3), axis=0)

    def turned(g: GraphBuilder, x: int) -> int:
        pair = g.concat(x, g.relu(x), axis=1)
        return g.concat(g.transpose(pair, 1, 0), x, axis=1)

    assert labels(fuse(network(turned, 2, 1))).count("concat") == 2
    assert labels(fuse(network(block, 3))).count("concat") == 2


def test_a_concatenation_of_values_that_lie_otherwise_has_no_constant() -> None:
    def block(g: GraphBuilder, x: int) -> int:
        turned = g.transpose(g.relu(x), 0, 2, 1)
        return g.concat(turned, g.gelu(turned), axis=1)

    once = fuse(network(block, 1, 1, 2))
    assert (once.parameters, fuse(once).parameters) == (0, 0)


def test_nothing_is_left() -> None:
    def block(g: GraphBuilder, x: int) -> int:
        y = g.relu(g.conv(x, 3, 3))
        y = g.add(g.add(y, g.zero(x)), g.add(x, g.sigmoid(x)), g.sigmoid(x))
        return g.relu(g.add(y, g.zero(y)))

    graph = network(block)
    once = fused_through(graph, joins.flatten)
    assert fused_through(once, joins.flatten) == once
    assert macs(once) == macs(graph)
