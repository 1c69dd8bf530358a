"""What the tests of the canonical passes share."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any
from unittest import mock

import numpy as np
import onnx
from onnx_models import Dims, Line, first_result, onnx_model

from onnx_bench.builder import GraphBuilder
from onnx_bench.canonical import FUSE, SIMPLIFY, Pass, fuse
from onnx_bench.cost import macs_N
from onnx_bench.graph import ComputationGraph
from onnx_bench.lowering import lift, lower
from onnx_bench.onnx_export import to_onnx
from onnx_bench.onnx_import import from_onnx
from onnx_bench.operators import Op
from onnx_bench.trace import Trace

TOKENS: dict[str, Dims] = {"x": ("batch", 4, 6)}
IMAGE: dict[str, Dims] = {"x": ("batch", 4, 6, 8)}
Roles = Mapping[str, Any]
"""Weights of one node by role: `weight`, `bias`, ..."""


class _Read(Exception):  # noqa: N818, ends an import where its trace is written
    """A model is read into a trace."""


def raw(model: onnx.ModelProto) -> Trace:
    """What the door of ONNX writes, before any pass."""
    traces: list[Trace] = []

    def keep(trace: Trace) -> None:
        traces.append(trace)
        raise _Read

    with mock.patch("onnx_bench.onnx_import.simplify", keep):
        try:
            from_onnx(model)
        except _Read:
            return traces[0]
    raise AssertionError("the import runs no passes")


def through(trace: Trace, last: Pass, passes: Sequence[Pass] = SIMPLIFY) -> Trace:
    """The trace behind the first run of a pass, and of all that come before it."""
    for rewrite in passes:
        rewrite(trace)
        if rewrite is last:
            return trace
    raise AssertionError("no such pass")


def fused_through(graph: ComputationGraph, last: Pass) -> ComputationGraph:
    """A graph on its way to the fused form, behind the first run of a pass."""
    return lower(through(lift(graph), last, FUSE))


def model_of(
    lines: Sequence[Line],
    inputs: Mapping[str, Dims] = TOKENS,
    constants: Mapping[str, Any] | None = None,
    outputs: str = "y",
    **arguments: Any,
) -> onnx.ModelProto:
    """A model of these nodes, with those of the constants that they read."""
    read = {name for line in lines for name in line[1].split()}
    literals = {name: value for name, value in (constants or {}).items() if name in read}
    return onnx_model(lines, inputs, literals=literals, outputs=outputs, **arguments)


def orders(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """The same nodes with the operands of sums and products in every order."""
    choices = [
        (line, (line[0], " ".join(reversed(line[1].split())), *line[2:]))
        if line[0] in ("Add", "Mul", "Max")
        else (line,)
        for line in lines
    ]
    for chosen in product(*choices):
        yield list(chosen)  # type: ignore[arg-type]


Block = Callable[[GraphBuilder, int], int]


def network(block: Block, *shape: int) -> ComputationGraph:
    """The network of one input and one block."""
    g = GraphBuilder()
    g.output(block(g, g.input(*(shape or (3, 4, 4)))))
    return g.build()


def alike(one: Block, other: Block, *shape: int) -> bool:
    """Whether two blocks are one network in the fused form."""
    return fuse(network(one, *shape)) == fuse(network(other, *shape))


def labels(found: ComputationGraph | Trace) -> list[str]:
    """The operators in order, inputs and outputs aside."""
    graph = lower(found) if isinstance(found, Trace) else found
    ends = (Op.INPUT, Op.OUTPUT)
    return [node.op.label for _, node, _ in graph.walk() if node.op not in ends]


def macs(graph: ComputationGraph) -> int:
    return int(macs_N(graph.nodes_NK).sum())


def weights_of(graph: ComputationGraph, *roles: Roles) -> dict[str, Any]:
    """Weights by their names in the graph: those of its nodes that learn, in order."""
    learning = [i for i, node, _ in graph.walk() if node.parameters]
    return {
        f"n{index}.{role}": np.asarray(array, np.float32)
        for index, given in zip(learning, roles, strict=True)
        for role, array in given.items()
    }


def assert_computes(graph: ComputationGraph, model: onnx.ModelProto, *roles: Roles) -> None:
    """Runs the graph's own export with these weights, and the model; both must answer alike."""
    exported = to_onnx(graph, weights_of(graph, *roles))
    np.testing.assert_allclose(first_result(exported), first_result(model), rtol=1e-4, atol=1e-4)


def assert_same(model: onnx.ModelProto, plain: onnx.ModelProto, tolerance: float = 1e-4) -> None:
    """Both models are read as one graph, and answer alike."""
    assert from_onnx(model) == from_onnx(plain)
    np.testing.assert_allclose(
        first_result(model), first_result(plain), rtol=tolerance, atol=tolerance
    )


def assert_other(model: onnx.ModelProto, plain: onnx.ModelProto) -> None:
    """The models are read as two graphs, and answer differently indeed."""
    assert from_onnx(model) != from_onnx(plain)
    answer, other = first_result(model), first_result(plain)
    assert answer.shape != other.shape or not np.allclose(answer, other, 1e-3, 1e-3)


def assert_settled(rewrite: Pass, trace: Trace) -> None:
    """A pass that has run has nothing left to do."""
    once = lower(trace)
    rewrite(trace)
    assert lower(trace) == once
