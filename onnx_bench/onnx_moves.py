"""How ONNX operators that only move data are read; see `onnx_handlers.py`."""

from math import prod

from onnx_bench.graph import Shape
from onnx_bench.onnx_handlers import JOINS
from onnx_bench.onnx_model import Call
from onnx_bench.onnx_replay import HANDLERS, Replay, Results, handles, require
from onnx_bench.operators import Op

__all__ = ["HANDLERS"]  # whole, now that the handlers of both files are in it


@handles("Identity")
def _identity(net: Replay, call: Call) -> Results:
    if call.origin.endswith(f".{Op.OUTPUT.label}"):
        return net.value(call)  # a second name that our exporter gave to a result
    return net.g.unary(Op.IDENTITY, net.value(call))


@handles("Dropout")
def _dropout(net: Replay, call: Call) -> Results:
    return net.value(call)


@handles("Reshape")
def _reshape(net: Replay, call: Call) -> Results:
    target = net.integers(call, 1, "shape")
    require(bool(target) and not call.integer("allowzero", 0))
    return net.g.reshape(net.value(call), *_resolve(net, net.shape(call), target or ()))


def _resolve(net: Replay, shape: Shape, target: Shape) -> Shape:
    """The shape without the batch that a reshape's target stands for."""
    first, rest = target[0], [*target[1:]]
    rest = [shape[i] if d == 0 and i < len(shape) else d for i, d in enumerate(rest)]
    if -1 in rest:
        # With a batch of its own number in front, an open axis might swallow more than ours.
        require(first in (0, net.batch) and rest.count(-1) == 1)
        known = -prod(rest)
        require(known > 0)
        rest[rest.index(-1)] = prod(shape) // known
    require(min(rest, default=1) > 0 and prod(rest) == prod(shape))
    return tuple(rest)


@handles("Flatten")
def _flatten(net: Replay, call: Call) -> Results:
    axis = call.integer("axis", 1)
    require(axis in (1, -len(net.shape(call))))
    return net.g.flatten(net.value(call))


@handles("Squeeze")
def _squeeze(net: Replay, call: Call) -> Results:
    axes, shape = net.integers(call, 1, "axes"), net.shape(call)
    require(bool(axes))  # without axes a batch of one would go too
    gone = {net.axis(call, axis) for axis in axes or ()}
    require(all(shape[axis] == 1 for axis in gone))
    return net.g.reshape(net.value(call), *(d for i, d in enumerate(shape) if i not in gone))


@handles("Unsqueeze")
def _unsqueeze(net: Replay, call: Call) -> Results:
    axes, x = net.integers(call, 1, "axes") or (), net.value(call)
    rank = 1 + len(net.shape(call)) + len(axes)
    added = {axis + rank if axis < 0 else axis for axis in axes}
    require(len(added) == len(axes) and min(added) > 0 and max(added) < rank)
    if call.origin and net.follower(call, *JOINS) and added == set(range(1, len(axes) + 1)):
        net.widened[call.outputs[0]] = len(axes)
        return x
    rest = iter(net.shape(call))
    return net.g.reshape(x, *(1 if i in added else next(rest) for i in range(1, rank)))


@handles("Transpose")
def _transpose(net: Replay, call: Call) -> Results:
    first, *others = call.integers("perm")
    require(first == 0)
    return net.g.transpose(net.value(call), *(axis - 1 for axis in others))


@handles("Slice")
def _slice(net: Replay, call: Call) -> Results:
    starts = net.integers(call, 1, "starts") or ()
    ends = net.integers(call, 2, "ends") or ()
    axes = net.integers(call, 3, "axes") or tuple(range(len(starts)))
    steps = net.integers(call, 4, "steps") or (1,) * len(starts)
    require(set(steps) == {1} and 0 < len(starts) == len(ends) == len(axes) == len(set(axes)))
    cuts = []
    for start, end, axis in zip(starts, ends, axes, strict=True):
        place = net.axis(call, axis)
        first, last = (_bound(bound, net.shape(call)[place]) for bound in (start, end))
        require(first < last)
        cuts.append((first, last - first, place))
    x = net.value(call)
    for first, length, place in cuts:
        x = net.g.slice(x, first, length, place)
    return x


def _bound(bound: int, length: int) -> int:
    """A bound as ONNX reads it: from the end if negative, never outside."""
    return min(max(bound + length if bound < 0 else bound, 0), length)


@handles("Split")
def _split(net: Replay, call: Call) -> Results:
    axis, parts = net.axis(call, call.integer("axis", 0)), len(call.outputs)
    length = net.shape(call)[axis]
    share = -(-length // parts)
    sizes = net.integers(call, 1, "split") or (*[share] * (parts - 1), length - share * (parts - 1))
    require(len(sizes) == parts and sum(sizes) == length and min(sizes) > 0)
    starts = [sum(sizes[:i]) for i in range(parts)]
    return {
        name: net.g.slice(net.value(call), start, size, axis)
        for name, start, size in zip(call.outputs, starts, sizes, strict=True)
        if net.model.is_read(name)
    }
