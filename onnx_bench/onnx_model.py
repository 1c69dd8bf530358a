"""Reading an ONNX file: what is no model is refused, what is one comes as calls in order."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, NodeProto, TensorProto, numpy_helper

from onnx_bench.errors import ModelFileError
from onnx_bench.graph import Shape
from onnx_bench.onnx_writers import ORIGIN

MAX_VALUES = 64
"""Largest constant whose values are read; weights are known by their shape alone."""


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


@dataclass(frozen=True)
class Constant:
    """A tensor of the file: its shape, and its values where it is small and in the file itself."""

    shape: Shape
    tensor: TensorProto | None = None

    def values(self) -> npt.NDArray[Any] | None:
        """The values of a small tensor; None where they cannot be read."""
        tensor = self.tensor
        if tensor is None or tensor.data_location == TensorProto.EXTERNAL:
            return None
        if min(self.shape, default=1) < 0 or prod(self.shape) > MAX_VALUES:
            return None
        try:
            return np.asarray(numpy_helper.to_array(tensor))
        except (ValueError, TypeError, KeyError):  # damaged, or of a type that numpy lacks
            return None


@dataclass
class Model:
    """A readable model. `calls` are in topological order, without the nodes that are constants."""

    proto: onnx.ModelProto
    label: str
    """What messages begin with: the file's path."""
    calls: list[Call]
    constants: dict[str, Constant]
    producers: dict[str, Call] = field(default_factory=dict)
    readers: dict[str, list[Call]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for call in self.calls:
            self.producers.update(dict.fromkeys(call.outputs, call))
            for name in call.inputs:
                self.readers[name].append(call)

    @property
    def inputs(self) -> list[onnx.ValueInfoProto]:
        """The inputs that are not weights (old files list both)."""
        return [value for value in self.proto.graph.input if value.name not in self.constants]

    @property
    def batch(self) -> int | None:
        """Size of the first axis of the inputs, None where it is open.

        Raises:
            ValueError: the inputs begin with axes of different sizes, or one has no axes.
        """
        sizes = {}
        for value in self.inputs:
            dims = value.type.tensor_type.shape.dim
            if not dims:
                raise ValueError(f"input {value.name!r} has no shape; export the model with one")
            # Some exporters write an open axis as 0 or -1.
            sizes[dims[0].dim_value if dims[0].dim_value > 0 else None] = value.name
        if len(sizes) > 1:
            raise ValueError(
                f"inputs {sorted(sizes.values())} begin with different axes "
                f"({sorted(map(str, sizes))}), expected the batch"
            )
        return next(iter(sizes), None)

    @property
    def opset(self) -> int:
        """Version of ONNX's own operators."""
        own = [o.version for o in self.proto.opset_import if o.domain in ("", "ai.onnx")]
        return max(own, default=0)

    def is_read(self, name: str) -> bool:
        """Whether a node or an output of the model uses the value."""
        return name in self.readers or any(o.name == name for o in self.proto.graph.output)

    def only_reader(self, name: str) -> Call | None:
        """The one node that reads the value, once, where nothing else does."""
        readers = self.readers.get(name, [])
        is_output = any(o.name == name for o in self.proto.graph.output)
        return readers[0] if len(readers) == 1 and not is_output else None


def read_model(source: Path | str | onnx.ModelProto) -> Model:
    """Loads and checks a model; external weights stay where they are.

    Raises:
        ModelFileError: there is no such file, it is no ONNX model, or its nodes cannot be ordered.
            One line, that begins with the path.
    """
    if isinstance(source, onnx.ModelProto):
        proto, label = source, f"model {source.graph.name!r}"
    else:
        proto, label = _load(Path(source)), str(source)
    try:
        _check(proto)
        constants = _constants(proto.graph)
        calls = [_call(i, n) for i, n in enumerate(proto.graph.node) if n.op_type != "Constant"]
        known = {*constants, *(value.name for value in proto.graph.input)}
        return Model(proto, label, _ordered(calls, known), constants)
    except ValueError as error:  # also names that are not valid text
        raise refusal(label, error) from None


def refusal(label: str, reason: object) -> ModelFileError:
    """The error of a model, on one line whatever the reason's own text is."""
    return ModelFileError(f"{label}: {' '.join(str(reason).split())}")


def _load(path: Path) -> onnx.ModelProto:
    if path.is_dir():
        raise refusal(str(path), "is a folder; give the path of an ONNX file")
    if not path.exists():
        raise refusal(str(path), "no such file; give the path of an ONNX file")
    try:
        if path.stat().st_size == 0:
            raise refusal(str(path), "the file is empty; export the model again")
        return onnx.load(path, format="protobuf", load_external_data=False)
    except DecodeError:
        reason = "not an ONNX file, or cut short; export or copy the model again"
        raise refusal(str(path), reason) from None
    except OSError as error:
        raise refusal(str(path), f"cannot be read ({error.strerror})") from None


def _check(proto: onnx.ModelProto) -> None:
    """Refuses what parses as protobuf and still is no network."""
    graph, advice = proto.graph, "export the model again"
    if not proto.HasField("graph"):
        raise ValueError(f"not an ONNX model (it holds no graph); {advice}")
    for name, part in (("nodes", graph.node), ("inputs", graph.input), ("outputs", graph.output)):
        if not part:
            raise ValueError(f"the model has no {name}; {advice}")
    if not proto.opset_import:
        raise ValueError(f"the model names no operator set, it may be cut short; {advice}")


def _constants(graph: onnx.GraphProto) -> dict[str, Constant]:
    """Everything whose values stand in the file: initialisers and Constant nodes."""
    found = {t.name: Constant(tuple(t.dims), t) for t in graph.initializer}
    found |= {t.values.name: Constant(tuple(t.dims)) for t in graph.sparse_initializer}
    for index, node in enumerate(graph.node):
        if node.op_type == "Constant":
            if len(node.output) != 1 or len(node.attribute) != 1:
                raise ValueError(f"{_label(index, node)} must have one attribute and one output")
            found[node.output[0]] = _constant(node.attribute[0])
    return found


def _constant(attribute: AttributeProto) -> Constant:
    """What a Constant node holds; text and sparse tensors count as tensors of unknown values."""
    match attribute.type:
        case AttributeProto.TENSOR:
            return Constant(tuple(attribute.t.dims), attribute.t)
        case AttributeProto.INT | AttributeProto.FLOAT:
            is_float = attribute.type == AttributeProto.FLOAT
            array = np.array(attribute.f if is_float else attribute.i)
        case AttributeProto.INTS | AttributeProto.FLOATS:
            is_float = attribute.type == AttributeProto.FLOATS
            array = np.array(attribute.floats if is_float else attribute.ints)
        case AttributeProto.SPARSE_TENSOR:
            return Constant(tuple(attribute.sparse_tensor.dims))
        case _:
            return Constant((len(attribute.strings),))
    return Constant(array.shape, numpy_helper.from_array(array))


def _call(index: int, node: NodeProto) -> Call:
    if not node.output:
        raise ValueError(f"{_label(index, node)} writes nothing; export the model again")
    own = node.domain in ("", "ai.onnx")
    return Call(
        node.op_type if own else f"{node.domain}.{node.op_type}",
        list(node.input),
        list(node.output),
        {a.name: a for a in node.attribute},
        next((p.value for p in node.metadata_props if p.key == ORIGIN), ""),
        _label(index, node),
    )


def _label(index: int, node: NodeProto) -> str:
    return f"node {node.name or index!r} ({node.op_type})"


def _ordered(calls: list[Call], known: Iterable[str]) -> list[Call]:
    """The calls in topological order: the file's own where that is one."""
    written = set(known) | {""}  # the empty name stands for an input that is left out
    readers: dict[str, list[int]] = defaultdict(list)
    missing = []
    for index, call in enumerate(calls):
        needed = {name for name in call.inputs if name not in written}
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
            raise ValueError(f"{call.label} writes {name!r}, which is written already")
        written.add(name)
    return names


def _stuck(calls: list[Call], written: set[str]) -> str:
    """Why none of these calls can ever run."""
    available = written.union(*(call.outputs for call in calls))
    for call in calls:
        for name in call.inputs:
            if name not in available:
                return f"{call.label} reads {name!r}, which nothing writes; export the model again"
    return (
        f"the nodes form a cycle ({calls[0].label} is on it or behind it); "
        "a network runs one way, export the model again"
    )
