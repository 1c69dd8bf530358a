"""How each operator without weights runs in torch: from a row to a function of tensors.

Tensors carry the batch in front of the row's shapes. The operators with weights are in
`torch_weighted.py`.
"""

from collections.abc import Callable
from functools import partial, reduce
from operator import add, mul, sub, truediv

import torch
from torch import Tensor
from torch.nn import functional as F

from onnx_bench import rows
from onnx_bench.errors import GraphError
from onnx_bench.graph import Node
from onnx_bench.operators import Op

Function = Callable[..., Tensor]

ACTIVATION: dict[Op, Function] = {
    Op.RELU: F.relu,
    Op.RELU6: F.relu6,
    Op.SIGMOID: torch.sigmoid,
    Op.TANH: torch.tanh,
    Op.GELU: F.gelu,
    Op.SILU: F.silu,
    Op.HARD_SWISH: F.hardswish,
    Op.HARD_SIGMOID: F.hardsigmoid,
    Op.LEAKY_RELU: partial(F.leaky_relu, negative_slope=rows.SLOPE),
    Op.ELU: partial(F.elu, alpha=rows.ALPHA),
    Op.SOFTPLUS: F.softplus,
    Op.MISH: F.mish,
    Op.CLIP: partial(F.hardtanh, min_val=rows.LOW, max_val=rows.HIGH),
}

_OF_ONE_VALUE: dict[Op, Function] = {
    **ACTIVATION,
    Op.EXP: torch.exp,
    Op.LOG: torch.log,
    Op.SQRT: torch.sqrt,
    Op.ABS: torch.abs,
    Op.ERF: torch.erf,
    Op.SINE: torch.sin,
}


def _same(x: Tensor) -> Tensor:
    return x


def _plain(function: Function) -> Callable[[Node], Function]:
    """A function for which a row says nothing more."""
    return lambda _: function


# joins


def _folds(function: Function) -> Callable[[Node], Function]:
    """A join of two values as one of many, from the left."""

    return _plain(lambda *xs: reduce(function, xs))


def _concat(node: Node) -> Function:
    axis = node.attribute(0) + 1
    return lambda *xs: torch.cat(xs, axis)


def _attention(node: Node) -> Function:
    heads = node.attribute(0)
    if len(node.in_shape) == 3:
        return F.scaled_dot_product_attention

    def split(x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], heads, -1).transpose(1, 2)

    def run(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        y = F.scaled_dot_product_attention(split(query), split(key), split(value))
        return y.transpose(1, 2).flatten(2)

    return run


# pooling and reductions

_MAX_POOL: tuple[Function, ...] = (F.max_pool1d, F.max_pool2d, F.max_pool3d)
_AVG_POOL: tuple[Function, ...] = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)


def _max_pool(node: Node) -> Function:
    window, ceil = rows.window(node), bool(node.attribute(1))
    pool = _MAX_POOL[len(window.kernel) - 1]
    halves = (2 * p <= k for p, k in zip(window.before, window.kernel, strict=True))
    own = window.before == window.after and all(halves)  # else torch pads in a step of its own
    if ceil and not own:
        raise GraphError("uneven padding together with ceil")
    inner = window.before if own else 0

    def run(x: Tensor) -> Tensor:
        padded = x if own else F.pad(x, window.sides, value=float("-inf"))
        return pool(padded, window.kernel, window.stride, inner, window.dilation, ceil)

    return run


def _avg_pool(node: Node) -> Function:
    window, (counted, ceil) = rows.window(node), (bool(node.attribute(i)) for i in (0, 1))
    if any(d > 1 for d in window.dilation):
        raise GraphError("it takes the mean of dilated windows, which torch does not do")
    pool = _AVG_POOL[len(window.kernel) - 1]
    halves = (2 * p <= k for p, k in zip(window.before, window.kernel, strict=True))
    if window.before == window.after and all(halves):
        return lambda x: pool(x, window.kernel, window.stride, window.before, ceil, counted)
    if ceil:
        raise GraphError("uneven padding together with ceil")

    def run(x: Tensor) -> Tensor:
        mean = pool(F.pad(x, window.sides), window.kernel, window.stride)
        if counted:
            return mean
        inside = F.pad(torch.ones_like(x[:1, :1]), window.sides)
        return mean / pool(inside, window.kernel, window.stride)

    return run


def _reduction(function: Function) -> Callable[[Node], Function]:
    def make(node: Node) -> Function:
        axes = tuple(axis + 1 for axis in rows.reduced_axes(node))
        return lambda x: function(x, axes).reshape(-1, *node.out_shape)

    return make


# moving data


def _slice(node: Node) -> Function:
    axis, start, length, step = rows.cut(node)
    if step == 1:
        return lambda x: x.narrow(axis + 1, start, length)
    last = start + step * (length - 1)
    span = slice(min(start, last), max(start, last) + 1, abs(step))
    index = (*(slice(None) for _ in range(axis + 1)), span)
    return lambda x: x[index] if step > 0 else x[index].flip(axis + 1)


def _transpose(node: Node) -> Function:
    axes = (0, *(node.attribute(i) + 1 for i in range(len(node.in_shape))))
    return lambda x: x.permute(axes)


def _pad(node: Node) -> Function:
    sides = [zeros for axis in reversed(rows.sides(node)) for zeros in axis]
    return lambda x: F.pad(x, sides)


def _resize(node: Node) -> Function:
    size = rows.resized(node)
    return lambda x: F.interpolate(x, size, mode="nearest")


def _expand(node: Node) -> Function:
    tiles = rows.tiles(node)

    def run(x: Tensor) -> Tensor:
        x = x.reshape(-1, *tiles.aligned)
        return x.expand(-1, *node.out_shape) if tiles.plain else x.repeat(1, *tiles.times)

    return run


FUNCTIONS: dict[Op, Callable[[Node], Function]] = {
    **{op: _plain(function) for op, function in _OF_ONE_VALUE.items()},
    Op.OUTPUT: _plain(_same),
    Op.IDENTITY: _plain(_same),
    Op.SCALE: _plain(_same),  # by a number that is not learned
    Op.SHIFT: _plain(_same),
    Op.ZERO: _plain(torch.zeros_like),
    Op.SOFTMAX: lambda _: lambda x: x.softmax(-1),
    Op.NORMALIZE: lambda _: lambda x: F.normalize(x, dim=-1),
    Op.ADD: _folds(add),
    Op.MUL: _folds(mul),
    Op.SUB: _folds(sub),
    Op.DIV: _folds(truediv),
    Op.MAXIMUM: _folds(torch.maximum),
    Op.MINIMUM: _folds(torch.minimum),
    Op.CONCAT: _concat,
    Op.MATMUL: _plain(torch.matmul),
    Op.ATTENTION: _attention,
    Op.MAX_POOL: _max_pool,
    Op.AVG_POOL: _avg_pool,
    Op.GLOBAL_AVG_POOL: lambda _: lambda x: x.mean((2, 3), keepdim=True),
    Op.GLOBAL_MAX_POOL: lambda _: lambda x: x.amax((2, 3), keepdim=True),
    Op.MEAN: lambda _: lambda x: x.mean(1),
    Op.REDUCE_MEAN: _reduction(torch.mean),
    Op.REDUCE_SUM: _reduction(torch.sum),
    Op.REDUCE_MAX: _reduction(torch.amax),
    Op.CUMULATE: lambda _: lambda x: x.cumsum(-1),
    Op.SLICE: _slice,
    Op.RESHAPE: lambda node: lambda x: x.reshape(-1, *node.out_shape),
    Op.TRANSPOSE: _transpose,
    Op.PAD: _pad,
    Op.RESIZE: _resize,
    Op.EXPAND: _expand,
}
