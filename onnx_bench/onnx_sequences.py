"""How ONNX operators over sequences, recurrence, attention and einsum, are read."""

from onnx_bench.onnx_model import Call
from onnx_bench.onnx_replay import Replay, Results, handles, require
from onnx_bench.operators import Op

_GATED = {"LSTM": Op.LSTM, "GRU": Op.GRU, "RNN": Op.RNN}


@handles(*_GATED)
def _recurrent(net: Replay, call: Call) -> Results:
    x, weights, between = (net.value(call, i) for i in range(3))
    require(len(x.shape) == 3 and len(weights.shape) == len(between.shape) == 3)
    hidden, directions = call.integer("hidden_size", between.shape[-1]), weights.shape[0]
    require(weights.shape[-1] == x.shape[-1] and hidden > 0)
    # ONNX lays (steps, batch, width) and gives (steps, directions, batch, hidden); layout 1 starts
    # with the batch and ends with the directions.
    first, second = x.shape[:2]
    batch_first = bool(call.integer("layout", 0))
    shape = (first, second, directions * hidden)
    end = (second, directions, hidden) if batch_first else (directions, second, hidden)
    bias = net.find(call, 3)
    op = _GATED[call.operator]
    results = net.trace.add(
        op,
        [value for value in (x, weights, between, bias) if value is not None],
        shape,
        *([end] * (2 if op == Op.LSTM else 1)),
        hidden=hidden,
        directions=directions,
    )
    by_direction = (first, second, directions, hidden)
    (split,) = net.add(Op.RESHAPE, results[:1], by_direction)
    if not batch_first:
        by_direction = (first, directions, second, hidden)
        (split,) = net.add(Op.TRANSPOSE, [split], by_direction, permutation=(0, 2, 1, 3))
    return [split, *results[1:]]


@handles("Attention", "com.microsoft.MultiHeadAttention")
def _attention(net: Replay, call: Call) -> Results:
    query, key, value = (net.value(call, i) for i in range(3))
    heads = call.integer("q_num_heads", call.integer("num_heads", 0))
    rank = len(query.shape)
    require(rank == len(key.shape) == len(value.shape) and rank in (3, 4))
    require(heads > 0 if rank == 3 else True)
    shape = (*query.shape[:-1], value.shape[-1])
    if rank == 3 and value.shape[-1] != key.shape[-1]:
        shape = (*query.shape[:-1], heads * value.shape[-1] // call.integer("kv_num_heads", heads))
    heads = heads if rank == 3 else query.shape[1]
    mask = net.find(call, 3) if call.operator == "Attention" else None
    return net.add(Op.ATTENTION, [query, key, value, mask], shape, heads=heads)


@handles("Einsum")
def _einsum(net: Replay, call: Call) -> Results:
    equation, values = call.text("equation", ""), net.given(call)
    sides = equation.replace(" ", "").split("->")
    require(len(sides) == 2 and "." not in equation)
    sizes: dict[str, int] = {}
    for letters, value in zip(sides[0].split(","), values, strict=True):
        sizes |= dict(zip(letters, value.shape, strict=True))
    shape = tuple(sizes[letter] for letter in sides[1])
    return net.add(Op.MATMUL, [*values], shape, equation="->".join(sides))
