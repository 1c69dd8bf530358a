"""What the vocabulary lacks is counted as unknown, with its shape, and the rest goes on."""

from typing import Any

import numpy as np
import pytest
from onnx_models import TOKENS, WIDE, Dims, Line, X, first_result, onnx_model

from onnx_bench.builder import GraphBuilder
from onnx_bench.errors import ModelFileError
from onnx_bench.graph import Shape
from onnx_bench.onnx_import import from_onnx, import_onnx
from onnx_bench.operators import Op

UNKNOWN: dict[str, tuple[list[Line], dict[str, Dims], dict[str, Any], Shape]] = {
    "LeakyRelu": ([("LeakyRelu", "x", "y")], X, {}, (3, 8, 8)),
    "Clip": ([("Clip", "x a b", "y")], X, {"literals": {"a": 0.0, "b": 1.0}}, (3, 8, 8)),
    "HardSigmoid": ([("HardSigmoid", "x", "y")], X, {}, (3, 8, 8)),
    "Mul": ([("Mul", "x a", "y")], X, {"literals": {"a": 2.0}}, (3, 8, 8)),
    "Mul by zeros of a shape": ([("Mul", "x a", "y")], X, {"weights": {"a": (8,)}}, (3, 8, 8)),
    "Add": ([("Add", "x a", "y")], X, {"literals": {"a": 2.0}}, (3, 8, 8)),
    "Add over the batch": (
        [("Add", "x row", "y")],
        {"x": (3, 3, 8), "row": (3, 8)},
        {},
        (3, 8),
    ),
    "Conv": (
        [("Conv", "x w", "y")],
        {"x": ("batch", 3, 8)},
        {"weights": {"w": (4, 3, 3)}},
        (4, 6),
    ),
    "Gemm": (
        [("Gemm", "x w", "y", {"alpha": 2.0})],
        WIDE,
        {"weights": {"w": (12, 5)}},
        (5,),
    ),
    "MatMul": ([("MatMul", "w x", "y")], TOKENS, {"weights": {"w": (7, 4)}}, (7, 6)),
    "LayerNormalization": (
        [("LayerNormalization", "x w", "y")],
        TOKENS,
        {"weights": {"w": (6,)}},
        (4, 6),
    ),
    "LayerNormalization of two axes": (
        [("LayerNormalization", "x w b", "y", {"axis": 1})],
        TOKENS,
        {"weights": {"w": (4, 6), "b": (4, 6)}},
        (4, 6),
    ),
    "Attention": (
        [("Attention", "x x x", "y", {"q_num_heads": 2, "kv_num_heads": 2, "is_causal": 1})],
        TOKENS,
        {"opset": 23},
        (4, 6),
    ),
    "Softmax": ([("Softmax", "x", "y", {"axis": 1})], X, {}, (3, 8, 8)),
    "MaxPool": (
        [("MaxPool", "x", "y", {"kernel_shape": [2, 2], "dilations": [2, 2]})],
        X,
        {},
        (3, 6, 6),
    ),
    "Concat": (
        [("Concat", "x w", "y", {"axis": 1})],
        {"x": (1, 4, 6)},
        {"weights": {"w": (1, 1, 6)}},
        (5, 6),
    ),
    "ReduceMean": ([("ReduceMean", "x", "y", {"axes": [1]})], X, {"opset": 13}, (1, 8, 8)),
    "Slice": (
        [("Slice", "x s e a t", "y")],
        X,
        {"literals": {"s": [0], "e": [8], "a": [2], "t": [2]}},
        (3, 4, 8),
    ),
    "Squeeze": ([("Squeeze", "x", "y")], {"x": (2, 1, 4)}, {}, (4,)),
    "Flatten": ([("Flatten", "x", "y", {"axis": 2})], X, {}, (3, 64)),
    "Transpose": ([("Transpose", "x", "y", {"perm": [1, 0, 2, 3]})], X, {}, (3, 1, 8, 8)),
    "Reshape": ([("Reshape", "x s", "y")], X, {"literals": {"s": [-1, 4, 4]}}, (12, 4, 4)),
}
"""What each leaves open: (nodes, inputs, further arguments, shape of the unknown node)."""


@pytest.mark.parametrize("case", UNKNOWN)
def test_other_forms_are_counted_as_unknown(case: str) -> None:
    lines, inputs, arguments, shape = UNKNOWN[case]
    model = onnx_model([*lines, ("Relu", "y", "z")], inputs, outputs="z", **arguments)
    found = import_onnx(model)
    (unknown,) = found.graph.nodes_of(Op.UNKNOWN)[:1]
    assert found.graph.node(unknown).out_shape == shape
    assert found.unknown[case.partition(" ")[0]] == 1
    assert found.coverage < 1
    assert found.graph.parameters == 0
    assert np.isfinite(first_result(model)).all()  # the model itself is a valid one


def test_known_operators_go_on_behind_an_unknown_one() -> None:
    model = onnx_model(
        [("LeakyRelu", "x", "l"), ("Conv", "l w", "c"), ("LeakyRelu", "c", "y")],
        weights={"w": (4, 3, 3, 3)},
    )
    found = import_onnx(model)
    g = GraphBuilder()
    x = g.unknown((3, 8, 8), g.input(3, 8, 8))
    g.output(g.unknown((4, 6, 6), g.conv(x, 4, 3, padding=0)))
    assert found.graph == g.build()
    assert found.unknown == {"LeakyRelu": 2}
    assert found.coverage == pytest.approx(1 / 3)


def test_arithmetic_on_shapes_is_unknown_and_what_it_shapes_is_not_lost() -> None:
    lines: list[Line] = [
        ("Shape", "x", "size"),
        ("Gather", "size zero", "batch", {"axis": 0}),
        ("Unsqueeze", "batch first", "one"),
        ("Concat", "one rest", "target", {"axis": 0}),
        ("Reshape", "x target", "flat"),
        ("Gemm", "flat w", "y"),
    ]
    literals = {"zero": 0, "first": [0], "rest": [-1]}
    found = import_onnx(onnx_model(lines, weights={"w": (192, 10)}, literals=literals))
    assert found.graph.parameters == 1920
    assert found.graph.node(len(found.graph) - 1).out_shape == (10,)
    expected = ("Shape", "Gather", "Unsqueeze", "Concat", "Reshape")
    assert found.unknown == dict.fromkeys(expected, 1)


def test_a_list_of_sizes_has_no_batch() -> None:
    lines: list[Line] = [("Shape", "x", "s"), ("Cast", "s", "y", {"to": 1})]
    graph = import_onnx(onnx_model(lines, {"x": (4, 3, 8, 8)})).graph
    assert graph.node(1).out_shape == (4,)


def test_an_operator_whose_further_outputs_are_read_is_unknown() -> None:
    window = {"kernel_shape": [2, 2]}
    lines: list[Line] = [("MaxPool", "x", "y i", window), ("Cast", "i", "z", {"to": 1})]
    found = import_onnx(onnx_model(lines, outputs="y z"))
    assert found.unknown == {"MaxPool": 1, "Cast": 1}
    shapes = [found.graph.node(i).out_shape for i in found.graph.nodes_of(Op.UNKNOWN)]
    assert shapes == [(3, 7, 7)] * 3


def test_windows_of_images_are_unknown_until_the_batch_is_back() -> None:
    lines: list[Line] = [
        ("Reshape", "x windows", "w"),
        ("Relu", "w", "r"),
        ("Reshape", "r images", "i"),
        ("Relu", "i", "y"),
    ]
    literals = {"windows": [-1, 4, 8], "images": [-1, 3, 8, 8]}
    found = import_onnx(onnx_model(lines, literals=literals))
    shapes = [found.graph.node(i).out_shape for i in range(len(found.graph))]
    assert shapes == [(3, 8, 8), (6, 4, 8), (6, 4, 8), (3, 8, 8), (3, 8, 8), (3, 8, 8)]
    assert found.unknown == {"Reshape": 2, "Relu": 1}


def test_every_read_output_of_an_unknown_operator_is_a_node() -> None:
    lines: list[Line] = [("TopK", "x k", "v i"), ("Relu", "v", "y"), ("Cast", "i", "z", {"to": 1})]
    found = import_onnx(onnx_model(lines, WIDE, literals={"k": [3]}, outputs="y z"))
    shapes = [found.graph.node(i).out_shape for i in found.graph.nodes_of(Op.UNKNOWN)]
    assert shapes == [(3,)] * 3
    assert found.unknown == {"TopK": 1, "Cast": 1}


def test_an_unknown_operator_without_a_shape_is_an_error_that_names_it() -> None:
    lines: list[Line] = [("Magic", "x", "y", {"domain": "wizards"})]
    with pytest.raises(ModelFileError, match=r"^model 'small': node 0 \(Magic\).*output 'y'"):
        from_onnx(onnx_model(lines, domains=["wizards"]))


def test_a_node_that_cannot_be_is_an_error_that_says_why() -> None:
    lines: list[Line] = [("Concat", "x z", "y", {"axis": 1})]
    inputs: dict[str, Dims] = {"x": ("batch", 3, 8, 8), "z": ("batch", 3, 8, 9)}
    with pytest.raises(ModelFileError, match=r"node 0 \(Concat\).*shapes .* differ outside axis 0"):
        from_onnx(onnx_model(lines, inputs))


def test_weights_that_do_not_fit_are_not_counted_as_a_convolution() -> None:
    found = import_onnx(onnx_model([("Conv", "x w", "y")], weights={"w": (4, 2, 3, 3)}))
    assert found.unknown == {"Conv": 1}
    assert found.graph.parameters == 0


def test_a_weight_that_cannot_be_turned_is_an_error() -> None:
    lines: list[Line] = [("Transpose", "w", "t", {"perm": [3, 0]}), ("MatMul", "x t", "y")]
    with pytest.raises(ModelFileError, match=r"\(Transpose\): \(3, 0\) does not permute 2 axes"):
        from_onnx(onnx_model(lines, WIDE, weights={"w": (12, 5)}))
