"""Parts of transformers that several families share, node for node as importers see them.

Masks are no part of a graph: causal attention and attention without a mask are the same nodes.
"""

from collections.abc import Sequence
from functools import cache

from onnx_bench import shapes
from onnx_bench.builder import GraphBuilder
from onnx_bench.graph import Node
from onnx_bench.operators import Op


def attend(g: GraphBuilder, query: int, key: int, value: int, heads: int) -> int:
    """Attention of projected (T, C) tensors in `heads` heads, to (T, C)."""
    tokens, width = g.shape(query)
    parts = [split_heads(g, x, heads) for x in (query, key, value)]
    return merge_heads(g, attend_in_heads(g, *parts), tokens, width)


def attend_in_heads(g: GraphBuilder, query: int, key: int, value: int) -> int:
    """Attention of three (heads, T, C) tensors."""
    return g.place(_attention_row(*g.shape(query)), query, key, value)


@cache
def _attention_row(heads: int, tokens: int, size: int) -> shapes.Row:
    shape = (heads, tokens, size)
    return shapes.row(Node(Op.ATTENTION, shape, shape, attributes=(heads, tokens)))


def split_heads(g: GraphBuilder, x: int, heads: int) -> int:
    """(T, C) to (heads, T, C / heads)."""
    tokens, width = g.shape(x)
    return g.transpose(g.reshape(x, tokens, heads, width // heads), 1, 0, 2)


def merge_heads(g: GraphBuilder, x: int, tokens: int, width: int) -> int:
    """(heads, T, C / heads) to (T, C)."""
    return g.reshape(g.transpose(x, 1, 0, 2), tokens, width)


def vision_attention(g: GraphBuilder, x: int, heads: int, head_size: int) -> int:
    """Self-attention of a vision transformer: one projection to queries, keys and values."""
    tokens, width = g.shape(x)
    y = g.linear(x, 3 * heads * head_size)
    y = g.transpose(g.reshape(y, tokens, 3, heads, head_size), 1, 2, 0, 3)
    y = g.reshape(y, 3, 1, heads, tokens, head_size)
    query, key, value = (_part(g, y, i) for i in range(3))
    y = merge_heads(g, attend_in_heads(g, query, key, value), tokens, heads * head_size)
    return g.linear(y, width)


def _part(g: GraphBuilder, x: int, index: int) -> int:
    """One of the three, in the two steps in which indexing and dropping the batch are recorded."""
    _, _, heads, tokens, size = g.shape(x)
    y = g.reshape(g.slice(x, index, 1), 1, heads, tokens, size)
    return g.reshape(y, heads, tokens, size)


def vision_block(g: GraphBuilder, x: int, heads: int, head_size: int, hidden: int) -> int:
    """Attention and a feed-forward part of `hidden` values, each behind a normalisation."""
    x = g.add(x, vision_attention(g, g.layer_norm(x), heads, head_size))
    y = feed_forward(g, g.layer_norm(x), (hidden,), Op.GELU)
    return g.add(x, y)


def feed_forward(g: GraphBuilder, x: int, hidden: Sequence[int], activation: Op) -> int:
    """Linear maps to each width of `hidden` and back, with the activation in between."""
    width, y = g.shape(x)[-1], x
    for size in hidden:
        y = g.unary(activation, g.linear(y, size))
    return g.linear(y, width)


def tokens_of(g: GraphBuilder, x: int) -> int:
    """An image (C, H, W) as tokens (H W, C)."""
    channels, height, width = g.shape(x)
    return g.transpose(g.reshape(x, channels, height * width), 1, 0)


def with_class_token(g: GraphBuilder, x: int) -> int:
    """A learned token in front of (T, C): what a CONCAT lacks is a learned tensor."""
    tokens, width = g.shape(x)
    return g.place(_class_token_row(tokens, width), x)


@cache
def _class_token_row(tokens: int, width: int) -> shapes.Row:
    out = (tokens + 1, width)
    return shapes.row(Node(Op.CONCAT, (tokens, width), out, parameters=width))


def class_scores(g: GraphBuilder, token: int, classes: int) -> int:
    """The network's result: a linear map of the class token, (1, C)."""
    return g.output(g.linear(g.flatten(token), classes))
