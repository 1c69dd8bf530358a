"""Biases in every spelling, and constants that are none."""

from typing import Any

import numpy as np
import pytest
from canonical_models import (
    IMAGE,
    TOKENS,
    assert_computes,
    assert_settled,
    labels,
    model_of,
    orders,
    raw,
    through,
)
from onnx_models import Dims, Line

from onnx_bench.builder import GraphBuilder
from onnx_bench.canonical import linear
from onnx_bench.onnx_export import to_onnx
from onnx_bench.onnx_import import from_onnx

RNG = np.random.default_rng(5)
SIZES = {
    "w": (6, 5),
    "b": (5,),
    "b15": (1, 5),
    "b115": (1, 1, 5),
    "t45": (4, 5),
    "t41": (4, 1),
    "k": (5, 4, 3, 3),
    "c511": (5, 1, 1),
    "c1511": (1, 5, 1, 1),
    "c5": (5,),
    "c561": (5, 6, 1),
    "one": (1,),
    "eye": (5, 5),
}
WEIGHTS: dict[str, Any] = {name: RNG.normal(size=size) for name, size in SIZES.items()}
WEIGHTS["c5"] = WEIGHTS["c511"].reshape(5)
WIDE: dict[str, Dims] = {"x": ("batch", 6)}
PRODUCT: Line = ("MatMul", "x w", "p")
CONV: Line = ("Conv", "x k", "p", {"pads": [1, 1, 1, 1]})


@pytest.mark.parametrize(
    ("inputs", "bias"), [(WIDE, "b"), (WIDE, "b15"), (TOKENS, "b"), (TOKENS, "b115")]
)
def test_bias_of_a_linear_map(inputs: dict[str, Dims], bias: str) -> None:
    g = GraphBuilder()
    g.output(g.linear(g.input(*inputs["x"][1:]), 5))  # type: ignore[arg-type]
    graph = g.build()
    for lines in orders([PRODUCT, ("Add", f"p {bias}", "y")]):
        model = model_of(lines, inputs, WEIGHTS)
        assert from_onnx(model) == graph
        values = WEIGHTS[bias].reshape(-1)
        assert_computes(graph, model, {"weight": WEIGHTS["w"].T, "bias": values})


@pytest.mark.parametrize("bias", ["c511", "c1511"])
def test_bias_of_a_convolution(bias: str) -> None:
    g = GraphBuilder()
    g.output(g.conv(g.input(4, 6, 8), 5, 3, bias=True))
    graph = g.build()
    for lines in orders([CONV, ("Add", f"p {bias}", "y")]):
        model = model_of(lines, IMAGE, WEIGHTS)
        assert from_onnx(model) == graph
        values = WEIGHTS[bias].reshape(-1)
        assert_computes(graph, model, {"weight": WEIGHTS["k"], "bias": values})


@pytest.mark.parametrize(
    ("inputs", "lines", "found"),
    [
        (TOKENS, [PRODUCT, ("Add", "p t45", "y")], ["linear", "position"]),
        (TOKENS, [PRODUCT, ("Add", "p t41", "y")], ["linear", "shift"]),
        (TOKENS, [PRODUCT, ("Add", "p one", "y")], ["linear", "shift"]),
        (TOKENS, [PRODUCT, ("Sub", "p b", "y")], ["linear", "shift"]),
        (TOKENS, [PRODUCT, ("Mul", "p b", "y")], ["linear", "scale"]),
        (TOKENS, [PRODUCT, ("Add", "p b", "s"), ("Add", "s b", "y")], ["linear", "shift"]),
        (
            TOKENS,
            [PRODUCT, ("Add", "p b", "s"), ("Add", "s p", "y")],
            ["linear", "shift", "add"],
        ),
        (TOKENS, [PRODUCT, ("Relu", "p", "r"), ("Add", "r b", "y")], ["linear", "relu", "shift"]),
        (IMAGE, [CONV, ("Add", "p c561", "y")], ["conv", "shift"]),
        ({"x": ("batch", 4, 6, 5)}, [CONV, ("Add", "p c5", "y")], ["conv", "shift"]),
        (IMAGE, [("Conv", "x k c5", "p"), ("Add", "p c511", "y")], ["conv", "shift"]),
    ],
)
def test_other_constants_are_no_bias(
    inputs: dict[str, Dims], lines: list[Line], found: list[str]
) -> None:
    for order in orders(lines):
        assert labels(from_onnx(model_of(order, inputs, WEIGHTS))) == found


def test_a_product_that_is_a_result_keeps_its_own_values() -> None:
    model = model_of([PRODUCT, ("Add", "p b", "y")], TOKENS, WEIGHTS, outputs="y p")
    assert labels(from_onnx(model)) == ["linear", "shift"]


def test_a_product_of_two_values_has_no_bias() -> None:
    inputs: dict[str, Dims] = {"x": ("batch", 4, 6), "z": ("batch", 6, 5)}
    model = model_of([("MatMul", "x z", "p"), ("Add", "p b", "y")], inputs, WEIGHTS)
    assert labels(from_onnx(model)) == ["matmul", "shift"]


def test_our_own_position_behind_a_linear_map_stays_a_position() -> None:
    g = GraphBuilder()
    g.output(g.position(g.linear(g.input(6), 5, bias=False)))
    assert from_onnx(to_onnx(g.build())) == g.build()


def test_two_biases_of_one_product_settle() -> None:
    lines: list[Line] = [PRODUCT, ("Add", "p b", "s"), ("Add", "s b15", "y")]
    trace = raw(model_of(lines, TOKENS, WEIGHTS))
    assert_settled(linear.recognise, through(trace, linear.recognise))
