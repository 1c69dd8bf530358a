"""Single numbers go, vectors stay."""

import numpy as np
import pytest
from canonical_models import TOKENS, fused_through, labels, macs, model_of, network
from onnx_models import Line

from onnx_bench.builder import GraphBuilder
from onnx_bench.canonical import fuse, scalars
from onnx_bench.onnx_import import from_onnx


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


def test_a_number_that_adds_an_axis_leaves_a_reshape() -> None:
    constants = {"number": np.full((1, 1, 1, 1), 2.5)}
    lines: list[Line] = [
        ("Mul", "x number", "p"),
        ("Split", "p", "y z", {"axis": 3, "num_outputs": 2}),
    ]
    plain: list[Line] = [("Split", "x", "y z", {"axis": 2, "num_outputs": 2})]
    one, other = (
        fuse(from_onnx(model_of(split, {"x": (1, 4, 6)}, constants, outputs="y z")))
        for split in (lines, plain)
    )
    assert labels(one) == labels(other) == ["slice", "slice"]


@pytest.mark.parametrize("operator", ["Mul", "Add", "Div"])
def test_vectors_stay(operator: str) -> None:
    constants = {"vector": np.full(6, 2.5)}
    graph = from_onnx(model_of([(operator, "x vector", "y")], TOKENS, constants))
    assert fuse(graph).parameters == 6


def test_nothing_is_left() -> None:
    def block(g: GraphBuilder, x: int) -> int:
        y = g.relu(g.conv(x, 3, 3))
        y = g.add(g.add(y, g.zero(x)), g.add(x, g.sigmoid(x)), g.sigmoid(x))
        return g.relu(g.add(y, g.zero(y)))

    graph = network(block)
    once = fused_through(graph, scalars.drop)
    assert fused_through(once, scalars.drop) == once
    assert macs(once) == macs(graph)
