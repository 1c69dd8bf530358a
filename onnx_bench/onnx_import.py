"""From an ONNX model to a computation graph, by replaying its nodes through the builder.

Shapes come from our own rules. What the vocabulary lacks becomes an UNKNOWN node with the shape
that ONNX infers, and is counted. Weights are never read, only their shapes.
"""

from collections import Counter
from contextlib import suppress
from functools import cached_property
from math import prod
from pathlib import Path
from typing import NamedTuple

import onnx
from onnx import TensorProto, TypeProto, helper, shape_inference

from onnx_bench.errors import GraphError
from onnx_bench.graph import ComputationGraph, Shape
from onnx_bench.onnx_model import MAX_VALUES, Call, Constant, Model, read_model, refusal
from onnx_bench.onnx_moves import HANDLERS
from onnx_bench.onnx_replay import SEVERAL_OUTPUTS, Replay, UncoveredError


class OnnxImport(NamedTuple):
    """What an import gave: the network, and the ONNX operators that it could only count."""

    graph: ComputationGraph
    unknown: dict[str, int]

    @property
    def coverage(self) -> float:
        """Share of the graph's operators that are in the vocabulary, 0 to 1."""
        return self.graph.coverage


def from_onnx(source: Path | str | onnx.ModelProto) -> ComputationGraph:
    """The network of an ONNX model; see `import_onnx`."""
    return import_onnx(source).graph


def import_onnx(source: Path | str | onnx.ModelProto) -> OnnxImport:
    """The network of an ONNX model, and what of it is outside the vocabulary.

    The first axis of every input is the batch, open or of any size, and is dropped. A model that
    `to_onnx` wrote comes back as an equal graph.

    Args:
        source: a file's path, or a model. Weights may lie in other files, which need not exist.

    Raises:
        ModelFileError: the file is no ONNX model or holds no network, an input has an open axis
            besides the batch, or an unknown operator's output has no known shape. One line, that
            begins with the file's path.
    """
    model = read_model(source)
    try:
        return _Importer(model).run()
    except (GraphError, ValueError) as error:
        raise refusal(model.label, error) from None


class _Importer:
    """One import: walks the calls, asks the table of handlers, fills in unknown ones."""

    def __init__(self, model: Model) -> None:
        self._model, self._net = model, Replay(model)
        self._unknown: Counter[str] = Counter()

    def run(self) -> OnnxImport:
        net, graph = self._net, self._model.proto.graph
        if not self._model.inputs:
            raise ValueError("the model has no inputs besides its weights")
        for value in self._model.inputs:
            net.nodes[value.name] = net.g.input(*_input_shape(value))
        for call in self._model.calls:
            self._replay(call)
        for result in graph.output:
            if result.name not in net.nodes:
                raise ValueError(f"output {result.name!r} is not computed from the inputs")
            net.g.output(net.nodes[result.name])
        return OnnxImport(net.g.build(graph.name), dict(self._unknown))

    def _replay(self, call: Call) -> None:
        net = self._net
        if call.outputs[0] in net.nodes:
            return  # an earlier call took this one along
        if self._fold(call):
            return
        try:
            results = self._handled(call)
        except (UncoveredError, GraphError, ValueError) as reason:
            self._place_unknown(call, reason)
            return
        net.nodes |= {call.outputs[0]: results} if isinstance(results, int) else results

    def _handled(self, call: Call) -> int | dict[str, int]:
        further = any(self._model.is_read(name) for name in call.outputs[1:] if name)
        several = further and call.operator not in SEVERAL_OUTPUTS
        if call.operator not in HANDLERS or several or self._net.whole.intersection(call.inputs):
            raise UncoveredError
        return HANDLERS[call.operator](self._net, call)

    def _fold(self, call: Call) -> bool:
        """Keeps a weight that passes through an operator which only renames or turns it."""
        constants = self._net.constants
        weight = constants.get(call.inputs[0]) if call.inputs else None
        if weight is None or call.operator not in ("Identity", "Transpose"):
            return False
        if call.operator == "Transpose":
            forwards = range(len(weight.shape))
            axes = call.integers("perm") or tuple(reversed(forwards))
            if sorted(axes) != [*forwards]:
                raise ValueError(f"{call.label}: {axes} does not permute {len(forwards)} axes")
            weight = Constant(tuple(weight.shape[axis] for axis in axes))
        constants[call.outputs[0]] = weight
        return True

    def _place_unknown(self, call: Call, reason: Exception) -> None:
        net = self._net
        self._unknown[call.operator] += 1
        inputs = [net.nodes[name] for name in call.inputs if name in net.nodes]
        outputs = [name for name in call.outputs if name and self._model.is_read(name)]
        for name in outputs or call.outputs[:1]:
            shape = self._inferred.get(name)
            if shape is None:
                why = str(reason) or "outside the vocabulary"
                raise ValueError(
                    f"{call.label} is not understood ({why}), and ONNX infers no fixed shape for "
                    f"its output {name!r}; export the model with fixed shapes"
                )
            if inputs and call.operator not in ("Shape", "Size") and self._is_batched(shape):
                shape = shape[1:]
            else:
                net.whole.add(name)
            net.nodes[name] = net.g.unknown(shape, *inputs)

    def _is_batched(self, shape: Shape) -> bool:
        return bool(shape) and shape[0] == (self._model.batch or 1)

    @cached_property
    def _inferred(self) -> dict[str, Shape]:
        """Shapes by ONNX's own rules, all axes; an open batch counts as one."""
        skeleton = _skeleton(self._model)
        # Where inference fails, what the file itself says of shapes is left.
        with suppress(shape_inference.InferenceError, ValueError, RuntimeError):
            skeleton = shape_inference.infer_shapes(skeleton, data_prop=True)
        graph = skeleton.graph
        known = ((v.name, _fixed(v.type)) for v in (*graph.value_info, *graph.output))
        return {name: shape for name, shape in known if shape is not None}


def _input_shape(value: onnx.ValueInfoProto) -> Shape:
    """An input's shape without the batch."""
    dims = value.type.tensor_type.shape.dim
    for axis, dim in enumerate(dims):
        if axis and dim.dim_value < 1:
            raise ValueError(
                f"input {value.name!r} has no fixed size in axis {axis} ({dim.dim_param or '?'}); "
                "export the model with fixed sizes, only the batch may be open"
            )
    return tuple(dim.dim_value for dim in dims[1:])


def _skeleton(model: Model) -> onnx.ModelProto:
    """A copy whose large weights are inputs, and whose open batch is bound to 1."""
    source = model.proto.graph
    copy = onnx.ModelProto(
        ir_version=model.proto.ir_version,
        opset_import=model.proto.opset_import,
        functions=model.proto.functions,
    )
    graph = copy.graph
    graph.name = source.name
    graph.node.extend(source.node)
    graph.input.extend(source.input)
    graph.output.extend(source.output)
    graph.value_info.extend(source.value_info)
    declared = {value.name for value in source.input}
    for tensor in source.initializer:
        if prod(tensor.dims) <= MAX_VALUES and tensor.data_location != TensorProto.EXTERNAL:
            graph.initializer.append(tensor)
        elif tensor.name not in declared:
            info = helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            graph.input.append(info)
    _bind(graph, {value.name for value in model.inputs})
    return copy


def _bind(graph: onnx.GraphProto, inputs: set[str]) -> None:
    """Gives the open first axis of the inputs the size 1, wherever its name stands."""
    symbols = set()
    for value in graph.input:
        dims = value.type.tensor_type.shape.dim
        if value.name in inputs and dims[0].dim_value < 1:
            symbols.add(dims[0].dim_param)
            dims[0].dim_value = 1
    for value in (*graph.value_info, *graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param and dim.dim_param in symbols:
                dim.dim_value = 1


def _fixed(kind: TypeProto) -> Shape | None:
    """All axes of a tensor; None where one is open or nothing is known."""
    tensor = kind.tensor_type
    if not tensor.HasField("shape") or any(dim.dim_value < 1 for dim in tensor.shape.dim):
        return None
    return tuple(dim.dim_value for dim in tensor.shape.dim)
