"""GPT-2 decoders against the table's parameters of embedding, attention, feed-forward and all.

The random run on One Billion Word is counted as if its layers were those of Transformer-XL, which
have a fifth matrix and two shifts in place of biases, and neither positions nor a normalisation
at the end; the functions named `as_xl` count so.
"""

from collections.abc import Iterator
from pathlib import Path

from onnx_bench.graph import PARAMETERS, ComputationGraph
from onnx_bench.operators import Op
from onnx_bench.verification.base import Check
from onnx_bench.verification.decoders import (
    attention,
    body,
    decoder_checks,
    embedding,
    total,
)


def checks(root: Path | None = None) -> Iterator[Check]:
    """Five figures of each decoder."""
    as_xl = {
        "params_AdaEmb": embedding_as_xl,
        "params_Attn": attention_as_xl,
        "params_nonembedding": body_as_xl,
        "params_total": total_as_xl,
    }
    yield from decoder_checks("gpt2", root, {"random_GPT2_lm1b": as_xl})


def embedding_as_xl(graph: ComputationGraph) -> float:
    """Without positions."""
    return embedding(graph) - _positions(graph)


def attention_as_xl(graph: ComputationGraph) -> float:
    """Five matrices and two shifts in each layer, for four matrices and their biases."""
    return attention(graph) + _more_in_attention(graph)


def body_as_xl(graph: ComputationGraph) -> float:
    """With such attention, without the last normalisation."""
    return body(graph) + _more_in_attention(graph) - _last_norm(graph)


def total_as_xl(graph: ComputationGraph) -> float:
    """With such attention, without positions and the last normalisation."""
    more = _more_in_attention(graph) - _last_norm(graph)
    return total(graph) + more - _positions(graph)


def _more_in_attention(graph: ComputationGraph) -> int:
    width = graph.node(graph.nodes_of(Op.LAYER_NORM)[0]).out_shape[-1]
    return len(graph.nodes_of(Op.ATTENTION)) * (width * width - 2 * width)


def _positions(graph: ComputationGraph) -> int:
    return int(graph.nodes_NK[graph.nodes_of(Op.POSITION), PARAMETERS].sum())


def _last_norm(graph: ComputationGraph) -> int:
    return graph.node(graph.nodes_of(Op.LAYER_NORM)[-1]).parameters
