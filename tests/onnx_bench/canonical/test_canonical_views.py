"""Chains of reshapes are one, and so are those of transpositions."""

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
from onnx_bench.canonical import views
from onnx_bench.onnx_export import to_onnx
from onnx_bench.onnx_import import from_onnx

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
