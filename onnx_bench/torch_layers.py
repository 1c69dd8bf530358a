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


# attention


@handles("scaled_dot_product_attention")
def _attention(r: Recorder, call: Called) -> None:
    query, key, value = (call.get(i, n) for i, n in enumerate(("query", "key", "value")))
    mask = call.get(3, "attn_mask")
    heads = query.shape[-3] if query.dim() > 2 else 1
    r.add(Op.ATTENTION, [query, key, value, mask], call.out, heads=heads)


@handles("multi_head_attention_forward")
def _multi_head(r: Recorder, call: Called) -> None:
    """Projections, attention and projection, in torch's own order: (tokens, batch, features)."""
    query, key, value = call.args[:3]
    heads = call.get(4, "num_heads")
    tokens, batch, width = query.shape if query.dim() == 3 else (query.shape[0], 1, query.shape[1])
    keys = key.shape[0]
    parts = _projected(r, call, (query, key, value), batch)
    split = [
        _by_head(r, part, n, batch, heads)
        for part, n in zip(parts, (tokens, keys, keys), strict=True)
    ]
    seen = r.add(Op.ATTENTION, split, split[0].shape, heads=heads)
    laid = r.add(
        Op.TRANSPOSE,
        [seen],
        (tokens, batch, heads, width // heads),
        permutation=(2, 0, 1, 3),
    )
    flat = r.add(Op.RESHAPE, [laid], (tokens * batch, width))
    out, weights = call.out if isinstance(call.out, tuple) else (call.out, None)
    projected = r.add(
        Op.LINEAR,
        [flat, call.get(11, "out_proj_weight"), call.get(12, "out_proj_bias")],
        (tokens * batch, width),
    )
    r.add(Op.RESHAPE, [projected], out)
    if weights is not None:
        scores = r.add(Op.MATMUL, split[:2], tuple(weights.shape))
        r.add(Op.SOFTMAX, [scores], weights)


def _projected(r: Recorder, call: Called, sources: tuple[Tensor, ...], batch: int) -> list[Value]:
    """Queries, keys and values behind their projections, packed as torch packs them."""
    query, key, value = sources
    width = query.shape[-1]
    weight, bias = call.get(5, "in_proj_weight"), call.get(6, "in_proj_bias")
    if weight is None or call.kwargs.get("use_separate_proj_weight"):
        names = ("q_proj_weight", "k_proj_weight", "v_proj_weight")
        inner = [call.kwargs.get(name) for name in names]
        return [
            r.add(Op.LINEAR, [x, w, bias], (x.shape[0], batch, width))
            for x, w in zip(sources, inner, strict=True)
        ]
    if key is value and query is key:
        shape = (query.shape[0], batch, 3 * width)
        packed = r.add(Op.LINEAR, [query, weight, bias], shape)
        return [_third(r, packed, i * width, width) for i in range(3)]
    parts = [_part_of(weight, width, count) for count in (1, 2)]
    shifts = [None if bias is None else _part_of(bias, width, count) for count in (1, 2)]
    first = r.add(Op.LINEAR, [query, parts[0], shifts[0]], (query.shape[0], batch, width))
    if key is value:
        packed = r.add(Op.LINEAR, [key, parts[1], shifts[1]], (key.shape[0], batch, 2 * width))
        return [first, *(_third(r, packed, i * width, width) for i in range(2))]
    return [
        first,
        *(
            r.add(Op.LINEAR, [x, parts[0], shifts[0]], (x.shape[0], batch, width))
            for x in (key, value)
        ),
    ]


def _part_of(weight: Tensor, width: int, count: int) -> Value:
    """Rows of a packed weight: learned, and counted with the whole."""
    return Value((count * width, *weight.shape[1:]), constant=True)


def _third(r: Recorder, packed: Value, start: int, width: int) -> Value:
    axis = len(packed.shape) - 1
    return r.add(Op.SLICE, [packed], (*packed.shape[:-1], width), axis=axis, start=start, step=1)


def _by_head(r: Recorder, x: Value, tokens: int, batch: int, heads: int) -> Value:
    """(tokens, batch, features) as (batch, heads, tokens, features of one head)."""
    width = x.size // (tokens * batch * heads)
    wide = r.add(Op.RESHAPE, [x], (tokens, batch, heads, width))
    return r.add(Op.TRANSPOSE, [wide], (batch, heads, tokens, width), permutation=(1, 2, 0, 3))


# recurrence

_RECURRENT = {"lstm": Op.LSTM, "gru": Op.GRU, "rnn_tanh": Op.RNN, "rnn_relu": Op.RNN}


@handles(*_RECURRENT)
def _recurrent(r: Recorder, call: Called) -> None:
    """One step a layer, as exporters write them: (steps, batch, features) throughout."""
    require(len(call.args) == 9)  # packed sequences come with other arguments
    x, _, weights, biased, layers, _, _, both_ways, batch_first = call.args
    directions, op = 1 + bool(both_ways), _RECURRENT[call.name]
    per_cell = len(weights) // (layers * directions)
    out, *ends = call.out
    current = r.value(x)
    if batch_first:
        current = _swapped(r, current)
    steps, batch = current.shape[:2]
    for layer in range(layers):
        start = layer * directions * per_cell
        own = weights[start : start + directions * per_cell]
        hidden = own[1].shape[1]
        width = out.shape[-1]
        attributes = {"hidden": hidden, "directions": directions}
        inputs = [current, own[0], own[1], *own[2:]]
        given = [v if isinstance(v, Value) else r.value(v) for v in inputs]
        state = (directions, batch, hidden)
        count = 2 if op == Op.LSTM else 1
        current, *states = r.trace.add(
            op, given, (steps, batch, width), *[state] * count, **attributes
        )
    require(biased or per_cell >= 2)
    if layers == 1:
        for end, final in zip(ends, states, strict=False):
            r.bind(end, final)
    else:
        for end, final in zip(ends, states, strict=False):
            r.add(Op.EXPAND, [final], end)
    last = _swapped(r, current) if batch_first else current
    r.bind(out, last)


def _swapped(r: Recorder, x: Value) -> Value:
    first, second, *rest = x.shape
    order = (1, 0, *range(2, len(x.shape)))
    return r.add(Op.TRANSPOSE, [x], (second, first, *rest), permutation=order)


@handles("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell")
def _cell(r: Recorder, call: Called) -> None:
    op = _RECURRENT[call.name.removesuffix("_cell")]
    outs = [call.out] if isinstance(call.out, Tensor) else list(call.out)
    state = call.args[1]
    states = list(state) if isinstance(state, (list, tuple)) else [state]
    hidden = call.args[3].shape[1]
    inputs = [r.value(t) for t in (call.x, *call.args[2:6], *states) if t is not None]
    shapes = [tuple(out.shape) for out in outs]
    values = r.trace.add(op, inputs, *shapes, hidden=hidden, directions=1)
    for out, value in zip(outs, values, strict=True):
        r.bind(out, value)


@handles("bilinear")
def _bilinear(r: Recorder, call: Called) -> None:
    rows = prod(call.out.shape[:-1])
    wide = r.add(Op.LINEAR, [call.x, call.get(2, "weight")], (rows, call.get(2, "weight").shape[0]))
    r.add(Op.MUL, [wide, call.args[1]], call.out)
