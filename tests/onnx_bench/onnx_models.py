"""Small ONNX models written down for a test: what other exporters leave in files."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

Line = tuple[str, str, str] | tuple[str, str, str, dict[str, Any]]
"""(operator, inputs, outputs, attributes), names with spaces between; `-` is an input left out."""
Dims = Sequence[int | str | None]
X: dict[str, Dims] = {"x": ("batch", 3, 8, 8)}
WIDE: dict[str, Dims] = {"x": ("batch", 12)}
TOKENS: dict[str, Dims] = {"x": ("batch", 4, 6)}


def onnx_model(
    lines: Sequence[Line],
    inputs: Mapping[str, Dims] | None = None,
    weights: Mapping[str, tuple[int, ...]] | None = None,
    literals: Mapping[str, Any] | None = None,
    outputs: str = "y",
    opset: int = 20,
    domains: Sequence[str] = (),
) -> onnx.ModelProto:
    """A model of these nodes.

    Args:
        lines: its nodes.
        inputs: axes by name, the batch first; None is `X`, one image.
        weights: shapes of float initialisers, whose values are zeros.
        literals: values of further initialisers; integers become int64.
    """
    arrays: dict[str, npt.NDArray[Any]] = {
        name: np.zeros(shape, np.float32) for name, shape in (weights or {}).items()
    }
    for name, value in (literals or {}).items():
        array = np.asarray(value)
        arrays[name] = array.astype(np.int64 if array.dtype.kind == "i" else np.float32)
    sizes = inputs or X
    graph = helper.make_graph(
        [_node(*line) for line in lines],
        "small",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, dims) for n, dims in sizes.items()],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs.split()],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    versions = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=versions, ir_version=10)


def _node(
    operator: str, inputs: str, outputs: str, attributes: dict[str, Any] | None = None
) -> onnx.NodeProto:
    names = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(operator, names, outputs.split(), **(attributes or {}))


def first_result(model: onnx.ModelProto) -> npt.NDArray[np.float32]:
    """The first output in onnxruntime, for random inputs in a batch of 5."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    rng, feeds = np.random.default_rng(0), {}
    for value in session.get_inputs():
        size = [5 if isinstance(d, str) else d for d in value.shape]
        feeds[value.name] = 4 * rng.standard_normal(size, np.float32)
    result: npt.NDArray[np.float32] = session.run(None, feeds)[0]
    return result
