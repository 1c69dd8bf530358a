"""How calls of torch with weights or windows are recorded; see `torch_handlers.py`."""

from math import prod
from typing import Any

from torch import Tensor

from onnx_bench.graph import Shape
from onnx_bench.operators import Op
from onnx_bench.torch_recorder import Called, Recorder, handles, require
from onnx_bench.trace import Value


def per_axis(value: Any, axes: int) -> Shape:
    """A setting for each axis of space, from one number or several."""
    given = tuple(int(v) for v in value) if isinstance(value, (list, tuple)) else (int(value),)
    return given * axes if len(given) == 1 else given


# convolutions


@handles("conv1d", "conv2d", "conv3d")
def _conv(r: Recorder, call: Called) -> None:
    weight, axes = call.get(1, "weight"), int(call.name[4])
    kernel = tuple(weight.shape[2:])
    stride = per_axis(call.get(3, "stride", 1), axes)
    dilation = per_axis(call.get(5, "dilation", 1), axes)
    padding = call.get(4, "padding", 0)
    if padding == "valid":
        sides = (0,) * 2 * axes
    elif padding == "same":
        total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        sides = (*(t // 2 for t in total), *(t - t // 2 for t in total))
    else:
        sides = per_axis(padding, axes) * 2
    window = {"kernel": kernel, "stride": stride, "dilation": dilation, "padding": sides}
    inputs = [call.x, weight, call.get(2, "bias")]
    r.add(Op.CONV, inputs, call.out, groups=call.get(6, "groups", 1), **window)


@handles("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def _conv_transpose(r: Recorder, call: Called) -> None:
    weight, axes = call.get(1, "weight"), int(call.name[-2])
    window = {
        "kernel": tuple(weight.shape[2:]),
        "stride": per_axis(call.get(3, "stride", 1), axes),
        "dilation": per_axis(call.get(7, "dilation", 1), axes),
        "padding": per_axis(call.get(4, "padding", 0), axes) * 2,
    }
    inputs = [call.x, weight, call.get(2, "bias")]
    r.add(Op.CONV_TRANSPOSE, inputs, call.out, groups=call.get(6, "groups", 1), **window)


# products


@handles("linear")
def _linear(r: Recorder, call: Called) -> None:
    weight, bias = call.get(1, "weight"), call.get(2, "bias")
    if r.is_data(weight):
        turned = tuple(reversed(weight.shape))
        columns = r.add(Op.TRANSPOSE, [weight], turned, permutation=(1, 0))
        product = r.add(Op.MATMUL, [call.x, columns], tuple(call.out.shape))
        r.add(Op.ADD if bias is not None else Op.IDENTITY, [product, bias], call.out)
        return
    r.add(Op.LINEAR, [call.x, weight, bias], call.out)


@handles("matmul", "__matmul__", "bmm", "mm", "mv", "dot", "__rmatmul__")
def _matmul(r: Recorder, call: Called) -> None:
    a, b = call.args[0], call.get(1, "mat2", call.kwargs.get("other"))
    if call.name == "__rmatmul__":
        a, b = b, a
    _product(r, a, b, call.out)


def _product(r: Recorder, a: Any, b: Any, out: Tensor | Shape) -> Value:
    weighted = not r.is_data(b) and b.dim() == 2
    return r.add(Op.LINEAR if weighted else Op.MATMUL, [a, b], out)


@handles("addmm", "baddbmm", "addbmm", "addmv")
def _product_and_sum(r: Recorder, call: Called) -> None:
    shape = tuple(call.out.shape)
    one = call.get(1, "mat1", call.kwargs.get("batch1"))
    other = call.get(2, "mat2", call.kwargs.get("batch2"))
    product = _product(r, one, other, shape)
    r.add(Op.ADD, [product, call.x], call.out)


@handles("einsum")
def _einsum(r: Recorder, call: Called) -> None:
    equation, *operands = call.args
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = list(operands[0])
    require(isinstance(equation, str))
    equation = equation.replace(" ", "")
    if "." in equation:
        equation = _spelt_out(equation, [t.dim() for t in operands])
    if "->" not in equation:
        letters = equation.replace(",", "")
        equation += "->" + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    r.add(Op.MATMUL, operands, call.out, equation=equation)


def _spelt_out(equation: str, ranks: list[int]) -> str:
    """The equation with letters for its dots."""
    free = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in equation]
    left, _, right = equation.partition("->")
    terms = left.split(",")
    most = max(
        rank - len(term.replace("...", ""))
        for term, rank in zip(terms, ranks, strict=True)
        if "..." in term
    )
    dots = "".join(free[:most])
    terms = [
        term.replace("...", dots[most - (rank - len(term.replace("...", ""))) :])
        for term, rank in zip(terms, ranks, strict=True)
    ]
    return f"{','.join(terms)}->{right.replace('...', dots)}"


@handles("bilinear")
def _bilinear(r: Recorder, call: Called) -> None:
    rows = prod(call.out.shape[:-1])
    wide = r.add(Op.LINEAR, [call.x, call.get(2, "weight")], (rows, call.get(2, "weight").shape[0]))
    r.add(Op.MUL, [wide, call.args[1]], call.out)


@handles("embedding")
def _embedding(r: Recorder, call: Called) -> None:
    r.add(Op.EMBEDDING, [call.x, call.get(1, "weight")], call.out)


# normalisation


@handles("batch_norm")
def _batch_norm(r: Recorder, call: Called) -> None:
    r.add(Op.BATCH_NORM, [call.x, call.get(3, "weight"), call.get(4, "bias")], call.out)


@handles("layer_norm", "rms_norm")
def _layer_norm(r: Recorder, call: Called) -> None:
    op = Op.LAYER_NORM if call.name == "layer_norm" else Op.RMS_NORM
    inputs = [call.x, call.get(2, "weight"), call.get(3, "bias") if op == Op.LAYER_NORM else None]
    r.add(op, inputs, call.out, axes=len(call.get(1, "normalized_shape")))


@handles("group_norm")
def _group_norm(r: Recorder, call: Called) -> None:
    inputs = [call.x, call.get(2, "weight"), call.get(3, "bias")]
    r.add(Op.GROUP_NORM, inputs, call.out, groups=call.get(1, "num_groups"))


@handles("instance_norm")
def _instance_norm(r: Recorder, call: Called) -> None:
    inputs = [call.x, call.get(3, "weight"), call.get(4, "bias")]
    r.add(Op.INSTANCE_NORM, inputs, call.out, groups=call.shape[1])


@handles("prelu")
def _prelu(r: Recorder, call: Called) -> None:
    r.add(Op.PRELU, [call.x, call.get(1, "weight")], call.out)


# pooling


@handles(*(f"{kind}_pool{n}d" for kind in ("max", "avg") for n in (1, 2, 3)))
@handles(*(f"max_pool{n}d_with_indices" for n in (1, 2, 3)), *(f"_max_pool{n}d" for n in (1, 2, 3)))
def _pool(r: Recorder, call: Called) -> None:
    largest = "max" in call.name
    axes = int(call.name.split("pool")[1][0])
    kernel = per_axis(call.get(1, "kernel_size"), axes)
    stride = call.get(2, "stride")
    dilation, ceil, counted = (
        (call.get(4, "dilation", 1), call.get(5, "ceil_mode", False), False)
        if largest
        else (1, call.get(4, "ceil_mode", False), call.get(5, "count_include_pad", True))
    )
    padding = per_axis(call.get(3, "padding", 0), axes) * 2
    settings = {
        "kernel": kernel,
        "stride": kernel if stride is None or stride == [] else per_axis(stride, axes),
        "dilation": per_axis(dilation, axes),
        "padding": padding,
        "ceil": bool(ceil),
        # Where nothing is padded there is nothing to count; exporters write either.
        "count_padding": bool(counted) and any(padding),
    }
    out = call.out if isinstance(call.out, Tensor) else call.out[0]
    x = call.x
    if x.dim() == axes + 1:  # an image without a batch
        x = r.add(Op.RESHAPE, [x], (1, *x.shape))
    r.add(Op.MAX_POOL if largest else Op.AVG_POOL, [x], out, **settings)


@handles(*(f"adaptive_{kind}_pool{n}d" for kind in ("max", "avg") for n in (1, 2, 3)))
@handles(*(f"adaptive_max_pool{n}d_with_indices" for n in (1, 2, 3)))
def _adaptive_pool(r: Recorder, call: Called) -> None:
    largest = "max" in call.name
    axes = int(call.name.split("pool")[1][0])
    out = call.out if isinstance(call.out, Tensor) else call.out[0]
    space, target = call.shape[-axes:], tuple(out.shape[-axes:])
    if all(size == 1 for size in target):
        reduced = tuple(range(call.x.dim() - axes, call.x.dim()))
        r.add(Op.REDUCE_MAX if largest else Op.REDUCE_MEAN, [call.x], out, axes=reduced)
        return
    # Windows of uneven sizes are taken as the even ones that come nearest.
    stride = tuple(max(s // t, 1) for s, t in zip(space, target, strict=True))
    kernel = tuple(s - (t - 1) * st for s, t, st in zip(space, target, stride, strict=True))
    settings = {"kernel": kernel, "stride": stride, "padding": (0,) * 2 * axes}
    r.add(Op.MAX_POOL if largest else Op.AVG_POOL, [call.x], out, **settings)
