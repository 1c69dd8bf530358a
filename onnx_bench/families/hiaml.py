"""HiAML (Mills et al., AAAI 2023): one of 14 block types for each of four stages, on CIFAR-10.

Stem conv3x3 of stride 2 to 64 channels; four stages of two equal blocks, of which the second and
the fourth halve the image and double the channels; global average, linear. 14^4 = 38,416 networks,
of which 4.6k were trained. The text joins the block types: `z-a22-src0-t31`.

Skeleton and blocks are those of the authors' PyTorch code: each block is a small graph of conv1x1,
conv3x3 and `inception_s` (conv1x3, then conv3x1), with ReLU6 inside and ReLU at its end. The code
publishes no figure of any of these networks, but says of five block types how many parameters a
network of theirs has, not which network. A ResNet-18 for ImageNet with that block in place of its
own has exactly as many: the variant `resnet18`, assumed to be the one that was meant.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from onnx_bench.builder import GraphBuilder
from onnx_bench.families.base import ChoiceFamily
from onnx_bench.families.mbconv import conv_bn
from onnx_bench.graph import ComputationGraph
from onnx_bench.operators import Op

BLOCKS = (
    *("z", "a22", "b23", "j30", "g30", "r30", "l20", "t20", "t31"),
    *("src0", "src1", "src3", "src7", "src8"),
)
STAGES, BLOCKS_PER_STAGE, CHANNELS = 4, 2, 64


class HiAML(ChoiceFamily):
    """The networks of HiAML.

    Args:
        reductions: the stages that halve the image and double the channels, from 0.
        imagenet: whether the image has 224 pixels a side and the stem is that of a ResNet, instead
            of 32 and a convolution.
        classes: outputs of the last linear.
    """

    name = "hiaml"
    example = "src8-l20-t20-src3"
    source = "Mills et al., AAAI 2023"
    choices = (BLOCKS,) * STAGES
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "resnet18": {"reductions": (1, 2, 3), "imagenet": True, "classes": 1000}
    }

    def __init__(
        self, reductions: tuple[int, ...] = (1, 3), imagenet: bool = False, classes: int = 10
    ) -> None:
        self.reductions, self.imagenet, self.classes = reductions, imagenet, classes

    def build(self, spec: tuple[str, ...]) -> ComputationGraph:
        g = GraphBuilder()
        size = 224 if self.imagenet else 32
        x = g.stamp(g.input(3, size, size), _stem, self.imagenet)
        channels = CHANNELS
        for stage, block in enumerate(spec):
            stride = 2 if stage in self.reductions else 1
            channels *= stride
            for i in range(BLOCKS_PER_STAGE):
                x = g.stamp(x, _block, block, channels, 1 if i else stride)
        x = g.flatten(g.global_avg_pool(x))
        g.output(g.linear(x, self.classes))
        return g.build(f"{self.name}:{self.format(spec)}")


def _stem(g: GraphBuilder, x: int, imagenet: bool) -> int:
    if not imagenet:
        return conv_bn(g, x, CHANNELS, 3, 2, Op.RELU)
    return g.max_pool(conv_bn(g, x, CHANNELS, 7, 2, Op.RELU), 3, 2)


def _block(g: GraphBuilder, x: int, block: str, width: int, stride: int) -> int:
    return g.relu(_sum(g, x, block, width, stride))


def _sum(g: GraphBuilder, x: int, block: str, width: int, stride: int) -> int:
    """What the block's last ReLU reads."""

    def conv(x: int, kernel: int, channels: int = width, stride: int = 1) -> int:
        return conv_bn(g, x, channels, kernel, stride, Op.RELU6)

    def linear(x: int, kernel: int = 1, stride: int = 1) -> int:
        return g.batch_norm(g.conv(x, width, kernel, stride))

    def inception(x: int, stride: int = 1) -> int:
        return inception_s(g, x, width, 3, stride)

    def shortcut() -> int:
        return x if g.shape(x)[0] == width and stride == 1 else linear(x, 1, stride)

    match block:
        case "z":
            a = conv(x, 3, stride=stride)
            return g.add(a, inception(a))
        case "a22":
            a = conv(x, 3, stride=stride)
            return g.add(a, linear(conv(a, 1)))
        case "b23":
            return g.add(shortcut(), inception(inception(x, stride)))
        case "j30":
            return g.add(shortcut(), inception(conv(x, 3, stride=stride)))
        case "g30":
            a = inception(x, stride)
            return g.add(a, linear(inception(g.add(shortcut(), a))))
        case "r30":
            a = inception(x, stride)
            b = linear(g.add(shortcut(), a))
            return g.add(g.add(shortcut(), b), inception(a))
        case "l20":
            return linear(conv(x, 3, stride=stride))
        case "t20":
            return g.add(linear(x, 1, stride), inception(x, stride))
        case "t31":
            a = conv(inception(x, stride), 1)
            b = inception(g.add(shortcut(), a))
            return g.add(g.add(shortcut(), a), b)
        case "src0":
            a = conv(x, 1, stride=stride)
            return g.add(a, linear(conv(a, 3), 3))
        case "src1":
            a = conv(x, 3, g.shape(x)[0])
            return g.add(conv(x, 1, stride=stride), linear(a, 3, stride))
        case "src3":
            a = conv(conv(x, 1, g.shape(x)[0]), 3, stride=stride)
            return g.add(linear(x, 1, stride), linear(a))
        case "src7":
            a = linear(x, 1, stride)
            return g.add(a, inception(inception(a)))
        case _:  # src8
            a = linear(x, 1, stride)
            return g.add(a, linear(inception(a)))


def inception_s(
    g: GraphBuilder, x: int, channels: int, kernel: int, stride: int = 1, bias: bool = False
) -> int:
    """A square window in two steps: a row, which has the stride, then a column."""
    y = g.conv(x, channels, (1, kernel), stride, bias=bias)
    y = g.unary(Op.RELU6, g.batch_norm(y))
    y = g.conv(y, channels, (kernel, 1), bias=bias)
    return g.unary(Op.RELU6, g.batch_norm(y))
