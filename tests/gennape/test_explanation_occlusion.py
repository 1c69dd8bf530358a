"""Taking nodes out of networks: against networks built without them."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from gennape.batch import EncodedGraphs
from gennape.checkpoint import Checkpoint, seeded_model
from gennape.explanation import occlusion
from gennape.explanation.occlusion import movable, node_effects, without
from gennape.features.whole import whole_graph
from gennape.inference import Predictor
from gennape.models.heads import MLPHead
from gennape.models.performance import ModelConfig, PerformanceModel
from onnx_bench.builder import GraphBuilder
from onnx_bench.canonical import fuse
from onnx_bench.collections import GraphCollection
from onnx_bench.graph import ComputationGraph
from onnx_bench.operators import Op

Build = Callable[[GraphBuilder, int], int]


def network(body: Build) -> ComputationGraph:
    """An image, a convolution, the body, and a classifier."""
    g = GraphBuilder()
    x = body(g, g.conv(g.input(3, 8, 8), 4, 3))
    g.output(g.linear(g.flatten(g.global_avg_pool(x)), 10))
    return g.build()


def taken_out(graph: ComputationGraph, *nodes: int) -> ComputationGraph:
    variants = without(GraphCollection.from_graphs([graph]), [np.array(nodes)]).validate()
    return variants[0].validate()


def body_without(body: Build, *nodes: int) -> ComputationGraph:
    """The network without nodes of the body, which counts from 0."""
    return taken_out(network(body), *(2 + node for node in nodes))


# the network without a node


def test_a_node_of_a_chain_is_passed_over() -> None:
    def whole(g: GraphBuilder, x: int) -> int:
        return g.conv(g.relu(g.conv(x, 4, 1)), 4, 5)

    assert body_without(whole, 0) == network(lambda g, x: g.conv(g.relu(x), 4, 5))
    assert body_without(whole, 1) == network(lambda g, x: g.conv(g.conv(x, 4, 1), 4, 5))
    assert body_without(whole, 0, 1) == network(lambda g, x: g.conv(x, 4, 5))
    assert body_without(whole, 0, 1, 2) == network(lambda _g, x: x)


def residual(g: GraphBuilder, x: int) -> int:
    return g.relu(g.add(x, g.conv(g.relu(x), 4, 3)))


def test_a_sum_hands_on_the_longer_way() -> None:
    expected = network(lambda g, x: g.relu(g.conv(g.relu(x), 4, 3)))
    assert body_without(residual, 2) == expected


def test_a_convolution_of_a_branch_is_passed_over_too() -> None:
    assert body_without(residual, 1) == network(lambda g, x: g.relu(g.add(x, g.relu(x))))
    assert body_without(residual, 0, 1) == network(lambda g, x: g.relu(g.add(x, x)))


def test_a_gate_hands_on_what_has_its_shape_and_the_way_to_it_goes() -> None:
    def gated(g: GraphBuilder, x: int) -> int:
        return g.relu(g.mul(x, g.sigmoid(g.conv(g.global_avg_pool(x), 4, 1))))

    assert body_without(gated, 3) == network(lambda g, x: g.relu(x))


def test_of_ways_of_one_length_the_first_is_handed_on() -> None:
    def twin(g: GraphBuilder, x: int) -> int:
        return g.relu(g.add(g.conv(x, 4, 1), g.conv(x, 4, 3)))

    assert body_without(twin, 2) == network(lambda g, x: g.relu(g.conv(x, 4, 1)))


def test_the_last_node_may_go() -> None:
    g = GraphBuilder()
    g.relu(g.conv(g.input(3, 8, 8), 4, 3))
    short = GraphBuilder()
    short.conv(short.input(3, 8, 8), 4, 3)
    assert taken_out(g.build(), 2) == short.build()


def test_what_nobody_needed_before_stays() -> None:
    g = GraphBuilder()
    x = g.conv(g.input(3, 8, 8), 4, 3)
    g.zero(g.conv(x, 4, 5))  # ends in nothing, but is an end
    g.output(g.relu(x))
    found = taken_out(g.build(), 4)
    assert sorted(found.ops.tolist()) == sorted(
        int(op) for op in (Op.INPUT, Op.CONV, Op.CONV, Op.ZERO, Op.OUTPUT)
    )


def test_many_at_once_are_each_by_itself(graphs: list[ComputationGraph]) -> None:
    for graph in graphs[:6]:
        nodes = np.flatnonzero(movable(graph))
        together = without(GraphCollection.from_graphs([graph]), [np.array([n]) for n in nodes])
        together.validate()
        for found, node in zip(together, nodes, strict=True):
            assert found == taken_out(graph, int(node))
            assert len(found) < len(graph)
        assert np.isfinite(whole_graph(together)).all()


# what it is worth


@pytest.fixture(scope="module")
def seer(graphs: list[ComputationGraph]) -> Checkpoint:
    """A model of numbers of whole graphs alone."""
    model = seeded_model(ModelConfig("size", {}, "mlp", {}, {}), 0).eval()
    assert model.whole is not None
    assert isinstance(model.head, MLPHead)
    model.whole.prepare(EncodedGraphs(map(fuse, graphs)).whole_GD)
    with torch.no_grad():
        model.head.net[0].weight[:, 0] = 0  # the encoder counts MACs of nodes that carry nothing
    return Checkpoint(model, form="fused")


def test_effects_are_differences_of_predictions(
    seer: Checkpoint,
    make_model: Callable[..., PerformanceModel],
    graphs: list[ComputationGraph],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(occlusion, "NODES", 50)  # in several steps
    for checkpoint in (seer, Checkpoint(make_model(), form="fused")):
        predictor, graph = Predictor(checkpoint), fuse(graphs[0])
        effect_N = node_effects(checkpoint, EncodedGraphs([graph]))
        (whole,) = predictor.predict(graph)
        known = np.flatnonzero(movable(graph))
        expected = [whole - predictor.predict(taken_out(graph, int(n)))[0] for n in known]
        np.testing.assert_allclose(effect_N[known], expected, atol=1e-5)
        assert np.isnan(np.delete(effect_N, known)).all()
        assert np.abs(effect_N[known]).max() > 1e-3
        ends = [int(op) for op in (Op.INPUT, Op.OUTPUT)]
        assert set(np.flatnonzero(np.isin(graph.ops, ends))) == set(
            np.flatnonzero(np.isnan(effect_N))
        )


def test_a_node_that_carries_nothing_is_worth_nothing(seer: Checkpoint) -> None:
    def with_dead(g: GraphBuilder, x: int) -> int:
        return g.add(g.conv(x, 4, 1), g.conv(g.zero(x), 4, 3))

    graph = network(with_dead)
    effect_N = node_effects(seer, EncodedGraphs([graph]))
    zero, dead, alive = 3, 4, 2
    assert graph.node(zero).op == Op.ZERO
    assert np.isnan(effect_N[zero])
    assert graph.node(dead).kernel == (3, 3)
    assert effect_N[dead] == pytest.approx(0, abs=1e-6)
    assert abs(effect_N[alive]) > 1e-3


def test_of_large_networks_neighbours_share_what_they_are_worth(
    seer: Checkpoint, graphs: list[ComputationGraph], monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = fuse(graphs[1])
    known = np.flatnonzero(movable(graph))
    monkeypatch.setattr(occlusion, "MOST", len(known) // 2)
    effect_N = node_effects(seer, EncodedGraphs([graph]))
    pair = known[:2]
    predictor = Predictor(seer)
    lost = predictor.predict(graph)[0] - predictor.predict(taken_out(graph, *pair.tolist()))[0]
    np.testing.assert_allclose(effect_N[pair], lost / 2, atol=1e-5)
    assert np.isfinite(effect_N[known]).all()


def test_progress_is_shown(seer: Checkpoint, graphs: list[ComputationGraph]) -> None:
    seen = []

    def watch(items, description, total):  # type: ignore[no-untyped-def]
        seen.append((description, total))
        return iter(items)

    node_effects(seer, EncodedGraphs([fuse(graphs[0])]), watch)
    assert seen == [("taking nodes out", 1)]
