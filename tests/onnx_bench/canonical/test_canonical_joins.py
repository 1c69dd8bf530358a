"""Sums without zeros, joins of many, single numbers, and activations on their producers."""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from canonical_models import TOKENS, fused_through, labels, macs, model_of
from onnx_models import Line

from onnx_bench.builder import GraphBuilder
from onnx_bench.canonical import fuse, fusion, joins, scalars, zeros
from onnx_bench.graph import ComputationGraph
from onnx_bench.onnx_import import from_onnx
from onnx_bench.operators import ACTIVATIONS, Op

Block = Callable[[GraphBuilder, int], int]


def network(block: Block, *shape: int) -> ComputationGraph:
    g = GraphBuilder()
    g.output(block(g, g.input(*(shape or (3, 4, 4)))))
    return g.build()


def alike(one: Block, other: Block, *shape: int) -> bool:
    """Whether two blocks are one network in the fused form."""
    return fuse(network(one, *shape)) == fuse(network(other, *shape))


# zeros


def test_a_sum_has_no_zeros() -> None:
    assert alike(
        lambda g, x: g.add(g.relu(x), g.zero(x), g.sigmoid(x)),
        lambda g, x: g.add(g.sigmoid(x), g.relu(x)),
    )


def test_a_sum_of_one_term_is_the_term() -> None:
    assert alike(lambda g, x: g.relu(g.add(g.zero(x), x)), lambda g, x: g.relu(x))
    assert alike(
        lambda g, x: g.relu(g.add(g.add(g.zero(x), x), g.zero(g.relu(x)))),
        lambda g, x: g.relu(x),
    )


def test_a_sum_of_zeros_is_one_zero() -> None:
    assert alike(
        lambda g, x: g.relu(g.add(g.zero(x), g.zero(x), g.add(g.zero(x), g.zero(x)))),
        lambda g, x: g.relu(g.zero(x)),
    )


def test_a_zero_that_no_sum_reads_stays() -> None:
    assert labels(fuse(network(lambda g, x: g.mul(x, g.zero(x))))) == ["zero", "mul"]
    assert labels(fuse(network(lambda g, x: g.concat(x, g.zero(x))))) == ["zero", "concat"]


def test_a_zero_that_widens_a_sum_leaves_its_shape() -> None:
    wide = fuse(network(lambda g, x: g.add(g.slice(x, 0, 1), g.zero(x))))
    assert wide.node(len(wide) - 1).out_shape == (3, 4, 4)


def test_products_with_zero_are_the_edge_of_a_cell() -> None:
    constants = {"nought": 0.0}
    lines: list[Line] = [("Mul", "x nought", "z"), ("Relu", "x", "r"), ("Add", "z r", "y")]
    graph = from_onnx(model_of(lines, TOKENS, constants))
    assert labels(graph) == ["zero", "relu", "add"]
    assert labels(fuse(graph)) == ["relu"]


# joins of many


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


# single numbers


@pytest.mark.parametrize(
    "lines",
    [
        [("Mul", "x number", "a"), ("Relu", "a", "y")],
        [("Div", "x number", "a"), ("Relu", "a", "y")],
        [("Add", "number x", "a"), ("Relu", "a", "y")],
        [("Neg", "x", "a"), ("Relu", "a", "y")],
        [("Mul", "x number", "a"), ("Add", "a number", "b"), ("Relu", "b", "y")],
    ],
)
def test_single_numbers_are_dropped(lines: list[Line]) -> None:
    constants = {"number": 2.5}
    plain = fuse(from_onnx(model_of([("Relu", "x", "y")])))
    assert fuse(from_onnx(model_of(lines, TOKENS, constants))) == plain


@pytest.mark.parametrize("operator", ["Mul", "Add", "Div"])
def test_vectors_stay(operator: str) -> None:
    constants = {"vector": np.full(6, 2.5)}
    graph = from_onnx(model_of([(operator, "x vector", "y")], TOKENS, constants))
    assert fuse(graph).parameters == 6


# twins


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


def test_pools_of_other_windows_are_no_twins() -> None:
    graph = fuse(network(lambda g, x: g.concat(g.max_pool(x, 3), g.max_pool(x, 5))))
    assert labels(graph) == ["max_pool", "max_pool", "concat"]


# activations on their producers


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


@pytest.mark.parametrize("last", [zeros.drop, scalars.drop, joins.flatten, fusion.fuse])
def test_nothing_is_left(last: Any) -> None:
    def block(g: GraphBuilder, x: int) -> int:
        y = g.relu(g.conv(x, 3, 3))
        y = g.add(g.add(y, g.zero(x)), g.add(x, g.sigmoid(x)))
        return g.relu(g.add(y, g.zero(y)))

    graph = network(block)
    once = fused_through(graph, last)
    assert fused_through(once, last) == once
    assert macs(once) == macs(graph)
