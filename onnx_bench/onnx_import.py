"""From an ONNX model to a computation graph: its nodes are replayed into a trace.

Only the structure of a file is read, never its weights. Arithmetic on shapes is done on the way;
what the vocabulary lacks becomes an UNKNOWN node with the shape that ONNX infers, and is counted.
"""

from functools import cached_property
from math import prod
from pathlib import Path

import onnx
from onnx import AttributeProto

from onnx_bench import (  # noqa: F401, they fill HANDLERS
    onnx_handlers,
    onnx_moves,
    onnx_sequences,
    onnx_windows,
)
from onnx_bench.canonical import simplify
from onnx_bench.errors import GraphError
from onnx_bench.graph import ComputationGraph
from onnx_bench.imported import Import, finish
from onnx_bench.onnx_file import printable
from onnx_bench.onnx_fold import fold
from onnx_bench.onnx_infer import Shapes as KnownShapes
from onnx_bench.onnx_inputs import Shapes, bind
from onnx_bench.onnx_model import Call, Model, read_calls, read_constants, read_model, refusal
from onnx_bench.onnx_replay import HANDLERS, Replay, UncoveredError
from onnx_bench.operators import Op
from onnx_bench.trace import Step, Trace, Value, constant


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
        bound = bind(model.inputs, given)
        trace = Trace(bound.batch, printable(model.proto.graph.name))
        inputs = {name: trace.input(shape) for name, shape in bound.shapes.items()}
        net = Replay(trace, {**model.constants, **inputs}, model.opset)
        _Importer(model, net, KnownShapes(model.proto, bound.symbols)).run()
        simplify(trace)
        return finish(trace, bound.assumed)
    except (GraphError, ValueError, RecursionError) as error:
        raise refusal(model.label, error) from None


class _Importer:
    """One import: walks the calls, asks the table of handlers, fills in unknown ones."""

    def __init__(self, model: Model, net: Replay, shapes: KnownShapes) -> None:
        self._model, self._net, self._shapes = model, net, shapes

    def run(self) -> None:
        net = self._net
        if not self._model.inputs:
            raise ValueError("the model has no inputs besides its weights")
        for call in self._model.calls:
            self._replay(call)
        for result in self._model.proto.graph.output:
            if result.name not in net.values:
                raise ValueError(f"output {printable(result.name)!r} is not computed")
            net.trace.outputs.append(net.values[result.name])
        if all(value.constant for value in net.trace.outputs):
            raise ValueError("no output depends on the inputs")

    def _replay(self, call: Call) -> None:
        net = self._net
        before = len(net.trace.steps)
        try:
            if self._branch(call) or self._fold(call):
                return
            found = HANDLERS[call.operator](net, call)
        except (UncoveredError, *_UNFIT) as reason:
            del net.trace.steps[before:]
            self._place_unknown(call, reason)
            return
        for step in net.trace.steps[before:]:
            step.origin = call.origin
        results = found if isinstance(found, list) else [found]
        net.values |= zip(call.outputs, results, strict=False)

    def _fold(self, call: Call) -> bool:
        """Does arithmetic on known values; a shape is known as soon as its tensor is."""
        net = self._net
        inputs = [net.values[name] if name else None for name in call.inputs]
        given = [value for value in inputs if value is not None]
        if call.operator in ("Shape", "Size") and given:
            shape = given[0].shape
            chosen = shape[call.integer("start", 0) : call.integer("end", len(shape))]
            results = [constant(prod(shape) if call.operator == "Size" else [*chosen])]
        else:
            arrays = fold(call, inputs, net.opset)
            if arrays is None:
                return False
            results = [constant(array) for array in arrays]
            for value in results:
                value.weights = frozenset().union(*(v.weights for v in given))
        net.values |= zip(call.outputs, results, strict=False)
        return True

    def _branch(self, call: Call) -> bool:
        """Replays the branch of an If whose condition is known."""
        if call.operator != "If":
            return False
        condition = self._net.value(call)
        if condition.number is None:
            return False
        name = "then_branch" if condition.number else "else_branch"
        graph = call.attributes.get(name, AttributeProto()).g
        outside = self._net.values
        inside = self._net.values = outside | read_constants(graph)
        try:
            for inner in read_calls(graph, inside):
                self._replay(inner)
        finally:
            self._net.values = outside
        for outer, result in zip(call.outputs, graph.output, strict=False):
            if result.name not in inside:
                raise ValueError(f"{call.label}: {printable(result.name)!r} is not computed")
            outside[outer] = inside[result.name]
        return True

    def _place_unknown(self, call: Call, reason: Exception) -> None:
        net = self._net
        names = [name for name in call.outputs if name]
        shapes = self._shapes.of(call, net.values)
        for name in [name for name in names if name in self._read] or names[:1]:
            if name not in shapes:
                why = str(reason) if not isinstance(reason, KeyError) else ""
                raise ValueError(
                    f"{call.label} is not understood ({why or 'outside the vocabulary'}), and no "
                    f"fixed shape is known of its output {printable(name)!r}; export the model "
                    "with fixed shapes"
                )
        inputs = [net.values[n] for n in (*call.inputs, *call.captured) if n in net.values]
        outputs = {name: Value(shapes[name]) for name in names if name in shapes}
        name = printable(call.operator)
        net.trace.steps.append(Step(Op.UNKNOWN, inputs, [*outputs.values()], name=name))
        net.values |= outputs

    @cached_property
    def _read(self) -> set[str]:
        """The values that a node or an output of the model reads."""
        read = {output.name for output in self._model.proto.graph.output}
        return read.union(*((*c.inputs, *c.captured) for c in self._model.calls))


_UNFIT = (KeyError, ValueError, OverflowError, IndexError, TypeError, ZeroDivisionError)
"""What handlers raise on attributes and shapes that no exporter writes."""
