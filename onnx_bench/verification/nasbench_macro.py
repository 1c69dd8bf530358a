"""NAS-Bench-MACRO against the parameters and MACs of all 6,561 networks."""

from collections.abc import Iterator
from pathlib import Path

from onnx_bench.benchmarks import benchmark
from onnx_bench.verification.base import Check, macs, parameters


def checks(root: Path | None = None) -> Iterator[Check]:
    """Parameters and multiply-accumulates, which the table calls FLOPs."""
    table = benchmark("nasbench-macro")
    frame = table.frame(root)
    networks = table.networks(frame).tolist()
    for what, column, ours in (("parameters", "params", parameters), ("MACs", "flops", macs)):
        yield Check(what, f"nasbench_macro, {column}", networks, frame[column].tolist(), ours)
