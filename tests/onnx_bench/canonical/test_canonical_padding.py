"""Zeros in front of a convolution are its padding; other padding stays a node."""

from typing import Any

import numpy as np
import pytest
from onnx_models import Line, X, first_result, onnx_model

from onnx_bench.builder import GraphBuilder
from onnx_bench.canonical import fuse
from onnx_bench.onnx_export import to_onnx
from onnx_bench.onnx_import import from_onnx
from onnx_bench.operators import Op

WEIGHTS = {"w": (4, 3, 3, 3)}


def padded(pads: list[int], mode: str = "constant", value: float | None = None) -> Any:
    literals: dict[str, Any] = {"p": pads}
    if value is not None:
        literals["v"] = value
    inputs = "x p" if value is None else "x p v"
    lines: list[Line] = [
        ("Pad", inputs, "q", {"mode": mode}),
        ("Conv", "q w", "y", {"strides": [2, 2], "pads": [1, 0, 0, 0]}),
    ]
    return onnx_model(lines, X, WEIGHTS, literals)


def test_zeros_before_a_convolution_are_its_padding() -> None:
    graph = from_onnx(padded([0, 0, 0, 1, 0, 0, 1, 1], value=0.0))
    (pad,) = graph.nodes_of(Op.PAD)
    assert graph.node(pad).padding == (0, 1, 1, 1)
    lines: list[Line] = [("Conv", "x w", "y", {"strides": [2, 2], "pads": [1, 1, 1, 1]})]
    assert fuse(graph) == fuse(from_onnx(onnx_model(lines, X, WEIGHTS)))
    assert fuse(fuse(graph)) == fuse(graph)


@pytest.mark.parametrize(
    "model",
    [
        padded([0, 0, 1, 1, 0, 0, 1, 1], mode="reflect"),
        padded([0, 0, 1, 1, 0, 0, 1, 1], value=1.0),
    ],
)
def test_other_values_stay(model: Any) -> None:
    assert len(fuse(from_onnx(model)).nodes_of(Op.PAD)) == 1


def test_zeros_that_are_read_twice_or_by_a_pool_stay() -> None:
    pads = {"literals": {"p": [0, 0, 1, 1, 0, 0, 1, 1]}}
    pool: list[Line] = [("Pad", "x p", "q"), ("MaxPool", "q", "y", {"kernel_shape": [3, 3]})]
    twice: list[Line] = [("Pad", "x p", "q"), ("Conv", "q w", "c"), ("Relu", "q", "z")]
    for model in (
        onnx_model(pool, X, **pads),
        onnx_model(twice, X, WEIGHTS, outputs="c z", **pads),
    ):
        assert len(fuse(from_onnx(model)).nodes_of(Op.PAD)) == 1


def test_channels_that_are_added_stay() -> None:
    lines: list[Line] = [("Pad", "x p", "q"), ("Conv", "q w", "y")]
    literals = {"p": [0, 0, 1, 1, 0, 1, 1, 1]}
    graph = from_onnx(onnx_model(lines, X, {"w": (4, 4, 3, 3)}, literals))
    assert len(fuse(graph).nodes_of(Op.PAD)) == 1


def test_a_padded_graph_runs_as_it_did() -> None:
    model = padded([0, 0, 0, 1, 0, 0, 1, 1])
    rng = np.random.default_rng(0)
    kernel = rng.standard_normal((4, 3, 3, 3)).astype(np.float32)
    (tensor,) = [t for t in model.graph.initializer if t.name == "w"]
    tensor.raw_data = kernel.tobytes()
    again = to_onnx(from_onnx(model), weights={"n2.weight": kernel})
    np.testing.assert_allclose(first_result(again), first_result(model), rtol=1e-5, atol=1e-6)


def test_padding_on_each_side_comes_back_from_our_own_export() -> None:
    graph = from_onnx(padded([0, 0, 0, 1, 0, 0, 2, 1]))
    assert from_onnx(to_onnx(graph)) == graph
    g = GraphBuilder()
    g.output(g.pad(g.input(3, 4, 4), 3, 6, 5))
    assert from_onnx(to_onnx(g.build())) == g.build()
