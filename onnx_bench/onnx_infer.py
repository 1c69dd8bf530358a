"""Shapes of what operators outside the vocabulary give, by the file's word or by ONNX's rule."""

from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property

import onnx
from onnx import TensorProto, TypeProto, helper, shape_inference

from onnx_bench.graph import Shape
from onnx_bench.onnx_model import Call
from onnx_bench.trace import Value


class Shapes:
    """What can be known of the shapes of a model's values without running it.

    Args:
        symbols: the sizes of open axes by their names.
    """

    def __init__(self, model: onnx.ModelProto, symbols: Mapping[str, int]) -> None:
        self._model, self._symbols = model, symbols

    def of(self, call: Call, values: Mapping[str, Value]) -> dict[str, Shape]:
        """The fixed shapes of the results of a call on these values, by name."""
        kinds = {**self._inferred(call, values), **self._noted}
        shapes = {name: self._fixed(kinds[name]) for name in call.outputs if name in kinds}
        return {name: shape for name, shape in shapes.items() if shape is not None}

    @cached_property
    def _noted(self) -> dict[str, TypeProto]:
        """What the file itself says."""
        graph = self._model.graph
        values = (*graph.value_info, *graph.output)
        return {v.name: v.type for v in values if v.type.tensor_type.HasField("shape")}

    def _inferred(self, call: Call, values: Mapping[str, Value]) -> Mapping[str, TypeProto]:
        """What ONNX's rule says, where it has one.

        The rule is asked of this node alone, with the type of every input: given less, rules of
        ONNX have been seen to crash the process. Nodes with subgraphs are not asked.
        """
        given = [name for name in call.inputs if name]
        graphs = any(a.HasField("g") or a.graphs for a in call.proto.attribute)
        if graphs or any(name not in values for name in given):
            return {}
        versions = {o.domain: o.version for o in self._model.opset_import}
        domain = call.proto.domain
        with suppress(Exception):  # no such operator, or inputs that its rule refuses in its way
            schema = onnx.defs.get_schema(call.proto.op_type, versions[domain], domain)
            return shape_inference.infer_node_outputs(
                schema,
                call.proto,
                {name: _type(values[name]) for name in given},
                opset_imports=[*self._model.opset_import],
            )
        return {}

    def _fixed(self, kind: TypeProto) -> Shape | None:
        """All axes of a tensor; None where one is open or nothing is known."""
        tensor = kind.tensor_type
        if not tensor.HasField("shape"):
            return None
        dims = tensor.shape.dim
        shape = tuple(dim.dim_value or self._symbols.get(dim.dim_param, 0) for dim in dims)
        return None if min(shape, default=1) < 1 else shape


def _type(value: Value) -> TypeProto:
    """A tensor's shape with its type; what is computed counts as real numbers."""
    kind = TensorProto.FLOAT
    if value.data is not None:
        with suppress(KeyError, ValueError):
            kind = helper.np_dtype_to_tensor_dtype(value.data.dtype)
    return helper.make_tensor_type_proto(kind, value.shape)
