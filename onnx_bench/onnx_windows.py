"""How ONNX operators that slide a window over an image are read; see `onnx_handlers.py`."""

from typing import NamedTuple

from onnx_bench.graph import Shape
from onnx_bench.onnx_model import Call
from onnx_bench.onnx_replay import Replay, Results, handles, require
from onnx_bench.operators import Op
from onnx_bench.trace import Value


class Window(NamedTuple):
    """What slides: one entry for each axis of space, the padding before and then after each."""

    kernel: Shape
    stride: Shape
    dilation: Shape
    padding: Shape

    def places(self, shape: Shape, ceil: bool = False) -> Shape:
        """In how many places it stands along each axis of space."""
        axes = len(self.kernel)
        places = []
        for i, length in enumerate(shape[-axes:]):
            before, after = self.padding[i], self.padding[i + axes]
            span = length + before + after - self.dilation[i] * (self.kernel[i] - 1) - 1
            require(span >= 0)
            steps = span // self.stride[i]
            if ceil and span % self.stride[i] and (steps + 1) * self.stride[i] < length + before:
                steps += 1  # as torch and onnxruntime: the last window must start inside the image
            places.append(steps + 1)
        return tuple(places)


def _window(call: Call, shape: Shape, kernel: Shape) -> Window:
    axes = len(kernel)
    stride = call.integers("strides", (1,) * axes)
    dilation = call.integers("dilations", (1,) * axes)
    padding = call.integers("pads", (0,) * 2 * axes)
    require(0 < axes <= 3 and len(shape) == axes + 2)
    require(len(stride) == len(dilation) == axes and len(padding) == 2 * axes)
    require(min(*stride, *kernel, *dilation) > 0 and max(*stride, *kernel, *dilation) < 1 << 24)
    automatic = call.text("auto_pad", "NOTSET")
    if automatic == "VALID":
        padding = (0,) * 2 * axes
    elif automatic != "NOTSET":
        padding = _same(automatic, shape[-axes:], kernel, stride, dilation)
    require(min(padding) >= 0)
    return Window(kernel, stride, dilation, padding)


def _same(rule: str, space: Shape, kernel: Shape, stride: Shape, dilation: Shape) -> Shape:
    """The padding that makes the output the input's size by the stride, rounded up."""
    before, after = [], []
    for length, k, s, d in zip(space, kernel, stride, dilation, strict=True):
        total = max((-(-length // s) - 1) * s + d * (k - 1) + 1 - length, 0)
        before.append(total // 2 if rule == "SAME_UPPER" else total - total // 2)
        after.append(total - before[-1])
    return (*before, *after)


@handles("Conv", "ConvInteger")
def _conv(net: Replay, call: Call) -> Results:
    bias = None if call.operator == "ConvInteger" else net.find(call, 2)
    return _convolve(net, call, net.value(call), net.value(call, 1), bias)


@handles("QLinearConv")
def _quantised_conv(net: Replay, call: Call) -> Results:
    return _convolve(net, call, net.value(call), net.value(call, 3), net.find(call, 8))


def _convolve(net: Replay, call: Call, x: Value, weight: Value, bias: Value | None) -> Results:
    require(len(weight.shape) > 2)
    channels, in_channels, *kernel = weight.shape
    groups = call.integer("group", 1)
    window = _window(call, x.shape, tuple(kernel))
    require(groups > 0 and channels % groups == 0 and in_channels * groups == x.shape[1])
    require(call.integers("kernel_shape", tuple(kernel)) == tuple(kernel))
    require(bias is None or bias.shape == (channels,))
    shape = (x.shape[0], channels, *window.places(x.shape))
    return net.add(Op.CONV, [x, weight, bias], shape, groups=groups, **window._asdict())


@handles("ConvTranspose")
def _conv_transpose(net: Replay, call: Call) -> Results:
    x, weight, bias = net.value(call), net.value(call, 1), net.find(call, 2)
    require(len(weight.shape) > 2)
    in_channels, channels, *kernel = weight.shape
    groups, axes = call.integer("group", 1), len(kernel)
    require(groups > 0 and in_channels == x.shape[1])
    window = _window(call, x.shape, tuple(kernel))
    added = call.integers("output_padding", (0,) * axes)
    space = tuple(
        (x.shape[2 + i] - 1) * window.stride[i]
        + window.dilation[i] * (kernel[i] - 1)
        + 1
        + added[i]
        - window.padding[i]
        - window.padding[i + axes]
        for i in range(axes)
    )
    space = call.integers("output_shape", space)
    if call.text("auto_pad", "NOTSET").startswith("SAME"):
        space = tuple(d * s for d, s in zip(x.shape[2:], window.stride, strict=True))
    shape = (x.shape[0], channels * groups, *space)
    return net.add(Op.CONV_TRANSPOSE, [x, weight, bias], shape, groups=groups, **window._asdict())


@handles("MaxPool", "AveragePool", "LpPool")
def _pool(net: Replay, call: Call) -> Results:
    x = net.value(call)
    window = _window(call, x.shape, call.integers("kernel_shape"))
    ceil = bool(call.integer("ceil_mode", 0))
    shape = (*x.shape[:2], *window.places(x.shape, ceil))
    op = Op.MAX_POOL if call.operator == "MaxPool" else Op.AVG_POOL
    # Where nothing is padded there is nothing to count: exporters write either.
    padded = any(window.padding) or bool(call.origin)
    counted = padded and bool(call.integer("count_include_pad", 0))
    return net.add(op, [x], shape, ceil=ceil, count_padding=counted, **window._asdict())


@handles("GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool")
def _global_pool(net: Replay, call: Call) -> Results:
    x = net.value(call)
    require(len(x.shape) > 2)
    op = Op.REDUCE_MAX if call.operator == "GlobalMaxPool" else Op.REDUCE_MEAN
    axes = tuple(range(2, len(x.shape)))
    return net.add(op, [x], (*x.shape[:2], *(1 for _ in axes)), axes=axes)
