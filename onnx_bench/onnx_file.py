"""The door for ONNX files: structure is read, weights are not, and what is no model is refused."""

from collections import Counter
from collections.abc import Iterable
from math import prod
from pathlib import Path
from typing import NamedTuple

import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, FunctionProto, GraphProto, SparseTensorProto, TensorProto, inliner
from onnx.checker import ValidationError

from onnx_bench.errors import ModelFileError
from onnx_bench.onnx_wire import BROKEN, MAX_STRUCTURE, TOO_DEEP, file_structure

MAX_NODES = 1_000_000
"""Most nodes of a model, those of its subgraphs and functions included."""
MAX_ELEMENTS = 2**40
"""Most values that a tensor may claim; the largest language models have this many in all."""
MAX_AXES = 64
"""Most axes of a tensor."""
MAX_CALLS = 64
"""Most functions that call each other in a row."""

_ADVICE = "export the model again"
_NO_GRAPH = f"not an ONNX model (it holds no graph); {_ADVICE}"
_SUFFIX = 20
"""Most bytes that inlining adds to a name each time."""
_TOO_MUCH = (
    f"its functions take more than {MAX_NODES:,} nodes or {MAX_STRUCTURE >> 20} MB when written "
    "out; no network does"
)

Scope = GraphProto | FunctionProto
Tensor = TensorProto | SparseTensorProto


def printable(text: str) -> str:
    r"""The text with everything escaped that is not visible or a space: new lines, colours.

    >>> print(printable("one\ntwo \x1b[31mred"))
    one\ntwo \x1b[31mred
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def read_proto(path: Path) -> onnx.ModelProto:
    """The model of a file, without the values of large tensors.

    Weights are never read, neither those in the file, which is mapped, nor other files: tensors of
    more than `onnx_wire.MAX_VALUES` values have their name, type, dims and place alone.

    Raises:
        ModelFileError: it is no regular file, cannot be opened, or is no ONNX model. One line,
            that begins with the path.
    """
    try:
        proto: onnx.ModelProto = onnx.ModelProto.FromString(file_structure(path))
        if proto.HasField("graph"):
            return proto
        reason = _NO_GRAPH
    except OSError as error:
        reason = f"cannot be read ({error.strerror or error})"
    except DecodeError as error:  # of what the walk does not enter, as small nodes
        reason = TOO_DEEP if "depth" in str(error).lower() else BROKEN
    except ValueError as error:  # a WireError, or a path that none can be
        reason = str(error)
    raise ModelFileError(printable(f"{path}: {reason}"))


def check_proto(proto: onnx.ModelProto) -> None:
    """Refuses what parses as protobuf and still is no network.

    Raises:
        ValueError: there is no graph, it lacks nodes, inputs or outputs, no operator set is named,
            a tensor's size is absurd, a name is not valid text, or there are more than `MAX_NODES`
            nodes, those of subgraphs and functions included.
    """
    if not proto.HasField("graph"):
        raise ValueError(_NO_GRAPH)
    for part in ("node", "input", "output"):
        if not getattr(proto.graph, part):
            raise ValueError(f"the model has no {part}s; {_ADVICE}")
    if not proto.opset_import:
        raise ValueError(f"the model names no operator set, it may be cut short; {_ADVICE}")
    nodes = 0
    scopes: list[Scope] = [proto.graph, *proto.functions]
    while scopes:
        scope = scopes.pop()
        nodes += len(scope.node)
        if nodes > MAX_NODES:
            raise ValueError(f"the model has more than {MAX_NODES:,} nodes; no network has")
        attributes = [attribute for node in scope.node for attribute in node.attribute]
        # bytes are what protobuf gives for text that is none
        if bytes in map(type, _texts(scope, attributes)):
            raise ValueError(f"a name in the model is not valid text; {_ADVICE}")
        for tensor in _tensors(scope, attributes):
            dims = tensor.dims[: MAX_AXES + 1]
            if len(dims) > MAX_AXES or min(dims, default=0) < 0 or prod(dims) > MAX_ELEMENTS:
                raise ValueError(f"a tensor has the absurd dims {dims[:8]}; {_ADVICE}")
        scopes += subgraphs_of(attributes)


def _texts(scope: Scope, attributes: Iterable[AttributeProto]) -> list[str]:
    """Every name in a graph or a function that somebody may print or compare."""
    found = [scope.name, *(attribute.name for attribute in attributes)]
    for node in scope.node:
        found += (node.name, node.op_type, node.domain)
        found += node.input
        found += node.output
    entries = [entry for node in scope.node for entry in node.metadata_props]
    found += [text for entry in entries for text in (entry.key, entry.value)]
    found += [value.name for value in scope.value_info]
    if isinstance(scope, FunctionProto):
        return [*found, scope.domain, scope.overload, *scope.input, *scope.output, *scope.attribute]
    for value in (*scope.input, *scope.output):
        found += (value.name, *(dim.dim_param for dim in value.type.tensor_type.shape.dim))
    found += [tensor.name for tensor in scope.initializer]
    return found + [tensor.values.name for tensor in scope.sparse_initializer]


def _tensors(scope: Scope, attributes: Iterable[AttributeProto]) -> list[Tensor]:
    is_graph = isinstance(scope, GraphProto)
    found: list[Tensor] = [*scope.initializer] if is_graph else []
    sparse = [*scope.sparse_initializer] if is_graph else []
    for attribute in attributes:
        if attribute.HasField("t"):
            found.append(attribute.t)
        if attribute.HasField("sparse_tensor"):
            sparse.append(attribute.sparse_tensor)
        # Few have any, and to add none takes longer than to look.
        if attribute.tensors:
            found += attribute.tensors
        if attribute.sparse_tensors:
            sparse += attribute.sparse_tensors
    return found + [tensor for s in sparse for tensor in (s, s.values, s.indices)]


def subgraphs_of(attributes: Iterable[AttributeProto]) -> list[GraphProto]:
    found = []
    for attribute in attributes:
        if attribute.HasField("g"):
            found.append(attribute.g)
        if attribute.graphs:
            found += attribute.graphs
    return found


def inline_functions(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its functions written out where it calls them; itself if it has none.

    A function stays where it names another version of an operator set than the model does.

    Raises:
        ValueError: functions call themselves, are called with more than they take, or would be too
            much written out: more than `MAX_NODES` nodes, or `onnx_wire.MAX_STRUCTURE` bytes.
    """
    if not proto.functions:
        return proto
    proto = _with_defaults(proto)
    bodies = {_id(f.domain, f.name, f.overload): _body(f) for f in proto.functions}
    whole = _extent(_body(proto.graph), _extents(bodies))
    if whole.nodes > MAX_NODES or whole.size > MAX_STRUCTURE:
        raise ValueError(_TOO_MUCH)
    try:
        return inliner.inline_local_functions(proto)
    except (ValidationError, RuntimeError, ValueError, DecodeError) as error:
        reason = str(error).rpartition(" failed: ")[2]  # without the place in ONNX's own source
        raise ValueError(f"its functions cannot be written out ({reason})") from None


def _with_defaults(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose calls name every attribute; ONNX's inliner forgets a function's defaults."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    defaults = {_id(f.domain, f.name, f.overload): f.attribute_proto for f in copy.functions}
    scopes: list[Scope] = [copy.graph, *copy.functions]
    size = 0
    while scopes:
        for node in scopes.pop().node:
            scopes += subgraphs_of(node.attribute)
            given = {attribute.name for attribute in node.attribute}
            known = defaults.get(_id(node.domain, node.op_type, node.overload), ())
            further = [attribute for attribute in known if attribute.name not in given]
            size += sum(attribute.ByteSize() for attribute in further)
            if size > MAX_STRUCTURE:
                raise ValueError(_TOO_MUCH)
            node.attribute.extend(further)
    return copy


class _Extent(NamedTuple):
    """How much nodes hold: themselves, names, references to attributes, and bytes."""

    nodes: int
    names: int
    references: int
    size: int


class _Body(NamedTuple):
    """What stands in a function, and by operator how often and with how many bytes."""

    own: _Extent
    calls: Counter[str]
    passed: Counter[str]


def _id(domain: str, name: str, overload: str) -> str:
    return f"{domain or 'ai.onnx'}::{name}" + (f"::{overload}" if overload else "")


def _body(scope: Scope) -> _Body:
    calls, passed, pending = Counter[str](), Counter[str](), [scope]
    nodes = names = references = 0
    while pending:
        part = pending.pop()
        nodes += len(part.node)
        names += len(part.input) + len(part.output)
        for node in part.node:
            names += 1 + len(node.input) + len(node.output)
            references += sum(bool(a.ref_attr_name) for a in node.attribute)
            pending += (subgraphs := subgraphs_of(node.attribute))
            operator = _id(node.domain, node.op_type, node.overload)
            calls[operator] += 1
            # A graph that is passed on may hold references itself: nothing bounds its copies.
            passed[operator] += MAX_STRUCTURE + 1 if subgraphs else node.ByteSize()
    size = scope.ByteSize() if isinstance(scope, FunctionProto) else 0  # the graph is there already
    return _Body(_Extent(nodes, names, references, size), calls, passed)


def _extents(bodies: dict[str, _Body]) -> dict[str, _Extent]:
    """What each function is when written out, those first that call no others."""
    known: dict[str, _Extent] = {}
    for _ in range(MAX_CALLS):
        waiting = {name: body for name, body in bodies.items() if name not in known}
        ready = {n: b for n, b in waiting.items() if not waiting.keys() & b.calls.keys()}
        known |= {name: _extent(body, known) for name, body in ready.items()}
    if stuck := bodies.keys() - known.keys():
        reason = f"calls itself, or more than {MAX_CALLS} functions call each other in a row"
        raise ValueError(f"function {min(stuck)[:80]!r} {reason}; no network needs that")
    return known


def _extent(body: _Body, known: dict[str, _Extent]) -> _Extent:
    """A body with what it calls; names grow with every call, and attributes are copied."""
    nodes, names, references, size = body.own
    for operator in body.calls.keys() & known.keys():
        count, callee = body.calls[operator], known[operator]
        nodes += count * callee.nodes
        names += count * callee.names
        references += count * callee.references
        size += count * (callee.size + _SUFFIX * callee.names)
        size += body.passed[operator] * callee.references
    return _Extent(nodes, names, references, size)
