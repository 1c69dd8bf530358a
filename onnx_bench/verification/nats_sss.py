"""The size space of NATS-Bench against the paper's parameters and all 32,768 rows of the table."""

from collections.abc import Iterator
from pathlib import Path

from onnx_bench.benchmarks import benchmark
from onnx_bench.graph import ComputationGraph
from onnx_bench.verification.base import Check, macs, parameters

PUBLISHED = {"8:8:8:8:8": 11_714, "8:8:16:40:40": 107_826, "64:64:64:64:64": 713_674}


def checks(root: Path | None = None) -> Iterator[Check]:
    """Parameters of three published networks; parameters and MACs of every row."""
    yield Check(
        "parameters",
        "NATS-Bench, TPAMI 2021",
        [f"nats-sss:{widths}" for widths in PUBLISHED],
        list(PUBLISHED.values()),
        parameters,
    )
    table = benchmark("nats-sss")
    frame = table.frame(root)
    networks = table.networks(frame).tolist()
    yield Check("parameters", "nats_sss, params", networks, frame["params"].tolist(), parameters)
    yield Check(
        "MACs (millions)",
        "nats_sss, conv_macs_M",
        networks,
        frame["conv_macs_M"].tolist(),
        millions_of_macs,
        tolerance=5.01e-5,
    )


def millions_of_macs(graph: ComputationGraph) -> float:
    """Multiply-accumulates, which the table prints to four digits."""
    return macs(graph) / 1e6
