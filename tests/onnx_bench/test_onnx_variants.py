"""One network in every form that files have: operator sets, number types, eight bits, functions."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_models import Dims, Line, onnx_model

from onnx_bench.canonical import fuse
from onnx_bench.cost import cost
from onnx_bench.errors import ModelFileError
from onnx_bench.graph import ComputationGraph
from onnx_bench.onnx_import import from_onnx, import_onnx
from onnx_bench.operators import Op

NEWEST = onnx.defs.onnx_opset_version()
INPUT: dict[str, Dims] = {"x": ("batch", 3, 8, 8)}
WEIGHTS = {
    "w": (4, 3, 3, 3),
    **dict.fromkeys(("scale", "shift", "mean", "var"), (4,)),
    "m": (32, 5),
    "n": (5,),
}


def network(opset: int, **arguments: Any) -> onnx.ModelProto:
    """Convolution, normalisation, clip, padding, pooling, cut, softmax, as this opset has them."""
    literals: dict[str, Any] = {}

    def setting(name: str, values: Any, since: int) -> tuple[str, dict[str, Any]]:
        """An attribute in old operator sets, an input in new ones."""
        if opset < since:
            return "", {name: values}
        literals[name] = values
        return f" {name}", {}

    pads = [0, 0, 1, 1, 0, 0, 1, 1]
    padded, pad = setting("pads", pads, 11)
    cut, cuts = "", {"starts": [0], "ends": [2], "axes": [2]}
    if opset >= 10:
        literals |= cuts
        cut, cuts = " starts ends axes", {}
    squeezed, squeeze = setting("s_axes", [2], 13)
    opened, unsqueeze = setting("u_axes", [2], 13)
    reduced, reduce = setting("r_axes", [3], 18)
    low = {"min": 0.0, "max": 6.0} if opset < 11 else {}
    if opset >= 11:
        literals |= {"low": 0.0, "high": 6.0}
    axes = {"axes": [2]}
    lines: list[Line] = [
        ("Conv", "x w", "c", {"pads": [1, 1, 1, 1]}),
        ("BatchNormalization", "c scale shift mean var", "b"),
        ("Clip", "b" + ("" if low else " low high"), "r", low),
        ("Pad", f"r{padded}", "p", {"pads": pads} if pad else {}),
        ("MaxPool", "p", "q", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Slice", f"q{cut}", "k", cuts),
        ("ReduceMean", f"k{reduced}", "a", {"axes": [3], "keepdims": 1} if reduce else {}),
        ("Unsqueeze", f"a{opened}", "u", axes if unsqueeze else {}),
        ("Squeeze", f"u{squeezed}", "v", axes if squeeze else {}),
        ("Dropout", "v", "d"),
        ("Flatten", "d", "f"),
        ("Gemm", "f mm n", "g"),
        ("Softmax", "g", "y"),
    ]
    shapes = {**WEIGHTS, "mm": (8, 5)}
    del shapes["m"]
    model = onnx_model(lines, INPUT, shapes, literals, opset=opset, **arguments)
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 5]))
    return model


def of_newest() -> ComputationGraph:
    return from_onnx(network(NEWEST))


@pytest.mark.parametrize("opset", range(7, NEWEST + 1))
def test_every_operator_set_gives_one_graph(opset: int) -> None:
    model = network(opset)
    onnx.checker.check_model(model)  # as the operator set wants it
    found = import_onnx(model)
    assert found.unknown == {}
    assert found.graph == of_newest()


@pytest.mark.parametrize("version", [3, 4, 6, 8, 10, 13])
def test_old_and_new_files_list_weights_as_inputs_or_not(version: int) -> None:
    model = network(11)
    model.ir_version = version
    if version == 3:
        for tensor in model.graph.initializer:
            info = helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            model.graph.input.append(info)
    assert from_onnx(model) == of_newest()


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE])
def test_number_types_are_no_part_of_a_network(kind: int) -> None:
    model = network(NEWEST)
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            array = numpy_helper.to_array(tensor)
            flat = array.reshape(-1).tolist()
            tensor.CopyFrom(helper.make_tensor(tensor.name, kind, array.shape, flat))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = kind
    assert from_onnx(model) == of_newest()


def test_casts_between_number_types_are_no_nodes() -> None:
    lines: list[Line] = [
        ("Cast", "x", "h", {"to": TensorProto.FLOAT16}),
        ("Relu", "h", "r"),
        ("Cast", "r", "y", {"to": TensorProto.FLOAT}),
    ]
    assert from_onnx(onnx_model(lines, INPUT)) == from_onnx(onnx_model([("Relu", "x", "y")], INPUT))


def test_weights_that_are_missing_are_inputs_behind_the_others() -> None:
    """What an export without parameters looks like: shapes are all that it says of weights."""
    model = network(NEWEST)
    kept = []
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and tensor.dims:
            info = helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            model.graph.input.append(info)
        else:
            kept.append(tensor)
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    assert from_onnx(model) == of_newest()
    model.graph.input[1].type.tensor_type.shape.dim[0].dim_param = "open"
    with pytest.raises(ModelFileError, match="weight 'w' has no fixed shape"):
        from_onnx(model)


def test_a_model_of_two_tensors_has_no_weights() -> None:
    inputs: dict[str, Dims] = {"x": ("batch", 4, 6), "z": ("batch", 6, 3)}
    graph = from_onnx(onnx_model([("MatMul", "x z", "y")], inputs))
    assert len(graph.nodes_of(Op.INPUT)) == 2
    assert graph.parameters == 0


# quantised


def quantised(inside: bool) -> onnx.ModelProto:
    """Convolution and linear map in eight bits: between markers, or with their own operators."""
    scale = {"s": 0.1, "z": np.uint8(3)}
    if inside:
        lines: list[Line] = [
            ("QuantizeLinear", "x s z", "xq"),
            ("QLinearConv", "xq s z w8 s z s z b32", "c"),
            ("DequantizeLinear", "c s z", "d"),
            ("Flatten", "d", "f"),
            ("QuantizeLinear", "f s z", "fq"),
            ("QLinearMatMul", "fq s z m8 s z s z", "m"),
            ("DequantizeLinear", "m s z", "y"),
        ]
    else:
        lines = [
            ("QuantizeLinear", "x s z", "xq"),
            ("DequantizeLinear", "xq s z", "xd"),
            ("DequantizeLinear", "w8 s z", "w"),
            ("Conv", "xd w bias", "c"),
            ("QuantizeLinear", "c s z", "cq"),
            ("DequantizeLinear", "cq s z", "d"),
            ("Flatten", "d", "f"),
            ("DequantizeLinear", "m8 s z", "m"),
            ("MatMul", "f m", "y"),
        ]
    model = onnx_model(lines, INPUT, {"bias": (4,)})
    for name, array in (
        ("s", np.float32(scale["s"])),
        ("z", scale["z"]),
        ("w8", np.zeros((4, 3, 3, 3), np.uint8)),
        ("m8", np.zeros((144, 5), np.uint8)),
        ("b32", np.zeros(4, np.int32)),
    ):
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
    return model


@pytest.mark.parametrize("inside", [True, False])
def test_a_quantised_network_is_the_network(inside: bool) -> None:
    lines: list[Line] = [("Conv", "x w b", "c"), ("Flatten", "c", "f"), ("MatMul", "f m", "y")]
    weights = {"w": (4, 3, 3, 3), "b": (4,), "m": (144, 5)}
    plain = from_onnx(onnx_model(lines, INPUT, weights))
    found = import_onnx(quantised(inside))
    assert found.unknown == {}
    assert fuse(found.graph) == fuse(plain)
    assert cost(found.graph).macs == cost(plain).macs


# functions


def test_functions_are_read_as_what_they_hold() -> None:
    block = helper.make_function(
        "blocks",
        "Block",
        ["a", "k"],
        ["r"],
        [helper.make_node("MatMul", ["a", "k"], ["p"]), helper.make_node("Relu", ["p"], ["r"])],
        [helper.make_opsetid("", 20)],
    )
    lines: list[Line] = [
        ("Block", "x w", "z", {"domain": "blocks"}),
        ("Block", "z v", "y", {"domain": "blocks"}),
    ]
    inputs: dict[str, Dims] = {"x": ("batch", 6)}
    weights = {"w": (6, 4), "v": (4, 3)}
    model = onnx_model(lines, inputs, weights, domains=["blocks"])
    model.functions.append(block)
    flat: list[Line] = [
        ("MatMul", "x w", "p"),
        ("Relu", "p", "z"),
        ("MatMul", "z v", "q"),
        ("Relu", "q", "y"),
    ]
    assert from_onnx(model) == from_onnx(onnx_model(flat, inputs, weights))


# a batch that is not one


@pytest.mark.parametrize("batch", [1, 2, 5, None])
def test_any_batch_is_one_network(batch: int | None) -> None:
    model = network(NEWEST)
    dim = model.graph.input[0].type.tensor_type.shape.dim[0]
    dim.Clear()
    if batch:
        dim.dim_value = batch
    assert from_onnx(model) == of_newest()


def test_names_that_would_drive_a_terminal_are_harmless(tmp_path: Path) -> None:
    lines: list[Line] = [("Magic", "x", "y", {"domain": "evil\x1b[2J\n"})]
    model = onnx_model(lines, INPUT)
    model.graph.node[0].name = "\x1b]0;owned\x07\nerror: nothing"
    path = tmp_path / "x.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(Exception, match="not understood") as caught:
        from_onnx(path)
    assert str(caught.value).isprintable()
    model.graph.value_info.append(helper.make_tensor_value_info("y", 1, [1, 3, 8, 8]))
    assert all(name.isprintable() for name in import_onnx(model).unknown)
    model.graph.name = "line\nbreak\x1b[31m"
    assert import_onnx(model).graph.name.isprintable()
