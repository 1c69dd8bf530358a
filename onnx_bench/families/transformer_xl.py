"""Transformer-XL (Dai et al., ACL 2019) in LiteTransformerSearch (Javaheripi et al., 2022).

See `decoders.py` for what a specification says. Attention adds up two products with the queries:
with the keys, behind a learned shift, and with a projection of the distances between tokens, behind
another, whose rows are then moved so that each token finds its own distances. The distances are
the graph's second input: (T, d) values of sines, which nothing is learned of. Normalisations stand
behind the sums, ReLU in the feed-forward part.

The states of the tokens before, which the network attends to as well, are left out: the number of
keys is that of tokens. Masks are no part of a graph.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

from onnx_bench import shapes
from onnx_bench.builder import GraphBuilder
from onnx_bench.families.decoders import Corpus, Decoder, DecoderFamily
from onnx_bench.families.transformer_blocks import feed_forward, merge_heads, split_heads
from onnx_bench.graph import ComputationGraph, Node
from onnx_bench.operators import Op

WIKITEXT = Corpus(267_736, 192, (19_997, 39_997, 199_997), (False, True, True, True))
BILLION = Corpus(793_470, 32, (59_997, 99_997, 639_997), (False,) * 4)
BILLION_SHORT = Corpus(267_735, 32, (59_997, 99_997), (False,) * 3)


class TransformerXl(DecoderFamily):
    """Transformer-XL on WikiText-103; on the One Billion Word benchmark as a variant."""

    name = "transformer-xl"
    example = "d64-e128-v4/2x512/4x600"
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "lm1b": {"corpus": BILLION},
        "lm1b-pareto": {"corpus": BILLION_SHORT},
    }
    depths = (5, 8)

    def __init__(self, corpus: Corpus = WIKITEXT) -> None:
        super().__init__(corpus)

    def build(self, spec: Decoder) -> ComputationGraph:
        g = GraphBuilder()
        x = self.embed(g, spec)
        distances = g.input(self.corpus.length, spec.width)
        for heads, inner in spec.layers:
            x = _attention(g, x, distances, heads)
            x = g.layer_norm(g.add(x, feed_forward(g, x, (inner,), Op.RELU)))
        g.output(x)
        return g.build(f"{self.name}:{self.format(spec)}")


def _attention(g: GraphBuilder, x: int, distances: int, heads: int) -> int:
    """Relative attention, the sum behind it and its normalisation."""
    tokens, width = g.shape(x)
    y = g.linear(x, 3 * width, bias=False)
    query, key, value = (g.slice(y, i * width, width, axis=1) for i in range(3))
    content = _product(g, g.shift(query, width), key, heads)
    place = _product(g, g.shift(query, width), g.linear(distances, width, bias=False), heads)
    weights = g.unary(Op.SOFTMAX, g.scale(g.add(content, _shifted(g, place))))
    y = merge_heads(g, g.matmul(weights, split_heads(g, value, heads)), tokens, width)
    return g.layer_norm(g.add(x, g.linear(y, width, bias=False)))


def _product(g: GraphBuilder, query: int, key: int, heads: int) -> int:
    """Products of all queries and keys of each head: (heads, T, T)."""
    tokens, width = g.shape(key)
    keys = g.transpose(g.reshape(key, tokens, heads, width // heads), 1, 2, 0)
    return g.matmul(split_heads(g, query, heads), keys)


def _shifted(g: GraphBuilder, x: int) -> int:
    """Row i moved by i places: a column of zeros in front, then read in rows one shorter."""
    heads, tokens, _ = g.shape(x)
    y = g.reshape(g.place(_column_of_zeros(heads, tokens), x), heads, tokens + 1, tokens)
    return g.slice(y, 1, tokens, axis=1)


@cache
def _column_of_zeros(heads: int, tokens: int) -> shapes.Row:
    given, out = (heads, tokens, tokens), (heads, tokens, tokens + 1)
    return shapes.row(Node(Op.PAD, given, out, padding=(0, 1, 0, 0)))
