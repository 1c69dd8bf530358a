"""How ONNX operators that only move data are read; see `onnx_handlers.py`."""

from itertools import pairwise
from math import prod

import numpy as np

from onnx_bench.graph import Shape
from onnx_bench.onnx_model import Call
from onnx_bench.onnx_replay import (
    Replay,
    Results,
    UncoveredError,
    broadcast,
    handles,
    require,
)
from onnx_bench.operators import Op
from onnx_bench.trace import Value


def _reshaped(net: Replay, x: Value, shape: Shape) -> Results:
    require(prod(shape) == x.size and min(shape, default=1) >= 0)
    return net.add(Op.RESHAPE, [x], shape)


@handles("Reshape")
def _reshape(net: Replay, call: Call) -> Results:
    x, target = net.value(call), net.integers(call, 1, "shape")
    require(target is not None)
    shape = list(target or ())
    if not call.integer("allowzero", 0):
        require(all(d or i < len(x.shape) for i, d in enumerate(shape)))
        shape = [d or x.shape[i] for i, d in enumerate(shape)]
    if -1 in shape:
        require(shape.count(-1) == 1)
        known = -prod(shape)
        require(known > 0 and x.size % known == 0)
        shape[shape.index(-1)] = x.size // known
    return _reshaped(net, x, tuple(shape))


@handles("Flatten")
def _flatten(net: Replay, call: Call) -> Results:
    x, axis = net.value(call), call.integer("axis", 1)
    rank = len(x.shape)
    require(-rank <= axis <= rank)
    axis = axis + rank if axis < 0 else axis
    return _reshaped(net, x, (prod(x.shape[:axis]), prod(x.shape[axis:])))


@handles("Squeeze")
def _squeeze(net: Replay, call: Call) -> Results:
    x, axes = net.value(call), net.integers(call, 1, "axes")
    if axes is None:
        axes = tuple(i for i, d in enumerate(x.shape) if d == 1)
    gone = {net.axis(call, axis) for axis in axes}
    require(all(x.shape[axis] == 1 for axis in gone))
    return _reshaped(net, x, tuple(d for i, d in enumerate(x.shape) if i not in gone))


@handles("Unsqueeze")
def _unsqueeze(net: Replay, call: Call) -> Results:
    x, axes = net.value(call), net.integers(call, 1, "axes") or ()
    rank = len(x.shape) + len(axes)
    added = {axis + rank if axis < 0 else axis for axis in axes}
    require(len(added) == len(axes) and all(0 <= axis < rank for axis in added))
    rest = iter(x.shape)
    return _reshaped(net, x, tuple(1 if i in added else next(rest) for i in range(rank)))


@handles("Transpose")
def _transpose(net: Replay, call: Call) -> Results:
    x = net.value(call)
    axes = call.integers("perm") or tuple(reversed(range(len(x.shape))))
    require(sorted(axes) == [*range(len(x.shape))])
    shape = tuple(x.shape[axis] for axis in axes)
    return net.add(Op.TRANSPOSE, [x], shape, permutation=axes)


@handles("Slice")
def _slice(net: Replay, call: Call) -> Results:
    x = net.value(call)
    starts = net.integers(call, 1, "starts") or ()
    ends = net.integers(call, 2, "ends") or ()
    axes = net.integers(call, 3, "axes") or tuple(range(len(starts)))
    steps = net.integers(call, 4, "steps") or (1,) * len(starts)
    require(0 < len(starts) == len(ends) == len(axes) == len(set(axes)) == len(steps))
    cuts = []
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        require(step != 0)
        place = net.axis(call, axis)
        chosen = range(x.shape[place])[start:end:step]
        cuts.append((place, chosen))
    for place, chosen in cuts:
        x = cut(net, x, place, chosen.start, len(chosen), chosen.step, keep=bool(call.origin))
    return x


def cut(
    net: Replay, x: Value, axis: int, start: int, length: int, step: int = 1, keep: bool = False
) -> Value:
    """`length` entries of one axis; all of them in their order are the value itself."""
    if (start, length, step) == (0, x.shape[axis], 1) and not keep:
        return x
    shape = (*x.shape[:axis], length, *x.shape[axis + 1 :])
    (y,) = net.add(Op.SLICE, [x], shape, axis=axis, start=start, step=step)
    return y


@handles("Split")
def _split(net: Replay, call: Call) -> Results:
    x, parts = net.value(call), len(call.outputs)
    axis = net.axis(call, call.integer("axis", 0))
    length = x.shape[axis]
    share = -(-length // parts)
    sizes = net.integers(call, 1, "split") or (*[share] * (parts - 1), length - share * (parts - 1))
    require(len(sizes) == parts and sum(sizes) == length and min(sizes) > 0)
    starts = np.cumsum([0, *sizes])
    return [cut(net, x, axis, int(start), size) for start, size in zip(starts, sizes, strict=False)]


@handles("Gather")
def _gather(net: Replay, call: Call) -> Results:
    x, chosen = net.value(call), net.value(call, 1)
    axis = net.axis(call, call.integer("axis", 0))
    shape = (*x.shape[:axis], *chosen.shape, *x.shape[axis + 1 :])
    if x.constant and not chosen.constant and axis == 0 and len(x.shape) == 2:
        return net.add(Op.EMBEDDING, [chosen, x], shape)
    if chosen.data is not None:
        entries = [int(i) % x.shape[axis] for i in chosen.data.reshape(-1)]
        steps = {b - a for a, b in pairwise(entries)}
        if entries and (len(steps) == 1 or len(entries) == 1) and 0 not in steps:
            step = steps.pop() if steps else 1
            part = cut(net, x, axis, entries[0], len(entries), step)
            return part if part.shape == shape else _reshaped(net, part, shape)
    return net.add(Op.GATHER, [x, chosen], shape, axis=axis)


@handles("GatherElements", "GatherND", "OneHot", "ScatterND", "ScatterElements", "Trilu")
def _indexed(net: Replay, call: Call) -> Results:
    x, chosen = net.value(call), net.find(call, 1)
    if call.operator == "Trilu":
        return net.add(Op.WHERE, [x], x.shape)
    if chosen is None:
        raise UncoveredError
    if call.operator.startswith("Scatter"):
        return net.add(Op.SCATTER, [x, net.value(call, 2)], x.shape)
    if call.operator == "OneHot":
        depth, axis = net.integers(call, 1, "depth"), call.integer("axis", -1)
        require(depth is not None and axis == -1)
        return net.add(Op.GATHER, [x], (*x.shape, (depth or (1,))[0]))
    shape = chosen.shape
    if call.operator == "GatherND":
        skipped, depth_ = call.integer("batch_dims", 0), chosen.shape[-1]
        shape = (*chosen.shape[:-1], *x.shape[skipped + depth_ :])
    return net.add(Op.GATHER, [x, chosen], shape)


@handles("Expand")
def _expand(net: Replay, call: Call) -> Results:
    x, target = net.value(call), net.integers(call, 1, "shape")
    require(target is not None and min(target, default=1) > 0)
    shape = broadcast(x.shape, target or ())
    return x if shape == x.shape else net.add(Op.EXPAND, [x], shape)


@handles("Tile")
def _tile(net: Replay, call: Call) -> Results:
    x, times = net.value(call), net.integers(call, 1, "repeats")
    require(times is not None and len(times) == len(x.shape) and min(times) > 0)
    shape = tuple(d * n for d, n in zip(x.shape, times or (), strict=True))
    return x if shape == x.shape else net.add(Op.EXPAND, [x], shape, tiled=True)


@handles("Pad")
def _pad(net: Replay, call: Call) -> Results:
    x, pads = net.value(call), net.integers(call, 1, "pads") or call.integers("paddings")
    axes = net.integers(call, 3, "axes") or tuple(range(len(x.shape)))
    require(len(pads) == 2 * len(axes))
    before, after = [0] * len(x.shape), [0] * len(x.shape)
    value = net.number(call, 2, "value")
    zeros = call.text("mode", "constant") == "constant" and not value
    for i, axis in enumerate(axes):
        before[net.axis(call, axis)], after[net.axis(call, axis)] = pads[i], pads[i + len(axes)]
    return padded(net, x, tuple(before), tuple(after), zeros)


def padded(net: Replay, x: Value, before: Shape, after: Shape, zeros: bool) -> Results:
    """Values around a tensor, zeros or others; negative amounts cut it."""
    for axis in range(len(x.shape)):
        low, high = max(-before[axis], 0), max(-after[axis], 0)
        require(low + high < x.shape[axis])
        x = cut(net, x, axis, low, x.shape[axis] - low - high)
    sides = [max(n, 0) for n in (*before, *after)]
    rank = len(x.shape)
    shape = tuple(d + sides[i] + sides[i + rank] for i, d in enumerate(x.shape))
    return x if shape == x.shape else net.add(Op.PAD, [x], shape, padding=tuple(sides), zeros=zeros)


@handles("Resize", "Upsample")
def _resize(net: Replay, call: Call) -> Results:
    x, rank = net.value(call), len(net.shape(call))
    at = (1, -1) if call.operator == "Upsample" or net.opset < 11 else (2, 3)
    sizes = net.data(call, at[1]) if at[1] > 0 else None
    axes = call.integers("axes", tuple(range(rank)))
    shape = list(x.shape)
    if sizes is not None and sizes.size:
        wanted = [int(d) for d in sizes.reshape(-1)]
    else:
        scales = call.attributes["scales"].floats if call.has("scales") else net.data(call, at[0])
        if scales is None:
            raise UncoveredError
        factors = np.asarray(scales, np.float64).reshape(-1)
        require(len(factors) == len(axes) and bool(np.isfinite(factors).all()))
        # The tiny summand mends factors such as 7/3 that single precision rounds down.
        wanted = [int(np.floor(x.shape[a] * f + 1e-4)) for a, f in zip(axes, factors, strict=True)]
    require(len(wanted) == len(axes) and min(wanted) > 0)
    for axis, size in zip(axes, wanted, strict=True):
        shape[net.axis(call, axis)] = size
    return x if tuple(shape) == x.shape else net.add(Op.RESIZE, [x], tuple(shape))


@handles("DepthToSpace", "SpaceToDepth")
def _blocks(net: Replay, call: Call) -> Results:
    x, size = net.value(call), call.integer("blocksize", 0)
    require(len(x.shape) == 4 and size > 0)
    n, c, h, w = x.shape
    if call.operator == "DepthToSpace":
        require(c % (size * size) == 0)
        c //= size * size
        crd = call.text("mode", "DCR") == "CRD"
        inner = (n, c, size, size, h, w) if crd else (n, size, size, c, h, w)
        axes = (0, 1, 4, 2, 5, 3) if crd else (0, 3, 4, 1, 5, 2)
        outer = (n, c, h * size, w * size)
    else:
        require(h % size == w % size == 0)
        inner = (n, c, h // size, size, w // size, size)
        axes = (0, 3, 5, 1, 2, 4)
        outer = (n, c * size * size, h // size, w // size)
    (x,) = net.add(Op.RESHAPE, [x], inner)
    (x,) = net.add(Op.TRANSPOSE, [x], tuple(inner[a] for a in axes), permutation=axes)
    return net.add(Op.RESHAPE, [x], outer)


@handles("GridSample", "RotaryEmbedding")
def _sampled(net: Replay, call: Call) -> Results:
    x = net.value(call)
    if call.operator == "RotaryEmbedding":
        return net.add(Op.SCALE, [x], x.shape)
    grid = net.value(call, 1)
    return net.add(Op.SAMPLE, [x, grid], (*x.shape[:2], *grid.shape[1:-1]))


@handles("ConstantOfShape", "EyeLike", "RandomNormalLike", "RandomUniformLike")
def _filled(net: Replay, call: Call) -> Results:
    if call.operator != "ConstantOfShape":
        return Value(net.shape(call), constant=True)
    shape = net.integers(call, 0, "")
    require(shape is not None and min(shape, default=1) >= 0)
    return Value(shape or (), constant=True)
