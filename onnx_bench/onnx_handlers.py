"""How ONNX operators that compute are read: from a call to steps of the trace.

A handler looks at its call and adds steps, or leaves by `UncoveredError` (or a ValueError of a
shape rule) before it has added one: the call then counts as unknown. Operators with windows are in
`onnx_windows.py`, those that only move data in `onnx_moves.py`.
"""

from math import isclose, prod

from onnx_bench.graph import Shape
from onnx_bench.onnx_model import Call
from onnx_bench.onnx_replay import Replay, Results, UncoveredError, broadcast, handles, require
from onnx_bench.operators import ONNX_UNARY, Op
from onnx_bench.trace import Value, Weight

# functions of one value

_POOLS = (Op.GLOBAL_AVG_POOL, Op.GLOBAL_MAX_POOL)
UNARY = {
    **{name: op for op, name in ONNX_UNARY.items() if op not in (*_POOLS, Op.IDENTITY)},
    "Swish": Op.SILU,
    "LeakyRelu": Op.LEAKY_RELU,
    "ThresholdedRelu": Op.LEAKY_RELU,
    "Elu": Op.ELU,
    "Selu": Op.ELU,
    "Celu": Op.ELU,
    "Softsign": Op.TANH,
    "Sqrt": Op.SQRT,
    "Sin": Op.SINE,
    "Cos": Op.SINE,
    "Tan": Op.SINE,
    "Atan": Op.TANH,
    "Floor": Op.ROUND,
    "Ceil": Op.ROUND,
    "Round": Op.ROUND,
    "Sign": Op.ROUND,
    "Not": Op.COMPARE,
    "IsNaN": Op.COMPARE,
    "IsInf": Op.COMPARE,
    "LRN": Op.LOCAL_NORM,
    "com.microsoft.Gelu": Op.GELU,
    "com.microsoft.FastGelu": Op.GELU,
    "com.microsoft.QuickGelu": Op.GELU,
}


@handles(*UNARY)
def _unary(net: Replay, call: Call) -> Results:
    x = net.value(call)
    return net.add(UNARY[call.operator], [x], x.shape)


@handles("Cast", "CastLike", "Dropout", "QuantizeLinear", "DequantizeLinear", "Bernoulli")
@handles("DynamicQuantizeLinear", "com.microsoft.QuantizeLinear")
@handles("com.microsoft.DequantizeLinear")
def _same(net: Replay, call: Call) -> Results:
    # Types and rounding are no part of a computation graph. Further outputs are masks and scales.
    x = net.value(call)
    mask = Value(x.shape, constant=True)
    return [*net.add(Op.IDENTITY, [x], x.shape), mask, mask]


@handles("Identity")
def _identity(net: Replay, call: Call) -> Results:
    x = net.value(call)
    if x.constant and len(x.shape) == 1 and x.weights:
        # An exporter shares vectors that are equal, as fresh biases are. They are not tied.
        return Value(x.shape, True, frozenset({Weight(call.outputs[0], x.size)}), x.data)
    return x if x.constant else net.add(Op.IDENTITY, [x], x.shape)


@handles("Neg")
def _negative(net: Replay, call: Call) -> Results:
    x = net.value(call)
    return net.add(Op.SCALE, [x], x.shape)


@handles("Reciprocal")
def _reciprocal(net: Replay, call: Call) -> Results:
    x = net.value(call)
    return net.add(Op.POWER, [x], x.shape, exponent=-1.0)


@handles("Clip")
def _clip(net: Replay, call: Call) -> Results:
    low, high = net.number(call, 1, "min"), net.number(call, 2, "max")
    x = net.value(call)
    if (low, high) == (0, None) or (low == 0 and high is not None and high > 1e30):
        return net.add(Op.RELU, [x], x.shape)
    op = Op.RELU6 if (low, high) == (0, 6) else Op.CLIP
    return net.add(op, [x], x.shape, low=low, high=high)


@handles("HardSigmoid")
def _hard_sigmoid(net: Replay, call: Call) -> Results:
    slope, middle = call.number("alpha", 0.2), call.number("beta", 0.5)
    x = net.value(call)
    ours = isclose(slope, 1 / 6, rel_tol=1e-3) and middle == 0.5
    return net.add(Op.HARD_SIGMOID if ours else Op.CLIP, [x], x.shape)


@handles("Softmax", "LogSoftmax")
def _softmax(net: Replay, call: Call) -> Results:
    x = net.value(call)
    axis = net.axis(call, call.integer("axis", -1 if net.opset >= 13 else 1))
    if net.opset < 13 and prod(x.shape[axis + 1 :]) > 1:
        # Up to opset 12 it ran over all axes from this one on; exporters turned the axis to the end
        # unless they meant that.
        axis = len(x.shape) - 1
    return net.add(Op.SOFTMAX, [x], x.shape, axis=axis)


@handles("LpNormalization", "CumSum")
def _along(net: Replay, call: Call) -> Results:
    x = net.value(call)
    if call.operator == "CumSum":
        (axis,) = net.integers(call, 1, "axis") or (0,)
        return net.add(Op.CUMULATE, [x], x.shape, axis=net.axis(call, axis))
    return net.add(Op.NORMALIZE, [x], x.shape, axis=net.axis(call, call.integer("axis", -1)))


# operators with weights


@handles("Gemm")
def _gemm(net: Replay, call: Call) -> Results:
    x, weight = net.value(call), net.value(call, 1)
    require(len(x.shape) == len(weight.shape) == 2)
    if call.integer("transA", 0):
        (x,) = net.add(Op.TRANSPOSE, [x], x.shape[::-1], permutation=(1, 0))
    turned = bool(call.integer("transB", 0))
    width, features = weight.shape[::-1] if turned else weight.shape
    require(x.shape[1] == width)
    return _product(net, x, weight, (x.shape[0], features), turned, net.find(call, 2))


def _product(
    net: Replay, x: Value, weight: Value, shape: Shape, turned: bool, bias: Value | None
) -> Results:
    if weight.constant and not x.constant:
        fits = bias is None or (bias.constant and bias.size == shape[-1])
        (y,) = net.add(Op.LINEAR, [x, weight, bias if fits else None], shape)
    else:
        fits = bias is None
        if turned:
            (weight,) = net.add(Op.TRANSPOSE, [weight], weight.shape[::-1], permutation=(1, 0))
        (y,) = net.add(Op.MATMUL, [x, weight], shape)
    return y if fits or bias is None else net.add(Op.ADD, [y, bias], shape)


@handles("MatMul", "MatMulInteger", "com.microsoft.MatMulNBits")
def _matmul(net: Replay, call: Call) -> Results:
    a, b = net.value(call), net.value(call, 1)
    return _multiplied(net, a, b)


@handles("QLinearMatMul")
def _quantised_matmul(net: Replay, call: Call) -> Results:
    return _multiplied(net, net.value(call), net.value(call, 3))


def _multiplied(net: Replay, a: Value, b: Value) -> Results:
    require(len(a.shape) > 0 and len(b.shape) > 0)
    rows = (1, *a.shape) if len(a.shape) == 1 else a.shape
    columns = (*b.shape, 1) if len(b.shape) == 1 else b.shape
    require(rows[-1] == columns[-2])
    shape = (*broadcast(rows[:-2], columns[:-2]), rows[-2], columns[-1])
    shape = shape if len(a.shape) > 1 else (*shape[:-2], shape[-1])
    shape = shape if len(b.shape) > 1 else shape[:-1]
    if b.constant and not a.constant and len(b.shape) == 2:
        return net.add(Op.LINEAR, [a, b], shape)
    return net.add(Op.MATMUL, [a, b], shape)


@handles("BatchNormalization")
def _batch_norm(net: Replay, call: Call) -> Results:
    x, rest = net.value(call), [net.value(call, i) for i in range(1, 5)]
    require(len(x.shape) > 1 and all(value.shape == x.shape[1:2] for value in rest))
    results = net.add(Op.BATCH_NORM, [x, *rest[:2]], x.shape)
    return [*results, *rest[2:], *rest[2:]]  # running statistics, of training-mode exports


@handles("InstanceNormalization", "GroupNormalization")
def _group_norm(net: Replay, call: Call) -> Results:
    x, scale, shift = (net.value(call, i) for i in range(3))
    require(len(x.shape) > 1)
    op = Op.INSTANCE_NORM if call.operator.startswith("I") else Op.GROUP_NORM
    groups = call.integer("num_groups", x.shape[1])
    return net.add(op, [x, scale, shift], x.shape, groups=groups)


@handles("LayerNormalization", "com.microsoft.LayerNormalization")
@handles("RMSNormalization", "com.microsoft.SimplifiedLayerNormalization")
@handles("SimplifiedLayerNormalization")
def _layer_norm(net: Replay, call: Call) -> Results:
    x, axis = net.value(call), net.axis(call, call.integer("axis", -1))
    rms = "RMS" in call.operator or "Simplified" in call.operator
    weights = [net.find(call, 1), net.find(call, 2)]
    op, axes = Op.RMS_NORM if rms else Op.LAYER_NORM, len(x.shape) - axis
    return net.add(op, [x, *weights], x.shape, axes=axes)


@handles("MeanVarianceNormalization")
def _standardise(net: Replay, call: Call) -> Results:
    x = net.value(call)
    return net.add(Op.INSTANCE_NORM, [x], x.shape, groups=x.shape[1] if len(x.shape) > 1 else 1)


@handles("PRelu")
def _prelu(net: Replay, call: Call) -> Results:
    x = net.value(call)
    return net.add(Op.PRELU, [x, net.value(call, 1)], x.shape)


# joins

_JOINS = {
    "Add": Op.ADD,
    "Sum": Op.ADD,
    "Mean": Op.ADD,
    "Mul": Op.MUL,
    "Sub": Op.SUB,
    "Div": Op.DIV,
    "Pow": Op.POWER,
    "Max": Op.MAXIMUM,
    "Min": Op.MINIMUM,
    "Mod": Op.DIV,
    "Where": Op.WHERE,
    **dict.fromkeys(
        ("And", "Or", "Xor", "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"),
        Op.COMPARE,
    ),
}


@handles(*_JOINS)
def _join(net: Replay, call: Call) -> Results:
    values = net.given(call)
    require(bool(values))
    shape = broadcast(*(value.shape for value in values))
    if call.operator in ("Max", "Min") and len(values) == 2:
        bound = next((v for v in values if v.number is not None), None)
        others = [v for v in values if v is not bound]
        if bound is not None and others[0].shape == shape:
            is_relu = call.operator == "Max" and bound.number == 0
            return net.add(Op.RELU if is_relu else Op.CLIP, others[:1], shape)
    return net.add(_JOINS[call.operator], [*values], shape)


@handles("Concat")
def _concat(net: Replay, call: Call) -> Results:
    values = [value for value in net.given(call) if value.size]
    require(bool(values))
    rank = len(values[0].shape)
    axis = call.integer("axis", 1)
    require(-rank <= axis < rank and all(len(value.shape) == rank for value in values))
    axis %= rank
    rest = {value.shape[:axis] + value.shape[axis + 1 :] for value in values}
    require(len(rest) == 1)
    first = values[0].shape
    shape = (*first[:axis], sum(v.shape[axis] for v in values), *first[axis + 1 :])
    return net.add(Op.CONCAT, [*values], shape, axis=axis)


# reductions

_REDUCTIONS = {
    "ReduceMean": Op.REDUCE_MEAN,
    "ReduceSum": Op.REDUCE_SUM,
    "ReduceSumSquare": Op.REDUCE_SUM,
    "ReduceL1": Op.REDUCE_SUM,
    "ReduceL2": Op.REDUCE_SUM,
    "ReduceLogSumExp": Op.REDUCE_SUM,
    "ReduceLogSum": Op.REDUCE_SUM,
    "ReduceMax": Op.REDUCE_MAX,
    "ReduceMin": Op.REDUCE_MAX,
    "ReduceProd": Op.REDUCE_MAX,
    "ArgMax": Op.RANK,
    "ArgMin": Op.RANK,
}


@handles(*_REDUCTIONS)
def _reduce(net: Replay, call: Call) -> Results:
    x = net.value(call)
    if call.operator.startswith("Arg"):
        axes: Shape | None = (call.integer("axis", 0),)
    else:
        axes = net.integers(call, 1, "axes")
    if not axes:
        if call.integer("noop_with_empty_axes", 0):
            return x
        axes = tuple(range(len(x.shape)))
    reduced = tuple(sorted({net.axis(call, axis) for axis in axes}))
    keep = bool(call.integer("keepdims", 1))
    shape = tuple(1 if i in reduced else d for i, d in enumerate(x.shape))
    if not keep:
        shape = tuple(d for i, d in enumerate(x.shape) if i not in reduced)
    attributes = {"norm": "l2"} if call.operator == "ReduceL2" else {}
    return net.add(_REDUCTIONS[call.operator], [x], shape, axes=reduced, **attributes)


@handles("TopK")
def _top(net: Replay, call: Call) -> Results:
    x, axis = net.value(call), net.axis(call, call.integer("axis", -1))
    count = net.integers(call, 1, "k")
    if count is None:
        raise UncoveredError
    shape = (*x.shape[:axis], count[0], *x.shape[axis + 1 :])
    return net.add(Op.RANK, [x], shape, shape)
