"""Parameters of the parts of GPT-2 and Transformer-XL decoders, counted on the graph.

The table counts five figures of each network. A graph ends in front of the softmax; what that has
of its own is counted here from the embedding's tables, which it shares.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pandas as pd

from onnx_bench.benchmarks import benchmark
from onnx_bench.families import family
from onnx_bench.families.decoders import DecoderFamily
from onnx_bench.graph import PARAMETERS, ComputationGraph
from onnx_bench.operators import ACTIVATIONS, Op
from onnx_bench.verification.base import Check

Figure = Callable[[ComputationGraph], float]


def embedding(graph: ComputationGraph) -> float:
    """Tables, their projections and learned positions: the nodes around the scale behind them."""
    counts = graph.nodes_NK[:, PARAMETERS]
    scale = graph.nodes_of(Op.SCALE)[0]
    return int(counts[:scale].sum()) + int(counts[graph.nodes_of(Op.POSITION)].sum())


def feed_forward(graph: ComputationGraph) -> float:
    """The linear maps on either side of an activation."""
    total = 0
    for _, node, inputs in graph.walk():
        below = [graph.node(i) for i in inputs]
        if node.op in ACTIVATIONS:
            total += below[0].parameters
        elif node.op == Op.LINEAR and below[0].op in ACTIVATIONS:
            total += node.parameters
    return total


def body(graph: ComputationGraph) -> float:
    """Everything but the embedding."""
    return graph.parameters - embedding(graph)


def attention(graph: ComputationGraph) -> float:
    """The body without its normalisations and feed-forward parts."""
    norms = sum(graph.node(i).parameters for i in graph.nodes_of(Op.LAYER_NORM))
    return body(graph) - norms - feed_forward(graph)


def total(graph: ComputationGraph) -> float:
    """The whole network with its softmax: biases, rows of the clusters, projections of its own."""
    name, _, text = graph.name.partition(":")
    members = family(name)
    if not isinstance(members, DecoderFamily):
        raise TypeError(f"{name} is no family of decoders")
    spec, corpus = members.parse(text), members.corpus
    clusters = len(corpus.clusters)
    own = corpus.words + (clusters - 1) * (spec.embedding + 1)
    if spec.division > 1 or spec.embedding != spec.width:
        for i in range(clusters):
            values = spec.embedding // spec.division**i
            own += 0 if corpus.tied[i] else spec.width * values
    return graph.parameters + own


FIGURES: Mapping[str, Figure] = {
    "params_AdaEmb": embedding,
    "params_Attn": attention,
    "params_FFN": feed_forward,
    "params_nonembedding": body,
    "params_total": total,
}


def decoder_checks(
    name: str, root: Path | None, quirks: Mapping[str, Mapping[str, Figure]]
) -> Iterator[Check]:
    """The five figures of all networks of a benchmark, run by run.

    Args:
        name: of the benchmark.
        root: the folder of the public tables.
        quirks: figures of a run that the benchmark counts in its own way.
    """
    decoders = benchmark(name)
    frame = decoders.frame(root)
    networks = decoders.networks(frame)
    runs: pd.Series[str] = frame["run"]
    for run in runs.unique():
        rows = runs == run
        for column, figure in FIGURES.items():
            yield Check(
                column,
                f"transformer_lm, {run}",
                networks[rows].tolist(),
                frame[column][rows].tolist(),
                quirks.get(run, {}).get(column, figure),
            )
