"""GPT subnets against parameters and multiply-accumulates of all 20,000 rows of the two tables.

The benchmark counts the table that embedding and decoder share twice. Its MACs are those of a
batch, 8 sequences of 1,024 tokens for GPT-S and 4 for GPT-M, and of linear maps alone, the decoder
among them, without the products within attention.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from onnx_bench.benchmarks import benchmark
from onnx_bench.cost import macs_N
from onnx_bench.families.hwgpt import TOKENS
from onnx_bench.graph import OP, ComputationGraph
from onnx_bench.operators import Op
from onnx_bench.verification.base import Check

BATCHES = {"s": 8, "m": 4}


def checks(root: Path | None = None) -> Iterator[Check]:
    """Parameters and MACs of every subnet."""
    for scale, batch in BATCHES.items():
        subnets = benchmark(f"hwgpt-{scale}")
        frame = subnets.frame(root)
        networks = subnets.networks(frame).tolist()
        source = f"hwgpt, gpt_{scale}"
        yield Check("parameters", source, networks, frame["params"].tolist(), with_decoder)
        published = (frame["macs"].astype(np.int64) / batch).tolist()
        yield Check("MACs of linear maps", source, networks, published, linear_macs)


def with_decoder(graph: ComputationGraph) -> float:
    """Parameters with the table once more."""
    return graph.parameters + _table(graph)


def linear_macs(graph: ComputationGraph) -> float:
    """Multiply-accumulates of linear maps and of the decoder for one sequence."""
    linear = int(macs_N(graph.nodes_NK)[graph.nodes_NK[:, OP] == Op.LINEAR].sum())
    return linear + TOKENS * _table(graph)


def _table(graph: ComputationGraph) -> int:
    return graph.node(graph.nodes_of(Op.EMBEDDING)[0]).parameters
