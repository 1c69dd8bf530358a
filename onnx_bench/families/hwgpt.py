"""GPT subnets of HW-GPT-Bench (Sukthanker et al., NeurIPS 2024), small (10-12 layers) and medium.

Width, whether linear maps have biases, and of each layer its heads, all of 64 values, and the ratio
of its feed-forward part. The text is `d192-b1/4x2/8x3/...`: biases, then HEADSxRATIO of each layer.

The network reads 1,024 tokens. A layer adds attention and a gated feed-forward part (SiLU), both
behind a normalisation of the same states; one more stands at the end. Positions are rotations of
queries and keys, which have no weights; they and masks are no part of the graph. It ends with the
last states: the decoder behind them reads the embedding's table again, and a graph counts a weight
once.

The gate is read from the published parameters and multiply-accumulates, which have three matrices
a feed-forward part in all 20,000 rows; the authors' training settings name one without a gate.
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from onnx_bench.builder import GraphBuilder
from onnx_bench.families.base import Family
from onnx_bench.families.transformer_blocks import attend_in_heads, merge_heads
from onnx_bench.graph import ComputationGraph
from onnx_bench.operators import Op

WORDS, TOKENS, HEAD_SIZE, RATIOS = 50_254, 1024, 64, (2, 3, 4)
_HEAD = re.compile(r"d(\d+)-b([01])", re.ASCII)
_LAYER = re.compile(r"(\d+)x(\d+)", re.ASCII)


class Scale(NamedTuple):
    """What the networks of one supernet choose from."""

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    heads: tuple[int, ...]


SMALL = Scale((192, 384, 768), (10, 11, 12), (4, 8, 12))
MEDIUM = Scale((256, 512, 1024), (22, 23, 24), (8, 12, 16))


class Subnet(NamedTuple):
    """A specification: width, biases, and heads and ratio of each layer."""

    width: int
    bias: bool
    layers: tuple[tuple[int, int], ...]


class HwGpt(Family[Subnet]):
    """The subnets of GPT-S; those of GPT-M as the variant `m`.

    Args:
        scale: what they choose from.
    """

    name = "hwgpt"
    source = "HW-GPT-Bench: Sukthanker et al., NeurIPS 2024"
    size = len(SMALL.widths) * 2 * sum((3 * len(RATIOS)) ** depth for depth in SMALL.depths)
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {"m": {"scale": MEDIUM}}

    def __init__(self, scale: Scale = SMALL) -> None:
        self.scale = scale
        layer = (scale.heads[0], RATIOS[0])
        smallest = Subnet(scale.widths[0], False, (layer,) * scale.depths[0])
        self.example = self.format(smallest)

    def parse(self, text: str) -> Subnet:
        first, *rest = text.split("/")
        match = _HEAD.fullmatch(first)
        if match is None:
            raise self.refuse(text, f"begins with {first!r}, expected dWIDTH-b0 or dWIDTH-b1")
        layers = [_LAYER.fullmatch(part) for part in rest]
        spec = Subnet(
            int(match[1]), match[2] == "1", tuple((int(m[1]), int(m[2])) for m in layers if m)
        )
        if spec.width not in self.scale.widths:
            raise self.refuse(text, f"has the width {spec.width}, not in {self.scale.widths}")
        if not all(layers) or len(rest) not in self.scale.depths:
            raise self.refuse(text, f"has no HEADSxRATIO of {self.scale.depths} layers")
        if any(h not in self.scale.heads or r not in RATIOS for h, r in spec.layers):
            allowed = f"heads in {self.scale.heads} and ratios in {RATIOS}"
            raise self.refuse(text, f"has a layer of other sizes, expected {allowed}")
        return spec

    def format(self, spec: Subnet) -> str:
        layers = (f"{heads}x{ratio}" for heads, ratio in spec.layers)
        return "/".join((f"d{spec.width}-b{spec.bias:d}", *layers))

    def sample(self, rng: np.random.Generator) -> Subnet:
        widths, depths, heads = self.scale
        layers = tuple(
            (heads[rng.integers(3)], RATIOS[rng.integers(3)])
            for _ in range(depths[rng.integers(3)])
        )
        return Subnet(widths[rng.integers(3)], bool(rng.integers(2)), layers)

    def neighbours(self, spec: Subnet) -> list[Subnet]:
        """Another width, biases or none, other heads or ratio of a layer, a layer more or less."""
        found = [spec._replace(width=width) for width in self.scale.widths]
        found.append(spec._replace(bias=not spec.bias))
        for i, (heads, ratio) in enumerate(spec.layers):
            others = [(h, ratio) for h in self.scale.heads] + [(heads, r) for r in RATIOS]
            front, behind = spec.layers[:i], spec.layers[i + 1 :]
            found += [spec._replace(layers=(*front, layer, *behind)) for layer in others]
        longer, shorter = (*spec.layers, spec.layers[-1]), spec.layers[:-1]
        found += [
            spec._replace(layers=layers)
            for layers in (longer, shorter)
            if len(layers) in self.scale.depths
        ]
        return [other for other in dict.fromkeys(found) if other != spec]

    def build(self, spec: Subnet) -> ComputationGraph:
        g = GraphBuilder()
        x = g.embedding(g.input(TOKENS), WORDS, spec.width)
        for heads, ratio in spec.layers:
            x = g.stamp(x, _layer, heads, ratio, spec.bias)
        g.output(g.layer_norm(x))
        return g.build(f"{self.name}:{self.format(spec)}")


def _layer(g: GraphBuilder, x: int, heads: int, ratio: int, bias: bool) -> int:
    attended = _attention(g, g.layer_norm(x), heads, bias)
    return g.add(_gated(g, g.layer_norm(x), ratio, bias), attended, x)


def _attention(g: GraphBuilder, x: int, heads: int, bias: bool) -> int:
    """Self-attention whose projections are one; the heads need not make up the width."""
    tokens, width = g.shape(x)
    y = g.linear(x, 3 * heads * HEAD_SIZE, bias)
    y = g.transpose(g.reshape(y, tokens, heads, 3, HEAD_SIZE), 1, 2, 0, 3)
    query, key, value = (
        g.reshape(g.slice(y, i, 1, axis=1), heads, tokens, HEAD_SIZE) for i in range(3)
    )
    y = merge_heads(g, attend_in_heads(g, query, key, value), tokens, heads * HEAD_SIZE)
    return g.linear(y, width, bias)


def _gated(g: GraphBuilder, x: int, ratio: int, bias: bool) -> int:
    width = g.shape(x)[-1]
    gate = g.unary(Op.SILU, g.linear(x, ratio * width, bias))
    return g.linear(g.mul(gate, g.linear(x, ratio * width, bias)), width, bias)
