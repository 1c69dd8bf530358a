"""Reading an ONNX file: what is no model is refused, what is one comes as calls in order."""

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, NodeProto, TensorProto, numpy_helper

from onnx_bench.errors import ModelFileError
from onnx_bench.graph import Shape
from onnx_bench.onnx_file import (
    check_proto,
    inline_functions,
    printable,
    read_proto,
    subgraphs_of,
)
from onnx_bench.onnx_wire import MAX_VALUES
from onnx_bench.onnx_writers import ORIGIN
from onnx_bench.trace import Data, Value, Weight, constant


@dataclass(frozen=True)
class Call:
    """One ONNX node: an operator applied to named values."""

    operator: str
    """Its name, with the domain in front where that is not ONNX's own."""
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, AttributeProto]
    origin: str
    """The graph node that our exporter wrote it for; empty in models of others."""
    label: str
    """What messages call it."""
    proto: NodeProto
    captured: list[str] = field(default_factory=list)
    """Values that its subgraphs read from around them."""

    def has(self, name: str) -> bool:
        return name in self.attributes

    def integer(self, name: str, default: int) -> int:
        return int(self.attributes[name].i) if self.has(name) else default

    def number(self, name: str, default: float) -> float:
        return float(self.attributes[name].f) if self.has(name) else default

    def text(self, name: str, default: str) -> str:
        return self.attributes[name].s.decode() if self.has(name) else default

    def integers(self, name: str, default: Shape = ()) -> Shape:
        return tuple(self.attributes[name].ints) if self.has(name) else default


@dataclass
class Model:
    """A readable model. `calls` are in topological order, without the nodes that are constants."""

    proto: onnx.ModelProto
    label: str
    """What messages begin with: the file's path."""
    calls: list[Call]
    constants: dict[str, Value]

    @property
    def inputs(self) -> list[onnx.ValueInfoProto]:
        """The inputs that are not weights (old files list both)."""
        return [value for value in self.proto.graph.input if value.name not in self.constants]

    @property
    def opset(self) -> int:
        """Version of ONNX's own operators."""
        own = [o.version for o in self.proto.opset_import if o.domain in ("", "ai.onnx")]
        return max(own, default=0)


def read_model(source: Path | str | onnx.ModelProto) -> Model:
    """Loads and checks a model; weights and external files stay where they are.

    Raises:
        ModelFileError: there is no such file, it is no ONNX model, or its nodes cannot be ordered.
            One line, that begins with the path.
    """
    if isinstance(source, onnx.ModelProto):
        proto, label = source, f"model {source.graph.name!r}"
    else:
        proto, label = read_proto(Path(source)), printable(str(source))
    try:
        check_proto(proto)
        proto = inline_functions(proto)
        constants = read_constants(proto.graph)
        constants |= _weights_without_values(proto.graph, constants)
        known = {*constants, *(value.name for value in proto.graph.input)}
        return Model(proto, label, read_calls(proto.graph, known), constants)
    except ValueError as error:  # also names that are not valid text
        raise refusal(label, error) from None


def refusal(label: str, reason: object) -> ModelFileError:
    """The error of a model, on one line whatever the reason's own text is."""
    return ModelFileError(f"{label}: {printable(' '.join(str(reason).split()))}")


def read_constants(graph: onnx.GraphProto) -> dict[str, Value]:
    """Everything whose values stand in the file: initialisers and Constant nodes."""
    found = {t.name: _tensor(t, learned=True) for t in graph.initializer}
    for sparse in graph.sparse_initializer:
        found[sparse.values.name] = Value(tuple(sparse.dims), constant=True)
    for index, node in enumerate(graph.node):
        if node.op_type == "Constant" and node.domain in ("", "ai.onnx"):
            if len(node.output) != 1 or len(node.attribute) != 1:
                raise ValueError(f"{_label(index, node)} must have one attribute and one output")
            found[node.output[0]] = _constant(node.attribute[0], node.output[0])
    return found


WEIGHT_PLACES = {
    **dict.fromkeys(
        ("Conv", "ConvTranspose", "InstanceNormalization", "GroupNormalization"), (1, 2)
    ),
    "Gemm": (1, 2),
    "LayerNormalization": (1, 2),
    "BatchNormalization": (1, 2, 3, 4),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), (1, 2, 3)),
    "PRelu": (1,),
    "Gather": (0,),
}
"""Inputs of operators that hold weights in every network that an exporter writes."""


def _weights_without_values(
    graph: onnx.GraphProto, constants: dict[str, Value]
) -> dict[str, Value]:
    """The weights of a model that was exported without them: they are inputs behind the others.

    The first input that an operator reads where weights belong is the first weight.
    """
    read = {
        node.input[place]
        for node in graph.node
        for place in WEIGHT_PLACES.get(node.op_type, ())
        if place < len(node.input)
    }
    inputs = [value for value in graph.input if value.name not in constants]
    first = next((i for i, value in enumerate(inputs) if value.name in read), len(inputs))
    weights = inputs[first:] if first else [v for v in inputs if v.name in read]
    if len(weights) == len(inputs):
        return {}
    found = {}
    for value in weights:
        kind = value.type.tensor_type
        shape = tuple(dim.dim_value for dim in kind.shape.dim)
        if min(shape, default=1) < 1:
            raise ValueError(f"weight {printable(value.name)!r} has no fixed shape")
        weight = {Weight(value.name, prod(shape))} if kind.elem_type in _REAL else ()
        found[value.name] = Value(shape, constant=True, weights=frozenset(weight))
    return found


def _constant(attribute: AttributeProto, name: str) -> Value:
    """What a Constant node holds; text and sparse tensors count as tensors of unknown values."""
    match attribute.type:
        case AttributeProto.TENSOR:
            return _tensor(attribute.t, learned=False, name=name)
        case AttributeProto.INT:
            return constant(np.array(attribute.i))
        case AttributeProto.FLOAT:
            return constant(np.array(attribute.f))
        case AttributeProto.INTS:
            return constant(np.array(attribute.ints, np.int64))
        case AttributeProto.FLOATS:
            return constant(np.array(attribute.floats))
        case AttributeProto.SPARSE_TENSOR:
            return Value(tuple(attribute.sparse_tensor.dims), constant=True)
        case _:
            return Value((len(attribute.strings),), constant=True)


def _tensor(tensor: TensorProto, learned: bool, name: str = "") -> Value:
    """A tensor of the file as a constant: one of real numbers is a weight, unless it is literal."""
    shape, data = tuple(tensor.dims), None
    size = prod(shape)
    if size <= MAX_VALUES and tensor.data_location != TensorProto.EXTERNAL:
        # Damaged ones and those of types that numpy lacks keep their shape alone.
        with suppress(ValueError, TypeError, KeyError, AttributeError):
            data = _data(tensor, shape)
    is_weight = tensor.data_type in _REAL and (len(shape) > 0 if learned else size > 1)
    weights = frozenset({Weight(tensor.name or name, size)}) if is_weight else _NONE
    return Value(shape, constant=True, weights=weights, data=data)


_PLAIN: dict[int, Any] = {TensorProto.FLOAT: np.dtype("<f4"), TensorProto.INT64: np.dtype("<i8")}
_NONE = frozenset[Weight]()


def _data(tensor: TensorProto, shape: Shape) -> Data:
    """The values of a tensor; raises one of many errors where there are none."""
    kind = _PLAIN.get(tensor.data_type)
    if kind and tensor.raw_data and not tensor.HasField("segment"):  # by far the most
        return np.frombuffer(tensor.raw_data, kind).reshape(shape)
    data: Data = np.asarray(numpy_helper.to_array(tensor))
    # numpy does not calculate with the short types of others.
    return data.astype(np.float32) if data.dtype.kind == "V" else data


_REAL = frozenset(
    value
    for name, value in TensorProto.DataType.items()
    if name.startswith(("FLOAT", "BFLOAT", "DOUBLE", "INT4", "INT8", "UINT4", "UINT8"))
)
"""Types that weights have; quantised ones are small integers."""


def read_calls(graph: onnx.GraphProto, known: Iterable[str]) -> list[Call]:
    """The nodes that compute, in topological order.

    Raises:
        ValueError: they cannot be ordered, or two write one value.
    """
    calls = [
        _call(index, node)
        for index, node in enumerate(graph.node)
        if node.op_type != "Constant" or node.domain not in ("", "ai.onnx")
    ]
    return _ordered(calls, known)


def _call(index: int, node: NodeProto) -> Call:
    if not node.output:
        raise ValueError(f"{_label(index, node)} writes nothing; export the model again")
    operator, attributes = node.op_type, [*node.attribute]
    subgraphs = subgraphs_of(attributes)
    return Call(
        operator if node.domain in ("", "ai.onnx") else f"{node.domain}.{operator}",
        node.input[:],
        node.output[:],
        {a.name: a for a in attributes},
        next((p.value for p in node.metadata_props if p.key == ORIGIN), ""),
        _label(index, node),
        node,
        sorted(_captured(subgraphs)) if subgraphs else [],
    )


def _captured(graphs: Iterable[onnx.GraphProto]) -> set[str]:
    """The values that subgraphs read and do not write themselves."""
    found: set[str] = set()
    for graph in graphs:
        read = {output.name for output in graph.output}
        written = {value.name for value in (*graph.input, *graph.initializer)}
        for inner in graph.node:
            read |= {*inner.input, *_captured(subgraphs_of(inner.attribute))}
            written |= {*inner.output}
        found |= read - written
    return found - {""}


def _label(index: int, node: NodeProto) -> str:
    return printable(f"node {node.name or index!r} ({node.op_type})")


def _ordered(calls: list[Call], known: Iterable[str]) -> list[Call]:
    """The calls in topological order: the file's own where that is one."""
    written = set(known) | {""}  # the empty name stands for an input that is left out
    readers: dict[str, list[int]] = defaultdict(list)
    missing = []
    for index, call in enumerate(calls):
        needed = {*call.inputs, *call.captured} - written
        missing.append(len(needed))
        for name in needed:
            readers[name].append(index)
    ready = [index for index, count in enumerate(missing) if count == 0]
    order: list[int] = []
    while ready:
        order.append(heappop(ready))
        for name in _writes(calls[order[-1]], written):
            for reader in readers[name]:
                missing[reader] -= 1
                if missing[reader] == 0:
                    heappush(ready, reader)
    if len(order) < len(calls):
        raise ValueError(_stuck([calls[i] for i, count in enumerate(missing) if count], written))
    return [calls[i] for i in order]


def _writes(call: Call, written: set[str]) -> list[str]:
    """The values that the call adds to those already written."""
    names = [name for name in call.outputs if name]
    for name in names:
        if name in written:
            raise ValueError(f"{call.label} writes {printable(name)!r}, which is written already")
        written.add(name)
    return names


def _stuck(calls: list[Call], written: set[str]) -> str:
    """Why none of these calls can ever run."""
    available = written.union(*(call.outputs for call in calls))
    for call in calls:
        for name in (*call.inputs, *call.captured):
            if name not in available:
                ghost = f"{printable(name)!r}, which nothing writes"
                return f"{call.label} reads {ghost}; export the model again"
    return (
        f"the nodes form a cycle ({calls[0].label} is on it or behind it); "
        "a network runs one way, export the model again"
    )
