"""Once-for-All ResNet-50D (Cai et al., ICLR 2020): elastic depth, expansions, widths, resolution.

Stem of three 3x3 convolutions, the middle one residual and left out where the first depth is 0;
max-pool; four stages of bottlenecks, 2, 2, 4 and 2 blocks and up to two more; global average,
linear. A stage is 256, 512, 1024 or 2048 channels wide times its multiplier, the narrow part of a
block is the stage's width times the block's expansion, and all widths are multiples of 8. The
shortcut of a stage's first block is an average-pool of its stride, where that is not 1, a 1x1
convolution and normalisation.

The text has Once-for-All's own lists: `d` the stem (0 or 2) and the blocks added to each stage, `e`
the expansion of each block that is there, `w` the multipliers of the stem's inner and last
convolutions and of the four stages, `r` the resolution: `d=2-1-2-2-1;e=0.25-...;w=1.0-...;r=224`
is the ResNet-50D where all expansions are 0.25 and all multipliers 1.0. That the resolutions are
in steps of four pixels, as those of the MobileNets, is assumed; the authors give their range.
"""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

import numpy as np

from onnx_bench.builder import GraphBuilder
from onnx_bench.families.base import Family
from onnx_bench.families.mbconv import RESOLUTIONS, conv_bn, make_divisible
from onnx_bench.graph import ComputationGraph
from onnx_bench.operators import Op

STEMS = ("0", "2")
ADDED = ("0", "1", "2")
BASE_DEPTHS = (2, 2, 4, 2)
STAGE_WIDTHS = (256, 512, 1024, 2048)
STRIDES = (1, 2, 2, 2)
STEM_WIDTH = 64
EXPANSIONS = ("0.2", "0.25", "0.35")
MULTIPLIERS = ("0.65", "0.8", "1.0")


class ElasticResNet(NamedTuple):
    """A subnet; values as the text has them."""

    depths: tuple[str, ...]
    expansions: tuple[str, ...]
    widths: tuple[str, ...]
    resolution: str


class OfaResNet50(Family[ElasticResNet]):
    """Subnets of the ResNet-50D supernet.

    Args:
        classes: outputs of the last linear.
    """

    name = "ofa-resnet50"
    example = (
        "d=0-0-0-0-0;e=0.2-0.2-0.2-0.2-0.2-0.2-0.2-0.2-0.2-0.2"
        ";w=0.65-0.65-0.65-0.65-0.65-0.65;r=128"
    )
    source = "Cai et al., ICLR 2020"
    size = float(
        len(STEMS)
        * len(MULTIPLIERS) ** 6
        * len(RESOLUTIONS)
        * prod(sum(len(EXPANSIONS) ** (base + int(a)) for a in ADDED) for base in BASE_DEPTHS)
    )

    def __init__(self, classes: int = 1000) -> None:
        self.classes = classes

    def parse(self, text: str) -> ElasticResNet:
        parts = [part.partition("=") for part in text.split(";")]
        if [name for name, _, _ in parts] != ["d", "e", "w", "r"]:
            raise self.refuse(text, "is not of the form d=...;e=...;w=...;r=...")
        depths, expansions, widths = (tuple(value.split("-")) for _, _, value in parts[:3])
        self._check(text, "depths", depths[:1], STEMS, 1)
        self._check(text, "depths", depths[1:], ADDED, len(BASE_DEPTHS))
        self._check(text, "expansions", expansions, EXPANSIONS, sum(blocks(depths)))
        self._check(text, "multipliers", widths, MULTIPLIERS, 2 + len(BASE_DEPTHS))
        resolution = parts[3][2]
        self._check(text, "resolutions", (resolution,), tuple(map(str, RESOLUTIONS)), 1)
        return ElasticResNet(depths, expansions, widths, resolution)

    def _check(
        self, text: str, what: str, values: Sequence[str], allowed: Sequence[str], number: int
    ) -> None:
        for value in values:
            if value not in allowed:
                raise self.refuse(text, f"has {value!r} among its {what}, not in {tuple(allowed)}")
        if len(values) != number:
            raise self.refuse(text, f"has {len(values)} {what}, expected {number}")

    def format(self, spec: ElasticResNet) -> str:
        depths, expansions, widths = map("-".join, spec[:3])
        return f"d={depths};e={expansions};w={widths};r={spec.resolution}"

    def sample(self, rng: np.random.Generator) -> ElasticResNet:
        depths = _draw(rng, STEMS, 1) + _draw(rng, ADDED, len(BASE_DEPTHS))
        return ElasticResNet(
            depths,
            _draw(rng, EXPANSIONS, sum(blocks(depths))),
            _draw(rng, MULTIPLIERS, 2 + len(BASE_DEPTHS)),
            str(rng.choice(RESOLUTIONS)),
        )

    def neighbours(self, spec: ElasticResNet) -> list[ElasticResNet]:
        """Another stem, depth of a stage, expansion of a block, multiplier or resolution.

        Blocks that a deeper stage gains come last in it, with the smallest expansion.
        """
        found = [spec._replace(expansions=e) for e in _changed(spec.expansions, EXPANSIONS)]
        found += [spec._replace(widths=w) for w in _changed(spec.widths, MULTIPLIERS)]
        stem = STEMS[spec.depths[0] == STEMS[0]]
        found.append(spec._replace(depths=(stem, *spec.depths[1:])))
        found += [
            self._deepened(spec, stage, added)
            for stage in range(len(BASE_DEPTHS))
            for added in ADDED
            if added != spec.depths[1 + stage]
        ]
        others = (r for r in map(str, RESOLUTIONS) if r != spec.resolution)
        return found + [spec._replace(resolution=r) for r in others]

    def _deepened(self, spec: ElasticResNet, stage: int, added: str) -> ElasticResNet:
        depths = (*spec.depths[: 1 + stage], added, *spec.depths[2 + stage :])
        before, after = blocks(spec.depths), blocks(depths)
        start = sum(before[:stage])
        kept, end = start + min(before[stage], after[stage]), start + before[stage]
        gained = (EXPANSIONS[0],) * (after[stage] - (kept - start))
        expansions = spec.expansions[:kept] + gained + spec.expansions[end:]
        return spec._replace(depths=depths, expansions=expansions)

    def build(self, spec: ElasticResNet) -> ComputationGraph:
        g, size = GraphBuilder(), int(spec.resolution)
        inner, last, *multipliers = map(float, spec.widths)
        x = g.stamp(g.input(3, size, size), _stem, inner, last, spec.depths[0] != STEMS[0])
        expansions = iter(map(float, spec.expansions))
        for stage, depth in enumerate(blocks(spec.depths)):
            width = make_divisible(STAGE_WIDTHS[stage] * multipliers[stage])
            for i in range(depth):
                narrow = make_divisible(round(width * next(expansions)))
                x = g.stamp(x, _bottleneck, narrow, width, 1 if i else STRIDES[stage], i == 0)
        x = g.flatten(g.global_avg_pool(x))
        g.output(g.linear(x, self.classes))
        return g.build(f"{self.name}:{self.format(spec)}")


def blocks(depths: Sequence[str]) -> list[int]:
    """How many blocks each stage has; `depths` begins with the stem's."""
    return [base + int(added) for base, added in zip(BASE_DEPTHS, depths[1:], strict=True)]


def _stem(g: GraphBuilder, x: int, inner: float, last: float, residual: bool) -> int:
    width = make_divisible(make_divisible(STEM_WIDTH * inner) // 2)
    x = conv_bn(g, x, width, 3, 2, Op.RELU)
    if residual:
        x = g.add(x, conv_bn(g, x, width, 3, 1, Op.RELU))
    x = conv_bn(g, x, make_divisible(STEM_WIDTH * last), 3, 1, Op.RELU)
    return g.max_pool(x, 3, 2)


def _bottleneck(g: GraphBuilder, x: int, narrow: int, width: int, stride: int, first: bool) -> int:
    y = conv_bn(g, x, narrow, 1, 1, Op.RELU)
    y = conv_bn(g, y, narrow, 3, stride, Op.RELU)
    y = g.batch_norm(g.conv(y, width))
    if first:
        if stride > 1:
            x = g.avg_pool(x, stride, stride, padding=0, ceil=True)
        x = g.batch_norm(g.conv(x, width))
    return g.relu(g.add(x, y))


def _draw(rng: np.random.Generator, allowed: Sequence[str], number: int) -> tuple[str, ...]:
    return tuple(allowed[i] for i in rng.integers(len(allowed), size=number))


def _changed(values: tuple[str, ...], allowed: Sequence[str]) -> list[tuple[str, ...]]:
    return [
        (*values[:i], new, *values[i + 1 :])
        for i, old in enumerate(values)
        for new in allowed
        if new != old
    ]
