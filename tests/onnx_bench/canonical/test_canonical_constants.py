"""Joins with constants: what each becomes, and that none is left."""

from typing import Any

import numpy as np
import pytest
from canonical_models import TOKENS, assert_computes, assert_settled, labels, model_of, raw, through
from onnx_models import Dims, Line

from onnx_bench.builder import GraphBuilder
from onnx_bench.canonical import constants
from onnx_bench.graph import Node
from onnx_bench.onnx_export import to_onnx
from onnx_bench.onnx_import import from_onnx
from onnx_bench.operators import Op

RNG = np.random.default_rng(7)
VALUES: dict[str, Any] = {
    "number": 2.5,
    "nought": 0.0,
    "half": 0.5,
    "learned": [2.5],
    "fresh": [0.0],
    "row": RNG.normal(size=6),
    "column": RNG.normal(size=(4, 1)),
    "table": RNG.normal(size=(4, 6)),
    "lead": RNG.normal(size=(1, 4, 6)),
}
JOINS: list[tuple[Line, Op, tuple[int, ...], int]] = [
    (("Add", "x table", "y"), Op.POSITION, (), 24),
    (("Add", "lead x", "y"), Op.POSITION, (), 24),
    (("Add", "x row", "y"), Op.SHIFT, (6,), 6),
    (("Add", "column x", "y"), Op.SHIFT, (4,), 4),
    (("Add", "x number", "y"), Op.SHIFT, (1,), 0),
    (("Add", "x learned", "y"), Op.SHIFT, (1,), 1),
    (("Sub", "x row", "y"), Op.SHIFT, (6,), 6),
    (("Sub", "table x", "y"), Op.SHIFT, (24,), 24),
    (("Mul", "x row", "y"), Op.SCALE, (6,), 6),
    (("Mul", "table x", "y"), Op.SCALE, (24,), 24),
    (("Mul", "x number", "y"), Op.SCALE, (1,), 0),
    (("Mul", "x nought", "y"), Op.ZERO, (), 0),
    (("Mul", "nought x", "y"), Op.ZERO, (), 0),
    (("Mul", "x fresh", "y"), Op.SCALE, (1,), 1),
    (("Div", "x row", "y"), Op.SCALE, (6,), 6),
    (("Div", "number x", "y"), Op.POWER, (), 0),
    (("Pow", "x number", "y"), Op.POWER, (), 0),
    (("Pow", "x half", "y"), Op.SQRT, (), 0),
    (("Pow", "half x", "y"), Op.POWER, (), 0),
    (("Max", "x row", "y"), Op.CLIP, (), 0),
    (("Min", "number x", "y"), Op.CLIP, (), 0),
    (("Less", "x number", "y"), Op.COMPARE, (), 0),
    (("Equal", "row x", "y"), Op.COMPARE, (), 0),
]


@pytest.mark.parametrize(("line", "op", "attributes", "parameters"), JOINS)
def test_a_join_with_a_constant(
    line: Line, op: Op, attributes: tuple[int, ...], parameters: int
) -> None:
    graph = from_onnx(model_of([line], TOKENS, VALUES))
    expected = Node(op, (4, 6), (4, 6), parameters=parameters, attributes=attributes)
    assert graph.node(1) == expected
    assert graph.inputs_of(1) == [0]
    assert len(graph) == 3


@pytest.mark.parametrize("line", [line for line, *_ in JOINS])
def test_no_join_reads_a_constant_afterwards(line: Line) -> None:
    trace = through(raw(model_of([line], TOKENS, VALUES)), constants.absorb)
    assert not list(trace.of(Op.ADD, Op.SUB, Op.MUL, Op.DIV, Op.MAXIMUM, Op.MINIMUM))
    assert_settled(constants.absorb, trace)


@pytest.mark.parametrize(
    ("line", "weight"),
    [
        (("Add", "x table", "y"), VALUES["table"]),
        (("Add", "row x", "y"), VALUES["row"]),
        (("Add", "x column", "y"), VALUES["column"]),
        (("Sub", "x row", "y"), -VALUES["row"]),
        (("Mul", "x row", "y"), VALUES["row"]),
        (("Mul", "column x", "y"), VALUES["column"]),
        (("Mul", "table x", "y"), VALUES["table"]),
        (("Div", "x row", "y"), 1 / VALUES["row"]),
        (("Mul", "x learned", "y"), VALUES["learned"]),
    ],
)
def test_what_is_learned_is_what_was_joined(line: Line, weight: Any) -> None:
    model = model_of([line], TOKENS, VALUES)
    assert_computes(from_onnx(model), model, {"weight": weight})


def test_joins_of_two_values_stay() -> None:
    inputs: dict[str, Dims] = {"x": ("batch", 4, 6), "z": ("batch", 4, 6)}
    for operator, label in (
        ("Add", "add"),
        ("Sub", "sub"),
        ("Mul", "mul"),
        ("Div", "div"),
        ("Pow", "power"),
        ("Max", "maximum"),
        ("Min", "minimum"),
        ("Less", "compare"),
    ):
        graph = from_onnx(model_of([(operator, "x z", "y")], inputs))
        assert labels(graph) == [label]
        assert graph.inputs_of(2) == [0, 1]


def test_constants_among_themselves_are_no_steps() -> None:
    lines: list[Line] = [
        ("Mul", "row number", "scaled"),
        ("Sqrt", "table", "root"),
        ("Add", "scaled root", "all"),
        ("Add", "x all", "y"),
    ]
    graph = from_onnx(model_of(lines, TOKENS, VALUES))
    assert labels(graph) == ["position"]
    assert graph.parameters == 6 + 24


def test_a_constant_that_two_steps_read_is_counted_once() -> None:
    lines: list[Line] = [("Mul", "x row", "p"), ("Relu", "p", "r"), ("Mul", "r row", "y")]
    graph = from_onnx(model_of(lines, TOKENS, VALUES))
    assert [node.parameters for _, node, _ in graph.walk()] == [0, 6, 0, 0, 0]


def test_our_own_position_of_one_value_stays_a_position() -> None:
    g = GraphBuilder()
    g.output(g.position(g.input(1)))
    assert from_onnx(to_onnx(g.build())) == g.build()
