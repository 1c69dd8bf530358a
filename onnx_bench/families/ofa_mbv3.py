"""Once-for-All MobileNetV3 (Cai et al., ICLR 2020): elastic depth, kernels, expansions, resolution.

Stem conv3x3 of stride 2 and one block without expansion; five stages of 2 to 4 inverted
bottlenecks, squeeze-excitation in the second, fourth and fifth, hard swish from the third on; 1x1
convolution, global average, 1x1 convolution without normalisation, linear. The images are square,
of 128, 132, ... 224 pixels.

`ofa-mbv3@w1.2` has all widths times 1.2, each made a multiple of 8, as the supernet that
Once-for-All offers for larger networks.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from onnx_bench.builder import GraphBuilder
from onnx_bench.families.mbconv import (
    ElasticMBConv,
    Stage,
    conv_bn,
    inverted_bottleneck,
    make_divisible,
    members,
)
from onnx_bench.operators import Op

DEPTHS = (2, 3, 4)
STAGES = (
    Stage(24, 2, Op.RELU, False, DEPTHS),
    Stage(40, 2, Op.RELU, True, DEPTHS),
    Stage(80, 2, Op.HARD_SWISH, False, DEPTHS),
    Stage(112, 1, Op.HARD_SWISH, True, DEPTHS),
    Stage(160, 2, Op.HARD_SWISH, True, DEPTHS),
)


class OfaMobileNetV3(ElasticMBConv):
    """Subnets of the MobileNetV3 supernet.

    Args:
        width: that the widths of all stages are multiplied by.
        classes: outputs of the last linear.
    """

    name = "ofa-mbv3"
    example = "d=2-2-2-2-2;ks=3-3-3-3-3-3-3-3-3-3;e=3-3-3-3-3-3-3-3-3-3;r=128"
    source = "Cai et al., ICLR 2020"
    size = float(members(STAGES, (3, 4, 6)))
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {"w1.2": {"width": 1.2}}

    def __init__(self, width: float = 1.0, classes: int = 1000) -> None:
        super().__init__(
            tuple(stage._replace(width=make_divisible(stage.width * width)) for stage in STAGES)
        )
        self.classes = classes
        self.widths = tuple(make_divisible(each * width) for each in (16, 960, 1280))

    def stem(self, g: GraphBuilder, x: int) -> int:
        return g.stamp(x, _stem, self.widths[0])

    def head(self, g: GraphBuilder, x: int) -> int:
        return g.stamp(x, _head, *self.widths[1:], self.classes)


def _stem(g: GraphBuilder, x: int, width: int) -> int:
    x = conv_bn(g, x, width, 3, 2, Op.HARD_SWISH)
    return inverted_bottleneck(g, x, width, 3, 1, 1, Op.RELU, False)


def _head(g: GraphBuilder, x: int, wide: int, features: int, classes: int) -> int:
    x = g.global_avg_pool(conv_bn(g, x, wide, 1, 1, Op.HARD_SWISH))
    x = g.unary(Op.HARD_SWISH, g.conv(x, features))
    return g.linear(g.flatten(x), classes)
