"""Batch normalisation goes into the product before it, and what it computes stays."""

from typing import Any

import numpy as np
import pytest
from canonical_models import IMAGE, fused_through, labels, model_of
from onnx_models import Dims, Line, first_result

from onnx_bench.builder import GraphBuilder
from onnx_bench.canonical import batch_norm, fuse
from onnx_bench.graph import ComputationGraph
from onnx_bench.onnx_export import to_onnx
from onnx_bench.onnx_import import from_onnx

RNG = np.random.default_rng(19)
EPSILON = 1e-5
C = 5
CONSTANTS: dict[str, Any] = {
    "k": RNG.normal(size=(C, 4, 3, 3)),
    "kt": RNG.normal(size=(4, C, 2, 2)),
    "cb": RNG.normal(size=C),
    "scale": RNG.uniform(0.5, 2, C),
    "shift": RNG.normal(size=C),
    "mean": RNG.normal(size=C),
    "var": RNG.uniform(0.5, 2, C),
    "w": RNG.normal(size=(6, C)),
    "b": RNG.normal(size=C),
}
SLOPE = CONSTANTS["scale"] / np.sqrt(CONSTANTS["var"] + EPSILON)
PADS = {"pads": [1, 1, 1, 1]}
BN: Line = ("BatchNormalization", "p scale shift mean var", "y", {"epsilon": EPSILON})
CONV: Line = ("Conv", "x k", "p", PADS)
WIDE: dict[str, Dims] = {"x": ("batch", 6)}


def folded(bias: Any) -> dict[str, Any]:
    """The kernel and bias that do what convolution and normalisation do."""
    kernel = CONSTANTS["k"] * SLOPE[:, None, None, None]
    return {"k": kernel, "cb": (bias - CONSTANTS["mean"]) * SLOPE + CONSTANTS["shift"]}


def _read(lines: list[Line], inputs: dict[str, Dims] = IMAGE, **arguments: Any) -> ComputationGraph:
    return from_onnx(model_of(lines, inputs, CONSTANTS, **arguments))


@pytest.mark.parametrize("biased", [False, True])
def test_kept_and_folded_by_hand_are_one(biased: bool) -> None:
    kept = [("Conv", "x k cb" if biased else "x k", "p", PADS), BN]
    by_hand = model_of(
        [("Conv", "x k cb", "y", PADS)],
        IMAGE,
        folded(CONSTANTS["cb"] if biased else np.zeros(C)),
    )
    model = model_of(kept, IMAGE, CONSTANTS)
    np.testing.assert_allclose(first_result(model), first_result(by_hand), rtol=1e-4, atol=1e-4)
    graph = fuse(from_onnx(model))
    assert graph == fuse(from_onnx(by_hand))
    # The fused graph of a convolution is its atomic one: it runs, with the folded weights.
    weights = {
        f"n1.{role}": np.float32(array)
        for role, array in zip(
            ("weight", "bias"),
            folded(CONSTANTS["cb"] if biased else np.zeros(C)).values(),
            strict=True,
        )
    }
    np.testing.assert_allclose(
        first_result(to_onnx(graph, weights)), first_result(model), rtol=1e-4, atol=1e-4
    )


def test_parameters_are_those_of_the_folded_product() -> None:
    graph = fuse(_read([CONV, BN]))
    assert labels(graph) == ["conv"]
    assert (graph.node(1).bias, graph.parameters) == (True, CONSTANTS["k"].size + C)


@pytest.mark.parametrize(
    ("lines", "inputs"),
    [
        ([("ConvTranspose", "x kt", "p"), BN], IMAGE),
        ([("MatMul", "x w", "p"), BN], WIDE),
        ([("MatMul", "x w", "a"), ("Add", "a b", "p"), BN], WIDE),
    ],
)
def test_other_products_take_it_in_too(lines: list[Line], inputs: dict[str, Dims]) -> None:
    graph = fuse(_read(lines, inputs))
    assert len(labels(graph)) == 1
    assert graph.node(1).bias


def test_one_behind_the_other_go_both() -> None:
    again: Line = ("BatchNormalization", "y scale shift mean var", "z")
    assert fuse(_read([CONV, BN, again], outputs="z")) == fuse(_read([CONV, BN]))


def test_a_frozen_norm_is_a_scale_and_a_shift_of_each_channel() -> None:
    constants = CONSTANTS | {"s": SLOPE.reshape(C, 1, 1), "t": RNG.normal(size=(C, 1, 1))}
    frozen: list[Line] = [CONV, ("Mul", "p s", "m"), ("Add", "m t", "y")]
    graph = from_onnx(model_of(frozen, IMAGE, constants))
    assert labels(graph) == ["conv", "scale", "shift"]
    assert fuse(graph) == fuse(_read([CONV, BN]))


NOT_FOLDED: dict[str, tuple[list[Line], dict[str, Dims], list[str]]] = {
    "an activation between": (
        [CONV, ("Relu", "p", "r"), ("BatchNormalization", "r scale shift mean var", "y")],
        IMAGE,
        ["conv", "batch_norm"],
    ),
    "a product that is read again": (
        [CONV, BN, ("Mul", "y p", "z")],
        IMAGE,
        ["conv", "batch_norm", "mul"],
    ),
    "no product": (
        [("BatchNormalization", "x scale shift mean var", "y")],
        {"x": ("batch", C, 4, 4)},
        ["batch_norm"],
    ),
    "a sum": (
        [
            CONV,
            ("Conv", "x k cb", "q", PADS),
            ("Add", "p q", "s"),
            ("BatchNormalization", "s scale shift mean var", "y"),
        ],
        IMAGE,
        ["conv", "conv", "add", "batch_norm"],
    ),
}


@pytest.mark.parametrize("name", NOT_FOLDED)
def test_what_stays(name: str) -> None:
    lines, inputs, found = NOT_FOLDED[name]
    outputs = "z" if name == "a product that is read again" else "y"
    assert labels(fuse(_read(lines, inputs, outputs=outputs))) == found


def test_a_norm_over_the_tokens_does_not_go_into_a_map_of_features() -> None:
    g = GraphBuilder()
    g.output(g.batch_norm(g.linear(g.input(4, 6), C)))
    assert labels(fuse(g.build())) == ["linear", "batch_norm"]


def test_a_norm_over_rows_does_not_go_into_a_convolution() -> None:
    g = GraphBuilder()
    x = g.conv(g.input(4, 6, 8), C, 3)
    g.output(g.batch_norm(g.reshape(x, C * 6, 8)))
    assert labels(fuse(g.build())) == ["conv", "batch_norm"]


def test_a_scale_of_a_linear_map_is_no_norm() -> None:
    lines: list[Line] = [("MatMul", "x w", "p"), ("Mul", "p scale", "y")]
    assert labels(fuse(_read(lines, WIDE))) == ["linear", "scale"]


def test_a_product_that_is_a_result_keeps_its_values() -> None:
    assert labels(fuse(_read([CONV, BN], outputs="y p"))) == ["conv", "batch_norm"]


@pytest.mark.parametrize("lines", [[CONV, BN], NOT_FOLDED["an activation between"][0]])
def test_nothing_is_left_to_fold(lines: list[Line]) -> None:
    once = fused_through(_read(lines), batch_norm.fold)
    assert fused_through(once, batch_norm.fold) == once
