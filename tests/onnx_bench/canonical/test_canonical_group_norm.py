"""Group normalisation between reshapes, and unit length."""

from typing import Any

import numpy as np
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
from onnx_models import Dims, Line

from onnx_bench.canonical import norms
from onnx_bench.onnx_import import from_onnx
from onnx_bench.operators import Op

RNG = np.random.default_rng(3)
NUMBERS: dict[str, Any] = {
    "eps": 1e-5,
    "large": 3.0,
    "two": 2.0,
    "half": 0.5,
    "last": [-1],
    "rows": [1],
    "w4": RNG.uniform(0.5, 2, 4),
    "c41": RNG.uniform(0.5, 2, (4, 1, 1)),
    "d41": RNG.normal(size=(4, 1, 1)),
    "ones": [1.0, 1.0],
    "zeros": [0.0, 0.0],
    "own": [1.5, 0.5],
    "split": [0, 2, -1],
    "image": [0, 4, 6, 8],
}


def _grouped(
    scale: str = "ones", shift: str = "zeros", tail: list[Line] | None = None
) -> list[Line]:
    """Group normalisation as torch's exporter spells it."""
    return [
        ("Reshape", "x split", "g"),
        ("InstanceNormalization", f"g {scale} {shift}", "i", {"epsilon": 1e-5}),
        ("Reshape", "i image", "n"),
        *(tail or [("Mul", "n c41", "k"), ("Add", "k d41", "y")]),
    ]


def test_group_norm() -> None:
    numbers = NUMBERS | {"c4": NUMBERS["c41"].reshape(4), "d4": NUMBERS["d41"].reshape(4)}
    plain: list[Line] = [("GroupNormalization", "x c4 d4", "y", {"num_groups": 2})]
    model = model_of(_grouped(), IMAGE, numbers)
    assert_same(model, model_of(plain, IMAGE, numbers, opset=21))
    node = from_onnx(model).node(1)
    assert (node.op, node.groups, node.parameters) == (Op.GROUP_NORM, 2, 8)
    assert_computes(from_onnx(model), model, {"weight": numbers["c4"], "bias": numbers["d4"]})


def test_group_norm_of_single_channels_is_instance_norm() -> None:
    numbers = NUMBERS | {"ones": [1.0] * 4, "zeros": [0.0] * 4, "split": [0, 4, -1]}
    plain: list[Line] = [("InstanceNormalization", "x w4 b4", "y")]
    numbers["w4"], numbers["b4"] = numbers["c41"].reshape(4), numbers["d41"].reshape(4)
    assert_same(model_of(_grouped(), IMAGE, numbers), model_of(plain, IMAGE, numbers))


def test_groups_that_are_scaled_themselves_are_no_group_norm() -> None:
    model = model_of(_grouped(scale="own"), IMAGE, NUMBERS)
    assert "group_norm" not in labels(from_onnx(model))
    assert_other(model, model_of(_grouped(), IMAGE, NUMBERS))


def test_a_scale_along_the_width_is_not_that_of_the_channels() -> None:
    square: dict[str, Dims] = {"x": ("batch", 4, 4, 4)}
    numbers = NUMBERS | {"image": [0, 4, 4, 4]}
    model = model_of(_grouped(tail=[("Mul", "n w4", "y")]), square, numbers)
    assert labels(from_onnx(model)) == ["group_norm", "scale"]


LENGTHS: dict[str, list[Line]] = {
    "length": [("ReduceL2", "x last", "l"), ("Div", "x l", "y")],
    "guarded length, spread out": [
        ("ReduceL2", "x last", "l"),
        ("Clip", "l eps", "c"),
        ("Shape", "x", "size"),
        ("Expand", "c size", "e"),
        ("Div", "x e", "y"),
    ],
    "root of a sum of squares": [
        ("Mul", "x x", "q"),
        ("ReduceSum", "q last", "v"),
        ("Sqrt", "v", "l"),
        ("Add", "l eps", "g"),
        ("Div", "x g", "y"),
    ],
    "power of a guarded sum": [
        ("Pow", "x two", "q"),
        ("ReduceSum", "q last", "v"),
        ("Add", "v eps", "u"),
        ("Pow", "u half", "l"),
        ("Div", "x l", "y"),
    ],
}


@pytest.mark.parametrize("name", LENGTHS)
def test_unit_length(name: str) -> None:
    plain = model_of([("LpNormalization", "x", "y", {"axis": -1, "p": 2})])
    model = model_of(LENGTHS[name], TOKENS, NUMBERS)
    assert_same(model, plain)
    assert_computes(from_onnx(model), model)


@pytest.mark.parametrize(
    "lines",
    [
        [("ReduceL1", "x last", "l"), ("Div", "x l", "y")],
        [("ReduceL2", "x last", "l"), ("Add", "l large", "g"), ("Div", "x g", "y")],
        [("ReduceL2", "x last", "l"), ("Relu", "x", "z"), ("Div", "z l", "y")],
    ],
)
def test_near_misses_of_unit_length(lines: list[Line]) -> None:
    assert "normalize" not in labels(from_onnx(model_of(lines, TOKENS, NUMBERS)))


@pytest.mark.parametrize(("lines", "inputs"), [(_grouped(), IMAGE), (LENGTHS["length"], TOKENS)])
def test_nothing_is_left_to_recognise(lines: list[Line], inputs: dict[str, Dims]) -> None:
    trace = raw(model_of(lines, inputs, NUMBERS))
    assert_settled(norms.recognise, through(trace, norms.recognise))
