"""AutoFormer-Ti (Chen et al., ICCV 2021): vision transformers of 12 to 14 layers.

Width, and of each layer its heads and the ratio of its feed-forward part; `parse` also reads the
ratio 3 of the published subnet. The text is `h192/4x3.5/3x4/...`, HEADSxRATIO of each layer.

The network reads images of 224 pixels in patches of 16; a class token and learned positions, then
layers that normalise first, GELU; a normalisation and the class token's linear map. Heads are of 64
values whatever the width is, as in the paper; that the benchmark's networks, which were trained
from scratch, have such heads and not equal shares of the width is assumed. The supernet's layers
also learn relative positions, which these networks have not and which are no part of the graph.
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

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

PIXELS, PATCH, HEAD_SIZE = 224, 16, 64
WIDTHS, DEPTHS, HEADS, RATIOS = (192, 216, 240), (12, 13, 14), (3, 4), (3.5, 4.0)
PARSED_RATIOS = (3.0, *RATIOS)
Layer = tuple[int, float]
"""Heads, and the ratio of the feed-forward part."""
Spec = tuple[int, tuple[Layer, ...]]
"""Width, and the layers."""
_LAYER = re.compile(r"(\d+)x(\d+(?:\.\d+)?)", re.ASCII)


class AutoFormer(Family[Spec]):
    """AutoFormer-Ti for CIFAR-100; other classes as variants.

    Args:
        classes: outputs of the last linear.
    """

    name = "autoformer"
    example = "h192/" + "/".join(["3x3.5"] * 12)
    source = "Chen et al., ICCV 2021"
    size = len(WIDTHS) * sum((len(HEADS) * len(RATIOS)) ** depth for depth in DEPTHS)
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "imagenet": {"classes": 1000},
        "flowers": {"classes": 102},
        "chaoyang": {"classes": 4},
    }

    def __init__(self, classes: int = 100) -> None:
        self.classes = classes

    def parse(self, text: str) -> Spec:
        first, *rest = text.split("/")
        widths = [width for width in WIDTHS if first == f"h{width}"]
        if not widths:
            raise self.refuse(text, f"begins with {first!r}, expected h192, h216 or h240")
        if len(rest) not in DEPTHS:
            raise self.refuse(text, f"has {len(rest)} layers, expected 12 to 14")
        return widths[0], tuple(self._layer(text, part) for part in rest)

    def _layer(self, text: str, part: str) -> Layer:
        match = _LAYER.fullmatch(part)
        if match is None:
            raise self.refuse(text, f"has the layer {part!r}, expected HEADSxRATIO")
        heads, ratio = int(match[1]), float(match[2])
        if heads not in HEADS or ratio not in PARSED_RATIOS:
            allowed = f"heads in {HEADS} and a ratio in {PARSED_RATIOS}"
            raise self.refuse(text, f"has the layer {part!r}, expected {allowed}")
        return heads, ratio

    def format(self, spec: Spec) -> str:
        width, layers = spec
        return "/".join((f"h{width}", *(f"{heads}x{ratio:g}" for heads, ratio in layers)))

    def sample(self, rng: np.random.Generator) -> Spec:
        layers = tuple(
            (HEADS[rng.integers(2)], RATIOS[rng.integers(2)])
            for _ in range(DEPTHS[rng.integers(3)])
        )
        return WIDTHS[rng.integers(3)], layers

    def neighbours(self, spec: Spec) -> list[Spec]:
        """Another width, other heads or ratio of a layer, a layer more or less."""
        width, layers = spec
        found: list[Spec] = [(other, layers) for other in WIDTHS]
        for i, (heads, ratio) in enumerate(layers):
            others = [(h, ratio) for h in HEADS] + [(heads, r) for r in RATIOS]
            found += [(width, (*layers[:i], other, *layers[i + 1 :])) for other in others]
        found += [
            (width, other) for other in ((*layers, layers[-1]), layers[:-1]) if len(other) in DEPTHS
        ]
        return [other for other in dict.fromkeys(found) if other != spec]

    def build(self, spec: Spec) -> ComputationGraph:
        width, layers = spec
        g = GraphBuilder()
        x = g.conv(g.input(3, PIXELS, PIXELS), width, PATCH, PATCH, padding=0, bias=True)
        x = g.position(with_class_token(g, tokens_of(g, x)))
        for heads, ratio in layers:
            x = g.stamp(x, vision_block, heads, HEAD_SIZE, int(width * ratio))
        class_scores(g, g.slice(g.layer_norm(x), 0, 1), self.classes)
        return g.build(f"{self.name}:{self.format(spec)}")
