"""The recurrent networks against the parameters of all 345 runs of the benchmark's logs."""

from collections.abc import Iterator
from pathlib import Path

from onnx_bench.benchmarks import benchmark
from onnx_bench.verification.base import Check, parameters


def checks(root: Path | None = None) -> Iterator[Check]:
    """Parameters of every run."""
    nlp = benchmark("nasbench-nlp")
    frame = nlp.frame(root)
    yield Check(
        "parameters",
        "nasbench_nlp, num_params",
        nlp.networks(frame).tolist(),
        frame["num_params"].tolist(),
        parameters,
    )
