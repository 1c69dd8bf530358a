"""BERT encoders of the space of FlexiBERT (Tuli et al., JAIR 2023), as they were really trained.

Width, depth, and of each layer its heads and its feed-forward part: one hidden width of 4 h, or
three, 4 h first and then twice 512 or 1024. The text is h and a part for each layer:
`h256/4x1024/2x1024-512-512` is a network of two layers. The published space also chooses the kind
of attention; the networks that were trained all have scaled dot products.

The network: embeddings of 128 values for 30,522 tokens, 512 positions and 2 token types, summed and
normalised; a linear map to h where h is not 128; the layers, each with its normalisations behind
the sums, GELU in between. Its input is 128 token numbers (128 is assumed) and each token's type as
two values of which one is 1: a product with that is what picks the row of the type's table. All 512
positions are learned, of which such an input reads the first 128. The heads that were fine-tuned
for each task of GLUE are left out: the result is (128, h).
"""

import re

import numpy as np

from onnx_bench.builder import GraphBuilder
from onnx_bench.families.base import Family
from onnx_bench.families.transformer_blocks import attend, feed_forward
from onnx_bench.graph import ComputationGraph
from onnx_bench.operators import Op

TOKENS, VOCABULARY, POSITIONS, TYPES, EMBEDDING = 128, 30_522, 512, 2, 128
HIDDEN, DEPTHS, HEADS, REPEATED = (128, 256), (2, 4), (2, 4), (512, 1024)
Layer = tuple[int, tuple[int, ...]]
"""Heads, and the hidden widths of the feed-forward part."""
Spec = tuple[int, tuple[Layer, ...]]
"""Width, and the layers."""
_LAYER = re.compile(r"([1-9]\d*)x(\d+(?:-\d+)*)", re.ASCII)


class Bert(Family[Spec]):
    """The encoders of FlexiBERT that differ: 2,664 networks."""

    name = "bert"
    example = "h128/2x512/2x512"
    source = "FlexiBERT: Tuli et al., JAIR 2023"
    size = len(HIDDEN) * sum((len(HEADS) * (1 + len(REPEATED))) ** depth for depth in DEPTHS)

    def parse(self, text: str) -> Spec:
        first, *rest = text.split("/")
        widths = [hidden for hidden in HIDDEN if first == f"h{hidden}"]
        if not widths:
            raise self.refuse(text, f"begins with {first!r}, expected h128 or h256")
        if len(rest) not in DEPTHS:
            raise self.refuse(text, f"has {len(rest)} layers, expected 2 or 4")
        return widths[0], tuple(self._layer(text, widths[0], part) for part in rest)

    def _layer(self, text: str, hidden: int, part: str) -> Layer:
        match = _LAYER.fullmatch(part)
        if match is None:
            raise self.refuse(text, f"has the layer {part!r}, expected HEADSxWIDTH-WIDTH-WIDTH")
        layer = (int(match[1]), tuple(int(width) for width in match[2].split("-")))
        if layer not in _layers(hidden):
            known = ", ".join(_format_layer(other) for other in _layers(hidden))
            raise self.refuse(text, f"has the layer {part!r}, expected one of {known}")
        return layer

    def format(self, spec: Spec) -> str:
        hidden, layers = spec
        return "/".join((f"h{hidden}", *(_format_layer(layer) for layer in layers)))

    def sample(self, rng: np.random.Generator) -> Spec:
        hidden, depth = HIDDEN[rng.integers(len(HIDDEN))], DEPTHS[rng.integers(len(DEPTHS))]
        allowed = _layers(hidden)
        return hidden, tuple(allowed[rng.integers(len(allowed))] for _ in range(depth))

    def neighbours(self, spec: Spec) -> list[Spec]:
        """Another layer in one place; the first two layers alone, or all twice; the other width."""
        hidden, layers = spec
        found = [
            (hidden, (*layers[:i], other, *layers[i + 1 :]))
            for i, layer in enumerate(layers)
            for other in _layers(hidden)
            if other != layer
        ]
        found.append((hidden, layers[:2] if len(layers) == max(DEPTHS) else layers * 2))
        other = next(width for width in HIDDEN if width != hidden)
        wide = tuple((heads, (4 * other, *ff[1:])) for heads, ff in layers)
        return [*found, (other, wide)]

    def build(self, spec: Spec) -> ComputationGraph:
        hidden, layers = spec
        g = GraphBuilder()
        x = g.embedding(g.input(TOKENS), VOCABULARY, EMBEDDING)
        x = g.add(x, g.linear(g.input(TOKENS, TYPES), EMBEDDING, bias=False))
        x = g.layer_norm(g.stamp(x, _positions))
        if hidden != EMBEDDING:
            x = g.linear(x, hidden)
        for heads, widths in layers:
            x = g.stamp(x, _encoder_layer, heads, widths)
        g.output(x)
        return g.build(f"{self.name}:{self.format(spec)}")


def _layers(hidden: int) -> list[Layer]:
    first = 4 * hidden
    widths: list[tuple[int, ...]] = [(first,), *((first, n, n) for n in REPEATED)]
    return [(heads, ff) for heads in HEADS for ff in widths]


def _format_layer(layer: Layer) -> str:
    heads, widths = layer
    return f"{heads}x{'-'.join(map(str, widths))}"


def _positions(g: GraphBuilder, x: int) -> int:
    """Adds the rows of the position table that the tokens read."""
    tokens, width = g.shape(x)
    return g.slice(g.position(g.pad(x, POSITIONS, width)), 0, tokens)


def _encoder_layer(g: GraphBuilder, x: int, heads: int, widths: tuple[int, ...]) -> int:
    hidden = g.shape(x)[-1]
    query, key, value = (g.linear(x, hidden) for _ in range(3))
    x = g.layer_norm(g.add(x, g.linear(attend(g, query, key, value, heads), hidden)))
    return g.layer_norm(g.add(x, feed_forward(g, x, widths, Op.GELU)))
