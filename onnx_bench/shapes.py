"""The shape rule of each operator: from input shapes and attributes to the node's finished row.

Pure, cached functions. Each says in an error what did not fit. Parameter counts are the trainable
ones: weights, biases, and the scale and shift of normalisations (running statistics are not).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from math import prod
from typing import NamedTuple

from onnx_bench import rows
from onnx_bench.errors import GraphError
from onnx_bench.graph import MAX_RANK, Node, Shape, decode
from onnx_bench.operators import ACTIVATIONS, COMMUTATIVE, GATES, Op

Pair = int | tuple[int, int]
Padding = int | tuple[int, int, int, int] | None
_rule = lru_cache(maxsize=1 << 15)


class Row(NamedTuple):
    """A finished row of the node table and the output shape it stands for."""

    data: bytes
    shape: Shape


def row(node: Node) -> Row:
    """Encodes a node; refuses shapes that no tensor has."""
    shape = node.out_shape
    if len(shape) > MAX_RANK or any(d < 1 for d in shape):
        raise GraphError(
            f"{node.op.label} of {node.in_shape} would give shape {shape}: "
            f"expected 1 to {MAX_RANK} axes of at least 1"
        )
    return Row(node.encode(), shape)


@contextmanager
def _labelled(op: Op) -> Iterator[None]:
    """Lets an error say which operator it is about."""
    try:
        yield
    except GraphError as error:
        raise GraphError(f"{op.label}: {error}") from None


def pair(value: Pair) -> tuple[int, int]:
    """(height, width) from one number or two."""
    return value if isinstance(value, tuple) else (value, value)


def _image(op: Op, shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise GraphError(f"{op.label} needs an image (C, H, W), got shape {shape}")
    return shape[0], shape[1], shape[2]


def _window(
    op: Op,
    in_shape: Shape,
    channels: int,
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    ceil: bool,
) -> Node:
    """Output size of anything that slides a window over an image."""
    _, height, width = _image(op, in_shape)
    k, s, d = pair(kernel), pair(stride), pair(dilation)
    if min(*k, *s, *d) < 1:
        raise GraphError(f"{op.label}: kernel {k}, stride {s} and dilation {d} must be 1 or more")
    if padding is None:
        same = (d[0] * (k[0] // 2), d[1] * (k[1] // 2))
        pads = (*same, *same)
    else:
        pads = padding if isinstance(padding, tuple) else (padding,) * 4
    if min(pads) < 0:
        raise GraphError(f"{op.label}: padding {pads} must be 0 or more")
    size = []
    for axis, length in enumerate((height, width)):
        span = length + pads[axis] + pads[axis + 2] - d[axis] * (k[axis] - 1) - 1
        steps = span // s[axis]
        if ceil and span % s[axis] and (steps + 1) * s[axis] < length + pads[axis]:
            steps += 1  # as torch and onnxruntime: the last window must start inside the image
        size.append(steps + 1)
    return Node(op, in_shape, (channels, *size), k, s, d, pads)


@_rule
def source(shape: Shape) -> Row:
    return row(Node(Op.INPUT, (), shape))


@_rule
def conv(
    in_shape: Shape,
    channels: int,
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    bias: bool,
) -> Row:
    node = _window(Op.CONV, in_shape, channels, kernel, stride, padding, dilation, False)
    weights = _conv_weights(in_shape[0], channels, prod(node.kernel), groups, bias)
    return row(node._replace(groups=groups, bias=bias, parameters=weights))


@_rule
def conv1d(
    in_shape: Shape,
    channels: int,
    kernel: int,
    stride: int,
    padding: int | tuple[int, int] | None,
    dilation: int,
    groups: int,
    bias: bool,
) -> Row:
    if len(in_shape) != 2:
        raise GraphError(f"conv1d needs a line (C, T), got shape {in_shape}")
    sides: Padding = None
    if padding is not None:
        before, after = pair(padding)
        sides = (before, 0, after, 0)
    image, line = (*in_shape, 1), (kernel, 1)
    node = _window(Op.CONV, image, channels, line, (stride, 1), sides, (dilation, 1), False)
    weights = _conv_weights(in_shape[0], channels, kernel, groups, bias)
    return row(
        node._replace(
            in_shape=in_shape,
            out_shape=node.out_shape[:2],
            kernel=(kernel, 0),
            stride=(stride, 0),
            dilation=(dilation, 0),
            groups=groups,
            bias=bias,
            parameters=weights,
        )
    )


@_rule
def conv_transpose(
    in_shape: Shape,
    channels: int,
    kernel: Pair,
    stride: Pair,
    padding: int | tuple[int, int, int, int],
    output_padding: Pair,
    dilation: Pair,
    groups: int,
    bias: bool,
) -> Row:
    inputs, *size = _image(Op.CONV_TRANSPOSE, in_shape)
    k, s, d, added = pair(kernel), pair(stride), pair(dilation), pair(output_padding)
    pads = padding if isinstance(padding, tuple) else (padding,) * 4
    if min(*k, *s, *d) < 1 or min(*pads, *added) < 0:
        raise GraphError(
            f"conv_transpose: kernel {k}, stride {s} and dilation {d} must be 1 or more, padding "
            f"{pads} and output padding {added} 0 or more"
        )
    out = [
        (length - 1) * s[i] + d[i] * (k[i] - 1) + 1 + added[i] - pads[i] - pads[i + 2]
        for i, length in enumerate(size)
    ]
    weights = _conv_weights(channels, inputs, prod(k), groups, False) + bias * channels
    node = Node(Op.CONV_TRANSPOSE, in_shape, (channels, *out), k, s, d, pads, groups, bias, weights)
    finished = row(node)
    with _labelled(Op.CONV_TRANSPOSE):
        rows.output_padding(node)
    return finished


def _conv_weights(inputs: int, channels: int, window: int, groups: int, bias: bool) -> int:
    if groups < 1 or inputs % groups or channels % groups:
        raise GraphError(f"conv: {groups} groups do not divide {inputs} and {channels} channels")
    return channels * (inputs // groups) * window + bias * channels


@_rule
def linear(in_shape: Shape, features: int, bias: bool) -> Row:
    if not in_shape:
        raise GraphError("linear needs at least one axis, got a scalar")
    weights = in_shape[-1] * features + bias * features
    return row(Node(Op.LINEAR, in_shape, (*in_shape[:-1], features), bias=bias, parameters=weights))


@_rule
def norm(op: Op, shape: Shape) -> Row:
    if not shape:
        raise GraphError(f"{op.label} needs at least one axis, got a scalar")
    features = shape[0] if op == Op.BATCH_NORM else shape[-1]
    return row(Node(op, shape, shape, parameters=2 * features))


@_rule
def group_norm(shape: Shape, groups: int) -> Row:
    if not shape or groups < 1 or shape[0] % groups:
        raise GraphError(f"group_norm: {groups} groups do not divide the channels of {shape}")
    return row(Node(Op.GROUP_NORM, shape, shape, groups=groups, parameters=2 * shape[0]))


@_rule
def instance_norm(shape: Shape) -> Row:
    if len(shape) < 2:
        raise GraphError(f"instance_norm needs channels and space (C, ...), got shape {shape}")
    return row(Node(Op.INSTANCE_NORM, shape, shape, parameters=2 * shape[0]))


@_rule
def rms_norm(shape: Shape) -> Row:
    if not shape:
        raise GraphError("rms_norm needs at least one axis, got a scalar")
    return row(Node(Op.RMS_NORM, shape, shape, parameters=shape[-1]))


@_rule
def prelu(shape: Shape, per_channel: bool) -> Row:
    slopes = shape[0] if per_channel and shape else 1
    return row(Node(Op.PRELU, shape, shape, parameters=slopes))


@_rule
def constant(op: Op, shape: Shape, size: int) -> Row:
    learned = size if size > 1 else 0
    node = Node(op, shape, shape, parameters=learned, attributes=(size,))
    with _labelled(op):
        rows.constant_shape(node)
    return row(node)


@_rule
def embedding(in_shape: Shape, entries: int, features: int) -> Row:
    if entries < 1:
        raise GraphError(f"embedding: its table has {entries} rows, expected 1 or more")
    out = (*in_shape, features)
    node = Node(Op.EMBEDDING, in_shape, out, parameters=entries * features, attributes=(entries,))
    return row(node)


@_rule
def recurrent(op: Op, in_shape: Shape, hidden: int, directions: int, bias: bool) -> Row:
    if len(in_shape) != 2 or hidden < 1:
        raise GraphError(f"{op.label} needs (T, C) and 1 or more values, got {in_shape}, {hidden}")
    steps, width = in_shape
    # Torch keeps two biases for each gate.
    weights = GATES[op] * hidden * directions * (width + hidden + 2 * bias)
    out = (steps, directions * hidden)
    kept = (hidden, directions)
    return row(Node(op, in_shape, out, bias=bias, parameters=weights, attributes=kept))


@_rule
def position(shape: Shape) -> Row:
    return row(Node(Op.POSITION, shape, shape, parameters=prod(shape)))


@_rule
def unary(op: Op, shape: Shape) -> Row:
    return row(Node(op, shape, shape))


@_rule
def broadcast(op: Op, in_shapes: tuple[Shape, ...]) -> Row:
    rank = max(len(s) for s in in_shapes)
    aligned = [(1,) * (rank - len(s)) + s for s in in_shapes]
    out = tuple(max(axis) for axis in zip(*aligned, strict=True))
    if any(d not in (1, o) for s in aligned for d, o in zip(s, out, strict=True)):
        raise GraphError(f"{op.label}: shapes {list(in_shapes)} neither agree nor broadcast")
    # The largest input stands for all that may be swapped, so that this gives the same row.
    first = max(in_shapes, key=lambda s: (len(s), s)) if op in COMMUTATIVE else in_shapes[0]
    return row(Node(op, first, out))


@_rule
def concat(in_shapes: tuple[Shape, ...], axis: int) -> Row:
    first = in_shapes[0]
    if not 0 <= axis < len(first):
        raise GraphError(f"concat: axis {axis} is outside shape {first}")
    if any(s[:axis] + s[axis + 1 :] != first[:axis] + first[axis + 1 :] for s in in_shapes):
        raise GraphError(f"concat: shapes {list(in_shapes)} differ outside axis {axis}")
    length = sum(s[axis] for s in in_shapes)
    out = (*first[:axis], length, *first[axis + 1 :])
    return row(Node(Op.CONCAT, first, out, attributes=(axis,)))


@_rule
def matmul(a: Shape, b: Shape) -> Row:
    if len(a) < 2 or len(b) < 2 or a[-1] != b[-2] or a[:-2] != b[:-2]:
        raise GraphError(f"matmul: shapes {a} and {b} do not multiply")
    return row(Node(Op.MATMUL, a, (*a[:-1], b[-1])))


@_rule
def attention(query: Shape, key: Shape, value: Shape, heads: int) -> Row:
    if not (len(query) == len(key) == len(value) == 2) or key[0] != value[0]:
        raise GraphError(f"attention needs (T, C) tensors, got {query}, {key}, {value}")
    if query[1] != key[1] or heads < 1 or query[1] % heads or value[1] % heads:
        raise GraphError(f"attention: {heads} heads do not split {query}, {key}, {value}")
    return row(Node(Op.ATTENTION, query, (query[0], value[1]), attributes=(heads, key[0])))


@_rule
def pool(
    op: Op,
    in_shape: Shape,
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    ceil: bool = False,
    count_padding: bool = False,
) -> Row:
    channels = _image(op, in_shape)[0]
    node = _window(op, in_shape, channels, kernel, stride, padding, 1, ceil)
    return row(node._replace(attributes=(int(count_padding), int(ceil))))


@_rule
def global_pool(op: Op, in_shape: Shape) -> Row:
    channels = _image(op, in_shape)[0]
    return row(Node(op, in_shape, (channels, 1, 1)))


@_rule
def mean(in_shape: Shape) -> Row:
    if len(in_shape) != 2:
        raise GraphError(f"mean needs tokens (T, C), got shape {in_shape}")
    return row(Node(Op.MEAN, in_shape, in_shape[1:]))


@_rule
def reduce(op: Op, in_shape: Shape, axes: Shape, keep: bool) -> Row:
    if not axes or not all(0 <= axis < len(in_shape) for axis in axes):
        raise GraphError(f"{op.label}: axes {axes} are not those of {in_shape}")
    wide = tuple(1 if i in axes else size for i, size in enumerate(in_shape))
    out = wide if keep else tuple(size for i, size in enumerate(in_shape) if i not in axes)
    node = Node(op, in_shape, out)
    with _labelled(op):
        found = rows.reduced_axes(node)
    if {i for i in found if in_shape[i] > 1} != {i for i in axes if in_shape[i] > 1}:
        raise GraphError(f"{op.label}: the shapes {in_shape} and {out} tell other axes than {axes}")
    return row(node)


@_rule
def pad(in_shape: Shape, shape: Shape) -> Row:
    node = Node(Op.PAD, in_shape, shape)
    with _labelled(Op.PAD):
        *others, low, right = (0, 0, *rows.added(node))
    # The row tells the sides of the last two axes, if no other grows.
    alone = len(in_shape) > 1 and not any(others)
    return row(node._replace(padding=(0, 0, low, right)) if alone else node)


@_rule
def resize(in_shape: Shape, size: Shape) -> Row:
    node = Node(Op.RESIZE, in_shape, (*in_shape[:1], *size))
    with _labelled(Op.RESIZE):
        rows.resized(node)
    return row(node)


@_rule
def expand(in_shape: Shape, shape: Shape) -> Row:
    node = Node(Op.EXPAND, in_shape, shape)
    with _labelled(Op.EXPAND):
        rows.tiles(node)
    return row(node)


@_rule
def cut(in_shape: Shape, axis: int, start: int, length: int, step: int = 1) -> Row:
    last = start + step * (length - 1)
    inside = (
        0 <= axis < len(in_shape) and 0 <= min(start, last) <= max(start, last) < in_shape[axis]
    )
    if not inside or step == 0:
        raise GraphError(
            f"slice: entries {start} to {last + step} of axis {axis} are outside {in_shape}"
        )
    out = (*in_shape[:axis], length, *in_shape[axis + 1 :])
    kept = (axis, start) if step == 1 else (axis, start, step)
    return row(Node(Op.SLICE, in_shape, out, attributes=kept))


@_rule
def reshape(in_shape: Shape, shape: Shape) -> Row:
    if prod(in_shape) != prod(shape):
        raise GraphError(f"reshape: {in_shape} and {shape} hold different numbers of values")
    return row(Node(Op.RESHAPE, in_shape, shape))


@_rule
def transpose(in_shape: Shape, permutation: tuple[int, ...]) -> Row:
    if sorted(permutation) != list(range(len(in_shape))):
        raise GraphError(f"transpose: {permutation} does not permute the axes of {in_shape}")
    out = tuple(in_shape[axis] for axis in permutation)
    return row(Node(Op.TRANSPOSE, in_shape, out, attributes=permutation))


@_rule
def unknown(in_shape: Shape, shape: Shape) -> Row:
    return row(Node(Op.UNKNOWN, in_shape, shape))


_EACH = {
    Op.CONV,
    Op.CONV_TRANSPOSE,
    Op.BATCH_NORM,
    Op.ADD,
    Op.ZERO,
    Op.SLICE,
    Op.CONCAT,
    Op.PAD,
    Op.MAX_POOL,
    Op.AVG_POOL,
    Op.GLOBAL_AVG_POOL,
}


@_rule
def each(row_: Row, count: int) -> Row:
    """The row that does the same to every entry of a further axis in front."""
    node = decode(row_.data)
    if node.op not in _EACH and node.op not in ACTIVATIONS:
        raise GraphError(f"{node.op.label}: its row cannot say that it runs on each of {count}")
    attributes = node.attributes
    if node.op in (Op.SLICE, Op.CONCAT):
        first, *others = attributes or (0,)
        attributes = (first + 1, *others)
    shapes = ((count, *node.in_shape), (count, *node.out_shape))
    return row(node._replace(in_shape=shapes[0], out_shape=shapes[1], attributes=attributes))
