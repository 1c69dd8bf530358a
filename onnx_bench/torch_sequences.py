"""How calls of torch over sequences, attention and recurrence, are recorded."""

from torch import Tensor

from onnx_bench.operators import Op
from onnx_bench.torch_recorder import Called, Recorder, handles, require
from onnx_bench.trace import Value

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
