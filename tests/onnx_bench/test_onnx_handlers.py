"""Operators as other exporters write them: each of these forms is read as what it computes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import numpy_helper
from onnx_models import TOKENS, WIDE, Dims, Line, X, first_result, onnx_model

from onnx_bench.builder import GraphBuilder
from onnx_bench.graph import ComputationGraph
from onnx_bench.onnx_export import to_onnx
from onnx_bench.onnx_import import from_onnx, import_onnx
from onnx_bench.operators import Op

Step = Callable[[GraphBuilder, int], int]
FOREIGN: dict[str, tuple[list[Line], dict[str, Dims], dict[str, Any], Step]] = {
    "conv with bias and uneven pads": (
        [("Conv", "x w b", "y", {"pads": [0, 1, 2, 0], "strides": [2, 1]})],
        X,
        {"weights": {"w": (4, 3, 3, 2), "b": (4,)}},
        lambda g, x: g.conv(x, 4, (3, 2), (2, 1), (0, 1, 2, 0), bias=True),
    ),
    "conv, same size at the end": (
        [("Conv", "x w", "y", {"auto_pad": "SAME_UPPER", "strides": [2, 3]})],
        X,
        {"weights": {"w": (4, 3, 3, 4)}},
        lambda g, x: g.conv(x, 4, (3, 4), (2, 3), (0, 1, 1, 1)),
    ),
    "conv, same size at the beginning": (
        [("Conv", "x w", "y", {"auto_pad": "SAME_LOWER"})],
        X,
        {"weights": {"w": (4, 3, 2, 4)}},
        lambda g, x: g.conv(x, 4, (2, 4), 1, (1, 2, 0, 1)),
    ),
    "pools of the same size": (
        [
            ("MaxPool", "x", "p", {"kernel_shape": [2, 3], "auto_pad": "SAME_LOWER"}),
            ("AveragePool", "p", "y", {"kernel_shape": [4, 2], "auto_pad": "SAME_UPPER"}),
        ],
        X,
        {},
        lambda g, x: g.avg_pool(g.max_pool(x, (2, 3), 1, (1, 1, 0, 1)), (4, 2), 1, (1, 0, 2, 1)),
    ),
    "pool without padding": (
        [("MaxPool", "x", "y", {"kernel_shape": [2, 2], "auto_pad": "VALID"})],
        X,
        {},
        lambda g, x: g.max_pool(x, 2, 1, 0),
    ),
    "gemm of a matrix the other way": (
        [("Gemm", "x w b", "y")],
        WIDE,
        {"weights": {"w": (12, 5), "b": (1, 5)}},
        lambda g, x: g.linear(x, 5),
    ),
    "bias in front, matrix turned and renamed": (
        [
            ("Identity", "w", "same"),
            ("Transpose", "same", "turned", {"perm": [1, 0]}),
            ("MatMul", "x turned", "product"),
            ("Add", "b product", "y"),
        ],
        TOKENS,
        {"weights": {"w": (5, 6), "b": (5,)}},
        lambda g, x: g.linear(x, 5),
    ),
    "bias after a product that is read twice": (
        [("MatMul", "x w", "p"), ("Add", "p b", "s"), ("Add", "p s", "y")],
        {"x": ("batch", 6)},
        {"weights": {"w": (6, 5), "b": (5,)}},
        lambda g, x: _sum_with(g, g.linear(x, 5, bias=False), g.position),
    ),
    "table of the value's own shape after a product": (
        [("MatMul", "x w", "p"), ("Add", "p t", "y")],
        TOKENS,
        {"weights": {"w": (6, 5), "t": (4, 5)}},
        lambda g, x: g.position(g.linear(x, 5, bias=False)),
    ),
    "gate in either order": (
        [("Sigmoid", "x", "s"), ("Mul", "s x", "y")],
        X,
        {},
        lambda g, x: g.unary(Op.SILU, x),
    ),
    "gate that is read again": (
        [("Sigmoid", "x", "s"), ("Mul", "x s", "p"), ("Add", "p s", "y")],
        X,
        {},
        lambda g, x: _sum_with(g, g.sigmoid(x), lambda s: g.mul(x, s)),
    ),
    "product of three": (
        [("Mul", "x x", "p"), ("Mul", "p x", "y")],
        X,
        {},
        lambda g, x: g.mul(g.mul(x, x), x),
    ),
    "clip by constants": (
        [
            ("Constant", "", "low", {"value_float": 0.0}),
            ("Constant", "", "high", {"value": numpy_helper.from_array(np.array([6], np.float32))}),
            ("Clip", "x low high", "y"),
        ],
        X,
        {},
        lambda g, x: g.unary(Op.RELU6, x),
    ),
    "clip by attributes": (
        [("Clip", "x", "y", {"min": 0.0, "max": 6.0})],
        X,
        {"opset": 9},
        lambda g, x: g.unary(Op.RELU6, x),
    ),
    "dropout and flatten": (
        [("Dropout", "x", "d mask"), ("Flatten", "d", "y")],
        X,
        {},
        lambda g, x: g.flatten(x),
    ),
    "reshape with an open axis": (
        [("Reshape", "x s", "y")],
        X,
        {"literals": {"s": [0, -1, 0]}},
        lambda g, x: g.reshape(x, 24, 8),
    ),
    "reshape with an open batch": (
        [("Reshape", "x s", "y")],
        X,
        {"literals": {"s": [-1, 24, 8]}},
        lambda g, x: g.reshape(x, 24, 8),
    ),
    "reshape of a fixed batch": (
        [("Reshape", "x s", "y")],
        {"x": (5, 3, 8, 8)},
        {"literals": {"s": [5, -1]}},
        lambda g, x: g.flatten(x),
    ),
    "squeeze and unsqueeze": (
        [("Squeeze", "x a", "s"), ("Unsqueeze", "s b", "y")],
        {"x": ("batch", 1, 4, 1)},
        {"literals": {"a": [-1, 1], "b": [-1]}},
        lambda g, x: g.reshape(x, 4, 1),
    ),
    "squeeze by attributes": (
        [("Squeeze", "x", "y", {"axes": [1]})],
        {"x": ("batch", 1, 4, 1)},
        {"opset": 11},
        lambda g, x: g.reshape(x, 4, 1),
    ),
    "spatial mean": (
        [("ReduceMean", "x a", "y")],
        X,
        {"literals": {"a": [-1, -2]}},
        lambda g, x: g.global_avg_pool(x),
    ),
    "spatial mean as a vector": (
        [("ReduceMean", "x", "y", {"axes": [2, 3], "keepdims": 0})],
        X,
        {"opset": 13},
        lambda g, x: g.flatten(g.global_avg_pool(x)),
    ),
    "mean of the tokens": (
        [("ReduceMean", "x", "y", {"axes": [1]})],
        TOKENS,
        {"opset": 13},
        lambda g, x: g.reshape(g.mean(x), 1, 6),
    ),
    "two cuts at once": (
        [("Slice", "x s e a", "y")],
        X,
        {"literals": {"s": [1, -3], "e": [2**40, -1], "a": [1, 3]}},
        lambda g, x: g.slice(g.slice(x, 1, 2), 5, 2, axis=2),
    ),
    "cut by attributes": (
        [("Slice", "x", "y", {"starts": [2], "ends": [5], "axes": [2]})],
        X,
        {"opset": 9},
        lambda g, x: g.slice(x, 2, 3, axis=1),
    ),
    "split": (
        [("Split", "x s", "p q r", {"axis": 1}), ("Add", "p q", "t"), ("Add", "t r", "y")],
        X,
        {"literals": {"s": [1, 1, 1]}},
        lambda g, x: g.add(g.add(g.slice(x, 0, 1), g.slice(x, 1, 1)), g.slice(x, 2, 1)),
    ),
    "split in uneven parts": (
        [
            ("Split", "x", "p q", {"axis": -1, "num_outputs": 2}),
            ("Concat", "q p", "y", {"axis": 2}),
        ],
        {"x": ("batch", 4, 5)},
        {},
        lambda g, x: g.concat(g.slice(x, 3, 2, axis=1), g.slice(x, 0, 3, axis=1), axis=1),
    ),
    "softmax over the axis that is the last": (
        [("Softmax", "x", "y")],
        WIDE,
        {"opset": 11},
        lambda g, x: g.unary(Op.SOFTMAX, x),
    ),
}


def single(step: Step, *shape: int) -> ComputationGraph:
    """The network of one input and one step."""
    g = GraphBuilder()
    g.output(step(g, g.input(*shape)))
    return g.build()


def _sum_with(g: GraphBuilder, x: int, step: Callable[[int], int]) -> int:
    """A value added to something that is made of it."""
    return g.add(x, step(x))


@pytest.mark.parametrize("case", FOREIGN)
def test_known_forms_are_read(case: str) -> None:
    lines, inputs, arguments, step = FOREIGN[case]
    model = onnx_model(lines, inputs, **arguments)
    found = import_onnx(model)
    graph = found.graph
    input_shape = graph.node(0).out_shape
    assert graph == single(step, *input_shape)
    assert found.unknown == {}
    got = first_result(model)
    assert got.shape[1:] == graph.node(len(graph) - 1).out_shape
    if "weights" not in arguments:
        np.testing.assert_allclose(first_result(to_onnx(graph)), got, rtol=1e-5, atol=1e-6)


def test_a_gate_that_is_also_an_output_stays_a_node() -> None:
    lines: list[Line] = [("Sigmoid", "x", "z"), ("Mul", "x z", "y")]
    g = GraphBuilder()
    x = g.input(3, 8, 8)
    s = g.sigmoid(x)
    g.output(g.mul(x, s))
    g.output(s)
    assert from_onnx(onnx_model(lines, outputs="y z")) == g.build()
