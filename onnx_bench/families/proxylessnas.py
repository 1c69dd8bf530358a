"""ProxylessNAS (Cai, Zhu and Han, ICLR 2019): a MobileNetV2 with elastic depth and kernels.

The default is the supernet that Once-for-All trained (Cai et al., ICLR 2020), all widths times 1.3:
five stages of 2 to 4 inverted bottlenecks and a sixth of one, kernels 3, 5 or 7, expansions 3, 4
or 6, ReLU6, no squeeze-excitation, images of 128, 132, ... 224 pixels.

The variants `mobile`, `mobile14`, `cpu` and `gpu` are the search space of ProxylessNAS itself, in
the widths of its four published networks: 1 to 4 blocks a stage, since every block but the first
may be left out, and expansions 3 or 6. `NETWORKS` are the published ones.
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

STRIDES = (2, 2, 2, 1, 2, 1)
BASE_WIDTHS = (32, 16, 24, 40, 80, 96, 192, 320, 1280)
OFA_WIDTHS = tuple(make_divisible(1.3 * width) for width in BASE_WIDTHS)
ELASTIC = {"depths": (1, 2, 3, 4), "expansions": (3, 6)}


def _stages(widths: tuple[int, ...], depths: tuple[int, ...]) -> tuple[Stage, ...]:
    choices = (depths,) * (len(STRIDES) - 1) + ((1,),)
    return tuple(
        Stage(width, stride, Op.RELU6, False, allowed)
        for width, stride, allowed in zip(widths[2:-1], STRIDES, choices, strict=True)
    )


class ProxylessNas(ElasticMBConv):
    """Networks of ProxylessNAS.

    Args:
        widths: of the stem, its block without expansion, the six stages and the last convolution.
        depths: that the first five stages choose from.
        expansions: that each block chooses from.
        classes: outputs of the last linear.
    """

    name = "proxylessnas"
    example = "d=2-2-2-2-2-1;ks=3-3-3-3-3-3-3-3-3-3-3;e=3-3-3-3-3-3-3-3-3-3-3;r=128"
    source = "Cai, Zhu and Han, ICLR 2019; supernet of Cai et al., ICLR 2020"
    size = float(members(_stages(OFA_WIDTHS, (2, 3, 4)), (3, 4, 6)))
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "mobile": {"widths": (32, 16, 32, 40, 80, 96, 192, 320, 1280), **ELASTIC},
        "mobile14": {"widths": (48, 24, 40, 56, 112, 136, 256, 448, 1792), **ELASTIC},
        "cpu": {"widths": (40, 24, 32, 48, 88, 104, 216, 360, 1432), **ELASTIC},
        "gpu": {"widths": (40, 24, 32, 56, 112, 128, 256, 432, 1728), **ELASTIC},
    }

    def __init__(
        self,
        widths: tuple[int, ...] = OFA_WIDTHS,
        depths: tuple[int, ...] = (2, 3, 4),
        expansions: tuple[int, ...] = (3, 4, 6),
        classes: int = 1000,
    ) -> None:
        super().__init__(_stages(widths, depths), expansions)
        self.widths, self.classes = widths, classes

    def stem(self, g: GraphBuilder, x: int) -> int:
        return g.stamp(x, _stem, *self.widths[:2])

    def head(self, g: GraphBuilder, x: int) -> int:
        return g.stamp(x, _head, self.widths[-1], self.classes)


def _stem(g: GraphBuilder, x: int, width: int, narrow: int) -> int:
    x = conv_bn(g, x, width, 3, 2, Op.RELU6)
    return inverted_bottleneck(g, x, narrow, 3, 1, 1, Op.RELU6, False)


def _head(g: GraphBuilder, x: int, width: int, classes: int) -> int:
    x = g.global_avg_pool(conv_bn(g, x, width, 1, 1, Op.RELU6))
    return g.linear(g.flatten(x), classes)
