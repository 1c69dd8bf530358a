"""All passes on random networks and on members of every family: none raises, all are final."""

import numpy as np
import pytest
from canonical_models import fused_through, labels, macs
from hypothesis import given, settings
from strategies import graphs

from onnx_bench.canonical import FUSE, SIMPLIFY, fuse, simplify, zeros
from onnx_bench.families import family
from onnx_bench.graph import ComputationGraph
from onnx_bench.lowering import lift, lower
from onnx_bench.onnx_export import to_onnx
from onnx_bench.onnx_import import from_onnx
from onnx_bench.operators import COMMUTATIVE, Op
from tests.small_families import SMALL_FAMILIES


@settings(max_examples=150)
@given(graphs())
def test_no_pass_raises_or_leaves_work(graph: ComputationGraph) -> None:
    trace = lift(graph)
    for rewrite in (*SIMPLIFY, *FUSE):
        rewrite(trace)
        once = lower(trace)
        rewrite(trace)
        assert lower(trace) == once, rewrite.__module__


@settings(max_examples=150)
@given(graphs())
def test_both_forms_are_final(graph: ComputationGraph) -> None:
    trace = lift(graph)
    simplify(trace)
    atomic = lower(trace)
    simplify(trace)
    assert lower(trace) == atomic
    fused = fuse(graph)
    assert fuse(fused) == fused


@settings(max_examples=150)
@given(graphs())
def test_fusion_keeps_inputs_outputs_and_work(graph: ComputationGraph) -> None:
    fused = fuse(graph)
    assert macs(fused) == macs(fused_through(graph, zeros.drop))
    for op in (Op.INPUT, Op.OUTPUT):
        assert len(fused.nodes_of(op)) == len(graph.nodes_of(op))


def swapped(graph: ComputationGraph) -> ComputationGraph:
    """The same network with the operands of sums and products in reverse."""
    inputs = graph.inputs.copy()
    for index, node, _ in graph.walk():
        edges = slice(graph.input_ptr[index], graph.input_ptr[index + 1])
        if node.op in COMMUTATIVE:
            inputs[edges] = inputs[edges][::-1]
    return ComputationGraph(graph.nodes_NK, graph.input_ptr, inputs)


@settings(max_examples=150)
@given(graphs())
def test_the_order_of_operands_does_not_matter(graph: ComputationGraph) -> None:
    assert swapped(graph) == graph
    assert fuse(swapped(graph)) == fuse(graph)


@pytest.mark.parametrize("name", SMALL_FAMILIES)
def test_members_of_families_fuse(name: str) -> None:
    members, rng = family(name), np.random.default_rng(23)
    for _ in range(10):
        graph = members.build(members.sample(rng))
        fused = fuse(graph)
        assert len(fused) < len(graph)
        # What only a `none` edge reads is as dead as that edge.
        assert macs(fused) == macs(fused_through(graph, zeros.drop))
        assert macs(fused) == macs(graph) or graph.nodes_of(Op.ZERO)
        assert fuse(fused) == fused
        assert not set(labels(fused)) & {"identity", "reshape", "transpose", "sigmoid"}
        assert fused.coverage == 1


@pytest.mark.parametrize("name", [name for name in SMALL_FAMILIES if name != "nasbench101"])
def test_our_own_exports_fuse_to_the_same(name: str) -> None:
    members = family(name)
    graph = members.build(members.sample(np.random.default_rng(29)))
    assert fuse(from_onnx(to_onnx(graph))) == fuse(graph)
