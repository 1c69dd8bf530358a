"""The size search space of NATS-Bench (Dong et al., TPAMI 2021): five widths of one network.

The skeleton of NAS-Bench-201 with one cell a stage and its best cell, whose five layers each have
a width of 8 to 64 channels. The text is `c1:c2:c3:c4:c5`, 32,768 networks: stem to c1, cell to c1,
residual block of stride 2 to c2, cell to c3, residual block to c4, cell to c5.

In a cell that widens, what leaves its input does the widening: the convolutions by themselves, the
skip as a 1x1 convolution with its normalisation.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from onnx_bench.builder import GraphBuilder
from onnx_bench.families.base import ChoiceFamily
from onnx_bench.families.nasbench201 import classifier, reduction, relu_conv_bn, stem
from onnx_bench.graph import ComputationGraph, Shape

WIDTHS = tuple(str(width) for width in range(8, 65, 8))
LAYERS = 5


class NatsSss(ChoiceFamily):
    """Widths of the five layers of the benchmark's skeleton.

    Args:
        input_shape: (C, H, W).
        classes: outputs of the last linear.
    """

    name = "nats-sss"
    example = "8:16:24:32:40"
    source = "Dong et al., TPAMI 2021"
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "cifar100": {"classes": 100},
        "imagenet16": {"input_shape": (3, 16, 16), "classes": 120},
    }
    choices = (WIDTHS,) * LAYERS

    def __init__(self, input_shape: Shape = (3, 32, 32), classes: int = 10) -> None:
        self.input_shape, self.classes = input_shape, classes

    def parse(self, text: str) -> tuple[str, ...]:
        return self.check(text, tuple(text.split(":")))

    def format(self, spec: tuple[str, ...]) -> str:
        return ":".join(spec)

    def build(self, spec: tuple[str, ...]) -> ComputationGraph:
        first, second, third, fourth, fifth = (int(width) for width in spec)
        g = GraphBuilder()
        x = g.stamp(g.input(*self.input_shape), stem, first)
        x = g.stamp(x, _cell, first)
        x = g.stamp(x, reduction, second)
        x = g.stamp(x, _cell, third)
        x = g.stamp(x, reduction, fourth)
        x = g.stamp(x, _cell, fifth)
        g.output(g.stamp(x, classifier, self.classes))
        return g.build(f"{self.name}:{self.format(spec)}")


def _cell(g: GraphBuilder, x: int, channels: int) -> int:
    """The cell of NAS-Bench-201 whose last node also reads its input directly."""
    skip = x if g.shape(x)[0] == channels else relu_conv_bn(g, x, channels, 1)
    first = relu_conv_bn(g, x, channels, 3)
    second = g.add(relu_conv_bn(g, x, channels, 3), relu_conv_bn(g, first, channels, 3))
    return g.add(skip, relu_conv_bn(g, first, channels, 3), relu_conv_bn(g, second, channels, 3))
