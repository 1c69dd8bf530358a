"""Random valid networks for hypothesis: small, over every operator whose row says how it runs.

A network grows step by step: `graphs` takes a value that is there and applies an operator that fits
its rank. Some values stay unread in the end, as happens in real files.
"""

from collections.abc import Callable
from math import prod

from hypothesis import strategies as st

from onnx_bench.builder import GraphBuilder
from onnx_bench.errors import GraphError
from onnx_bench.graph import ComputationGraph, Shape
from onnx_bench.operators import ACTIVATIONS, Op

Draw = st.DrawFn
Step = Callable[[Draw, GraphBuilder, int], int]
"""Adds an operator, or a small block, behind a node; returns its result."""
Sides = tuple[int, int, int, int]
UNARY = (*sorted(ACTIVATIONS), Op.IDENTITY, Op.ZERO, Op.ABS, Op.ERF)
BOUNDED = (Op.LOG, Op.SQRT, Op.SINE)
"""Operators that amplify rounding, or are not defined, far from 1."""
REDUCTIONS = (Op.REDUCE_MEAN, Op.REDUCE_SUM, Op.REDUCE_MAX)
MOST_VALUES = 500
"""Larger values do not grow further."""


@st.composite
def graphs(draw: Draw, max_steps: int = 8, mixed_ranks: bool = True) -> ComputationGraph:
    """A random network of one or two inputs and outputs, in values of 0 to 4 axes.

    Args:
        max_steps: operators or small blocks of them.
        mixed_ranks: whether joins of tensors with different numbers of axes occur. They broadcast
            in the shapes without the batch.
    """
    g = GraphBuilder()
    for shape in draw(st.lists(_shapes(), min_size=1, max_size=2)):
        g.input(*shape)
    for _ in range(draw(st.integers(1, max_steps))):
        x = _recent(draw, g)
        draw(st.sampled_from(_steps(g.shape(x), mixed_ranks)))(draw, g, x)
    for x in [_recent(draw, g) for _ in range(draw(st.integers(1, 2)))]:
        g.output(x)
    return g.build("random")


def _recent(draw: Draw, g: GraphBuilder) -> int:
    """Any node; the last one is the simplest choice, so that networks shrink to chains."""
    return len(g) - 1 - draw(st.integers(0, len(g) - 1))


def _shapes() -> st.SearchStrategy[Shape]:
    images = st.tuples(st.integers(1, 6), st.integers(1, 9), st.integers(1, 9))
    others = st.lists(st.integers(1, 6), min_size=0, max_size=4).map(tuple)
    return st.one_of(images, others)


def _steps(shape: Shape, mixed_ranks: bool) -> list[Step]:
    steps: list[Step] = [_unary, _bounded, _join, _quotient, _position, _constant, _reshape]
    if shape:
        steps += [_linear, _norm, _prelu, _along_last, _reduce, _slice, _transpose, _concat]
    if shape and mixed_ranks:
        steps.append(_broadcast)
    if prod(shape) <= MOST_VALUES and len(shape) < 6:
        steps += [_expand, _pad, _embedding]
    if len(shape) >= 2:
        steps.append(_matmul)
    if len(shape) == 2:
        steps += [_attention, _mean, _recurrent, _recurrent, _conv_of_line]
    if len(shape) == 3:
        steps += [_conv, _conv, _max_pool, _avg_pool, _squeeze_excitation]
    if len(shape) == 3 and prod(shape) <= MOST_VALUES:
        steps += [_conv_transpose, _resize]
    return steps


def _unary(draw: Draw, g: GraphBuilder, x: int) -> int:
    return g.unary(draw(st.sampled_from(UNARY)), x)


def _near_one(g: GraphBuilder, x: int) -> int:
    """Values between 1 and e."""
    return g.unary(Op.EXP, g.sigmoid(x))


def _bounded(draw: Draw, g: GraphBuilder, x: int) -> int:
    return g.unary(draw(st.sampled_from(BOUNDED)), _near_one(g, x))


def _quotient(_: Draw, g: GraphBuilder, x: int) -> int:
    return g.div(x, _near_one(g, x))


def _position(_: Draw, g: GraphBuilder, x: int) -> int:
    return g.position(x)


def _constant(draw: Draw, g: GraphBuilder, x: int) -> int:
    shape = g.shape(x)
    sizes = (1, *shape[-1:], *shape[:1], prod(shape))
    return draw(st.sampled_from((g.scale, g.shift)))(x, draw(st.sampled_from(sizes)))


def _along_last(draw: Draw, g: GraphBuilder, x: int) -> int:
    op = draw(st.sampled_from((Op.SOFTMAX, Op.CUMULATE, Op.NORMALIZE)))
    return g.unary(op, _near_one(g, x) if op == Op.NORMALIZE else x)


def _norm(draw: Draw, g: GraphBuilder, x: int) -> int:
    shape = g.shape(x)
    norms: list[Callable[[int], int]] = [g.batch_norm, g.layer_norm, g.rms_norm]
    if len(shape) > 1:
        norms.append(g.instance_norm)
    groups = draw(st.sampled_from([d for d in range(1, shape[0] + 1) if shape[0] % d == 0]))
    norms.append(lambda y: g.group_norm(y, groups))
    return draw(st.sampled_from(norms))(x)


def _prelu(draw: Draw, g: GraphBuilder, x: int) -> int:
    return g.prelu(x, draw(st.booleans()))


def _linear(draw: Draw, g: GraphBuilder, x: int) -> int:
    return g.linear(x, draw(st.integers(1, 5)), draw(st.booleans()))


def _join(draw: Draw, g: GraphBuilder, x: int) -> int:
    """Sum, product, extreme or difference of two to four values of one shape."""
    alike = [y for y in range(len(g)) if g.shape(y) == g.shape(x)]
    others = draw(st.lists(st.sampled_from(alike), min_size=1, max_size=3))
    return _joined(draw, g, x, *others)


def _joined(draw: Draw, g: GraphBuilder, *xs: int) -> int:
    join = draw(st.sampled_from((g.add, g.mul, g.maximum, g.minimum, g.sub)))
    return join(*xs[:2]) if join == g.sub else join(*xs)


def _broadcast(draw: Draw, g: GraphBuilder, x: int) -> int:
    """Join with a tensor that has fewer axes, and perhaps ones among them."""
    kept = g.shape(x)[draw(st.integers(1, len(g.shape(x)))) :]
    shape = tuple(draw(st.sampled_from((1, d))) for d in kept)
    y = g.input(*shape)
    terms = draw(st.permutations((x, y, y)[: draw(st.integers(2, 3))]))
    return _joined(draw, g, *terms)


def _squeeze_excitation(draw: Draw, g: GraphBuilder, x: int) -> int:
    pool = draw(st.sampled_from((g.global_avg_pool, g.global_max_pool)))
    return g.mul(x, g.sigmoid(pool(x)))


def _concat(draw: Draw, g: GraphBuilder, x: int) -> int:
    axis = draw(st.integers(0, len(g.shape(x)) - 1))
    return g.concat(x, g.relu(x), *[x][: draw(st.integers(0, 1))], axis=axis)


def _matmul(_: Draw, g: GraphBuilder, x: int) -> int:
    axes = list(range(len(g.shape(x))))
    return g.matmul(x, g.transpose(x, *axes[:-2], axes[-1], axes[-2]))


def _attention(draw: Draw, g: GraphBuilder, x: int) -> int:
    heads = draw(st.integers(1, 3))
    width = heads * draw(st.integers(1, 4))
    key = g.slice(x, 0, draw(st.integers(1, g.shape(x)[0])))
    value = g.linear(key, heads * draw(st.integers(1, 4)))
    return g.attention(g.linear(x, width), g.linear(key, width), value, heads)


def _recurrent(draw: Draw, g: GraphBuilder, x: int) -> int:
    layer = draw(st.sampled_from((g.lstm, g.gru, g.rnn)))
    return layer(x, draw(st.integers(1, 4)), draw(st.booleans()), draw(st.booleans()))


def _embedding(draw: Draw, g: GraphBuilder, x: int) -> int:
    """Of an input of its own, cut to -1 to 1: engines that round otherwise take the same rows."""
    chosen = g.unary(Op.CLIP, g.input(*g.shape(x)))
    return g.embedding(chosen, draw(st.integers(2, 5)), draw(st.integers(1, 4)))


def _reduce(draw: Draw, g: GraphBuilder, x: int) -> int:
    """Along one axis; of tokens the last one, for along the first it is the mean of tokens."""
    rank, op = len(g.shape(x)), draw(st.sampled_from(REDUCTIONS))
    axis = draw(st.integers(int(rank == 2), rank - 1))
    try:
        return g.reduce(op, x, axis, keep=draw(st.booleans()))
    except GraphError:  # a shape that tells another axis
        return g.reduce(op, x, axis, keep=True)


def _mean(_: Draw, g: GraphBuilder, x: int) -> int:
    return g.mean(x)


def _reshape(draw: Draw, g: GraphBuilder, x: int) -> int:
    """A random order of the axes' sizes, some of them melted together, or a further 1."""
    sizes = draw(st.permutations((1, *g.shape(x))))[:5]
    rest = prod(g.shape(x)) // prod(sizes)
    sizes = [*sizes[:-1], sizes[-1] * rest]
    melted = draw(st.integers(1, len(sizes)))
    return g.reshape(x, prod(sizes[:melted]), *sizes[melted:])


def _transpose(draw: Draw, g: GraphBuilder, x: int) -> int:
    return g.transpose(x, *draw(st.permutations(range(len(g.shape(x))))))


def _slice(draw: Draw, g: GraphBuilder, x: int) -> int:
    axis = draw(st.integers(0, len(g.shape(x)) - 1))
    size = g.shape(x)[axis]
    start, step = draw(st.integers(0, size - 1)), draw(st.sampled_from((1, 1, 2, -1, -2)))
    rest = size - 1 - start if step > 0 else start
    return g.slice(x, start, draw(st.integers(1, rest // abs(step) + 1)), axis, step)


def _pad(draw: Draw, g: GraphBuilder, x: int) -> int:
    return g.pad(x, *(size + draw(st.integers(0, 2)) for size in g.shape(x)))


def _expand(draw: Draw, g: GraphBuilder, x: int) -> int:
    """Copies along every axis, and perhaps along a new one."""
    shape = tuple(size * draw(st.sampled_from((1, 1, 2))) for size in g.shape(x))
    return g.expand(x, *[2][: draw(st.integers(0, 1))], *shape)


def _resize(draw: Draw, g: GraphBuilder, x: int) -> int:
    """By whole factors, where engines cannot round otherwise."""
    _, height, width = g.shape(x)
    return g.resize(x, height * draw(st.integers(1, 3)), width * draw(st.integers(1, 3)))


def _window(draw: Draw, shape: Shape, most: int) -> tuple[tuple[int, int], Sides]:
    """(kernel, padding): a kernel of up to `most` inside the image, padding of up to half of it."""
    height, width = (draw(st.integers(1, min(most, size))) for size in shape[1:])
    top, left, bottom, right = (draw(st.integers(0, k // 2)) for k in (height, width) * 2)
    return (height, width), (top, left, bottom, right)


def _stride(draw: Draw) -> tuple[int, int]:
    return draw(st.integers(1, 3)), draw(st.integers(1, 3))


def _conv(draw: Draw, g: GraphBuilder, x: int) -> int:
    channels = g.shape(x)[0]
    groups = draw(st.sampled_from([d for d in range(1, channels + 1) if channels % d == 0]))
    kernel, padding = _window(draw, g.shape(x), 3)
    fits = all((k - 1) * 2 < size for k, size in zip(kernel, g.shape(x)[1:], strict=True))
    dilation = draw(st.integers(1, 2 if fits else 1))
    features, bias = groups * draw(st.integers(1, 3)), draw(st.booleans())
    return g.conv(x, features, kernel, _stride(draw), padding, dilation, groups, bias)


def _conv_of_line(draw: Draw, g: GraphBuilder, x: int) -> int:
    length = g.shape(x)[1]
    kernel = draw(st.integers(1, min(3, length)))
    padding = (draw(st.integers(0, 2)), draw(st.integers(0, 2)))
    features, bias = draw(st.integers(1, 4)), draw(st.booleans())
    return g.conv1d(x, features, kernel, draw(st.integers(1, 3)), padding, bias=bias)


def _conv_transpose(draw: Draw, g: GraphBuilder, x: int) -> int:
    kernel, stride = draw(st.integers(2, 3)), _stride(draw)
    added = tuple(draw(st.integers(0, step - 1)) for step in stride)
    top, left = (draw(st.integers(0, 1)) for _ in range(2))
    settings = (kernel, stride, (top, left, 0, 0), (added[0], added[1]))
    return g.conv_transpose(x, draw(st.integers(1, 3)), *settings, bias=draw(st.booleans()))


def _max_pool(draw: Draw, g: GraphBuilder, x: int) -> int:
    kernel, padding, ceil = _pool_window(draw, g.shape(x))
    return g.max_pool(x, kernel, _stride(draw), padding, ceil)


def _avg_pool(draw: Draw, g: GraphBuilder, x: int) -> int:
    kernel, padding, ceil = _pool_window(draw, g.shape(x))
    return g.avg_pool(x, kernel, _stride(draw), padding, ceil, draw(st.booleans()))


def _pool_window(draw: Draw, shape: Shape) -> tuple[tuple[int, int], Sides, bool]:
    """(kernel, padding, ceil).

    Torch pads unevenly in a step of its own, behind which windows at the edge count otherwise: so
    no uneven padding together with ceil.
    """
    kernel, padding = _window(draw, shape, 4)
    return kernel, padding, draw(st.booleans()) and padding[:2] == padding[2:]
