"""Steps that change nothing go, in every spelling; what only looks idle stays."""

from typing import Any

import numpy as np
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
from onnx import TensorProto
from onnx_models import Dims, Line

from onnx_bench.builder import GraphBuilder
from onnx_bench.canonical import noops
from onnx_bench.onnx_export import to_onnx
from onnx_bench.onnx_import import from_onnx
from onnx_bench.operators import Op

NUMBERS: dict[str, Any] = {
    "zero": 0.0,
    "one": 1.0,
    "two": 2.0,
    "none": np.zeros(6),
    "same": [0, 4, 6],
    "flat": [0, -1],
    "ones": [1, 1, 1],
    "unit": [1.0, 1.0, 1.0],
    "first": [0],
    "third": [3],
    "end": [100],
    "axis": [2],
    "back": [-1],
    "far": [-100],
    "wide": [1, 1, 4, 6],
    "still": [0] * 6,
}
IDLE: dict[str, list[Line]] = {
    "identity": [("Identity", "x", "y")],
    "cast": [("Cast", "x", "y", {"to": TensorProto.FLOAT})],
    "dropout": [("Dropout", "x", "y")],
    "reshape to the same shape": [("Reshape", "x same", "y")],
    "reshape there and back": [("Reshape", "x flat", "f"), ("Reshape", "f same", "y")],
    "transpose to the same order": [("Transpose", "x", "y", {"perm": [0, 1, 2]})],
    "transpose there and back": [
        ("Transpose", "x", "t", {"perm": [0, 2, 1]}),
        ("Transpose", "t", "y", {"perm": [0, 2, 1]}),
    ],
    "expand to the same shape": [("Expand", "x ones", "y")],
    "tile once": [("Tile", "x ones", "y")],
    "slice of everything": [("Slice", "x first end axis", "y")],
    "pad by nothing": [("Pad", "x still", "y")],
    "resize by one": [("Resize", "x - unit", "y")],
    "concatenation of one": [("Concat", "x", "y", {"axis": 1})],
    "plus zero": [("Add", "x zero", "y")],
    "zero plus": [("Add", "zero x", "y")],
    "minus zero": [("Sub", "x zero", "y")],
    "times one": [("Mul", "x one", "y")],
    "one times": [("Mul", "one x", "y")],
    "by one": [("Div", "x one", "y")],
    "to the power of one": [("Pow", "x one", "y")],
    "guard against not-a-number": [("IsNaN", "x", "n"), ("Where", "n zero x", "y")],
    "one after the other": [
        ("Identity", "x", "a"),
        ("Mul", "a one", "b"),
        ("Add", "zero b", "c"),
        ("Dropout", "c", "y"),
    ],
}
BUSY: dict[str, tuple[list[Line], list[str]]] = {
    "zero minus": ([("Sub", "zero x", "y")], ["shift"]),
    "one by": ([("Div", "one x", "y")], ["power"]),
    "one to the power": ([("Pow", "one x", "y")], ["power"]),
    "plus one": ([("Add", "x one", "y")], ["shift"]),
    "times two": ([("Mul", "x two", "y")], ["scale"]),
    "squared": ([("Pow", "x two", "y")], ["power"]),
    "turned": ([("Transpose", "x", "y", {"perm": [0, 2, 1]})], ["transpose"]),
    "reversed": ([("Slice", "x back far axis back", "y")], ["slice"]),
    "a further axis": ([("Reshape", "x wide", "y")], ["reshape"]),
    "guard of another value": (
        [("Relu", "x", "r"), ("IsNaN", "r", "n"), ("Where", "n zero x", "y")],
        ["relu", "compare", "where"],
    ),
    "guard the other way round": (
        [("IsNaN", "x", "n"), ("Where", "n x zero", "y")],
        ["compare", "where"],
    ),
    "choice by sign": (
        [("Less", "x zero", "n"), ("Where", "n zero x", "y")],
        ["compare", "where"],
    ),
    "pool of single entries": (
        [("Reshape", "x wide", "i"), ("MaxPool", "i", "y", {"kernel_shape": [1, 1]})],
        ["reshape"],
    ),
    "pool of every other entry": (
        [
            ("Reshape", "x wide", "i"),
            ("MaxPool", "i", "y", {"kernel_shape": [1, 1], "strides": [2, 2]}),
        ],
        ["reshape", "max_pool"],
    ),
}


@pytest.mark.parametrize("name", IDLE)
def test_idle_steps_go(name: str) -> None:
    model = model_of([*IDLE[name], ("Relu", "y", "z")], TOKENS, NUMBERS, outputs="z")
    g = GraphBuilder()
    g.output(g.relu(g.input(4, 6)))
    assert from_onnx(model) == g.build()
    assert_computes(g.build(), model)


@pytest.mark.parametrize("name", IDLE)
def test_a_network_may_be_idle_as_a_whole(name: str) -> None:
    graph = from_onnx(model_of(IDLE[name], TOKENS, NUMBERS))
    assert labels(graph) == []
    assert len(graph) == 2


@pytest.mark.parametrize("name", BUSY)
def test_busy_steps_stay(name: str) -> None:
    lines, found = BUSY[name]
    assert labels(from_onnx(model_of(lines, {"x": (1, 4, 6)}, NUMBERS))) == found


def test_a_zero_that_adds_an_axis_is_not_idle() -> None:
    numbers = {"zero": np.zeros((1, 1, 1, 1))}
    model = model_of([("Add", "x zero", "y")], {"x": (1, 4, 6)}, numbers)
    graph = from_onnx(model)
    assert graph.node(len(graph) - 1).out_shape == (1, 4, 6)


def test_our_own_nodes_that_change_nothing_stay() -> None:
    g = GraphBuilder()
    x = g.unary(Op.IDENTITY, g.input(4, 6))
    x = g.slice(g.reshape(x, 4, 6), 0, 6, axis=1)
    x = g.transpose(g.transpose(x, 1, 0), 1, 0)
    g.output(g.add(x, g.relu(x)))
    assert from_onnx(to_onnx(g.build())) == g.build()


def test_readers_read_through_chains_of_idle_steps() -> None:
    lines: list[Line] = [
        ("Identity", "x", "a"),
        ("Identity", "a", "b"),
        ("Add", "a b", "s"),
        ("Dropout", "s", "y"),
    ]
    g = GraphBuilder()
    x = g.input(4, 6)
    g.output(g.add(x, x))
    assert from_onnx(model_of(lines)) == g.build()


@pytest.mark.parametrize("name", [*IDLE, *BUSY])
def test_nothing_idle_is_left(name: str) -> None:
    lines = IDLE[name] if name in IDLE else BUSY[name][0]
    sizes: dict[str, Dims] = {"x": (1, 4, 6)}
    trace = raw(model_of(lines, sizes, NUMBERS))
    assert_settled(noops.drop, through(trace, noops.drop))
