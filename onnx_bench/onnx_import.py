"""From an ONNX model to a computation graph: its nodes are replayed into a trace.

Only the structure of a file is read, never its weights. Arithmetic on shapes is done on the way;
what the vocabulary lacks becomes an UNKNOWN node with the shape that ONNX infers, and is counted.
"""

from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from math import prod
from pathlib import Path

import onnx
from onnx import AttributeProto, TensorProto, TypeProto, helper, shape_inference

from onnx_bench import onnx_handlers, onnx_moves, onnx_windows  # noqa: F401, they fill HANDLERS
from onnx_bench.canonical import simplify
from onnx_bench.errors import GraphError
from onnx_bench.graph import ComputationGraph, Shape
from onnx_bench.imported import Import, finish
from onnx_bench.onnx_file import printable
from onnx_bench.onnx_fold import fold
from onnx_bench.onnx_model import Call, Model, read_calls, read_constants, read_model, refusal
from onnx_bench.onnx_replay import HANDLERS, Replay, UncoveredError
from onnx_bench.operators import Op
from onnx_bench.trace import Step, Trace, Value, constant

IMAGE_SIZE, CHANNELS, LENGTH = 224, 3, 64
"""What open axes are taken as: height and width of images, their channels, any other axis."""

Shapes = Mapping[str, Shape]


def from_onnx(
    source: Path | str | onnx.ModelProto, shapes: Shapes | None = None
) -> ComputationGraph:
    """The network of an ONNX model; see `import_onnx`."""
    return import_onnx(source, shapes).graph


def import_onnx(
    source: Path | str | onnx.ModelProto, shapes: Shapes | None = None, strict_names: bool = True
) -> Import:
    """The network of an ONNX model, and what of it is outside the vocabulary.

    The first axis of every input is the batch, and is dropped. A model that `to_onnx` wrote comes
    back as an equal graph.

    Args:
        source: a file's path, or a model. Weights may lie in other files, which need not exist.
        shapes: the shape of an input by its name, all axes. Axes that stay open are taken as 1 for
            the batch, (3, 224, 224) for an image, 64 for anything else; `Import.assumed` says so.
        strict_names: whether a shape for an input that the model lacks is an error.

    Raises:
        ModelFileError: the file is no ONNX model or holds no network, a shape does not fit, or an
            unknown operator's output has no known shape. One line, that begins with the path.
    """
    model = read_model(source)
    given = dict(shapes or {})
    if not strict_names:
        names = {value.name for value in model.inputs}
        given = {name: shape for name, shape in given.items() if name in names}
    try:
        importer = _Importer(model, given)
        trace = importer.run()
        simplify(trace)
        return finish(trace, importer.assumed)
    except (GraphError, ValueError, RecursionError) as error:
        raise refusal(model.label, error) from None


class _Importer:
    """One import: walks the calls, asks the table of handlers, fills in unknown ones."""

    def __init__(self, model: Model, shapes: Shapes) -> None:
        self._model = model
        self.assumed: dict[str, Shape] = {}
        self._symbols: dict[str, int] = {}
        self._shapes = self._bound(shapes)
        firsts = {shape[0] for shape in self._shapes.values() if shape}
        batch = firsts.pop() if len(firsts) == 1 else 1
        trace = Trace(batch, printable(model.proto.graph.name))
        self._net = Replay(trace, dict(model.constants), model.opset)

    def run(self) -> Trace:
        net = self._net
        if not self._model.inputs:
            raise ValueError("the model has no inputs besides its weights")
        for value in self._model.inputs:
            net.values[value.name] = net.trace.input(self._shapes[value.name])
        self._replay_all(self._model.calls)
        for result in self._model.proto.graph.output:
            if result.name not in net.values:
                raise ValueError(f"output {printable(result.name)!r} is not computed")
            net.trace.outputs.append(net.values[result.name])
        if all(value.constant for value in net.trace.outputs):
            raise ValueError("no output depends on the inputs")
        return net.trace

    def _bound(self, shapes: Shapes) -> dict[str, Shape]:
        """The shape of every input; what the model leaves open is given, or chosen."""
        names = {value.name for value in self._model.inputs}
        for name in shapes:
            if name not in names:
                known = ", ".join(sorted(printable(n) for n in names))
                raise ValueError(f"there is no input {name!r}; the model has {known}")
        bound = {}
        symbols = self._symbols
        for value in self._model.inputs:
            dims = value.type.tensor_type.shape.dim
            if value.name in shapes:
                bound[value.name] = self._given(value, shapes[value.name])
            elif not value.type.tensor_type.HasField("shape"):
                raise ValueError(
                    f"input {printable(value.name)!r} has no shape; give one with --shape"
                )
            else:
                bound[value.name] = tuple(d.dim_value for d in dims)
            symbols |= {
                d.dim_param: size
                for d, size in zip(dims, bound[value.name], strict=False)
                if d.dim_param and size > 0
            }
        for value in self._model.inputs:
            shape, dims = bound[value.name], value.type.tensor_type.shape.dim
            if min(shape, default=1) > 0:
                continue
            filled = list(shape)
            for axis, size in enumerate(shape):
                if size < 1:
                    symbol = dims[axis].dim_param if axis < len(dims) else ""
                    filled[axis] = symbols.get(symbol, 0) or _assumed(axis, len(shape))
                    symbols |= {symbol: filled[axis]} if symbol else {}
            bound[value.name] = tuple(filled)
            if min(shape[1:], default=1) < 1:
                self.assumed[printable(value.name)] = bound[value.name]
        if max((prod(shape) for shape in bound.values()), default=0) > 1 << 40:
            raise ValueError("an input has more values than any network reads")
        return bound

    def _given(self, value: onnx.ValueInfoProto, shape: Shape) -> Shape:
        dims = value.type.tensor_type.shape.dim
        fixed = [d.dim_value for d in dims]
        fits = len(fixed) == len(shape) and all(
            f in (0, s) or f < 0 or i == 0
            for i, (f, s) in enumerate(zip(fixed, shape, strict=True))
        )
        if value.type.tensor_type.HasField("shape") and not fits:
            raise ValueError(
                f"input {printable(value.name)!r} is of shape {tuple(fixed)} (0 is open), "
                f"got {shape}"
            )
        return shape

    def _replay_all(self, calls: list[Call]) -> None:
        for call in calls:
            self._replay(call)

    def _replay(self, call: Call) -> None:
        net = self._net
        before = len(net.trace.steps)
        try:
            if call.operator == "If" and self._branch(call):
                return
            found = HANDLERS[call.operator](net, call) if not self._fold(call) else []
        except (UncoveredError, *_UNFIT) as reason:
            del net.trace.steps[before:]
            self._place_unknown(call, reason)
            return
        results = found if isinstance(found, list) else [found]
        for step in net.trace.steps[before:]:
            step.origin = call.origin
        net.values |= zip(call.outputs, results, strict=False)

    def _fold(self, call: Call) -> bool:
        """Does arithmetic on known values; a shape is known as soon as its tensor is."""
        net = self._net
        inputs = [net.find(call, i) for i in range(len(call.inputs))]
        if call.operator in ("Shape", "Size") and inputs[0] is not None:
            shape = inputs[0].shape
            chosen = shape[call.integer("start", 0) : call.integer("end", len(shape))]
            results = [constant(prod(shape) if call.operator == "Size" else [*chosen])]
        elif any(value is not None and value.data is None for value in inputs):
            return False
        else:
            arrays = fold(call, inputs, net.opset)
            if arrays is None:
                return False
            results = [constant(array) for array in arrays]
            weights = frozenset().union(*(v.weights for v in inputs if v is not None))
            for value in results:
                value.weights = weights
        net.values |= zip(call.outputs, results, strict=False)
        return True

    def _branch(self, call: Call) -> bool:
        """Replays the branch of an If whose condition is known."""
        condition = self._net.value(call)
        if condition.number is None:
            return False
        name = "then_branch" if condition.number else "else_branch"
        graph = call.attributes.get(name, AttributeProto()).g
        outside, values = self._net.values, dict(self._net.values)
        self._net.values = values | read_constants(graph)
        self._replay_all(read_calls(graph, self._net.values))
        inner, self._net.values = self._net.values, outside
        for outer, result in zip(call.outputs, graph.output, strict=False):
            if result.name not in inner:
                raise ValueError(f"{call.label}: {printable(result.name)!r} is not computed")
            outside[outer] = inner[result.name]
        return True

    def _place_unknown(self, call: Call, reason: Exception) -> None:
        net = self._net
        inputs = [net.values[n] for n in (*call.inputs, *call.captured) if n in net.values]
        names = [name for name in call.outputs if name]
        shapes = {**infer(call, net.values, self._model.proto), **self._noted(names)}
        for name in [name for name in names if name in self._read] or names[:1]:
            if name not in shapes:
                why = str(reason) if not isinstance(reason, KeyError) else ""
                raise ValueError(
                    f"{call.label} is not understood ({why or 'outside the vocabulary'}), and no "
                    f"fixed shape is known of its output {printable(name)!r}; export the model "
                    "with fixed shapes"
                )
        outputs = {name: Value(shapes[name]) for name in names if name in shapes}
        name = printable(call.operator)
        net.trace.steps.append(Step(Op.UNKNOWN, inputs, [*outputs.values()], name=name))
        net.values |= outputs

    def _noted(self, names: list[str]) -> dict[str, Shape]:
        """What the file itself says of the shapes of values."""
        found = {
            name: _fixed(self._notes[name], self._symbols) for name in names if name in self._notes
        }
        return {name: shape for name, shape in found.items() if shape is not None}

    @cached_property
    def _notes(self) -> dict[str, TypeProto]:
        graph = self._model.proto.graph
        values = (*graph.value_info, *graph.output)
        return {v.name: v.type for v in values if v.type.tensor_type.HasField("shape")}

    @cached_property
    def _read(self) -> set[str]:
        """The values that a node or an output of the model reads."""
        read = {output.name for output in self._model.proto.graph.output}
        return read.union(*((*c.inputs, *c.captured) for c in self._model.calls))


_UNFIT = (KeyError, ValueError, OverflowError, IndexError, TypeError, ZeroDivisionError)
"""What handlers raise on attributes and shapes that no exporter writes."""


def _assumed(axis: int, rank: int) -> int:
    """The size of an open axis that nobody names."""
    if axis == 0:
        return 1
    if rank == 4:
        return CHANNELS if axis == 1 else IMAGE_SIZE
    return LENGTH


def infer(call: Call, values: Mapping[str, Value], model: onnx.ModelProto) -> dict[str, Shape]:
    """The shapes of a node's outputs by ONNX's own rule, where it has one and they are fixed.

    The rule is asked of this node alone, with the type of every input: given less, rules of ONNX
    have been seen to crash the process. Nodes with subgraphs are not asked.
    """
    known = [name for name in call.inputs if name]
    graphs = any(a.HasField("g") or a.graphs for a in call.proto.attribute)
    if graphs or any(name not in values for name in known):
        return {}
    versions = {o.domain: o.version for o in model.opset_import}
    version = versions.get(call.proto.domain, versions.get("ai.onnx", 0))
    types = {name: _tensor_type(values[name]) for name in known}
    try:
        schema = onnx.defs.get_schema(call.proto.op_type, version, call.proto.domain)
        found = shape_inference.infer_node_outputs(
            schema, call.proto, types, opset_imports=[*model.opset_import]
        )
    except Exception:  # no such operator, or inputs that its rule refuses in its own way
        return {}
    shapes = {name: _fixed(kind, {}) for name, kind in found.items()}
    return {name: shape for name, shape in shapes.items() if shape is not None}


def _tensor_type(value: Value) -> TypeProto:
    """A tensor's shape with its type; what is computed counts as real numbers."""
    kind = TensorProto.FLOAT
    if value.data is not None:
        with suppress(KeyError, ValueError):
            kind = helper.np_dtype_to_tensor_dtype(value.data.dtype)
    return helper.make_tensor_type_proto(kind, value.shape)


def _fixed(kind: TypeProto, symbols: Mapping[str, int]) -> Shape | None:
    """All axes of a tensor; None where one is open or nothing is known."""
    tensor = kind.tensor_type
    if not tensor.HasField("shape"):
        return None
    shape = tuple(d.dim_value or symbols.get(d.dim_param, 0) for d in tensor.shape.dim)
    return None if min(shape, default=1) < 1 else shape
