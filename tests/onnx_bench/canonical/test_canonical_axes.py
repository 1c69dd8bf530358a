"""Softmax and unit length along any axis: turned to the end, as rows name no other."""

import pytest
from canonical_models import (
    IMAGE,
    TOKENS,
    assert_computes,
    assert_other,
    assert_same,
    assert_settled,
    labels,
    model_of,
    raw,
    through,
)
from onnx_models import Line

from onnx_bench.builder import GraphBuilder
from onnx_bench.canonical import axes, fuse
from onnx_bench.onnx_import import from_onnx
from onnx_bench.operators import Op

NUMBERS = {"rows": [1], "last": [-1]}


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_softmax_runs_along_its_axis(axis: int) -> None:
    model = model_of([("Softmax", "x", "y", {"axis": axis})], IMAGE)
    graph = from_onnx(model)
    turned = ["transpose", "softmax", "transpose"]
    assert labels(graph) == (["softmax"] if axis == 3 else turned)
    assert_computes(graph, model)


def test_unit_length_along_the_rows() -> None:
    lines: list[Line] = [("ReduceL2", "x rows", "l"), ("Div", "x l", "y")]
    model = model_of(lines, TOKENS, NUMBERS)
    assert labels(from_onnx(model)) == ["transpose", "normalize", "transpose"]
    assert_computes(from_onnx(model), model)
    assert_other(model, model_of([("ReduceL2", "x last", "l"), lines[1]], TOKENS, NUMBERS))


def test_an_axis_that_the_exporter_turned_is_the_same_in_the_end() -> None:
    swap = {"perm": [0, 3, 2, 1]}
    by_hand: list[Line] = [
        ("Transpose", "x", "a", swap),
        ("Softmax", "a", "b", {"axis": -1}),
        ("Transpose", "b", "y", swap),
    ]
    model = model_of([("Softmax", "x", "y", {"axis": 1})], IMAGE)
    assert_same(model, model_of(by_hand, IMAGE))


def test_softmax_along_rows_and_along_columns_are_two() -> None:
    g = GraphBuilder()
    g.output(g.unary(Op.SOFTMAX, g.input(4, 6)))
    other = from_onnx(model_of([("Softmax", "x", "y", {"axis": 1})]))
    assert fuse(other) != fuse(g.build())


def test_no_axis_is_left() -> None:
    trace = through(raw(model_of([("Softmax", "x", "y", {"axis": 1})])), axes.turn)
    assert all("axis" not in step.attributes for step in trace.of(Op.SOFTMAX))
    assert_settled(axes.turn, trace)
