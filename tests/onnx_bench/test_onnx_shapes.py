"""Every ONNX operator that is read has the shape that onnxruntime computes, and is the operator."""

from typing import Any

import numpy as np
import pytest
from onnx_models import TOKENS, WIDE, Dims, Line, X, first_result, onnx_model

from onnx_bench.onnx_import import import_onnx
from onnx_bench.onnx_replay import HANDLERS
from onnx_bench.operators import Op

WINDOW = {"kernel_shape": [2, 2]}
LSTM = {"weights": {"w": (1, 20, 6), "r": (1, 20, 5), "b": (1, 40)}}
ONE: dict[str, Dims] = {"x": (1, 3, 8, 8)}
Case = tuple[list[Line], dict[str, Dims], dict[str, Any], Op]

CASES: dict[str, Case] = {
    "Clip": ([("Clip", "x a b", "y")], X, {"literals": {"a": 0.0, "b": 1.0}}, Op.CLIP),
    "Clip below": ([("Clip", "x a", "y")], X, {"literals": {"a": 0.0}}, Op.RELU),
    "HardSigmoid": ([("HardSigmoid", "x", "y")], X, {}, Op.CLIP),
    "Mul": ([("Mul", "x a", "y")], X, {"literals": {"a": 2.0}}, Op.SCALE),
    "Mul by a vector": ([("Mul", "x a", "y")], X, {"weights": {"a": (8,)}}, Op.SCALE),
    "Add": ([("Add", "x a", "y")], X, {"literals": {"a": 2.0}}, Op.SHIFT),
    "Sub": ([("Sub", "a x", "y")], X, {"literals": {"a": 2.0}}, Op.SHIFT),
    "Div": ([("Div", "a x", "y")], X, {"literals": {"a": 2.0}}, Op.POWER),
    "Pow": ([("Pow", "x a", "y")], X, {"literals": {"a": 2.0}}, Op.POWER),
    "Max": ([("Max", "x a", "y")], X, {"literals": {"a": 0.0}}, Op.RELU),
    "Min": ([("Min", "x x", "y")], X, {}, Op.MINIMUM),
    "Add over the batch": ([("Add", "x row", "y")], {"x": (3, 3, 8), "row": (3, 8)}, {}, Op.ADD),
    "Conv of a line": (
        [("Conv", "x w", "y", {"strides": [2], "pads": [1, 0]})],
        {"x": ("batch", 3, 8)},
        {"weights": {"w": (4, 3, 3)}},
        Op.CONV,
    ),
    "Conv of a volume": (
        [("Conv", "x w", "y", {"dilations": [1, 2, 1]})],
        {"x": ("batch", 3, 5, 8, 6)},
        {"weights": {"w": (4, 3, 2, 3, 3)}},
        Op.CONV,
    ),
    "ConvTranspose": (
        [("ConvTranspose", "x w", "y", {"strides": [2, 2], "output_padding": [1, 0]})],
        X,
        {"weights": {"w": (3, 4, 3, 2)}},
        Op.CONV_TRANSPOSE,
    ),
    "Gemm with a factor": (
        [("Gemm", "x w", "y", {"alpha": 2.0})],
        WIDE,
        {"weights": {"w": (12, 5)}},
        Op.LINEAR,
    ),
    "MatMul from the left": (
        [("MatMul", "w x", "y")],
        TOKENS,
        {"weights": {"w": (7, 4)}},
        Op.MATMUL,
    ),
    "Einsum": (
        [("Einsum", "x w", "y", {"equation": "btc,cd->bdt"})],
        TOKENS,
        {"weights": {"w": (6, 5)}},
        Op.LINEAR,
    ),
    "LayerNormalization without a shift": (
        [("LayerNormalization", "x w", "y")],
        TOKENS,
        {"weights": {"w": (6,)}},
        Op.LAYER_NORM,
    ),
    "LayerNormalization of two axes": (
        [("LayerNormalization", "x w b", "y", {"axis": 1})],
        TOKENS,
        {"weights": {"w": (4, 6), "b": (4, 6)}},
        Op.LAYER_NORM,
    ),
    "InstanceNormalization": (
        [("InstanceNormalization", "x w b", "y")],
        X,
        {"weights": {"w": (3,), "b": (3,)}},
        Op.INSTANCE_NORM,
    ),
    "LpNormalization": ([("LpNormalization", "x", "y", {"axis": 2})], TOKENS, {}, Op.NORMALIZE),
    "LRN": ([("LRN", "x", "y", {"size": 3})], X, {}, Op.LOCAL_NORM),
    "PRelu": ([("PRelu", "x w", "y")], X, {"weights": {"w": (3, 1, 1)}}, Op.PRELU),
    "LSTM": ([("LSTM", "x w r b", "y", {"hidden_size": 5})], {"x": (7, 1, 6)}, LSTM, Op.LSTM),
    "GRU": (
        [("GRU", "x w r", "y", {"hidden_size": 5, "direction": "bidirectional"})],
        {"x": (7, 1, 6)},
        {"weights": {"w": (2, 15, 6), "r": (2, 15, 5)}},
        Op.GRU,
    ),
    "Attention": (
        [("Attention", "x x x", "y", {"q_num_heads": 2, "kv_num_heads": 2, "is_causal": 1})],
        TOKENS,
        {"opset": 23},
        Op.ATTENTION,
    ),
    "Softmax": ([("Softmax", "x", "y", {"axis": 1})], X, {}, Op.SOFTMAX),
    "MaxPool with gaps": (
        [("MaxPool", "x", "y", {**WINDOW, "dilations": [2, 2]})],
        X,
        {},
        Op.MAX_POOL,
    ),
    "AveragePool, last window cut": (
        [("AveragePool", "x", "y", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1})],
        X,
        {},
        Op.AVG_POOL,
    ),
    "GlobalMaxPool": ([("GlobalMaxPool", "x", "y")], X, {}, Op.GLOBAL_MAX_POOL),
    "ReduceMean of channels": (
        [("ReduceMean", "x", "y", {"axes": [1]})],
        X,
        {"opset": 13},
        Op.REDUCE_MEAN,
    ),
    "ReduceL2": (
        [("ReduceL2", "x", "y", {"axes": [-1], "keepdims": 0})],
        X,
        {"opset": 13},
        Op.REDUCE_SUM,
    ),
    "ArgMax": ([("ArgMax", "x", "z", {"axis": 1}), ("Cast", "z", "y", {"to": 1})], X, {}, Op.RANK),
    "TopK": ([("TopK", "x k", "y i")], WIDE, {"literals": {"k": [3]}}, Op.RANK),
    "CumSum": ([("CumSum", "x a", "y")], WIDE, {"literals": {"a": 1}}, Op.CUMULATE),
    "Concat with a weight": (
        [("Concat", "x w", "y", {"axis": 1})],
        {"x": (1, 4, 6)},
        {"weights": {"w": (1, 1, 6)}},
        Op.CONCAT,
    ),
    "Slice by twos": (
        [("Slice", "x s e a t", "y")],
        X,
        {"literals": {"s": [0], "e": [8], "a": [2], "t": [2]}},
        Op.SLICE,
    ),
    "Slice backwards": (
        [("Slice", "x s e a t", "y")],
        X,
        {"literals": {"s": [-1], "e": [-9], "a": [3], "t": [-1]}},
        Op.SLICE,
    ),
    "Squeeze without axes": ([("Squeeze", "x", "y")], {"x": (2, 1, 4)}, {}, Op.RESHAPE),
    "Flatten in the middle": ([("Flatten", "x", "y", {"axis": 2})], ONE, {}, Op.RESHAPE),
    "Transpose of the batch": (
        [("Transpose", "x", "y", {"perm": [1, 0, 3, 2]})],
        ONE,
        {},
        Op.TRANSPOSE,
    ),
    "Reshape over the batch": (
        [("Reshape", "x s", "y")],
        ONE,
        {"literals": {"s": [-1, 4, 4]}},
        Op.RESHAPE,
    ),
    "Gather of one": (
        [("Gather", "x i", "y", {"axis": 2})],
        X,
        {"literals": {"i": 3}},
        Op.RESHAPE,
    ),
    "Gather of some": (
        [("Gather", "x i", "y", {"axis": 2})],
        X,
        {"literals": {"i": [3, 0, 0, 5]}},
        Op.GATHER,
    ),
    "Gather from a table": (
        [("Cast", "x", "i", {"to": 7}), ("Gather", "w i", "y")],
        WIDE,
        {"weights": {"w": (9, 5)}},
        Op.EMBEDDING,
    ),
    "Expand": (
        [("Expand", "x s", "y")],
        {"x": (1, 1, 6)},
        {"literals": {"s": [1, 4, 6]}},
        Op.EXPAND,
    ),
    "Tile": ([("Tile", "x r", "y")], TOKENS, {"literals": {"r": [1, 2, 3]}}, Op.EXPAND),
    "Pad": ([("Pad", "x p", "y")], WIDE, {"literals": {"p": [0, 2, 0, 1]}}, Op.PAD),
    "Resize": (
        [("Resize", "x - f", "y")],
        X,
        {"literals": {"f": [1.0, 1.0, 2.0, 1.5]}},
        Op.RESIZE,
    ),
    "DepthToSpace": (
        [("DepthToSpace", "x", "y", {"blocksize": 2})],
        {"x": ("batch", 8, 3, 3)},
        {},
        Op.RESHAPE,
    ),
    "Where": (
        [("Greater", "x a", "m"), ("Where", "m x a", "y")],
        X,
        {"literals": {"a": 0.0}},
        Op.WHERE,
    ),
    "Trilu": ([("Trilu", "x", "y")], TOKENS, {}, Op.WHERE),
    "OneHot": (
        [("Cast", "x", "i", {"to": 7}), ("OneHot", "i d v", "y")],
        WIDE,
        {"literals": {"d": [4], "v": [0.0, 1.0]}},
        Op.GATHER,
    ),
}
"""(nodes, inputs, further arguments, the operator that they are)."""


@pytest.mark.parametrize("case", CASES)
def test_an_operator_is_read_with_the_shape_that_it_computes(case: str) -> None:
    lines, inputs, arguments, op = CASES[case]
    model = onnx_model(lines, inputs, **arguments)
    found = import_onnx(model)
    graph = found.graph
    (last,) = graph.inputs_of(len(graph) - 1)
    assert graph.nodes_of(op)
    assert found.unknown == {}
    got = first_result(model)
    rest = graph.node(last).out_shape
    # Nodes leave out a batch in front; what does not begin with it they hold whole.
    assert rest in (got.shape[1:], got.shape)
    sizes = (arguments.get("weights") or {}).values()
    assert graph.parameters == sum(int(np.prod(s)) for s in sizes)


def test_every_handler_is_registered_under_a_name_that_onnx_has() -> None:
    import onnx

    known = {schema.name for schema in onnx.defs.get_all_schemas()}
    foreign = {name for name in HANDLERS if "." not in name} - known
    # Names of other domains, of newer operator sets, and one that onnxruntime writes.
    assert foreign <= {"SimplifiedLayerNormalization", "Swish"}
