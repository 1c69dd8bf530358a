"""How calls of torch that work on single values, joins and reductions are recorded.

Layers with weights and windows are in `torch_layers.py`, moves of data in `torch_moves.py`.
"""

from typing import Any

import torch
from torch import Tensor

from onnx_bench.graph import Shape
from onnx_bench.operators import Op
from onnx_bench.torch_recorder import Called, Recorder, handles, require
from onnx_bench.trace import Value

# functions of one value

_UNARY = {
    "relu": Op.RELU,
    "relu6": Op.RELU6,
    "sigmoid": Op.SIGMOID,
    "logsigmoid": Op.SOFTPLUS,
    "tanh": Op.TANH,
    "softsign": Op.TANH,
    "atan": Op.TANH,
    "tanhshrink": Op.TANH,
    "gelu": Op.GELU,
    "silu": Op.SILU,
    "hardswish": Op.HARD_SWISH,
    "hardsigmoid": Op.HARD_SIGMOID,
    "leaky_relu": Op.LEAKY_RELU,
    "rrelu": Op.LEAKY_RELU,
    "threshold": Op.LEAKY_RELU,
    "elu": Op.ELU,
    "selu": Op.ELU,
    "celu": Op.ELU,
    "softplus": Op.SOFTPLUS,
    "log1p": Op.SOFTPLUS,
    "mish": Op.MISH,
    "exp": Op.EXP,
    "expm1": Op.EXP,
    "log": Op.LOG,
    "log2": Op.LOG,
    "log10": Op.LOG,
    "sqrt": Op.SQRT,
    "abs": Op.ABS,
    "absolute": Op.ABS,
    "erf": Op.ERF,
    "sin": Op.SINE,
    "cos": Op.SINE,
    "tan": Op.SINE,
    "asin": Op.SINE,
    "acos": Op.SINE,
    "floor": Op.ROUND,
    "ceil": Op.ROUND,
    "round": Op.ROUND,
    "sign": Op.ROUND,
    "neg": Op.SCALE,
    "__neg__": Op.SCALE,
    "logical_not": Op.COMPARE,
    "__invert__": Op.COMPARE,
    "bitwise_not": Op.COMPARE,
    "isnan": Op.COMPARE,
    "isinf": Op.COMPARE,
    "local_response_norm": Op.LOCAL_NORM,
    "tril": Op.WHERE,
    "triu": Op.WHERE,
}


@handles(*_UNARY, *(f"{name}_" for name in _UNARY))
def _unary(r: Recorder, call: Called) -> None:
    r.add(
        _UNARY[call.name.removesuffix("_") if call.name not in _UNARY else call.name],
        [call.x],
        call.out,
    )


@handles("rsqrt", "rsqrt_")
def _inverse_root(r: Recorder, call: Called) -> None:
    r.add(Op.SQRT, [call.x], call.out, inverse=True)


@handles("square", "reciprocal", "square_", "reciprocal_")
def _power(r: Recorder, call: Called) -> None:
    r.add(Op.POWER, [call.x], call.out, exponent=2.0 if call.name.startswith("s") else -1.0)


@handles("clamp", "clamp_", "clip", "clamp_min", "clamp_max", "clamp_min_", "hardtanh", "hardtanh_")
def _clip(r: Recorder, call: Called) -> None:
    low: Any = call.get(1, "min", call.kwargs.get("min_val"))
    high: Any = call.get(2, "max", call.kwargs.get("max_val"))
    if call.name.startswith("clamp_max"):
        low, high = None, low
    elif call.name.startswith("hardtanh"):
        low, high = -1.0 if low is None else low, 1.0 if high is None else high
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        r.add(Op.CLIP, [call.x], call.out)
        return
    known = {(0, None): Op.RELU, (0, 6): Op.RELU6}
    r.add(known.get((low, high), Op.CLIP), [call.x], call.out)


@handles("softmax", "log_softmax", "softmin", "softmax_")
def _softmax(r: Recorder, call: Called) -> None:
    axis = call.get(1, "dim", -1)
    r.add(Op.SOFTMAX, [call.x], call.out, axis=(-1 if axis is None else axis) % call.x.dim())


_ALONG = {"normalize": (Op.NORMALIZE, 2, 1), "cumsum": (Op.CUMULATE, 1, 0)}
_ALONG["cumprod"] = _ALONG["cumsum"]


@handles(*_ALONG)
def _along(r: Recorder, call: Called) -> None:
    op, place, usual = _ALONG[call.name]
    r.add(op, [call.x], call.out, axis=int(call.get(place, "dim", usual)) % call.x.dim())


@handles("glu")
def _gated(r: Recorder, call: Called) -> None:
    axis = call.get(1, "dim", -1) % call.x.dim()
    half = tuple(call.out.shape)
    parts = [
        r.add(Op.SLICE, [call.x], half, axis=axis, start=i * half[axis], step=1) for i in (0, 1)
    ]
    gate = r.add(Op.SIGMOID, parts[1:], half)
    r.add(Op.MUL, [parts[0], gate], call.out)


# joins

_JOINS = {
    "add": Op.ADD,
    "sub": Op.SUB,
    "subtract": Op.SUB,
    "mul": Op.MUL,
    "multiply": Op.MUL,
    "div": Op.DIV,
    "divide": Op.DIV,
    "true_divide": Op.DIV,
    "truediv": Op.DIV,
    "floordiv": Op.DIV,
    "floor_divide": Op.DIV,
    "mod": Op.DIV,
    "remainder": Op.DIV,
    "fmod": Op.DIV,
    "pow": Op.POWER,
    "float_power": Op.POWER,
    "maximum": Op.MAXIMUM,
    "minimum": Op.MINIMUM,
    "atan2": Op.DIV,
    **dict.fromkeys(
        ("eq", "ne", "lt", "le", "gt", "ge", "and", "or", "xor"),
        Op.COMPARE,
    ),
    **dict.fromkeys(("logical_and", "logical_or", "logical_xor"), Op.COMPARE),
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor"), Op.COMPARE),
}
_REFLECTED = {"radd": "add", "rsub": "sub", "rmul": "mul", "rdiv": "div", "rtruediv": "div"}
_REFLECTED |= {"rpow": "pow"}


def _spellings(name: str) -> tuple[str, ...]:
    return (name, f"{name}_", f"__{name}__", f"__i{name}__")


@handles(*(spelling for name in _JOINS for spelling in _spellings(name)))
@handles(*(f"__{name}__" for name in _REFLECTED), "rsub", "__div__")
def _join(r: Recorder, call: Called) -> None:
    name = call.name.strip("_")
    operands = [call.get(0, "input"), call.get(1, "other", call.kwargs.get("exponent"))]
    if name in _REFLECTED:
        name, operands = _REFLECTED[name], operands[::-1]
    elif name not in _JOINS:
        name = name.removeprefix("i")
    alpha = call.kwargs.get("alpha", 1)
    if alpha != 1:
        operands[1] = r.add(Op.MUL, [operands[1], alpha], tuple(operands[1].shape))
    r.add(_JOINS[name], operands, call.out)


@handles("where")
def _where(r: Recorder, call: Called) -> None:
    require(len(call.args) + len(call.kwargs) >= 3)
    r.add(Op.WHERE, [call.args[0], call.get(1, "input"), call.get(2, "other")], call.out)


@handles("masked_fill", "masked_fill_")
def _masked(r: Recorder, call: Called) -> None:
    r.add(Op.WHERE, [call.args[1], call.get(2, "value"), call.x], call.out)


@handles("lerp")
def _lerp(r: Recorder, call: Called) -> None:
    r.add(Op.ADD, [call.x, call.args[1]], call.out)


@handles("addcmul", "addcdiv")
def _fused(r: Recorder, call: Called) -> None:
    shape = tuple(call.out.shape)
    op = Op.MUL if call.name == "addcmul" else Op.DIV
    r.add(Op.ADD, [call.x, r.add(op, call.args[1:3], shape)], call.out)


# reductions

_REDUCTIONS = {
    "mean": Op.REDUCE_MEAN,
    "nanmean": Op.REDUCE_MEAN,
    "sum": Op.REDUCE_SUM,
    "logsumexp": Op.REDUCE_SUM,
    "prod": Op.REDUCE_MAX,
    "amax": Op.REDUCE_MAX,
    "amin": Op.REDUCE_MAX,
    "any": Op.REDUCE_MAX,
    "all": Op.REDUCE_MAX,
    "argmax": Op.RANK,
    "argmin": Op.RANK,
}


@handles(*_REDUCTIONS)
def _reduce(r: Recorder, call: Called) -> None:
    axes = _axes(call, call.get(1, "dim", call.kwargs.get("axis")))
    r.add(_REDUCTIONS[call.name], [call.x], call.out, axes=axes)


def _axes(call: Called, dim: Any) -> Shape:
    """The axes that a reduction names, counted from the front; all where it names none."""
    rank = call.x.dim()
    if dim is None or isinstance(dim, torch.dtype) or dim == ():
        return tuple(range(rank))
    names = dim if isinstance(dim, (list, tuple)) else [dim]
    return tuple(sorted(int(axis) % rank for axis in names))


@handles("max", "min")
def _extreme(r: Recorder, call: Called) -> None:
    other = call.get(1, "other", call.kwargs.get("dim"))
    if isinstance(other, Tensor):
        op = Op.MAXIMUM if call.name == "max" else Op.MINIMUM
        r.add(op, [call.x, other], call.out)
        return
    outs = [call.out] if isinstance(call.out, Tensor) else list(call.out)
    for op, out in zip((Op.REDUCE_MAX, Op.RANK), outs, strict=False):
        r.add(op, [call.x], out, axes=_axes(call, other))


@handles("topk", "sort", "kthvalue", "median", "mode")
def _order(r: Recorder, call: Called) -> None:
    for out in [call.out] if isinstance(call.out, Tensor) else call.out:
        r.add(Op.RANK, [call.x], out)


@handles("argsort")
def _argsort(r: Recorder, call: Called) -> None:
    r.add(Op.RANK, [call.x], call.out)


@handles("var", "std", "var_mean", "std_mean")
def _spread(r: Recorder, call: Called) -> None:
    """Spelt out as exporters do: the mean of the squared distance to the mean."""
    dim = call.get(1, "dim")
    axes = _axes(call, None if isinstance(dim, bool) else dim)
    wide = tuple(1 if i in axes else d for i, d in enumerate(call.shape))
    outs = [call.out] if isinstance(call.out, Tensor) else list(call.out)
    centre = r.add(Op.REDUCE_MEAN, [call.x], wide, axes=axes)
    apart = r.add(Op.SUB, [call.x, centre], call.shape)
    squared = r.add(Op.MUL, [apart, apart], call.shape)
    spread: Value
    if call.name.startswith("std"):
        spread = r.add(Op.REDUCE_MEAN, [squared], tuple(outs[0].shape), axes=axes)
        r.add(Op.SQRT, [spread], outs[0])
    else:
        r.add(Op.REDUCE_MEAN, [squared], outs[0], axes=axes)
    if len(outs) > 1:
        r.add(Op.RESHAPE, [centre], outs[1])


@handles("norm", "vector_norm", "linalg_vector_norm", "linalg_norm")
def _length(r: Recorder, call: Called) -> None:
    by_name = call.kwargs.get("dim")
    axes = _axes(call, call.get(2, "dim") if by_name is None else by_name)
    r.add(Op.REDUCE_SUM, [call.x], call.out, axes=axes, norm="l2")
