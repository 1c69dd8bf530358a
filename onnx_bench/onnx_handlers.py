"""How each ONNX operator is read: from a call to nodes of the graph.

A handler looks at its call and places nodes, or leaves by `UncoveredError` (or an error of a shape
rule) before it has placed one: the call then counts as unknown. Operators with weights and joins
are here; those that only move data are in `onnx_moves.py`.
"""

from math import isclose
from typing import Any

from onnx_bench import shapes
from onnx_bench.graph import Shape
from onnx_bench.onnx_model import Call
from onnx_bench.onnx_replay import Replay, Results, UncoveredError, handles, require
from onnx_bench.operators import ACTIVATIONS, ONNX_UNARY, Op

PLAIN = {name: op for op, name in ONNX_UNARY.items() if op in ACTIVATIONS - {Op.SIGMOID}}
JOINS = ("Add", "Sum", "Mul")


# activations


@handles(*PLAIN)
def _plain(net: Replay, call: Call) -> Results:
    # The two approximations of GELU are one operator here.
    return net.g.unary(PLAIN[call.operator], net.value(call))


@handles("Sigmoid")
def _sigmoid(net: Replay, call: Call) -> Results:
    x = net.value(call)
    product = net.follower(call, "Mul")
    if product and set(product.inputs) == {call.inputs[0], call.outputs[0]}:
        return {product.outputs[0]: net.g.unary(Op.SILU, x)}
    return net.g.unary(Op.SIGMOID, x)


@handles("Clip")
def _clip(net: Replay, call: Call) -> Results:
    low, high = (
        call.number(name, float("nan")) if call.has(name) else net.scalar(call, position)
        for position, name in ((1, "min"), (2, "max"))
    )
    require((low, high) == (0, 6))
    return net.g.unary(Op.RELU6, net.value(call))


@handles("HardSigmoid")
def _hard_sigmoid(net: Replay, call: Call) -> Results:
    slope, middle = call.number("alpha", 0.2), call.number("beta", 0.5)
    require(isclose(slope, 1 / 6, rel_tol=1e-3) and middle == 0.5)
    return net.g.unary(Op.HARD_SIGMOID, net.value(call))


@handles("Softmax")
def _softmax(net: Replay, call: Call) -> Results:
    axis = net.axis(call, call.integer("axis", -1 if net.model.opset >= 13 else 1))
    require(axis == len(net.shape(call)) - 1)
    return net.g.unary(Op.SOFTMAX, net.value(call))


# operators with weights


@handles("Conv")
def _conv(net: Replay, call: Call) -> Results:
    channels, in_channels, *kernel = net.weight(call, 1)
    groups = call.integer("group", 1)
    require(len(kernel) == 2 and in_channels * groups == net.shape(call)[0])
    require(call.integers("kernel_shape", tuple(kernel)) == tuple(kernel))
    bias = net.has(call, 2)
    require(not bias or net.weight(call, 2) == (channels,))
    size, stride, dilation, padding = _window(net, call, tuple(kernel))
    x = net.value(call)
    return net.g.conv(x, channels, size, stride, padding, dilation, groups, bias)


Window = tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int, int, int]]


def _window(net: Replay, call: Call, kernel: Shape) -> Window:
    """(kernel, stride, dilation, padding) of what slides over an image."""
    shape = net.shape(call)
    stride = call.integers("strides", (1, 1))
    dilation = call.integers("dilations", (1, 1))
    require(len(shape) == 3 and len(kernel) == len(stride) == len(dilation) == 2)
    require(min(*stride, *kernel, *dilation) > 0)
    padding = call.integers("pads", (0, 0, 0, 0))
    automatic = call.text("auto_pad", "NOTSET")
    if automatic == "VALID":
        padding = (0, 0, 0, 0)
    elif automatic != "NOTSET":
        padding = _same(automatic, shape, kernel, stride, dilation)
    require(len(padding) == 4 and min(padding) >= 0)
    sizes: Any = (kernel, stride, dilation, padding)  # of the lengths just checked
    window: Window = sizes
    return window


def _same(rule: str, shape: Shape, kernel: Shape, stride: Shape, dilation: Shape) -> Shape:
    """The padding that makes the output the input's size by the stride, rounded up."""
    before, after = [], []
    for length, k, s, d in zip(shape[1:], kernel, stride, dilation, strict=True):
        total = max((-(-length // s) - 1) * s + d * (k - 1) + 1 - length, 0)
        before.append(total // 2 if rule == "SAME_UPPER" else total - total // 2)
        after.append(total - before[-1])
    return (*before, *after)


@handles("Gemm")
def _gemm(net: Replay, call: Call) -> Results:
    rows, columns = net.weight(call, 1)
    features, width = (rows, columns) if call.integer("transB", 0) else (columns, rows)
    require(net.shape(call) == (width,) and not call.integer("transA", 0))
    require(call.number("alpha", 1) == call.number("beta", 1) == 1)
    bias = net.has(call, 2)
    require(not bias or net.weight(call, 2) in ((features,), (1, features)))
    return net.g.linear(net.value(call), features, bias)


@handles("MatMul")
def _matmul(net: Replay, call: Call) -> Results:
    if not net.is_constant(call, 1):
        require(len(net.shape(call)) == len(net.shape(call, 1)))
        return net.g.matmul(net.value(call), net.value(call, 1))
    width, features = net.weight(call, 1)
    require(net.shape(call)[-1:] == (width,))
    addition = net.follower(call, "Add")
    if addition and _added(net, addition, call.outputs[0]) == (features,):
        return {addition.outputs[0]: net.g.linear(net.value(call), features, bias=True)}
    return net.g.linear(net.value(call), features, bias=False)


def _added(net: Replay, addition: Call, value: str) -> Shape | None:
    """Shape of the constant that is added to `value`, if it is one."""
    others = [name for name in addition.inputs if name != value]
    known = len(others) == 1 and others[0] in net.constants
    return net.constants[others[0]].shape if known else None


@handles("BatchNormalization")
def _batch_norm(net: Replay, call: Call) -> Results:
    channels = net.shape(call)[:1]
    require(net.weight(call, 1) == net.weight(call, 2) == channels)
    return net.g.batch_norm(net.value(call))


@handles("LayerNormalization")
def _layer_norm(net: Replay, call: Call) -> Results:
    shape = net.shape(call)
    require(net.axis(call, call.integer("axis", -1)) == len(shape) - 1)
    # Without a shift, or with one for more axes, it would not have the parameters of ours.
    require(net.weight(call, 1) == net.weight(call, 2) == shape[-1:])
    return net.g.layer_norm(net.value(call))


# joins


@handles("Add", "Sum")
def _add(net: Replay, call: Call) -> Results:
    fixed = [i for i in range(len(call.inputs)) if net.is_constant(call, i)]
    if not fixed:
        return _join(net, Op.ADD, call.inputs)
    require(len(fixed) == 1 and len(call.inputs) == 2)
    x, weight = 1 - fixed[0], net.weight(call, fixed[0])
    require(weight in (net.shape(call, x), (1, *net.shape(call, x))))
    return net.g.position(net.value(call, x))


@handles("Mul")
def _mul(net: Replay, call: Call) -> Results:
    fixed = [i for i in range(len(call.inputs)) if net.is_constant(call, i)]
    if fixed:
        require(len(fixed) == 1 and net.scalar(call, fixed[0]) == 0)
        return net.g.zero(net.value(call, 1 - fixed[0]))
    if call.origin and net.follower(call, "Mul"):
        return {}  # one product of many, written as a chain: its last call does the work
    return _join(net, Op.MUL, _factors(net, call))


def _factors(net: Replay, call: Call) -> list[str]:
    """The inputs of a product, with those of the products before it in a chain."""
    names = []
    for name in call.inputs:
        before = net.model.producers.get(name)
        in_chain = before and before.operator == "Mul" and before.origin == call.origin != ""
        names += _factors(net, before) if before and in_chain else [name]
    return names


def _join(net: Replay, op: Op, names: list[str]) -> int:
    require(all(name in net.nodes for name in names))
    nodes = [net.nodes[name] for name in names]
    inputs = tuple(net.g.shape(node) for node in nodes)
    ranks = {len(s) + net.widened.get(n, 0) for n, s in zip(names, inputs, strict=True)}
    row = shapes.broadcast(op, inputs)
    # With fewer axes than the others, an input would lay its batch over one of theirs.
    require(ranks == {len(row.shape)})
    return net.g.place(row, *nodes)


@handles("Concat")
def _concat(net: Replay, call: Call) -> Results:
    nodes = [net.value(call, i) for i in range(len(call.inputs))]
    axis = net.axis(call, call.integer("axis", 1))
    return net.g.place(shapes.concat(tuple(net.g.shape(n) for n in nodes), axis), *nodes)


@handles("Attention")
def _attention(net: Replay, call: Call) -> Results:
    heads = call.integer("q_num_heads", 0)
    require(heads == call.integer("kv_num_heads", 0) > 0)
    masked = call.integer("is_causal", 0) or any(net.has(call, i) for i in range(3, 7))
    require(not masked and not call.has("scale") and not call.number("softcap", 0))
    query, key, value = (net.value(call, i) for i in range(3))
    return net.g.attention(query, key, value, heads)


# pooling


@handles("MaxPool", "AveragePool")
def _pool(net: Replay, call: Call) -> Results:
    kernel, stride, dilation, padding = _window(net, call, call.integers("kernel_shape"))
    require(dilation == (1, 1))
    x, ceil = net.value(call), bool(call.integer("ceil_mode", 0))
    if call.operator == "MaxPool":
        return net.g.max_pool(x, kernel, stride, padding, ceil)
    counted = bool(call.integer("count_include_pad", 0))
    return net.g.avg_pool(x, kernel, stride, padding, ceil, counted)


@handles("GlobalAveragePool")
def _global_avg_pool(net: Replay, call: Call) -> Results:
    return net.g.global_avg_pool(net.value(call))


@handles("ReduceMean")
def _reduce_mean(net: Replay, call: Call) -> Results:
    axes, shape, x = net.integers(call, 1, "axes"), net.shape(call), net.value(call)
    reduced = {net.axis(call, axis) for axis in axes or ()}
    keep = bool(call.integer("keepdims", 1))
    if len(shape) == 3 and reduced == {1, 2}:
        pooled = net.g.global_avg_pool(x)
        return pooled if keep else net.g.reshape(pooled, shape[0])
    if len(shape) == 2 and reduced == {0}:
        mean = net.g.mean(x)
        return net.g.reshape(mean, 1, shape[1]) if keep else mean
    raise UncoveredError
