"""What a node's row says of how its operator runs, for every engine that runs graphs.

A row keeps shapes and a few integers. Where they leave open what is computed, GraphError says so.
Numbers that no row keeps are torch's defaults: the slope .01 of LEAKY_RELU, the alpha 1 of ELU, the
bounds -1 and 1 of CLIP, the epsilon 1e-5 of normalisations, tanh in RNN. A SCALE or SHIFT by a
number that is not learned changes nothing; PAD adds zeros; RESIZE takes the
nearest value; what a CONCAT lacks is a learned tensor in front, as class tokens are.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import combinations
from math import prod
from typing import NamedTuple

import numpy as np

from onnx_bench.errors import GraphError
from onnx_bench.graph import Node, Shape
from onnx_bench.operators import Op

SLOPE, ALPHA, LOW, HIGH, EPSILON = 0.01, 1.0, -1.0, 1.0, 1e-5

SILENT = {
    Op.UNKNOWN: "the operator is outside the vocabulary",
    Op.POWER: "its row does not keep the exponent",
    Op.ROUND: "its row does not say which way it rounds",
    Op.LOCAL_NORM: "its row does not say how many neighbours it reads",
    Op.COMPARE: "its row does not say what it asks",
    Op.WHERE: "its condition is a truth value, and rows keep no types",
    Op.RANK: "its row does not say which order or place it gives",
    Op.GATHER: "its row does not say which entries it takes",
    Op.SCATTER: "its row does not say where it writes",
    Op.SHUFFLE: "its row does not say where the values go",
    Op.SAMPLE: "its row does not say how it interpolates",
    Op.FOURIER: "its row does not say which transform it is",
}
"""Operators whose rows do not say enough to run them, and what they leave out."""

BROADCASTS = frozenset({Op.ADD, Op.MUL, Op.SUB, Op.DIV, Op.MAXIMUM, Op.MINIMUM})
"""Joins value by value, of tensors that may have different numbers of axes."""
_CHANNEL_NORMS = frozenset({Op.BATCH_NORM, Op.GROUP_NORM, Op.INSTANCE_NORM})
NORMS = _CHANNEL_NORMS | {Op.LAYER_NORM, Op.RMS_NORM}
_POOLS = frozenset({Op.MAX_POOL, Op.AVG_POOL})
_LAST_AXIS = frozenset({Op.SOFTMAX, Op.NORMALIZE, Op.CUMULATE, Op.LAYER_NORM, Op.RMS_NORM})
_LARGEST_FIRST = frozenset({Op.ADD, Op.MUL, Op.MAXIMUM, Op.MINIMUM})
_MANY = 1 << 30
_ARITY = {
    Op.INPUT: (0, 0),
    **dict.fromkeys(_LARGEST_FIRST, (2, _MANY)),
    Op.SUB: (2, 2),
    Op.DIV: (2, 2),
    Op.CONCAT: (1, _MANY),
    Op.MATMUL: (1, 2),
    Op.ATTENTION: (3, 3),
}
"""Fewest and most values that an operator can read; one where nothing is said."""


@contextmanager
def named(index: int, node: Node, deed: str) -> Iterator[None]:
    """Lets an error say which node it is about, and that it cannot be run or exported."""
    try:
        yield
    except GraphError as error:
        where = f"n{index} ({node.op.label}) cannot be {deed}"
        raise GraphError(f"{where}: {error}") from None


def check(node: Node, in_shapes: list[Shape]) -> None:
    """Refuses an operator that its row does not describe.

    Raises:
        GraphError: the row is silent, reads another number of values than its operator does, or
            reads its input in another shape than that has.
    """
    if node.op in SILENT:
        raise GraphError(SILENT[node.op])
    least, most = _ARITY.get(node.op, (1, 1))
    if not least <= len(in_shapes) <= most:
        expected = f"{least}" if least == most else f"{least} or more"
        raise GraphError(
            f"it reads {len(in_shapes)} computed values, expected {expected}: constants, masks and "
            "states are not in its row"
        )
    if node.op in _LAST_AXIS and not node.in_shape:
        raise GraphError("it reads a scalar, which has no axis to work along")
    if in_shapes and node.op not in _LARGEST_FIRST and in_shapes[0] != node.in_shape:
        raise GraphError(
            f"it reads {in_shapes[0]} as {node.in_shape}: a fused graph, whose layout is implicit, "
            "does not run; take the atomic one"
        )


# windows


class Window(NamedTuple):
    """What slides over one, two or three axes of space: one entry for each."""

    kernel: Shape
    stride: Shape
    dilation: Shape
    before: Shape
    after: Shape

    @property
    def sides(self) -> Shape:
        """The padding in torch's order: the last axis first."""
        pairs = zip(self.before[::-1], self.after[::-1], strict=True)
        return tuple(side for pair in pairs for side in pair)


def window(node: Node) -> Window:
    """The window of a convolution or pool; that of a third axis lies in the attributes."""
    top, left, bottom, right = node.padding
    if node.kernel[1] == 0:
        line = (node.kernel[:1], node.stride[:1], node.dilation[:1])
        return Window(*line, (top,), (bottom,))
    plane = Window(node.kernel, node.stride, node.dilation, (top, left), (bottom, right))
    if not node.attribute(2):
        return plane
    depth = [node.attribute(i) for i in range(2, 7)]
    return Window._make((first, *rest) for first, rest in zip(depth, plane, strict=True))


def output_padding(node: Node) -> Shape:
    """What a transposed convolution adds behind each axis to reach its output's shape."""
    w = window(node)
    axes = len(w.kernel)
    spans = zip(node.in_shape[-axes:], node.out_shape[-axes:], *w, strict=True)
    added = tuple(
        out - ((length - 1) * s + d * (k - 1) + 1 - before - after)
        for length, out, k, s, d, before, after in spans
    )
    limits = (max(s, d) for s, d in zip(w.stride, w.dilation, strict=True))
    if any(not 0 <= a < limit for a, limit in zip(added, limits, strict=True)):
        raise GraphError(f"its window does not lead from {node.in_shape} to {node.out_shape}")
    return added


# axes that lie along the batch


def lead(node: Node) -> int:
    """Axes in front of those that the operator works on: windows or frames laid over the batch."""
    own = _OWN_AXES.get(node.op, _all_axes)(node)
    if own > len(node.in_shape):
        raise GraphError(f"it reads {node.in_shape}, expected at least {own} axes")
    return len(node.in_shape) - own


def core(node: Node) -> Node:
    """The node without the axes of `lead`, which are run as if they were more of the batch."""
    skipped = lead(node)
    return node._replace(in_shape=node.in_shape[skipped:], out_shape=node.out_shape[skipped:])


def _all_axes(node: Node) -> int:
    return len(node.in_shape)


def _window_axes(node: Node) -> int:
    return 1 + len(window(node).kernel)


def _norm_axes(node: Node) -> int:
    """All, unless the parameters are those of channels on the second axis."""
    fits = [node.parameters in (0, size, 2 * size) for size in node.in_shape[:2]]
    return len(node.in_shape) - (fits == [False, True])


_OWN_AXES: dict[Op, Callable[[Node], int]] = {
    Op.CONV: _window_axes,
    Op.CONV_TRANSPOSE: _window_axes,
    **dict.fromkeys(_POOLS, _window_axes),
    **dict.fromkeys((Op.GLOBAL_AVG_POOL, Op.GLOBAL_MAX_POOL), lambda _: 3),
    **dict.fromkeys(_CHANNEL_NORMS, _norm_axes),
    Op.ATTENTION: lambda node: min(len(node.in_shape), 3),
}


# weights


def normed_shape(node: Node) -> Shape:
    """Shape of the scale of a normalisation, and of its shift."""
    if node.op in _CHANNEL_NORMS:
        return node.in_shape[:1]
    axes = node.attribute(0) or 1
    if axes > len(node.in_shape):
        raise GraphError(f"it works along {axes} axes, {node.in_shape} has fewer")
    return node.in_shape[-axes:]


def affine(node: Node) -> tuple[str, ...]:
    """What of a scale (`weight`) and a shift (`bias`) a normalisation has learned."""
    size = prod(normed_shape(node))
    roles = {0: (), size: ("weight",), 2 * size: ("weight", "bias")}
    if node.parameters not in roles:
        raise GraphError(
            f"it has {node.parameters} parameters, expected none, {size} or {2 * size}"
        )
    return roles[node.parameters]


def constant_shape(node: Node) -> Shape | None:
    """Shape of what SCALE multiplies by or SHIFT adds; None for a number that is not learned."""
    size, out = node.attribute(0), node.out_shape
    if size == 1:
        return (1,) if node.parameters else None
    for shape in (out[-1:], (*out[:1], *(1 for _ in out[1:])), out):
        if prod(shape) == size and _broadcast(node.in_shape, shape) == out:
            return shape
    raise GraphError(
        f"its constant has {size} values: neither one number, nor the last axis, the channels or "
        f"the whole of {out}"
    )


def _broadcast(one: Shape, other: Shape) -> Shape | None:
    try:
        return np.broadcast_shapes(one, other)
    except ValueError:
        return None


def slopes(node: Node) -> Shape:
    """Shape of the slopes of PRELU: one, or one a channel."""
    count = node.parameters or 1
    if count not in (1, *node.in_shape[:1]):
        raise GraphError(f"it has {count} slopes, expected 1 or the channels of {node.in_shape}")
    return (count,)


def lacking(node: Node, in_shapes: list[Shape]) -> Shape | None:
    """Shape of the constant that a CONCAT reads besides its inputs; None where there is none."""
    axis, out = node.attribute(0), node.out_shape
    rest = out[axis] - sum(shape[axis] for shape in in_shapes)
    if rest < 0:
        raise GraphError(f"its inputs {in_shapes} are longer than its output {out}")
    return (*out[:axis], rest, *out[axis + 1 :]) if rest else None


class Operand(NamedTuple):
    """The learned operand of a matrix product."""

    shape: Shape
    right: bool
    """Whether it stands on the right."""


def operand(node: Node) -> Operand:
    """The learned operand of a MATMUL that reads one value."""
    given, out = node.in_shape, node.out_shape
    if len(given) == len(out) >= 2 and given[:-2] == out[:-2]:
        maps, choices = given[:-2], list[Operand]()
        if given[-1] == out[-1]:
            choices += [Operand((*m, out[-2], given[-2]), False) for m in (maps, ())]
        if given[-2] == out[-2]:
            wide = Operand((*maps, given[-1], out[-1]), True)
            choices = [wide, *choices] if maps else [*choices, wide]
        for choice in choices:
            if prod(choice.shape) == node.parameters:
                return choice
    raise GraphError(f"its other operand, of {node.parameters} parameters, is not in its row")


class Recurrent(NamedTuple):
    """Sizes of a recurrent layer over (steps, width)."""

    steps: int
    width: int
    hidden: int
    directions: int


def recurrent(node: Node) -> Recurrent:
    """The sizes of a layer that reads (T, C), or (T, 1, C) with a 1 where the batch was."""
    hidden, directions = node.attribute(0), node.attribute(1)
    given = node.in_shape
    fits = len(given) == 2 or (len(given) == 3 and given[1] == 1)
    if not fits or directions not in (1, 2):
        raise GraphError(f"it reads {given}, expected (T, C) or (T, 1, C)")
    if node.out_shape != (*given[:-1], directions * hidden):
        raise GraphError(f"its result {node.out_shape} is a last state, of which it has several")
    return Recurrent(given[0], given[-1], hidden, directions)


# moves


def reduced_axes(node: Node) -> Shape:
    """The axes that a reduction works along, as far as the shapes tell.

    Raises:
        GraphError: several choices of axes of more than one entry lead to the output's shape.
    """
    given, out = node.in_shape, node.out_shape
    lost = len(given) - len(out)
    if lost:
        choices = [c for c in combinations(range(len(given)), lost) if _without(given, c) == out]
    else:
        ones = tuple(i for i, size in enumerate(out) if size == 1)
        became = tuple(i for i in ones if given[i] > 1) or ones[-1:]
        choices = [became] if became and _without(given, became) == _without(out, became) else []
    if len({tuple(axis for axis in c if given[axis] > 1) for c in choices}) != 1:
        raise GraphError(f"the shapes {given} and {out} do not tell its axes")
    return choices[-1]


def _without(shape: Shape, axes: Shape) -> Shape:
    return tuple(size for axis, size in enumerate(shape) if axis not in axes)


class Cut(NamedTuple):
    """Evenly spaced entries of an axis; a negative step runs backwards."""

    axis: int
    start: int
    length: int
    step: int


def cut(node: Node) -> Cut:
    """The entries that a SLICE takes."""
    axis = node.attribute(0)
    return Cut(axis, node.attribute(1), node.out_shape[axis], node.attribute(2) or 1)


def added(node: Node) -> Shape:
    """How many zeros PAD puts behind each axis."""
    given, out = node.in_shape, node.out_shape
    if len(given) != len(out) or any(o < g for g, o in zip(given, out, strict=True)):
        raise GraphError(f"padding does not lead from {given} to {out}")
    return tuple(o - g for g, o in zip(given, out, strict=True))


def sides(node: Node) -> list[tuple[int, int]]:
    """Zeros that PAD puts before and behind each axis: where its row says, else all behind."""
    if not any(node.padding):
        return [(0, zeros) for zeros in added(node)]
    top, left, bottom, right = node.padding
    return [(0, 0)] * (len(node.in_shape) - 2) + [(top, bottom), (left, right)]


def resized(node: Node) -> Shape:
    """The axes of space that a RESIZE gives."""
    given, out = node.in_shape, node.out_shape
    if not 2 <= len(given) == len(out) <= 4 or given[0] != out[0]:
        raise GraphError(f"{given} to {out} is not a change of one to three axes of space")
    return out[1:]


class Tiles(NamedTuple):
    """How EXPAND repeats: its input in as many axes as its output, and the copies along each."""

    aligned: Shape
    times: Shape

    @property
    def plain(self) -> bool:
        """Whether only axes of one entry are repeated, which is to broadcast."""
        return all(n == 1 or size == 1 for size, n in zip(self.aligned, self.times, strict=True))


def tiles(node: Node) -> Tiles:
    """The copies that an EXPAND makes."""
    given, out = node.in_shape, node.out_shape
    aligned = (*(1 for _ in range(len(out) - len(given))), *given)
    if len(aligned) != len(out) or any(o % a for a, o in zip(aligned, out, strict=True)):
        raise GraphError(f"copies of {given} do not give {out}")
    return Tiles(aligned, tuple(o // a for a, o in zip(aligned, out, strict=True)))
