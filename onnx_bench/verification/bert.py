"""The BERT encoders against the parameters of all 500 rows of the table."""

from collections.abc import Iterator
from pathlib import Path

from onnx_bench.benchmarks import benchmark
from onnx_bench.verification.base import Check, parameters


def checks(root: Path | None = None) -> Iterator[Check]:
    """Parameters of every encoder."""
    bert = benchmark("bert")
    frame = bert.frame(root)
    yield Check(
        "parameters",
        "bert, effective_params",
        bert.networks(frame).tolist(),
        frame["effective_params"].tolist(),
        parameters,
    )
