"""DARTS networks against the parameters and FLOPs of all 545 rows of the table.

Also against the parameters that the paper prints for its own cells, in its two skeletons.
"""

from collections.abc import Iterator
from pathlib import Path

from onnx_bench.benchmarks import benchmark
from onnx_bench.graph import ComputationGraph
from onnx_bench.verification.base import Check, parameters
from onnx_bench.verification.counting import thop_flops

SECOND_ORDER = (
    "sep3~0+sep3~1,sep3~0+sep3~1,skip~0+sep3~1,skip~0+dil3~2"
    ":max3~0+max3~1,max3~1+skip~2,max3~0+skip~2,max3~1+skip~2"
)
"""The cells that the paper's second-order search found."""


def checks(root: Path | None = None) -> Iterator[Check]:
    """Parameters of the paper's own cells; parameters and FLOPs of every row."""
    yield Check(
        "parameters (millions)",
        "Liu et al., ICLR 2019, tables 1 and 3",
        [f"darts:{SECOND_ORDER}", f"darts@imagenet:{SECOND_ORDER}"],
        [3.3, 4.7],
        millions_of_parameters,
        tolerance=0.05,
    )
    table = benchmark("darts")
    frame = table.frame(root)
    networks = table.networks(frame).tolist()
    for what, column, ours in (
        ("parameters (millions)", "mparams", millions_of_parameters),
        ("FLOPs (millions)", "mflops", millions_of_flops),
    ):
        source = f"darts, {column}"
        yield Check(what, source, networks, frame[column].tolist(), ours, tolerance=5.01e-7)


def millions_of_parameters(graph: ComputationGraph) -> float:
    """Trainable parameters."""
    return parameters(graph) / 1e6


def millions_of_flops(graph: ComputationGraph) -> float:
    """FLOPs as the table's counter has them."""
    return thop_flops(graph) / 1e6
