"""PiT (Heo et al., ICCV 2021): vision transformers of three stages, with pooling in between.

Width of a head, ratio of the feed-forward part, and of each stage its heads and its depth. The text
is `b32-r4/2x2/4x6/8x4`, HEADSxDEPTH of each stage: PiT-Ti. `parse` reads any widths and depths
whose pooling works out: a stage has a multiple of the heads of the one before.

The network reads images of 224 pixels in patches of 16 that begin every 8; positions are added to
the image of patches, then the class token joins. Between two stages a depthwise convolution halves
the image, and a linear map widens the class token. At the end its normalisation and linear map.
"""

import re
from collections.abc import Mapping
from itertools import pairwise, product
from typing import Any, ClassVar, NamedTuple

import numpy as np

from onnx_bench.builder import GraphBuilder
from onnx_bench.families.base import Family
from onnx_bench.families.transformer_blocks import (
    class_scores,
    tokens_of,
    vision_block,
    with_class_token,
)
from onnx_bench.graph import ComputationGraph

PIXELS, PATCH, STRIDE = 224, 16, 8
BASES, RATIOS, HEADS = (16, 24, 32, 40), (2, 4, 6, 8), (2, 4, 8)
DEPTHS = ((1, 2, 3), (4, 6, 8), (2, 4, 6))
MAX_WIDTH, MAX_DEPTH, MAX_RATIO = 4096, 64, 64
RISING = [heads for heads in product(HEADS, repeat=3) if sorted(heads) == [*heads]]
_TEXT = re.compile(r"b([1-9]\d*)-r([1-9]\d*)" + r"/([1-9]\d*)x([1-9]\d*)" * 3, re.ASCII)


class Spec(NamedTuple):
    """Width of a head, ratio of the feed-forward part, heads and depth of each stage."""

    base: int
    ratio: int
    heads: tuple[int, ...]
    depths: tuple[int, ...]


class Pit(Family[Spec]):
    """Pooling-based vision transformers for CIFAR-100; other classes as variants.

    Args:
        classes: outputs of the last linear.
    """

    name = "pit"
    example = "b16-r2/2x1/2x4/2x2"
    source = "Heo et al., ICCV 2021; space: Auto-Prox, AAAI 2024"
    size = len(BASES) * len(RATIOS) * len(RISING) * 27
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "imagenet": {"classes": 1000},
        "flowers": {"classes": 102},
        "chaoyang": {"classes": 4},
    }

    def __init__(self, classes: int = 100) -> None:
        self.classes = classes

    def parse(self, text: str) -> Spec:
        match = _TEXT.fullmatch(text)
        if match is None:
            raise self.refuse(text, "is not of the form bBASE-rRATIO/HEADSxDEPTH, three times")
        base, ratio, *stages = (int(value) for value in match.groups())
        spec = Spec(base, ratio, tuple(stages[::2]), tuple(stages[1::2]))
        if not _pools(spec.heads):
            raise self.refuse(text, f"has heads {spec.heads}, expected multiples of the one before")
        if base * max(spec.heads) > MAX_WIDTH or ratio > MAX_RATIO or max(spec.depths) > MAX_DEPTH:
            limits = f"{MAX_WIDTH} values, a ratio of {MAX_RATIO} or {MAX_DEPTH} layers"
            raise self.refuse(text, f"has a stage of more than {limits}")
        return spec

    def format(self, spec: Spec) -> str:
        stages = zip(spec.heads, spec.depths, strict=True)
        parts = (f"{heads}x{depth}" for heads, depth in stages)
        return "/".join((f"b{spec.base}-r{spec.ratio}", *parts))

    def sample(self, rng: np.random.Generator) -> Spec:
        depths = tuple(allowed[rng.integers(3)] for allowed in DEPTHS)
        heads = RISING[rng.integers(len(RISING))]
        return Spec(BASES[rng.integers(4)], RATIOS[rng.integers(4)], heads, depths)

    def neighbours(self, spec: Spec) -> list[Spec]:
        """Another base or ratio, or other heads or another depth of one stage."""
        found = [spec._replace(base=base) for base in BASES]
        found += [spec._replace(ratio=ratio) for ratio in RATIOS]
        for stage in range(3):
            for heads in HEADS:
                others = _put(spec.heads, stage, heads)
                found += [spec._replace(heads=others)] if _pools(others) else []
            for depth in DEPTHS[stage]:
                found.append(spec._replace(depths=_put(spec.depths, stage, depth)))
        return [other for other in dict.fromkeys(found) if other != spec]

    def build(self, spec: Spec) -> ComputationGraph:
        g = GraphBuilder()
        widths = [spec.base * heads for heads in spec.heads]
        x = g.conv(g.input(3, PIXELS, PIXELS), widths[0], PATCH, STRIDE, padding=0, bias=True)
        x = g.position(x)
        side = g.shape(x)[1]
        x = with_class_token(g, tokens_of(g, x))
        for stage, (heads, depth) in enumerate(zip(spec.heads, spec.depths, strict=True)):
            if stage:
                x, side = _pool(g, x, side, widths[stage])
            x = g.repeat(x, depth, vision_block, heads, spec.base, widths[stage] * spec.ratio)
        class_scores(g, g.layer_norm(g.slice(x, 0, 1)), self.classes)
        return g.build(f"{self.name}:{self.format(spec)}")


def _pools(heads: tuple[int, ...]) -> bool:
    """Whether each stage has a multiple of the heads of the one before."""
    return all(after % before == 0 for before, after in pairwise(heads))


def _put(values: tuple[int, ...], place: int, value: int) -> tuple[int, ...]:
    return (*values[:place], value, *values[place + 1 :])


def _pool(g: GraphBuilder, x: int, side: int, width: int) -> tuple[int, int]:
    """Half as many patches a side, and the class token at the new width; returns the side too."""
    tokens, before = g.shape(x)
    token, patches = g.slice(x, 0, 1), g.slice(x, 1, tokens - 1)
    image = g.reshape(g.transpose(patches, 1, 0), before, side, side)
    image = g.conv(image, width, 3, 2, groups=before, bias=True)
    token = g.linear(token, width)
    return g.concat(token, tokens_of(g, image)), g.shape(image)[1]
