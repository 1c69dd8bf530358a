"""Inverted bottlenecks (MobileNetV2, V3), and the elastic networks that Once-for-All makes of them.

A specification says the depth of each stage, then kernel and expansion of each of its blocks, then
the resolution of the image: `d=2-3;ks=3-5-7-3-3;e=4-4-6-3-3;r=160`. Only blocks that are there have
a kernel and an expansion; what a supernet holds in its idle slots does not change the network.
"""

import re
from abc import abstractmethod
from collections.abc import Sequence
from math import prod
from typing import NamedTuple

import numpy as np

from onnx_bench.builder import GraphBuilder
from onnx_bench.families.base import Family
from onnx_bench.graph import ComputationGraph
from onnx_bench.operators import Op

KERNELS = (3, 5, 7)
RESOLUTIONS = tuple(range(128, 225, 4))


class Elastic(NamedTuple):
    """A subnet: stage after stage, block after block."""

    depths: tuple[int, ...]
    kernels: tuple[int, ...]
    expansions: tuple[int, ...]
    resolution: int


class Stage(NamedTuple):
    """What a subnet does not choose about a stage, and the depths that it chooses from."""

    width: int
    stride: int
    activation: Op
    squeeze: bool
    depths: tuple[int, ...]


class ElasticMBConv(Family[Elastic]):
    """Stages of inverted bottlenecks with elastic depth, kernels, expansions and resolution.

    `size` is that of the skeleton without a name.

    Args:
        stages: one after another; the first block of each has the stride.
        expansions: to choose from.
    """

    def __init__(self, stages: tuple[Stage, ...], expansions: tuple[int, ...] = (3, 4, 6)) -> None:
        self.stages, self.expansions = stages, expansions

    @abstractmethod
    def stem(self, g: GraphBuilder, x: int) -> int:
        """What comes before the stages."""

    @abstractmethod
    def head(self, g: GraphBuilder, x: int) -> int:
        """What comes after them; returns the class scores."""

    def parse(self, text: str) -> Elastic:
        depths, kernels, expansions, resolutions = self._numbers(text)
        if len(depths) != len(self.stages):
            raise self.refuse(text, f"has {len(depths)} depths, expected {len(self.stages)}")
        for number, (depth, stage) in enumerate(zip(depths, self.stages, strict=True), 1):
            if depth not in stage.depths:
                raise self.refuse(text, f"has depth {depth} in stage {number}, not {stage.depths}")
        for name, values, allowed in (
            ("kernels", kernels, KERNELS),
            ("expansions", expansions, self.expansions),
        ):
            if len(values) != sum(depths):
                raise self.refuse(text, f"has {len(values)} {name} for {sum(depths)} blocks")
            if odd := set(values) - set(allowed):
                raise self.refuse(text, f"has {min(odd)} among its {name}, not in {allowed}")
        if len(resolutions) != 1 or resolutions[0] not in RESOLUTIONS:
            first, second, *_, last = RESOLUTIONS
            raise self.refuse(text, f"has no resolution of {first}, {second}, ... {last}")
        return Elastic(depths, kernels, expansions, resolutions[0])

    def _numbers(self, text: str) -> list[tuple[int, ...]]:
        parts = [part.partition("=") for part in text.split(";")]
        if [name for name, _, _ in parts] != ["d", "ks", "e", "r"]:
            raise self.refuse(text, "is not of the form d=...;ks=...;e=...;r=...")
        values = [value.split("-") for _, _, value in parts]
        if not all(re.fullmatch(r"[0-9]{1,3}", value) for part in values for value in part):
            raise self.refuse(text, "has something else than numbers joined by -")
        return [tuple(map(int, part)) for part in values]

    def format(self, spec: Elastic) -> str:
        return (
            f"d={_join(spec.depths)};ks={_join(spec.kernels)};e={_join(spec.expansions)}"
            f";r={spec.resolution}"
        )

    def sample(self, rng: np.random.Generator) -> Elastic:
        depths = tuple(int(rng.choice(stage.depths)) for stage in self.stages)
        blocks = sum(depths)
        kernels = rng.choice(KERNELS, blocks).tolist()
        expansions = rng.choice(self.expansions, blocks).tolist()
        return Elastic(depths, tuple(kernels), tuple(expansions), int(rng.choice(RESOLUTIONS)))

    def neighbours(self, spec: Elastic) -> list[Elastic]:
        """Another kernel or expansion of a block, depth of a stage, or resolution.

        Blocks that a deeper stage gains come last in it, with the smallest kernel and expansion.
        """
        found = [spec._replace(kernels=k) for k in _changed(spec.kernels, KERNELS)]
        found += [spec._replace(expansions=e) for e in _changed(spec.expansions, self.expansions)]
        for i, stage in enumerate(self.stages):
            found += [self._deepened(spec, i, d) for d in stage.depths if d != spec.depths[i]]
        return found + [spec._replace(resolution=r) for r in RESOLUTIONS if r != spec.resolution]

    def _deepened(self, spec: Elastic, stage: int, depth: int) -> Elastic:
        start = sum(spec.depths[:stage])
        kept, end = start + min(depth, spec.depths[stage]), start + spec.depths[stage]
        gained = depth - (kept - start)

        def at_stage(values: tuple[int, ...], new: int) -> tuple[int, ...]:
            return values[:kept] + (new,) * gained + values[end:]

        return Elastic(
            (*spec.depths[:stage], depth, *spec.depths[stage + 1 :]),
            at_stage(spec.kernels, min(KERNELS)),
            at_stage(spec.expansions, min(self.expansions)),
            spec.resolution,
        )

    def build(self, spec: Elastic) -> ComputationGraph:
        g = GraphBuilder()
        x = self.stem(g, g.input(3, spec.resolution, spec.resolution))
        blocks = iter(zip(spec.kernels, spec.expansions, strict=True))
        for stage, depth in zip(self.stages, spec.depths, strict=True):
            for i in range(depth):
                kernel, expansion = next(blocks)
                stride = 1 if i else stage.stride
                x = g.stamp(
                    x,
                    inverted_bottleneck,
                    *(stage.width, kernel, stride, expansion, stage.activation, stage.squeeze),
                )
        g.output(self.head(g, x))
        return g.build(f"{self.name}:{self.format(spec)}")


def members(stages: Sequence[Stage], expansions: Sequence[int]) -> int:
    """How many subnets there are."""
    choices = len(KERNELS) * len(expansions)
    subnets: int = prod(sum(choices**d for d in stage.depths) for stage in stages)
    return subnets * len(RESOLUTIONS)


def make_divisible(width: float, divisor: int = 8) -> int:
    """The multiple of `divisor` next to `width`, at least one and not below nine tenths of it."""
    rounded = max(divisor, int(width + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * width else rounded


def inverted_bottleneck(
    g: GraphBuilder,
    x: int,
    width: int,
    kernel: int,
    stride: int,
    expansion: int,
    activation: Op,
    squeeze: bool,
) -> int:
    """1x1 to `expansion` times the width, depthwise, 1x1 to `width`; the input is added if it fits.

    As MobileNetV2 and V3 have it; the wide part is a multiple of 8, and an expansion of 1 leaves
    out the first convolution.
    """
    y = x
    if expansion > 1:
        y = conv_bn(g, y, make_divisible(g.shape(x)[0] * expansion), 1, 1, activation)
    y = g.unary(activation, g.batch_norm(g.depthwise(y, kernel, stride)))
    if squeeze:
        y = squeeze_excitation(g, y)
    y = g.batch_norm(g.conv(y, width))
    return g.add(x, y) if g.shape(x) == g.shape(y) else y


def squeeze_excitation(g: GraphBuilder, x: int) -> int:
    """Scales each channel by what two small layers make of all channels' means (MobileNetV3)."""
    channels = g.shape(x)[0]
    hidden = make_divisible(channels // 4)
    gate = g.relu(g.conv(g.global_avg_pool(x), hidden, bias=True))
    return g.mul(x, g.unary(Op.HARD_SIGMOID, g.conv(gate, channels, bias=True)))


def conv_bn(
    g: GraphBuilder, x: int, channels: int, kernel: int, stride: int, activation: Op
) -> int:
    """Convolution, batch normalisation, activation."""
    return g.unary(activation, g.batch_norm(g.conv(x, channels, kernel, stride)))


def _join(values: Sequence[int]) -> str:
    return "-".join(map(str, values))


def _changed(values: tuple[int, ...], allowed: Sequence[int]) -> list[tuple[int, ...]]:
    return [
        (*values[:i], new, *values[i + 1 :])
        for i, old in enumerate(values)
        for new in allowed
        if new != old
    ]
