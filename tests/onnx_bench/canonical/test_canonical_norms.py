"""Normalisations from their arithmetic, and divisions that are none."""

from typing import Any

import numpy as np
import pytest
from canonical_models import (
    TOKENS,
    assert_computes,
    assert_other,
    assert_same,
    assert_settled,
    labels,
    model_of,
    orders,
    raw,
    through,
)
from onnx_models import Dims, Line, first_result

from onnx_bench.canonical import norms
from onnx_bench.onnx_import import from_onnx

RNG = np.random.default_rng(3)
NUMBERS: dict[str, Any] = {
    "eps": 1e-5,
    "large": 3.0,
    "one": 1.0,
    "two": 2.0,
    "three": 3.0,
    "half": 0.5,
    "minus": -0.5,
    "last": [-1],
    "both": [1, 2],
    "rows": [1],
    "space": [2, 3],
    "w": RNG.uniform(0.5, 2, 6),
    "b": RNG.normal(size=6),
    "w46": RNG.uniform(0.5, 2, (4, 6)),
    "b46": RNG.normal(size=(4, 6)),
    "w4": RNG.uniform(0.5, 2, 4),
    "b4": RNG.normal(size=4),
    "c41": RNG.uniform(0.5, 2, (4, 1, 1)),
    "d41": RNG.normal(size=(4, 1, 1)),
    "w8": RNG.uniform(0.5, 2, 8),
    "ones": [1.0, 1.0],
    "zeros": [0.0, 0.0],
    "own": [1.5, 0.5],
    "split": [0, 2, -1],
    "image": [0, 4, 6, 8],
}
CENTRED: list[Line] = [("ReduceMean", "x last", "m"), ("Sub", "x m", "d")]
SPREAD: list[Line] = [
    ("Pow", "d two", "q"),
    ("ReduceMean", "q last", "v"),
    ("Add", "v eps", "u"),
    ("Sqrt", "u", "s"),
]
AFFINE: list[Line] = [("Mul", "n w", "k"), ("Add", "k b", "y")]
DIVIDED: list[Line] = [("Div", "d s", "n")]
ROOTS: dict[str, list[Line]] = {
    "divided": [("Sqrt", "u", "s"), ("Div", "d s", "n")],
    "by a power": [("Pow", "u half", "s"), ("Div", "d s", "n")],
    "times the reciprocal": [("Sqrt", "u", "s"), ("Reciprocal", "s", "r"), ("Mul", "d r", "n")],
    "times one by it": [("Sqrt", "u", "s"), ("Div", "one s", "r"), ("Mul", "d r", "n")],
    "times a power": [("Pow", "u minus", "r"), ("Mul", "d r", "n")],
}
SQUARES: dict[str, Line] = {"power": ("Pow", "d two", "q"), "product": ("Mul", "d d", "q")}
LAYER = model_of([("LayerNormalization", "x w b", "y", {"epsilon": 1e-5})], TOKENS, NUMBERS)
RMS = model_of([("RMSNormalization", "x w", "y", {"epsilon": 1e-5})], TOKENS, NUMBERS, opset=23)


def _of_x(lines: list[Line]) -> list[Line]:
    """The same arithmetic of the input itself, not of its distance to the mean."""
    names = {"d": "x"}
    return [
        (line[0], " ".join(names.get(n, n) for n in line[1].split()), *line[2:])  # type: ignore[misc]
        for line in lines
    ]


@pytest.mark.parametrize("square", SQUARES)
@pytest.mark.parametrize("root", ROOTS)
def test_layer_norm(square: str, root: str) -> None:
    lines = [*CENTRED, SQUARES[square], *SPREAD[1:3], *ROOTS[root], *AFFINE]
    model = model_of(lines, TOKENS, NUMBERS)
    assert_same(model, LAYER)
    graph = from_onnx(model)
    assert_computes(graph, model, {"weight": NUMBERS["w"], "bias": NUMBERS["b"]})
    for order in orders(lines):
        assert from_onnx(model_of(order, TOKENS, NUMBERS)) == graph


@pytest.mark.parametrize("square", SQUARES)
@pytest.mark.parametrize("root", ROOTS)
def test_rms_norm(square: str, root: str) -> None:
    lines = [*_of_x([SQUARES[square], *SPREAD[1:3], *ROOTS[root]]), ("Mul", "w n", "y")]
    model = model_of(lines, TOKENS, NUMBERS)
    assert from_onnx(model) == from_onnx(RMS)
    x = np.float32(4) * np.random.default_rng(0).standard_normal((5, 4, 6), np.float32)
    expected = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5) * NUMBERS["w"]
    np.testing.assert_allclose(first_result(model), expected, rtol=1e-4, atol=1e-5)
    assert_computes(from_onnx(model), model, {"weight": NUMBERS["w"]})


def test_layer_norm_over_two_axes() -> None:
    plain = model_of([("LayerNormalization", "x w46 b46", "y", {"axis": 1})], TOKENS, NUMBERS)
    names = {"last": "both", "w": "w46", "b": "b46"}
    lines: list[Line] = [
        (line[0], " ".join(names.get(n, n) for n in line[1].split()), *line[2:])  # type: ignore[misc]
        for line in [*CENTRED, *SPREAD, *DIVIDED, *AFFINE]
    ]
    assert_same(model_of(lines, TOKENS, NUMBERS), plain)
    graph = from_onnx(plain)
    assert graph.node(1).attributes == (2,)
    assert_computes(graph, plain, {"weight": NUMBERS["w46"], "bias": NUMBERS["b46"]})


def test_a_norm_without_scale_and_shift() -> None:
    model = model_of([*CENTRED, *SPREAD, ("Div", "d s", "y")], TOKENS, NUMBERS)
    graph = from_onnx(model)
    assert (labels(graph), graph.parameters) == (["layer_norm"], 0)


NO_NORMS: dict[str, list[Line]] = {
    "a large number under the root": [
        *CENTRED,
        *SPREAD[:2],
        ("Add", "v large", "u"),
        SPREAD[3],
        *DIVIDED,
        *AFFINE,
    ],
    "fourth powers": [
        *CENTRED,
        ("Mul", "d d", "e"),
        ("Mul", "e e", "q"),
        *SPREAD[1:],
        *DIVIDED,
        *AFFINE,
    ],
    "no root": [*CENTRED, *SPREAD[:3], ("Div", "d u", "n"), *AFFINE],
    "spread of the input": [*CENTRED, ("Mul", "x x", "q"), *SPREAD[1:], *DIVIDED, *AFFINE],
    "centre along other axes": [
        ("ReduceMean", "x rows", "m"),
        CENTRED[1],
        *SPREAD,
        *DIVIDED,
        *AFFINE,
    ],
    "spread along other axes": [
        *CENTRED,
        SPREAD[0],
        ("ReduceMean", "q rows", "v"),
        *SPREAD[2:],
        *DIVIDED,
        *AFFINE,
    ],
    "both along other axes": [
        ("ReduceMean", "x rows", "m"),
        CENTRED[1],
        SPREAD[0],
        ("ReduceMean", "q rows", "v"),
        *SPREAD[2:],
        *DIVIDED,
        *AFFINE,
    ],
    "a sum": [*CENTRED, SPREAD[0], ("ReduceSum", "q last", "v"), *SPREAD[2:], *DIVIDED, *AFFINE],
}


@pytest.mark.parametrize("name", NO_NORMS)
def test_near_misses_of_layer_norm(name: str) -> None:
    model = model_of(NO_NORMS[name], TOKENS, NUMBERS)
    assert "layer_norm" not in labels(from_onnx(model))
    assert_other(model, LAYER)


def test_statistics_that_broadcast_along_another_axis_are_no_norm() -> None:
    square: dict[str, Dims] = {"x": (1, 6, 6)}
    flat = {"keepdims": 0}
    lines: list[Line] = [
        ("Mul", "x x", "q"),
        ("ReduceMean", "q last", "v", flat),
        *SPREAD[2:],
        ("Div", "x s", "n"),
        ("Mul", "n w", "y"),
    ]
    model = model_of(lines, square, NUMBERS)
    assert "rms_norm" not in labels(from_onnx(model))
    assert_other(model, model_of([("RMSNormalization", "x w", "y")], square, NUMBERS, opset=23))


@pytest.mark.parametrize(
    ("affine", "found"),
    [
        ([("Mul", "n w46", "y")], ["layer_norm", "scale"]),
        ([("Add", "n b", "y")], ["layer_norm", "shift"]),
        ([("Mul", "n half", "y")], ["layer_norm", "scale"]),
        ([("Mul", "n w", "k"), ("Mul", "k w", "y")], ["layer_norm", "scale"]),
        ([("Mul", "n w", "k"), ("Add", "k b46", "y")], ["layer_norm", "position"]),
        ([("Mul", "n w", "k"), ("Add", "k n", "y")], ["layer_norm", "scale", "add"]),
    ],
)
def test_only_its_own_scale_and_shift_belong_to_a_norm(
    affine: list[Line], found: list[str]
) -> None:
    model = model_of([*CENTRED, *SPREAD, *DIVIDED, *affine], TOKENS, NUMBERS)
    assert labels(from_onnx(model)) == found


@pytest.mark.parametrize(
    "lines",
    [
        [*CENTRED, *SPREAD, *DIVIDED, *AFFINE],
        NO_NORMS["both along other axes"],
        NO_NORMS["spread along other axes"],
    ],
)
def test_nothing_is_left_to_recognise(lines: list[Line]) -> None:
    trace = raw(model_of(lines, TOKENS, NUMBERS))
    assert_settled(norms.recognise, through(trace, norms.recognise))
