"""Chains of reshapes and of transpositions, dead steps, and chains of our own exporter."""

from typing import Any

import pytest
from canonical_models import (
    TOKENS,
    assert_computes,
    assert_settled,
    labels,
    model_of,
    raw,
    through,
)
from hypothesis import given
from hypothesis import strategies as st
from onnx_models import Line

from onnx_bench.builder import GraphBuilder
from onnx_bench.canonical import dead, spelling, views
from onnx_bench.onnx_export import to_onnx
from onnx_bench.onnx_import import from_onnx
from onnx_bench.operators import Op
from onnx_bench.trace import Trace

SHAPES: dict[str, Any] = {"flat": [0, 24], "tall": [0, 12, 2], "deep": [0, 2, 3, 4]}
IMAGE = {"x": ("batch", 2, 3, 4)}


def test_of_a_chain_of_reshapes_the_last_is_left() -> None:
    lines: list[Line] = [
        ("Reshape", "x deep", "a"),
        ("Flatten", "a", "b"),
        ("Reshape", "b tall", "y"),
    ]
    model = model_of(lines, TOKENS, SHAPES)
    g = GraphBuilder()
    g.output(g.reshape(g.input(4, 6), 12, 2))
    assert from_onnx(model) == g.build()
    assert_computes(g.build(), model)


@given(st.lists(st.permutations((1, 2, 3)), min_size=1, max_size=5))
def test_a_chain_of_transpositions_is_one(orders: list[list[int]]) -> None:
    names = ["x", *(f"t{i}" for i in range(len(orders) - 1)), "y"]
    lines: list[Line] = [
        ("Transpose", names[i], names[i + 1], {"perm": [0, *order]})
        for i, order in enumerate(orders)
    ]
    model = model_of(lines, IMAGE)
    graph = from_onnx(model)
    assert labels(graph) in ([], ["transpose"])
    assert_computes(graph, model)


def test_what_is_read_between_stays() -> None:
    lines: list[Line] = [
        ("Reshape", "x deep", "a"),
        ("Relu", "a", "r"),
        ("Reshape", "a flat", "b"),
        ("Reshape", "r flat", "c"),
        ("Add", "b c", "y"),
    ]
    model = model_of(lines, TOKENS, SHAPES)
    graph = from_onnx(model)
    g = GraphBuilder()
    x = g.input(4, 6)
    r = g.relu(g.reshape(x, 2, 3, 4))
    g.output(g.add(g.reshape(x, 24), g.reshape(r, 24)))
    assert graph == g.build()
    assert_computes(graph, model)


def test_a_reshape_and_a_transposition_are_two() -> None:
    lines: list[Line] = [
        ("Reshape", "x tall", "a"),
        ("Transpose", "a", "b", {"perm": [0, 2, 1]}),
        ("Flatten", "b", "y"),
    ]
    model = model_of(lines, TOKENS, SHAPES)
    assert labels(from_onnx(model)) == ["reshape", "transpose", "reshape"]
    assert_computes(from_onnx(model), model)


def test_our_own_chains_stay() -> None:
    g = GraphBuilder()
    x = g.reshape(g.reshape(g.input(4, 6), 24), 6, 4)
    g.output(g.transpose(g.transpose(x, 1, 0), 1, 0))
    assert from_onnx(to_onnx(g.build())) == g.build()


@pytest.mark.parametrize("operator", ["Reshape", "Transpose"])
def test_nothing_is_left_to_merge(operator: str) -> None:
    arguments: dict[str, list[Line]] = {
        "Reshape": [("Reshape", "x flat", "a"), ("Reshape", "a tall", "b"), ("Flatten", "b", "y")],
        "Transpose": [
            ("Transpose", "x", "a", {"perm": [0, 2, 1]}),
            ("Transpose", "a", "b", {"perm": [0, 2, 1]}),
            ("Transpose", "b", "y", {"perm": [0, 2, 1]}),
        ],
    }
    trace = raw(model_of(arguments[operator], TOKENS, SHAPES))
    assert_settled(views.merge, through(trace, views.merge))
    assert len(trace.steps) == 1


# dead steps


def test_what_no_result_needs_is_dropped() -> None:
    lines: list[Line] = [
        ("Relu", "x", "y"),
        ("Sigmoid", "y", "unread"),
        ("Add", "unread x", "neither"),
        ("Split", "x", "p q", {"axis": 2, "num_outputs": 2}),
        ("Tanh", "q", "z"),
    ]
    trace = raw(model_of(lines, TOKENS, outputs="y z"))
    dead.drop(trace)
    assert labels(trace) == ["relu", "slice", "tanh"]
    assert_settled(dead.drop, trace)


def test_inputs_that_nothing_reads_stay() -> None:
    trace = Trace()
    x, _ = trace.input((1, 4)), trace.input((1, 5))
    trace.outputs = trace.add(Op.RELU, [x], (1, 4))
    dead.drop(trace)
    assert [value.shape for value in trace.inputs] == [(1, 4), (1, 5)]


def test_our_own_dead_nodes_stay() -> None:
    g = GraphBuilder()
    x = g.input(4, 6)
    g.relu(g.sigmoid(x))
    g.output(g.unary(Op.TANH, x))
    assert from_onnx(to_onnx(g.build())) == g.build()


# chains of our own exporter


@pytest.mark.parametrize("factors", [2, 3, 4, 5])
def test_our_own_product_of_many_is_one_again(factors: int) -> None:
    g = GraphBuilder()
    x = g.input(4, 6)
    g.output(g.mul(x, *(g.unary(Op.RELU, x) for _ in range(factors - 1))))
    model = to_onnx(g.build())
    trace = raw(model)
    assert labels(trace).count("mul") == factors - 1
    spelling.undo(trace)
    assert labels(trace).count("mul") == 1
    assert_settled(spelling.undo, trace)
    assert from_onnx(model) == g.build()


def test_products_of_others_are_left_to_fusion() -> None:
    lines: list[Line] = [("Relu", "x", "r"), ("Mul", "x r", "p"), ("Mul", "p r", "y")]
    trace = raw(model_of(lines))
    spelling.undo(trace)
    assert labels(trace).count("mul") == 2


def test_our_own_product_of_products_stays_two() -> None:
    g = GraphBuilder()
    x = g.input(4, 6)
    y = g.relu(x)
    g.output(g.mul(g.mul(x, y, x), y, x))
    assert from_onnx(to_onnx(g.build())) == g.build()
