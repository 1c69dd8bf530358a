"""Families of the embedded benchmark `digits-more` whose members differ in their operators.

As those of `digits.py`, they read 8x8 grey images and answer ten classes.
"""

from onnx_bench.builder import GraphBuilder
from onnx_bench.families.base import ChoiceFamily
from onnx_bench.families.digits import (
    CLASSES,
    INPUT_SHAPE,
    STAGES,
    classify,
    mbconv_block,
    number,
    numbers,
    plain_block,
    portions,
    residual_block,
)
from onnx_bench.graph import ComputationGraph
from onnx_bench.operators import Op

Style = tuple[str, ...]
"""What all layers of a network have in common: the first values of its text."""
_RECURRENT = {"rnn": GraphBuilder.rnn, "gru": GraphBuilder.gru, "lstm": GraphBuilder.lstm}


class DigitsGroups(ChoiceFamily):
    """Bottlenecks of grouped convolutions (ResNeXt, ShuffleNet) in stages at 4, 4 and 2 pixels.

    The text: normalisation; activation behind it or before the convolution (`post`, `pre`); whether
    channels are shuffled between the groups; then width, how often narrower the bottleneck is,
    groups, kernel and depth of each stage. Bottlenecks are rounded up to a multiple of the groups.
    """

    name = "digits-groups"
    example = "batch-post-shuffle-w8-b1-g2-k3-d1-w16-b2-g4-k3-d1-w16-b1-g1-k3-d1"
    choices = (
        ("batch", "group", "none"),
        ("post", "pre"),
        ("shuffle", "apart"),
        *(
            ("w8", "w16", "w24"),
            ("b1", "b2", "b4"),
            ("g1", "g2", "g4", "g8"),
            ("k1", "k3"),
            ("d1", "d2"),
        )
        * STAGES,
    )

    def build(self, spec: tuple[str, ...]) -> ComputationGraph:
        g, style = GraphBuilder(), spec[:3]
        x = plain_block(g, g.input(*INPUT_SHAPE), 8, 3, 2)
        for stage, settings in enumerate(portions(numbers(spec[3:]), 5)):
            width, narrowing, groups, kernel, depth = settings
            hidden = -(-width // narrowing // groups) * groups
            for i in range(depth):
                stride = 2 if stage == STAGES - 1 and i == 0 else 1
                x = _bottleneck(g, x, style, hidden, width, groups, kernel, stride)
        classify(g, x if spec[1] == "post" else g.relu(x))
        return g.build(f"{self.name}:{self.format(spec)}")


class DigitsLayers(ChoiceFamily):
    """Plain layers one after the other (LeNet, MetaQNN).

    The text: normalisation; activation; then three stages, each of a width, the kernels of two
    convolutions (`skip` for none) and what halves the image; then whether it is flattened or
    averaged, and the width of a hidden linear layer, 0 for none.
    """

    name = "digits-layers"
    example = "batch-relu-w8-k3-skip-max-w16-k3-k1-avg-w8-skip-skip-keep-flat-h16"
    choices = (
        ("batch", "group", "none"),
        ("relu", "leaky_relu", "gelu", "tanh", "sigmoid", "linear"),
        *(
            ("w4", "w8", "w16"),
            *(("k1", "k3", "k5", "skip"),) * 2,
            ("max", "avg", "stride", "keep"),
        )
        * STAGES,
        ("flat", "mean"),
        ("h0", "h8", "h16", "h32"),
    )

    def build(self, spec: tuple[str, ...]) -> ComputationGraph:
        g, style, (read, hidden) = GraphBuilder(), spec[:2], spec[-2:]
        x = g.input(*INPUT_SHAPE)
        for size, *kernels, halving in portions(spec[2:-2], 4):
            width = number(size)
            for kernel in numbers(k for k in kernels if k != "skip"):
                x = _layer(g, x, style, width, kernel)
            x = _halved(g, x, style, width, halving)
        if read == "mean" and g.shape(x)[1] > 1:
            x = g.global_avg_pool(x)
        x = g.flatten(x)
        if hidden != "h0":
            x = _activated(g, g.linear(x, number(hidden)), style[1])
        g.output(g.linear(x, CLASSES))
        return g.build(f"{self.name}:{self.format(spec)}")


class DigitsHybrids(ChoiceFamily):
    """A convolution, then three stages of blocks of different kinds (CoAtNet, PoolFormer).

    The text: before which stage the image of 4x4 pixels is halved (`s0` nowhere); then kind, width
    and depth of each stage: residual convolutions, inverted bottlenecks, attention, a linear map
    over the pixels (`mixer`), or average pooling. The first stage that takes pixels as tokens adds
    their position.
    """

    name = "digits-hybrids"
    example = "s2-conv-w8-d1-attn-w16-d1-mixer-w16-d1"
    choices = (
        ("s0", "s2", "s3"),
        *(("conv", "mbconv", "attn", "mixer", "pool"), ("w8", "w16", "w24"), ("d1", "d2")) * STAGES,
    )

    def build(self, spec: tuple[str, ...]) -> ComputationGraph:
        g, placed = GraphBuilder(), False
        x = plain_block(g, g.input(*INPUT_SHAPE), 8, 3, 2)
        for stage, (kind, *sizes) in enumerate(portions(spec[1:], 3), 1):
            width, depth = numbers(sizes)
            stride = 2 if spec[0] == f"s{stage}" else 1
            x = g.batch_norm(g.conv(x, width, stride, stride, padding=0))
            if kind in ("attn", "mixer"):
                x = _token_stage(g, x, kind, depth, not placed)
                placed = True
            else:
                for _ in range(depth):
                    x = _image_block(g, x, kind)
        classify(g, x)
        return g.build(f"{self.name}:{self.format(spec)}")


class DigitsRecurrent(ChoiceFamily):
    """Recurrent layers over the eight rows of an image, or over its sixteen patches of 2x2.

    The text: `rows` or `patches`; the width of a linear embedding, 0 for none; the cell, units and
    number of layers; one way or `both`; what is between layers (nothing, layer normalisation, a
    shortcut where the shapes agree); what is read (the last step, the mean or `all` side by side);
    the width of a hidden linear layer, 0 for none.
    """

    name = "digits-recurrent"
    example = "rows-e0-gru-u16-l1-one-plain-last-h0"
    choices = (
        ("rows", "patches"),
        ("e0", "e8", "e16"),
        ("rnn", "gru", "lstm"),
        ("u4", "u8", "u16", "u32"),
        ("l1", "l2", "l3"),
        ("one", "both"),
        ("plain", "norm", "shortcut"),
        ("last", "mean", "all"),
        ("h0", "h8", "h16"),
    )

    def build(self, spec: tuple[str, ...]) -> ComputationGraph:
        g = GraphBuilder()
        what, cell, direction, between, read = spec[0], spec[2], *spec[5:8]
        embedding, units, layers, hidden = numbers([spec[1], *spec[3:5], spec[8]])
        x = _sequence(g, what)
        x = g.linear(x, embedding) if embedding else x
        for layer in range(layers):
            x = g.layer_norm(x) if layer and between == "norm" else x
            y = _RECURRENT[cell](g, x, units, direction == "both")
            x = g.add(x, y) if between == "shortcut" and g.shape(x) == g.shape(y) else y
        x = g.slice(x, g.shape(x)[0] - 1, 1) if read == "last" else x
        x = g.mean(x) if read == "mean" else g.flatten(x)
        x = g.relu(g.linear(x, hidden)) if hidden else x
        g.output(g.linear(x, CLASSES))
        return g.build(f"{self.name}:{self.format(spec)}")


def _bottleneck(
    g: GraphBuilder,
    x: int,
    style: Style,
    hidden: int,
    width: int,
    groups: int,
    kernel: int,
    stride: int,
) -> int:
    """Three grouped convolutions, 1x1, of the kernel and 1x1 again, and a shortcut."""
    y = _grouped(g, x, style, hidden, 1, 1, groups)
    if style[2] == "shuffle" and 1 < groups < hidden:
        y = _shuffled(g, y, groups)
    y = _grouped(g, y, style, hidden, kernel, stride, groups)
    y = _grouped(g, y, style, width, 1, 1, groups, last=True)
    if g.shape(x) != g.shape(y):
        x = g.conv(x, width, 1, stride, bias=True)
    return g.add(x, y) if style[1] == "pre" else g.relu(g.add(x, y))


def _grouped(
    g: GraphBuilder,
    x: int,
    style: Style,
    width: int,
    kernel: int,
    stride: int,
    groups: int,
    last: bool = False,
) -> int:
    norm, order = style[:2]
    if order == "pre":
        x = g.relu(_normed(g, x, norm))
        return g.conv(x, width, kernel, stride, groups=groups, bias=norm == "none")
    x = g.conv(x, width, kernel, stride, groups=groups, bias=norm != "batch")
    x = _normed(g, x, norm)
    return x if last else g.relu(x)


def _normed(g: GraphBuilder, x: int, norm: str) -> int:
    if norm == "none":
        return x
    return g.batch_norm(x) if norm == "batch" else g.group_norm(x, 2)


def _shuffled(g: GraphBuilder, x: int, groups: int) -> int:
    channels, height, width = g.shape(x)
    x = g.reshape(x, groups, channels // groups, height, width)
    return g.reshape(g.transpose(x, 1, 0, 2, 3), channels, height, width)


def _layer(g: GraphBuilder, x: int, style: Style, width: int, kernel: int, stride: int = 1) -> int:
    norm, activation = style
    x = g.conv(x, width, kernel, stride, bias=norm != "batch")
    return _activated(g, _normed(g, x, norm), activation)


def _activated(g: GraphBuilder, x: int, activation: str) -> int:
    return x if activation == "linear" else g.unary(Op[activation.upper()], x)


def _halved(g: GraphBuilder, x: int, style: Style, width: int, how: str) -> int:
    match how:
        case "keep":
            return x
        case "stride":
            return _layer(g, x, style, width, 3, 2)
        case _:
            return (g.max_pool if how == "max" else g.avg_pool)(x, 2, 2, padding=0)


def _image_block(g: GraphBuilder, x: int, kind: str) -> int:
    width = g.shape(x)[0]
    if kind == "conv":
        return residual_block(g, x, width, 3, 1)
    if kind == "mbconv":
        return mbconv_block(g, x, Op.SILU, 2, 3, width, 1, squeeze=False)
    y = g.batch_norm(x)
    x = g.add(x, g.sub(g.avg_pool(y, 3), y))
    y = g.gelu(g.conv(g.batch_norm(x), 2 * width, bias=True))
    return g.add(x, g.conv(y, width, bias=True))


def _token_stage(g: GraphBuilder, x: int, kind: str, depth: int, position: bool) -> int:
    """Blocks over the pixels as tokens, and back to an image."""
    shape = g.shape(x)
    x = g.transpose(g.reshape(x, shape[0], shape[1] * shape[2]), 1, 0)
    x = g.position(x) if position else x
    for _ in range(depth):
        x = g.add(x, _attended(g, x) if kind == "attn" else _mixed(g, x))
        y = g.gelu(g.linear(g.layer_norm(x), 2 * shape[0]))
        x = g.add(x, g.linear(y, shape[0]))
    return g.reshape(g.transpose(g.layer_norm(x), 1, 0), *shape)


def _attended(g: GraphBuilder, x: int) -> int:
    width = g.shape(x)[1]
    x = g.layer_norm(x)
    query, key, value = (g.linear(x, width) for _ in range(3))
    return g.linear(g.attention(query, key, value, heads=2), width)


def _mixed(g: GraphBuilder, x: int) -> int:
    tokens = g.shape(x)[0]
    y = g.gelu(g.linear(g.transpose(g.layer_norm(x), 1, 0), 2 * tokens))
    return g.transpose(g.linear(y, tokens), 1, 0)


def _sequence(g: GraphBuilder, what: str) -> int:
    """Rows of eight pixels (8, 8), or patches of four (16, 4)."""
    x = g.input(*INPUT_SHAPE)
    if what == "rows":
        return g.reshape(x, 8, 8)
    x = g.transpose(g.reshape(x, 4, 2, 4, 2), 0, 2, 1, 3)
    return g.reshape(x, 16, 4)
