"""Subnets of Once-for-All's MobileNetV3 against the counts of all 2,373 rows of the benchmark."""

from collections.abc import Iterator
from pathlib import Path

from onnx_bench.benchmarks import benchmark
from onnx_bench.verification.base import Check, macs, parameters


def checks(root: Path | None = None) -> Iterator[Check]:
    """Parameters and multiply-accumulates of every row, repeats included."""
    subnets = benchmark("ofa-mbv3")
    frame = subnets.frame(root)
    networks = subnets.networks(frame).tolist()
    for what, column, ours in (("parameters", "params", parameters), ("MACs", "macs", macs)):
        yield Check(what, f"ofa_mobilenetv3, {column}", networks, frame[column].tolist(), ours)
