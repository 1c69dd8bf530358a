"""A check of the networks that we build against figures that a benchmark's authors published."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from onnx_bench.cost import cost
from onnx_bench.graph import ComputationGraph

Value = float | str


@dataclass(frozen=True)
class Check:
    """A published figure of many networks, and how ours is computed.

    Args:
        what: the figure, `parameters` or `MACs`.
        source: where it was published: a column of a table, or a paper's table.
        networks: FAMILY:SPEC of each.
        published: their figures, in the same order.
        ours: the figure of a graph, or of a network's text where `reads` says so: a function of a
            module, as it runs in other processes.
        tolerance: largest difference that counts as equal: half of the last digit published.
        exact: whether every row must agree; a comparison with a paper's figures where the rebuild
            is known to be uncertain is listed, and fails nothing.
        reads: what `ours` is called with.
    """

    what: str
    source: str
    networks: Sequence[str]
    published: Sequence[Value]
    ours: Callable[[Any], Value]
    tolerance: float = 0.0
    exact: bool = True
    reads: Literal["graph", "text"] = "graph"


class Checks(Protocol):
    """What each file of this package offers as `checks`, for the family it is named after."""

    def __call__(self, root: Path | None = None) -> Iterator[Check]:
        """The family's checks; `root` is the folder of the public tables.

        Raises:
            LabelError: a table is missing.
        """


def parameters(graph: ComputationGraph) -> float:
    """Trainable parameters."""
    return graph.parameters


def macs(graph: ComputationGraph) -> float:
    """Multiply-accumulates of convolutions, linear maps, matrix products and attention."""
    return cost(graph).macs
