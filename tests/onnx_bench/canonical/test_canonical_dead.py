"""Steps that no result needs go; inputs and our own nodes stay."""

from canonical_models import (
    TOKENS,
    assert_settled,
    labels,
    model_of,
    raw,
)
from onnx_models import Line

from onnx_bench.builder import GraphBuilder
from onnx_bench.canonical import dead
from onnx_bench.onnx_export import to_onnx
from onnx_bench.onnx_import import from_onnx
from onnx_bench.operators import Op
from onnx_bench.trace import Trace


def test_what_no_result_needs_is_dropped() -> None:
    lines: list[Line] = [
        ("Relu", "x", "y"),
        ("Sigmoid", "y", "unread"),
        ("Add", "unread x", "neither"),
        ("Split", "x", "p q", {"axis": 2, "num_outputs": 2}),
        ("Tanh", "q", "z"),
    ]
    trace = raw(model_of(lines, TOKENS, outputs="y z"))
    dead.drop(trace)
    assert labels(trace) == ["relu", "slice", "tanh"]
    assert_settled(dead.drop, trace)


def test_inputs_that_nothing_reads_stay() -> None:
    trace = Trace()
    x, _ = trace.input((1, 4)), trace.input((1, 5))
    trace.outputs = trace.add(Op.RELU, [x], (1, 4))
    dead.drop(trace)
    assert [value.shape for value in trace.inputs] == [(1, 4), (1, 5)]


def test_our_own_dead_nodes_stay() -> None:
    g = GraphBuilder()
    x = g.input(4, 6)
    g.relu(g.sigmoid(x))
    g.output(g.unary(Op.TANH, x))
    assert from_onnx(to_onnx(g.build())) == g.build()
