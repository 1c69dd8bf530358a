"""Random valid networks for hypothesis: small, over every operator of the vocabulary.

A network grows step by step: `graphs` takes a value that is there and applies an operator that fits
its rank. Some values stay unread in the end, as happens in real files.
"""

from collections.abc import Callable
from math import prod

from hypothesis import strategies as st

from onnx_bench.builder import GraphBuilder
from onnx_bench.graph import ComputationGraph, Shape
from onnx_bench.operators import ACTIVATIONS, Op

Draw = st.DrawFn
Step = Callable[[Draw, GraphBuilder, int], int]
"""Adds an operator, or a small block, behind a node; returns its result."""
Sides = tuple[int, int, int, int]
UNARY = (*sorted(ACTIVATIONS), Op.IDENTITY, Op.ZERO)


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
    steps: list[Step] = [_unary, _join, _position, _reshape]
    if shape:
        steps += [_linear, _norm, _softmax, _slice, _transpose, _concat]
    if shape and mixed_ranks:
        steps.append(_broadcast)
    if len(shape) >= 2:
        steps.append(_matmul)
    if len(shape) == 2:
        steps += [_attention, _mean]
    if len(shape) == 3:
        steps += [_conv, _conv, _max_pool, _avg_pool, _squeeze_excitation]
    return steps


def _unary(draw: Draw, g: GraphBuilder, x: int) -> int:
    return g.unary(draw(st.sampled_from(UNARY)), x)


def _position(_: Draw, g: GraphBuilder, x: int) -> int:
    return g.position(x)


def _softmax(_: Draw, g: GraphBuilder, x: int) -> int:
    return g.unary(Op.SOFTMAX, x)


def _norm(draw: Draw, g: GraphBuilder, x: int) -> int:
    return g.batch_norm(x) if draw(st.booleans()) else g.layer_norm(x)


def _linear(draw: Draw, g: GraphBuilder, x: int) -> int:
    return g.linear(x, draw(st.integers(1, 5)), draw(st.booleans()))


def _join(draw: Draw, g: GraphBuilder, x: int) -> int:
    """Sum or product of two to four values of one shape."""
    alike = [y for y in range(len(g)) if g.shape(y) == g.shape(x)]
    others = draw(st.lists(st.sampled_from(alike), min_size=1, max_size=3))
    return draw(st.sampled_from((g.add, g.mul)))(x, *others)


def _broadcast(draw: Draw, g: GraphBuilder, x: int) -> int:
    """Join with a tensor that has fewer axes, and perhaps ones among them."""
    kept = g.shape(x)[draw(st.integers(1, len(g.shape(x)))) :]
    shape = tuple(draw(st.sampled_from((1, d))) for d in kept)
    y = g.input(*shape)
    terms = draw(st.permutations((x, y, y)[: draw(st.integers(2, 3))]))
    return draw(st.sampled_from((g.add, g.mul)))(*terms)


def _squeeze_excitation(_: Draw, g: GraphBuilder, x: int) -> int:
    return g.mul(x, g.sigmoid(g.global_avg_pool(x)))


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
    start = draw(st.integers(0, size - 1))
    return g.slice(x, start, draw(st.integers(1, size - start)), axis)


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
