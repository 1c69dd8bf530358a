"""A node of GENNAPE's computation graphs, and how a graph of them becomes one of ours.

Their images are (H, W, C) and their vectors have height and width 1; ours are (C, H, W) and (C,).
"""

from collections import defaultdict, deque
from collections.abc import Iterator
from math import prod
from typing import Any, NamedTuple, Self

from onnx_bench import shapes
from onnx_bench.builder import GraphBuilder
from onnx_bench.formats.errors import FormatError
from onnx_bench.graph import ComputationGraph, Node, Shape
from onnx_bench.operators import Op

LABELS = {
    **{"input": Op.INPUT, "output": Op.OUTPUT, "conv": Op.CONV, "depthwise": Op.CONV},
    **{"matmul": Op.LINEAR, "batchnorm": Op.BATCH_NORM, "relu": Op.RELU, "relu6": Op.RELU6},
    **{"sigmoid": Op.SIGMOID, "tanh": Op.TANH, "swish": Op.SILU, "gelu": Op.GELU},
    **{"add": Op.ADD, "mul": Op.MUL, "concat": Op.CONCAT, "identity": Op.IDENTITY},
    **{"maxpool": Op.MAX_POOL, "avgpool": Op.AVG_POOL, "mean": Op.GLOBAL_AVG_POOL},
    **{"paddings": Op.PAD, "zero": Op.ZERO},
    **dict.fromkeys(("spacetobatchnd", "batchtospacend", "global", "reserved"), Op.UNKNOWN),
    **dict.fromkeys(("spacetodepthnd", "depthtospacend"), Op.UNKNOWN),
}
"""Their vocabulary; a node is what the longest of these is that its label contains."""
MAX_SIZE = 1 << 20
"""Largest height, width, number of channels or kernel."""
_JOINS = frozenset({Op.ADD, Op.MUL, Op.CONCAT})
_WINDOWS = frozenset({Op.CONV, Op.MAX_POOL, Op.AVG_POOL})
Pair = tuple[int, int]


class ForeignNode(NamedTuple):
    """What of a node's attributes we use."""

    op: Op
    depthwise: bool
    in_shape: Shape
    out_shape: Shape
    weight: tuple[int, int, int, int]
    """Channels in and out, kernel height and width; zeros where it has none."""
    stride: Pair
    dilation: Pair
    window: Pair
    same: bool
    bias: bool
    sides: tuple[int, int, int, int]
    """Zeros of a `paddings` node: top, left, bottom, right."""

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self:
        """From a node's attributes.

        Raises:
            FormatError: one is missing or impossible.
        """
        label = data.get("label")
        if type(label) is not str:
            raise FormatError("a node has no label")
        known = [name for name in LABELS if name in label.lower()]
        name = max(known, key=len, default="reserved")
        h_in, h_out, w_in, w_out, c_in, c_out = _sizes(data.get("resolution"), 6, "resolution")
        meta = data.get("metadata") or {}
        if type(meta) is not dict:
            raise FormatError("a node's metadata is no dict")
        top, bottom = _sizes(meta.get("pad_h", (0, 0)), 2, "pad_h")
        left, right = _sizes(meta.get("pad_w", (0, 0)), 2, "pad_w")
        a, b, kernel_h, kernel_w = _sizes(data.get("shape") or (0,) * 4, 4, "shape")
        return cls(
            LABELS[name],
            name == "depthwise",
            (c_in, h_in, w_in),
            (c_out, h_out, w_out),
            (a, b, kernel_h, kernel_w),
            _plane(data.get("strides"), meta, "strides"),
            _plane(meta.get("dilations"), meta, "dilations"),
            _plane(meta.get("ksize"), meta, "ksize"),
            str(meta.get("padding", "valid")) == "same",
            meta.get("use_bias") is True,
            (top, left, bottom, right),
        )

    def padding(self, kernel: Pair) -> tuple[int, int, int, int]:
        """As TensorFlow pads for SAME: what is odd goes behind."""
        if not self.same:
            return (0, 0, 0, 0)
        before, after = [], []
        for axis in (0, 1):
            reach = self.dilation[axis] * (kernel[axis] - 1) + 1
            steps = (self.out_shape[axis + 1] - 1) * self.stride[axis]
            zeros = max(steps + reach - self.in_shape[axis + 1], 0)
            before.append(zeros // 2)
            after.append(zeros - zeros // 2)
        return (before[0], before[1], after[0], after[1])


def _sizes(values: Any, count: int, what: str) -> list[int]:
    if type(values) not in (list, tuple) or len(values) != count:
        raise FormatError(f"a node's {what} is not {count} numbers")
    for value in values:
        if type(value) not in (int, float) or not 0 <= value <= MAX_SIZE or value != int(value):
            raise FormatError(f"a node's {what} has {str(value)[:20]!r}, expected a size")
    return [int(value) for value in values]


def _plane(values: Any, meta: dict[Any, Any], what: str) -> Pair:
    """Height and width of four numbers, (1, 1) where there are none."""
    if not values:
        return (1, 1)
    four = _sizes(values, 4, what)
    first = 2 if meta.get("data_format") == "NCHW" else 1
    return max(four[first], 1), max(four[first + 1], 1)


def to_graph(nodes: list[ForeignNode], edges: list[Pair], name: str) -> ComputationGraph:
    """Our graph of these nodes.

    Raises:
        FormatError: the edges form a cycle, or a node reads too few.
        GraphError: a node's shapes fit no tensor.
    """
    if not nodes:
        raise FormatError("it has no nodes")
    g = GraphBuilder()
    sources: dict[int, list[int]] = defaultdict(list)
    for source, target in sorted(set(edges)):
        sources[target].append(source)
    placed: dict[int, int] = {}
    for index in _ordered(len(nodes), edges):
        placed[index] = _place(g, nodes[index], [placed[source] for source in sources[index]])
    ends = set(placed) - {source for source, _ in edges}
    for index in sorted(ends):
        if nodes[index].op != Op.OUTPUT:
            g.output(placed[index])
    return g.build(name).validate()


def _ordered(count: int, edges: list[Pair]) -> Iterator[int]:
    """The nodes, each behind all that it reads."""
    targets: dict[int, list[int]] = defaultdict(list)
    waiting = [0] * count
    for source, target in sorted(set(edges)):
        targets[source].append(target)
        waiting[target] += 1
    ready = deque(index for index in range(count) if not waiting[index])
    seen = 0
    while ready:
        index = ready.popleft()
        seen += 1
        yield index
        for target in targets[index]:
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    if seen < count:
        raise FormatError("its edges form a cycle")


def _place(g: GraphBuilder, node: ForeignNode, inputs: list[int]) -> int:
    if node.op == Op.INPUT and not inputs:
        return g.input(*node.out_shape)
    if not inputs:
        raise FormatError(f"a {node.op.label} node reads nothing")
    if node.op in _JOINS and len(inputs) > 1:
        return _join(g, node.op, [_image(g, x) for x in inputs])
    if node.op in _JOINS or node.op == Op.UNKNOWN or len(inputs) > 1:
        return g.unknown(node.out_shape, *inputs)
    return _single(g, node, inputs[0])


def _join(g: GraphBuilder, op: Op, inputs: list[int]) -> int:
    match op:
        case Op.ADD:
            return g.add(*inputs)
        case Op.MUL:
            return g.mul(*inputs)
        case _:
            return g.concat(*inputs)


def _single(g: GraphBuilder, node: ForeignNode, x: int) -> int:
    given = g.shape(x)
    match node.op:
        case Op.LINEAR:
            flat = x if len(given) == 1 else g.flatten(x)
            return g.linear(flat, node.out_shape[0], node.bias)
        case Op.BATCH_NORM:
            return g.batch_norm(x)
        case Op.GLOBAL_AVG_POOL if node.out_shape[1:] == (1, 1):
            return g.global_avg_pool(_image(g, x))
        case Op.PAD:
            row = Node(Op.PAD, node.in_shape, node.out_shape, padding=node.sides)
            return g.place(shapes.row(row), _image(g, x))
        case op if op in _WINDOWS:
            return g.place(_window(node), _image(g, x))
        case Op.GLOBAL_AVG_POOL | Op.INPUT:
            return g.unknown(node.out_shape, x)
        case op:
            return g.unary(op, x)


def _image(g: GraphBuilder, x: int) -> int:
    """A vector as an image of one place."""
    shape = g.shape(x)
    return g.reshape(x, shape[0], 1, 1) if len(shape) == 1 else x


def _window(node: ForeignNode) -> shapes.Row:
    kernel = node.weight[2:] if node.op == Op.CONV else node.window
    if min(kernel) < 1:
        raise FormatError(f"a {node.op.label} node has no kernel")
    row = Node(
        node.op,
        node.in_shape,
        node.out_shape,
        (kernel[0], kernel[1]),
        node.stride,
        node.dilation if node.op == Op.CONV else (1, 1),
        node.padding((kernel[0], kernel[1])),
    )
    if node.op != Op.CONV:
        return shapes.row(row)
    channels = node.out_shape[0]
    weights = prod(node.weight) + node.bias * channels
    groups = node.in_shape[0] if node.depthwise else 1
    return shapes.row(row._replace(groups=groups, bias=node.bias, parameters=weights))
