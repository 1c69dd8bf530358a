"""The space of DARTS (Liu et al., ICLR 2019): a normal and a reduction cell of eight edges each.

A cell reads the two cells before it; its four inner nodes each add two operations on earlier
values, and the four are concatenated. Cells at a third and two thirds of the depth reduce.

The text is `NORMAL:REDUCTION`; in a cell, commas stand between the inner nodes and each node is
`op~i+op~j`, where i < j say what it reads: 0 and 1 the cells before, 2 to 5 the inner nodes. The
field's own `Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=range(2, 6), ...)` is read
too. Only cells that concatenate all four inner nodes are members.

A variant names the skeleton: `darts@c16-l8` is 16 channels wide and 8 cells deep, and
`darts@c48-l14-imagenet` the network for ImageNet. `none` edges stay in the graph as ZERO nodes, as
in the original code; auxiliary heads and drop-path, which only training has, are left out.
"""

import re
from collections.abc import Mapping
from math import comb, prod
from typing import Any, ClassVar, Self

import numpy as np

from onnx_bench.builder import GraphBuilder
from onnx_bench.errors import SpecError
from onnx_bench.families.base import Family
from onnx_bench.families.darts_genotype import (
    NODES,
    OPERATIONS,
    Cell,
    Genotype,
    changed,
    drawn,
    read,
    write,
)
from onnx_bench.graph import ComputationGraph

STEM_MULTIPLIER = 3
MAX_CHANNELS, MAX_LAYERS = 512, 100
_END = r"(?:-(?!$)|$)"
_VARIANT = re.compile(
    rf"(?:c(?P<channels>\d{{1,4}}){_END})?(?:l(?P<layers>\d{{1,4}}){_END})?"
    r"(?P<data>imagenet|cifar100)?",
    re.ASCII,
)


class Darts(Family[Genotype]):
    """The cells of DARTS in a skeleton of any size, by default that of its CIFAR-10 networks.

    Args:
        channels: C, the width of the operations of the first cells; doubles at each reduction.
        layers: cells, at least 3.
        classes: outputs of the last linear.
        imagenet: the stem and input of the ImageNet network, which divides the image by eight.
    """

    name = "darts"
    example = (
        "sep3~0+skip~1,skip~0+max3~2,skip~1+avg3~2,skip~0+skip~3"
        ":max3~0+max3~1,skip~0+skip~2,skip~1+skip~3,dil3~0+skip~2"
    )
    source = "Liu et al., ICLR 2019"
    size = (len(OPERATIONS) ** (2 * NODES) * prod(comb(n + 2, 2) for n in range(NODES))) ** 2
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "imagenet": {"channels": 48, "layers": 14, "classes": 1000, "imagenet": True},
        "cifar100": {"classes": 100},
        "nasbench301": {"channels": 32, "layers": 8},
    }

    def __init__(
        self, channels: int = 36, layers: int = 20, classes: int = 10, imagenet: bool = False
    ) -> None:
        self.channels, self.layers = channels, layers
        self.classes, self.imagenet = classes, imagenet

    @classmethod
    def of_variant(cls, variant: str) -> Self:
        """The skeleton that a name of `variants` or a text as `c16-l8-imagenet` says.

        `nasbench301` has the 32 channels and 8 cells that NAS-Bench-301 is remembered to train.
        """
        if variant in cls.variants:
            return super().of_variant(variant)
        match = _VARIANT.fullmatch(variant)
        if match is None:
            raise SpecError(
                f"{cls.name} has no variant {variant!r}; there are {', '.join(cls.variants)} and "
                "widths and depths such as c16-l8, l14-imagenet"
            )
        arguments = dict(cls.variants[match["data"]]) if match["data"] else {}
        sizes = {name: int(match[name]) for name in ("channels", "layers") if match[name]}
        widest, deepest = sizes.get("channels", 1), sizes.get("layers", 3)
        if not (1 <= widest <= MAX_CHANNELS and 3 <= deepest <= MAX_LAYERS):
            raise SpecError(
                f"{cls.name} has no variant {variant!r}: expected 1 to {MAX_CHANNELS} channels "
                f"and 3 to {MAX_LAYERS} layers"
            )
        return cls(**(arguments | sizes))

    def parse(self, text: str) -> Genotype:
        try:
            return read(text)
        except ValueError as error:
            raise self.refuse(text, str(error)) from None

    def format(self, spec: Genotype) -> str:
        return f"{write(spec.normal)}:{write(spec.reduction)}"

    def sample(self, rng: np.random.Generator) -> Genotype:
        """Uniform over inputs and operations; without `none`, which searches never derive."""
        return Genotype(drawn(rng), drawn(rng))

    def neighbours(self, spec: Genotype) -> list[Genotype]:
        """One edge with another operation, or reading another value."""
        return [
            *(Genotype(cell, spec.reduction) for cell in changed(spec.normal)),
            *(Genotype(spec.normal, cell) for cell in changed(spec.reduction)),
        ]

    def build(self, spec: Genotype) -> ComputationGraph:
        g, channels = GraphBuilder(), self.channels
        if self.imagenet:
            before = g.stamp(g.input(3, 224, 224), _imagenet_stem, channels)
            x = g.stamp(before, _relu_conv_bn, channels, 3, 2)
        else:
            before = x = g.stamp(g.input(3, 32, 32), _stem, STEM_MULTIPLIER * channels)
        for layer in range(self.layers):
            reduces = layer in (self.layers // 3, 2 * self.layers // 3)
            channels <<= reduces
            # What is one reduction further back is larger than what comes from the last cell.
            larger = g.shape(before)[1] != g.shape(x)[1]
            older = g.stamp(before, factorized_reduce if larger else _relu_conv_bn, channels)
            newer = g.stamp(x, _relu_conv_bn, channels)
            cell = spec.reduction if reduces else spec.normal
            before, x = x, g.stamp_pair(older, newer, _cell, cell, 1 + reduces)
        g.output(g.stamp(x, _classifier, self.classes))
        return g.build(f"{self.name}:{self.format(spec)}")


def factorized_reduce(g: GraphBuilder, x: int, channels: int) -> int:
    """Half the size: two strided 1x1 convolutions, the second on the pixels between."""
    x = g.relu(x)
    _, height, width = g.shape(x)
    between = g.slice(g.slice(x, 1, height - 1, axis=1), 1, width - 1, axis=2)
    half = channels // 2
    halves = g.conv(x, half, 1, 2), g.conv(between, channels - half, 1, 2)
    return g.batch_norm(g.concat(*halves))


def _stem(g: GraphBuilder, x: int, channels: int) -> int:
    return g.batch_norm(g.conv(x, channels, 3))


def _imagenet_stem(g: GraphBuilder, x: int, channels: int) -> int:
    x = g.relu(g.batch_norm(g.conv(x, channels // 2, 3, 2)))
    return g.batch_norm(g.conv(x, channels, 3, 2))


def _relu_conv_bn(g: GraphBuilder, x: int, channels: int, kernel: int = 1, stride: int = 1) -> int:
    return g.batch_norm(g.conv(g.relu(x), channels, kernel, stride))


def _cell(g: GraphBuilder, older: int, newer: int, cell: Cell, stride: int) -> int:
    values = [older, newer]
    for edges in cell:
        arriving = [
            g.stamp(values[source], _operation, name, stride if source < 2 else 1)
            for name, source in edges
        ]
        values.append(g.add(*arriving))
    return g.concat(*values[2:])


def _operation(g: GraphBuilder, x: int, name: str, stride: int) -> int:
    kernel = 5 if name[-1] == "5" else 3
    match name[:3]:
        case "non":
            return g.zero(every_other(g, x) if stride == 2 else x)
        case "ski":
            return factorized_reduce(g, x, g.shape(x)[0]) if stride == 2 else x
        case "max":
            return g.max_pool(x, kernel, stride)
        case "avg":
            return g.avg_pool(x, kernel, stride)
        case "sep":
            return _separable(g, _separable(g, x, kernel, stride), kernel)
        case _:
            return _separable(g, x, kernel, stride, dilation=2)


def every_other(g: GraphBuilder, x: int) -> int:
    """Every second pixel of each row and column, from the first on."""
    _, height, width = g.shape(x)
    x = g.slice(x, 0, (height + 1) // 2, axis=1, step=2)
    return g.slice(x, 0, (width + 1) // 2, axis=2, step=2)


def _separable(g: GraphBuilder, x: int, kernel: int, stride: int = 1, dilation: int = 1) -> int:
    channels = g.shape(x)[0]
    x = g.conv(g.relu(x), channels, kernel, stride, dilation=dilation, groups=channels)
    return g.batch_norm(g.conv(x, channels))


def _classifier(g: GraphBuilder, x: int, classes: int) -> int:
    return g.linear(g.flatten(g.global_avg_pool(x)), classes)
