"""What an import gives: the network, and how much of it the vocabulary knows."""

from collections import Counter
from typing import NamedTuple

from onnx_bench.cost import macs_N
from onnx_bench.graph import ComputationGraph, Shape
from onnx_bench.lowering import lower
from onnx_bench.operators import Op
from onnx_bench.trace import Step, Trace


class Coverage(NamedTuple):
    """Shares of a network that lie in known operators, each 0 to 1."""

    nodes: float
    parameters: float
    macs: float
    """An unknown operator is taken to use each of its weights once for one input, at the least."""

    @property
    def whole(self) -> bool:
        """Whether everything that multiplies or learns is known."""
        return self.parameters == self.macs == 1


class Import(NamedTuple):
    """One network from a file or a module."""

    graph: ComputationGraph
    unknown: dict[str, int]
    """How often each operator outside the vocabulary occurs, by the name that its source gives."""
    coverage: Coverage
    assumed: dict[str, Shape]
    """Inputs whose open axes were given sizes by us, and the shape that they got."""


def finish(trace: Trace, assumed: dict[str, Shape] | None = None) -> Import:
    """Lowers a canonical trace and counts what it knows."""
    graph = lower(trace)
    unknown = list(trace.of(Op.UNKNOWN))
    names = Counter(step.name or "unnamed" for step in unknown)
    return Import(graph, dict(names), _coverage(graph, unknown), assumed or {})


def _coverage(graph: ComputationGraph, unknown: list[Step]) -> Coverage:
    lost = sum(weight.size for step in unknown for weight in step.weights)
    macs = int(macs_N(graph.nodes_NK).sum())
    return Coverage(
        graph.coverage,
        1 - lost / max(graph.parameters, lost, 1),
        macs / (macs + lost) if lost else 1.0,
    )
