"""From a trace to a computation graph, and back.

A graph leaves the batch out. With a batch of b, an axis in front of size b is dropped; one that is
a multiple of b (windows or heads laid over the batch) keeps its share of one input.
"""

from itertools import count
from math import prod
from typing import Any

from onnx_bench import shapes
from onnx_bench.builder import GraphBuilder
from onnx_bench.graph import ComputationGraph, Node, Shape
from onnx_bench.operators import GATES, Op
from onnx_bench.trace import Step, Trace, Value, Weight

WINDOWED = frozenset({Op.CONV, Op.CONV_TRANSPOSE, Op.MAX_POOL, Op.AVG_POOL})
RECURRENT = frozenset({Op.LSTM, Op.GRU, Op.RNN})
SIZED = frozenset({Op.SCALE, Op.SHIFT})
"""Operators whose first attribute is the number of values in their constant."""


def lower(trace: Trace) -> ComputationGraph:
    """The computation graph of a trace. Weights that several steps read are counted at the first.

    Raises:
        GraphError: a shape that no node can have.
    """
    g = GraphBuilder()
    places: dict[Value, int] = {}
    counted: set[Weight] = set()
    read = trace.uses()
    for value in trace.inputs:
        places[value] = g.input(*without_batch(value.shape, trace.batch))
    for step in trace.steps:
        inputs = [places[value] for value in step.inputs if value in places]
        learned = step.weights - counted
        counted |= learned
        parameters = sum(weight.size for weight in learned)
        for output in step.outputs:
            first = output is step.output
            if not first and output not in read:
                continue
            node = _node(step, output, trace.batch, parameters if first else 0)
            if not first and step.op in RECURRENT:
                # The last state is part of what the layer computes anyway.
                main = places[step.output]
                places[output] = g.place(_part(node, g.shape(main)), main)
                continue
            if step.op == Op.CONCAT:
                inputs = [_as_deep(g, place, node.out_shape) for place in inputs]
                node = node._replace(in_shape=g.shape(inputs[0]) if inputs else ())
            places[output] = _place(g, _nodes(node, step), inputs)
    for value in trace.outputs:
        if value in places:
            shape = without_batch(value.shape, trace.batch)
            g.place(shapes.unary(Op.OUTPUT, shape), places[value])
    return g.build(trace.name)


def _part(node: Node, whole: Shape) -> shapes.Row:
    """A further result of a step as entries of its first."""
    return shapes.row(Node(Op.GATHER, whole, node.out_shape))


def _place(g: GraphBuilder, nodes: list[Node], inputs: list[int]) -> int:
    """Places a chain of nodes; returns the last."""
    last = g.place(shapes.row(nodes[0]), *inputs)
    for node in nodes[1:]:
        last = g.place(shapes.row(node), last)
    return last


def _as_deep(g: GraphBuilder, place: int, shape: Shape) -> int:
    """A tensor with as many axes as `shape`: what is stacked along the batch lacks one."""
    missing = len(shape) - len(g.shape(place))
    return g.reshape(place, *(1,) * missing, *g.shape(place)) if missing > 0 else place


def without_batch(shape: Shape, batch: int = 1) -> Shape:
    """A shape as nodes have it."""
    if not shape or shape[0] % batch:
        return shape
    share = shape[0] // batch
    return shape[1:] if share == 1 else (share, *shape[1:])


def _node(step: Step, output: Value, batch: int, parameters: int) -> Node:
    """What the table says of one result of a step."""
    data = step.data_inputs
    in_shapes = [without_batch(shape, batch) for shape in _read_shapes(step, data)]
    out = without_batch(output.shape, batch)
    first = in_shapes[0] if in_shapes else ()
    attributes, dropped = step.attributes, len(output.shape) - len(out)
    activation = attributes.get("activation", Op.UNKNOWN)
    node = Node(step.op, first, out, parameters=parameters, activation=activation)
    match step.op:
        case op if op in WINDOWED:
            return _window_node(node, step)
        case Op.LINEAR:
            return node._replace(bias=len(step.inputs) > 2)
        case Op.ADD | Op.MUL | Op.MAXIMUM | Op.MINIMUM:
            # The largest input stands for all, so that swapped inputs give the same row.
            return node._replace(in_shape=max(in_shapes, key=lambda s: (len(s), s), default=()))
        case Op.CONCAT:
            return node._replace(attributes=(max(attributes["axis"] - dropped, 0),))
        case Op.ATTENTION:
            keys = attributes.get("keys") or step.inputs[1].shape[-2]
            return node._replace(attributes=(attributes["heads"], keys))
        case op if op in SIZED:
            return node._replace(attributes=(step.inputs[1].size if len(step.inputs) > 1 else 1,))
        case Op.EMBEDDING:
            return node._replace(attributes=(step.inputs[1].shape[0],))
        case Op.PAD:
            return node._replace(padding=_image_padding(attributes))
        case Op.GROUP_NORM:
            return node._replace(groups=attributes["groups"])
        case Op.LAYER_NORM | Op.RMS_NORM if attributes.get("axes", 1) > 1:
            return node._replace(attributes=(attributes["axes"],))
        case op if op in RECURRENT:
            kept = (attributes["hidden"], attributes["directions"])
            return node._replace(bias=len(step.inputs) > 3, attributes=kept)
        case _:
            return node


def _read_shapes(step: Step, data: list[Value]) -> list[Shape]:
    """The shapes in which a step reads its inputs: the layout between two nodes may be implicit."""
    given: list[Shape] | None = step.attributes.get("read_as")
    return given if given is not None else [value.shape for value in data]


def _window_node(node: Node, step: Step) -> Node:
    """A node that slides: the table has two axes of space, a third lies in the attributes."""
    a = step.attributes
    axes = len(a["kernel"])
    kernel, stride = tuple(a["kernel"]), tuple(a["stride"])
    dilation, padding = tuple(a.get("dilation", (1,) * axes)), tuple(a["padding"])
    kept: tuple[int, ...] = ()
    if step.op in (Op.MAX_POOL, Op.AVG_POOL):
        kept = (int(a.get("count_padding", False)), int(a.get("ceil", False)))
    if axes == 1:
        kernel, stride, dilation = ((v[0], 0) for v in (kernel, stride, dilation))
        padding = (padding[0], 0, padding[1], 0)
    elif axes == 3:
        kept = (*(kept or (0, 0)), kernel[0], stride[0], dilation[0], padding[0], padding[3])
        padding = (*padding[1:3], *padding[4:6])
        kernel, stride, dilation = kernel[1:], stride[1:], dilation[1:]
    fields: Any = (kernel, stride, dilation, padding)  # of two and four entries each
    return node._replace(
        kernel=fields[0],
        stride=fields[1],
        dilation=fields[2],
        padding=fields[3],
        groups=a.get("groups", 0),
        bias=step.op in (Op.CONV, Op.CONV_TRANSPOSE) and len(step.inputs) > 2,
        attributes=kept,
    )


def _image_padding(attributes: dict[str, Any]) -> tuple[int, int, int, int]:
    """Zeros above, left, below and right, where they are all that is added."""
    padding: Shape = attributes.get("padding", ())
    axes = len(padding) // 2
    before, after = padding[:axes], padding[axes:]
    if axes < 3 or any((*before[:-2], *after[:-2])) or not attributes.get("zeros"):
        return (0, 0, 0, 0)
    return (*before[-2:], *after[-2:])  # type: ignore[return-value]


def _nodes(node: Node, step: Step) -> list[Node]:
    """The node, and a reshape behind it where it moves or cuts the batch, which nodes leave out."""
    if step.op not in (Op.TRANSPOSE, Op.SLICE):
        return [node]
    dropped = len(step.inputs[0].shape) - len(node.in_shape)
    if len(step.inputs[0].shape) != len(step.shape):
        # A reshape of our own exporter lay between: the axes are those of the result.
        dropped = len(step.shape) - len(node.out_shape)
    if step.op == Op.SLICE:
        axis = step.attributes["axis"] - dropped
        if axis < 0:
            return [node._replace(op=Op.UNKNOWN)]  # a choice among the inputs of a batch
        place = (axis, step.attributes["start"])
        stride = step.attributes.get("step", 1)
        shape = (*node.in_shape[:axis], step.shape[axis + dropped], *node.in_shape[axis + 1 :])
        order = place if stride == 1 else (*place, stride)
    else:
        axes = step.attributes["permutation"]
        order = tuple(axis - dropped for axis in axes if axis >= dropped)
        shape = tuple(node.in_shape[axis] for axis in order)
        if [*order] == sorted(order) and [*axes] != sorted(axes):
            return [node._replace(op=Op.RESHAPE)]  # the batch alone was moved
    moved = node._replace(out_shape=shape, attributes=order)
    return [moved] if shape == node.out_shape else [moved, Node(Op.RESHAPE, shape, node.out_shape)]


def lift(graph: ComputationGraph) -> Trace:
    """The trace of a finished graph, with a batch of one.

    Constants stand for the weights by their number alone: what they are made of is not in a graph.
    """
    trace = Trace(1, graph.name)
    values: list[Value] = []
    for index, node, inputs in graph.walk():
        shape = (1, *node.out_shape)
        if node.op == Op.INPUT:
            values.append(trace.input(shape))
            continue
        data = [values[i] for i in inputs]
        if node.op == Op.OUTPUT:
            trace.outputs.append(data[0])
            values.append(data[0])
            continue
        weights = _weights(node, index, data)
        output = Value(shape)
        attributes = _attributes(node)
        reads = [(1, *node.in_shape), *(v.shape for v in data[1:])]
        if node.op in _JOINS:
            largest = max((v.shape for v in data), key=lambda s: (len(s), s))
            reads = [(1, *node.in_shape)] * len(data) if largest != reads[0] else []
        if reads and reads != [v.shape for v in data] and node.op != Op.UNKNOWN:
            attributes["read_as"] = reads
        if node.activation != Op.UNKNOWN:
            attributes["activation"] = node.activation
        trace.steps.append(Step(node.op, [*data, *weights], [output], attributes))
        values.append(output)
    return trace


_JOINS = frozenset({Op.ADD, Op.MUL, Op.MAXIMUM, Op.MINIMUM})
"""Operators in whose rows the largest input stands for all."""


def _weights(node: Node, index: int, data: list[Value]) -> list[Value]:
    """Constants in the places where the node's operator reads them, as large as its shapes ask."""

    numbers = count()

    def learned(*shape: int) -> Value:
        weight = Weight(f"n{index}.{next(numbers)}", prod(shape))
        return Value(shape, constant=True, weights=frozenset({weight}))

    match node.op:
        case Op.CONV | Op.CONV_TRANSPOSE if len(data) == 1:
            return [learned(size) for size in _kernel_sizes(node)]
        case Op.LINEAR if len(data) == 1:
            features = node.out_shape[-1]
            bias = [learned(features)] if node.bias else []
            return [learned(node.in_shape[-1], features), *bias]
        case Op.EMBEDDING:
            return [learned(node.attribute(0), node.out_shape[-1])]
        case Op.SCALE | Op.SHIFT:
            number = node.attribute(0) == 1 and not node.parameters
            return [Value((1,), constant=True) if number else learned(node.attribute(0))]
        case Op.POSITION:
            return [learned(*node.in_shape)]
        case Op.BATCH_NORM | Op.GROUP_NORM | Op.INSTANCE_NORM:
            return [learned(2, node.in_shape[0])]
        case Op.LAYER_NORM | Op.RMS_NORM:
            axes = node.attribute(0) or 1
            return [learned(1 + (node.op == Op.LAYER_NORM), *node.in_shape[-axes:])]
        case Op.CONCAT:
            axis = node.attribute(0)
            whole = prod(node.out_shape)
            lacking = whole - sum(value.size for value in data)
            missing = lacking * node.out_shape[axis] // whole
            shape = (1, *node.out_shape[:axis], missing, *node.out_shape[axis + 1 :])
            return [learned(*shape)] if missing > 0 else []
        case op if op in RECURRENT:
            return [learned(size) for size in _recurrent_sizes(node)]
        case _:
            return [learned(node.parameters)] if node.parameters else []


def _kernel_sizes(node: Node) -> list[int]:
    """Values of a convolution's kernel, and of its bias where it has one."""
    axis = channel_axis(node)
    inputs, outputs = node.in_shape[axis], node.out_shape[axis]
    depth = node.attribute(2) or 1
    window = depth * max(node.kernel[0], 1) * max(node.kernel[1], 1)
    kernel = inputs * outputs // max(node.groups, 1) * window
    return [kernel, outputs] if node.bias else [kernel]


def _recurrent_sizes(node: Node) -> list[int]:
    """Weights of a recurrent layer: of its input, of its state, and two biases for each gate."""
    hidden, directions = node.attribute(0), node.attribute(1)
    rows = GATES[node.op] * hidden * directions
    sizes = [rows * node.in_shape[-1], rows * hidden]
    return [*sizes, 2 * rows] if node.bias else sizes


def channel_axis(node: Node) -> int:
    """Where the channels of a node that slides lie: in front of its axes of space."""
    axes = 1 if node.kernel[1] == 0 else 3 if node.attribute(2) else 2
    return len(node.out_shape) - axes - 1


def _attributes(node: Node) -> dict[str, Any]:
    """The settings of a node's step, as the doors write them."""
    match node.op:
        case op if op in WINDOWED:
            return _window_attributes(node)
        case Op.CONCAT:
            return {"axis": node.attribute(0) + 1}
        case Op.SLICE:
            step = node.attribute(2) or 1
            return {"axis": node.attribute(0) + 1, "start": node.attribute(1), "step": step}
        case Op.TRANSPOSE:
            axes = (node.attribute(i) + 1 for i in range(len(node.in_shape)))
            return {"permutation": (0, *axes)}
        case Op.ATTENTION:
            return {"heads": node.attribute(0), "keys": node.attribute(1)}
        case Op.PAD if any(node.padding):
            top, left, bottom, right = node.padding
            other = (0,) * (len(node.in_shape) - 1)
            return {"padding": (*other, top, left, *other, bottom, right), "zeros": True}
        case Op.GROUP_NORM:
            return {"groups": node.groups}
        case Op.LAYER_NORM | Op.RMS_NORM:
            return {"axes": node.attribute(0) or 1}
        case op if op in RECURRENT:
            return {"hidden": node.attribute(0), "directions": node.attribute(1)}
        case _:
            return {}


def _window_attributes(node: Node) -> dict[str, Any]:
    top, left, bottom, right = node.padding
    padding: Shape = node.padding
    window: dict[str, Any] = {"groups": node.groups}
    if node.op in (Op.MAX_POOL, Op.AVG_POOL):
        # Where nothing is padded there is nothing to count: exporters write either.
        window = {"count_padding": node.attribute(0) and any(padding), "ceil": node.attribute(1)}
    axes: list[Shape] = [node.kernel, node.stride, node.dilation]
    if node.kernel[1] == 0:
        axes = [settings[:1] for settings in axes]
        padding = (top, bottom)
    elif node.attribute(2):
        front, behind = node.attribute(5), node.attribute(6)
        axes = [(node.attribute(2 + i), *settings) for i, settings in enumerate(axes)]
        padding = (front, top, left, behind, bottom, right)
    names = ("kernel", "stride", "dilation")
    return {**window, **dict(zip(names, axes, strict=True)), "padding": padding}
