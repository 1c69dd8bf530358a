"""GPT-2 decoders with adaptive embeddings, of LiteTransformerSearch (Javaheripi et al., 2022).

See `decoders.py` for what a specification says. A learned position is added to each token; a layer
normalises in front of attention and of its feed-forward part (GELU), and so does the end. Attention
is causal in the network; masks are no part of a graph.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from onnx_bench.builder import GraphBuilder
from onnx_bench.families.decoders import Corpus, Decoder, DecoderFamily
from onnx_bench.families.transformer_blocks import attend, feed_forward
from onnx_bench.graph import ComputationGraph
from onnx_bench.operators import Op

WIKITEXT = Corpus(50_264, 192, (19_997, 39_997), (False, True, True))
BILLION = Corpus(50_264, 32)
BILLION_LONG = Corpus(50_257, 192, (19_997, 39_997), (False, True, True))


class Gpt2(DecoderFamily):
    """GPT-2 on WikiText-103; on the One Billion Word benchmark as a variant."""

    name = "gpt2"
    example = "d64-e128-v4/2x512/4x600"
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "lm1b": {"corpus": BILLION},
        "lm1b-long": {"corpus": BILLION_LONG},
    }
    depths = (2, 16)

    def __init__(self, corpus: Corpus = WIKITEXT) -> None:
        super().__init__(corpus)

    def build(self, spec: Decoder) -> ComputationGraph:
        g = GraphBuilder()
        x = g.position(self.embed(g, spec))
        for heads, inner in spec.layers:
            x = g.stamp(x, _attention, heads)
            x = g.add(x, feed_forward(g, g.layer_norm(x), (inner,), Op.GELU))
        g.output(g.layer_norm(x))
        return g.build(f"{self.name}:{self.format(spec)}")


def _attention(g: GraphBuilder, x: int, heads: int) -> int:
    """Self-attention whose three projections are one, and the sum behind it."""
    width = g.shape(x)[-1]
    y = g.linear(g.layer_norm(x), 3 * width)
    query, key, value = (g.slice(y, i * width, width, axis=1) for i in range(3))
    return g.add(x, g.linear(attend(g, query, key, value, heads), width))
