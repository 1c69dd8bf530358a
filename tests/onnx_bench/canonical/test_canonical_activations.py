"""Activations in every spelling that exporters and old code leave, and what only looks like one."""

from math import pi, sqrt

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
from onnx_models import Line

from onnx_bench.builder import GraphBuilder
from onnx_bench.canonical import activations, fuse
from onnx_bench.onnx_export import to_onnx
from onnx_bench.onnx_import import from_onnx
from onnx_bench.operators import Op

NUMBERS = {
    "zero": 0.0,
    "half": 0.5,
    "one": 1.0,
    "two": 2.0,
    "three": 3.0,
    "five": 5.0,
    "six": 6.0,
    "sixth": 1 / 6,
    "root2": sqrt(2),
    "iroot2": 1 / sqrt(2),
    "root3": sqrt(3),
    "tail": 0.044715,
    "slope": sqrt(2 / pi),
    "quick": 1.702,
    "slow": 1.5,
}
ERF: list[Line] = [("Div", "x root2", "a"), ("Erf", "a", "e"), ("Add", "e one", "s")]
CUBE: list[Line] = [("Pow", "x three", "p"), ("Mul", "p tail", "c"), ("Add", "x c", "i")]
TANH: list[Line] = [("Mul", "i slope", "t"), ("Tanh", "t", "h"), ("Add", "h one", "s")]
HALVED: list[Line] = [("Mul", "x half", "b"), ("Mul", "b s", "y")]
CLIPPED: list[Line] = [("Add", "x three", "a"), ("Clip", "a zero six", "c")]
SPELLINGS: dict[str, tuple[Op, list[Line]]] = {
    "gelu, half last": (Op.GELU, [*ERF, ("Mul", "x s", "p"), ("Mul", "p half", "y")]),
    "gelu, half on x": (Op.GELU, [*ERF, *HALVED]),
    "gelu, half on the gate": (Op.GELU, [*ERF, ("Mul", "s half", "g"), ("Mul", "x g", "y")]),
    "gelu, by two": (Op.GELU, [*ERF, ("Mul", "x s", "p"), ("Div", "p two", "y")]),
    "gelu, gate by two": (Op.GELU, [*ERF, ("Div", "s two", "g"), ("Mul", "g x", "y")]),
    "gelu, times 1 / sqrt(2)": (Op.GELU, [("Mul", "x iroot2", "a"), *ERF[1:], *HALVED]),
    "hard swish, divided last": (
        Op.HARD_SWISH,
        [*CLIPPED, ("Mul", "x c", "p"), ("Div", "p six", "y")],
    ),
    "hard swish, gate divided": (
        Op.HARD_SWISH,
        [*CLIPPED, ("Div", "c six", "g"), ("Mul", "x g", "y")],
    ),
    "hard swish, gate multiplied": (
        Op.HARD_SWISH,
        [*CLIPPED, ("Mul", "c sixth", "g"), ("Mul", "x g", "y")],
    ),
    "hard swish, of the operator": (
        Op.HARD_SWISH,
        [("HardSigmoid", "x", "g", {"alpha": 1 / 6}), ("Mul", "x g", "y")],
    ),
    "hard sigmoid, divided": (Op.HARD_SIGMOID, [*CLIPPED, ("Div", "c six", "y")]),
    "hard sigmoid, multiplied": (Op.HARD_SIGMOID, [*CLIPPED, ("Mul", "c sixth", "y")]),
    "silu": (Op.SILU, [("Sigmoid", "x", "g"), ("Mul", "x g", "y")]),
    "mish": (Op.MISH, [("Softplus", "x", "s"), ("Tanh", "s", "g"), ("Mul", "x g", "y")]),
    "mish, softplus spelt": (
        Op.MISH,
        [
            ("Exp", "x", "e"),
            ("Add", "e one", "o"),
            ("Log", "o", "s"),
            ("Tanh", "s", "g"),
            ("Mul", "x g", "y"),
        ],
    ),
    "softplus": (Op.SOFTPLUS, [("Exp", "x", "e"), ("Add", "e one", "o"), ("Log", "o", "y")]),
    "relu by max": (Op.RELU, [("Max", "x zero", "y")]),
    "relu by clip": (Op.RELU, [("Clip", "x zero", "y")]),
}
APPROXIMATIONS: dict[str, tuple[float, list[Line]]] = {
    "cube by power": (1e-3, [*CUBE, *TANH, *HALVED]),
    "cube by products": (
        1e-3,
        [("Mul", "x x", "q"), ("Mul", "q x", "p"), *CUBE[1:], *TANH, *HALVED],
    ),
    "x in front of the bracket": (
        1e-3,
        [
            ("Mul", "x x", "q"),
            ("Mul", "q tail", "c"),
            ("Add", "c one", "d"),
            ("Mul", "x slope", "e"),
            ("Mul", "e d", "t"),
            *TANH[1:],
            *HALVED,
        ],
    ),
    "quick": (0.03, [("Mul", "x quick", "a"), ("Sigmoid", "a", "g"), ("Mul", "x g", "y")]),
}
NEAR_MISSES: dict[str, tuple[str, list[Line]]] = {
    "erf of another width": ("Gelu", [("Div", "x root3", "a"), *ERF[1:], *HALVED]),
    "two and erf": ("Gelu", [*ERF[:2], ("Add", "e two", "s"), *HALVED]),
    "not halved": ("Gelu", [*ERF, ("Mul", "x s", "y")]),
    "times another value": ("Gelu", [*ERF, ("Relu", "x", "z"), ("Mul", "z half", "b"), HALVED[1]]),
    "tanh without a cube": ("Gelu", [("Mul", "x slope", "t"), *TANH[1:], *HALVED]),
    "tanh of a square": ("Gelu", [("Pow", "x two", "p"), *CUBE[1:], *TANH, *HALVED]),
    "tanh, a large cube": (
        "Gelu",
        [CUBE[0], ("Mul", "p half", "c"), CUBE[2], *TANH, *HALVED],
    ),
    "tanh, another slope": ("Gelu", [*CUBE, ("Mul", "i one", "t"), *TANH[1:], *HALVED]),
    "a slow gate": ("Gelu", [("Mul", "x slow", "a"), ("Sigmoid", "a", "g"), ("Mul", "x g", "y")]),
    "clipped at five": (
        "HardSwish",
        [CLIPPED[0], ("Clip", "a zero five", "c"), ("Mul", "x c", "p"), ("Div", "p six", "y")],
    ),
    "divided by five": ("HardSwish", [*CLIPPED, ("Mul", "x c", "p"), ("Div", "p five", "y")]),
    "moved by two": (
        "HardSwish",
        [("Add", "x two", "a"), CLIPPED[1], ("Mul", "x c", "p"), ("Div", "p six", "y")],
    ),
    "gate of another value": (
        "HardSwish",
        [("Relu", "x", "z"), ("HardSigmoid", "z", "g", {"alpha": 1 / 6}), ("Mul", "x g", "y")],
    ),
    "another slope": (
        "HardSwish",
        [("HardSigmoid", "x", "g", {"alpha": 0.2}), ("Mul", "x g", "y")],
    ),
    "softplus of another value": (
        "Mish",
        [("Relu", "x", "z"), ("Softplus", "z", "s"), ("Tanh", "s", "g"), ("Mul", "x g", "y")],
    ),
    "two and an exponential": (
        "Softplus",
        [("Exp", "x", "e"), ("Add", "e two", "o"), ("Log", "o", "y")],
    ),
    "clipped below one": ("Relu", [("Clip", "x one", "y")]),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_spellings_are_one_operator_in_every_order(name: str) -> None:
    op, lines = SPELLINGS[name]
    g = GraphBuilder()
    g.output(g.unary(op, g.input(4, 6)))
    expected = g.build()
    for order in orders(lines):
        assert from_onnx(model_of(order, constants=NUMBERS)) == expected
    assert_computes(expected, model_of(lines, constants=NUMBERS))


@pytest.mark.parametrize("name", APPROXIMATIONS)
def test_approximations_of_gelu_are_gelu(name: str) -> None:
    tolerance, lines = APPROXIMATIONS[name]
    plain = model_of([("Gelu", "x", "y")])
    for order in orders(lines):
        assert from_onnx(model_of(order, constants=NUMBERS)) == from_onnx(plain)
    assert_same(model_of(lines, constants=NUMBERS), plain, tolerance)


@pytest.mark.parametrize("name", NEAR_MISSES)
def test_near_misses_stay_what_they_are(name: str) -> None:
    operator, lines = NEAR_MISSES[name]
    plain = model_of([(operator, "x", "y")])
    (own,) = labels(from_onnx(plain))
    for order in orders(lines):
        assert own not in labels(from_onnx(model_of(order, constants=NUMBERS)))
    assert_other(model_of(lines, constants=NUMBERS), plain)


def test_a_quotient_is_no_product() -> None:
    lines: list[Line] = [("Sigmoid", "x", "g"), ("Div", "x g", "y")]
    assert labels(from_onnx(model_of(lines))) == ["sigmoid", "div"]


@pytest.mark.parametrize("name", ["silu", "mish", "hard swish, of the operator"])
def test_a_gate_that_is_read_again_stays(name: str) -> None:
    op, lines = SPELLINGS[name]
    model = model_of([*lines, ("Add", "y g", "z")], outputs="z")
    assert op.label not in labels(from_onnx(model))
    assert op.label not in labels(from_onnx(model_of(lines, outputs="y g")))


def test_a_gate_of_fewer_values_is_a_product() -> None:
    lines: list[Line] = [
        ("GlobalAveragePool", "x", "p"),
        ("Sigmoid", "p", "g"),
        ("Mul", "x g", "y"),
    ]
    model = model_of(lines, {"x": ("batch", 3, 4, 5)})
    assert labels(from_onnx(model)) == ["global_avg_pool", "sigmoid", "mul"]


def test_a_number_more_or_less_stays_behind() -> None:
    _, lines = SPELLINGS["silu"]
    model = model_of([*lines[:-1], ("Mul", "x g", "p"), ("Mul", "p two", "y")], constants=NUMBERS)
    assert labels(from_onnx(model)) == ["silu", "scale"]


def test_half_precision_is_near_enough() -> None:
    rounded = NUMBERS | {"root2": 1.4140625, "tail": 0.04470825}
    for lines in (SPELLINGS["gelu, half last"][1], APPROXIMATIONS["cube by power"][1]):
        assert labels(from_onnx(model_of(lines, constants=rounded))) == ["gelu"]


def test_our_own_product_with_a_gate_stays_apart_until_fusion() -> None:
    g = GraphBuilder()
    x = g.input(4, 6)
    g.output(g.mul(x, g.sigmoid(x)))
    product = g.build()
    assert from_onnx(to_onnx(product)) == product
    assert labels(fuse(product)) == ["silu"]


@pytest.mark.parametrize("name", [*SPELLINGS, *APPROXIMATIONS])
def test_nothing_is_left_to_recognise(name: str) -> None:
    _, lines = (SPELLINGS | APPROXIMATIONS)[name]  # type: ignore[operator]
    trace = raw(model_of(lines, TOKENS, NUMBERS))
    assert_settled(activations.recognise, through(trace, activations.recognise))
