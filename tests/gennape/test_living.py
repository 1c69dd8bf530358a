"""What is left of networks when layers that carry nothing are taken out."""

import networkx as nx
import numpy as np
import pytest

from gennape.features.living import living
from gennape.features.whole import whole_graph
from onnx_bench.canonical import fuse
from onnx_bench.collections import GraphCollection
from onnx_bench.families import build_spec, family
from onnx_bench.graph import ACTIVATION, OP, ComputationGraph
from onnx_bench.operators import Op

OPERATORS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


def cell(*edges: int) -> ComputationGraph:
    """A fused NAS-Bench-201 network by the operators of its six edges."""
    names = iter(OPERATORS[edge] for edge in edges)
    text = "+".join(f"|{'|'.join(f'{next(names)}~{i}' for i in range(n))}|" for n in (1, 2, 3))
    return fuse(build_spec(f"nasbench201:{text}"))


def only(graph: ComputationGraph) -> ComputationGraph:
    return living(GraphCollection.from_graphs([graph])).validate()[0]


def naive(graph: ComputationGraph) -> list[int]:
    """Operators of what is left, sorted, by paths in networkx."""
    wiring = nx.DiGraph()
    wiring.add_nodes_from(range(len(graph)))
    sources, readers = graph.edge_index
    zeros = np.flatnonzero(graph.nodes_NK[:, OP] == Op.ZERO)
    wiring.add_edges_from(zip(sources.tolist(), readers.tolist(), strict=True))
    last = {n for n in wiring if wiring.out_degree(n) == 0}
    wiring.remove_nodes_from(zeros.tolist())
    roots = {n for n in wiring if not graph.inputs_of(n)}
    moved = set.union(roots, *(nx.descendants(wiring, n) for n in roots))
    wiring = nx.DiGraph(wiring.subgraph(moved | last))
    wiring.remove_edges_from([(a, b) for a, b in wiring.edges if b not in moved])
    needed = set.union(last, *(nx.ancestors(wiring, n) for n in last if n in wiring))
    terms = {n: sum(s in needed & moved for s in graph.inputs_of(n)) for n in needed}
    sums = {n for n in needed if graph.nodes_NK[n, OP] == Op.ADD and terms[n] == 1}
    gone = {n for n in sums if graph.nodes_NK[n, ACTIVATION] == 0}
    return sorted(graph.nodes_NK[sorted(needed - gone), OP].tolist())


@pytest.mark.parametrize("seed", range(25))
def test_what_is_left_is_what_lies_on_a_path(seed: int) -> None:
    rng = np.random.default_rng(seed)
    edges = np.where(rng.random(6) < 0.5, 0, rng.integers(1, 5, 6))
    graph = cell(*edges.tolist())
    assert sorted(only(graph).nodes_NK[:, OP].tolist()) == naive(graph)


@pytest.mark.parametrize(
    "edges",
    [
        (0, 3, 0, 1, 3, 0),  # a convolution whose reader reads zeros, too
        (0, 0, 3, 1, 3, 3),  # convolutions on zeros
    ],
)
def test_layers_on_zeros_leave_the_network_without_them(edges: tuple[int, ...]) -> None:
    alive = {(0, 3, 0, 1, 3, 0): (0, 0, 0, 1, 0, 0), (0, 0, 3, 1, 3, 3): (0, 0, 0, 1, 0, 0)}
    assert only(cell(*edges)).hash == only(cell(*alive[edges])).hash


def test_a_constant_network_is_its_output_alone() -> None:
    graph = only(cell(0, 0, 0, 0, 0, 0))
    assert len(graph) == 1
    assert np.isfinite(whole_graph(GraphCollection.from_graphs([graph]))).all()


@pytest.mark.parametrize("name", ["nasbench101", "ofa-mbv3", "autoformer", "nasbench-nlp"])
def test_networks_without_such_layers_stay_as_they_are(name: str) -> None:
    space, rng = family(name), np.random.default_rng(0)
    graphs = [fuse(space.build(space.sample(rng))) for _ in range(3)]
    collection = GraphCollection.from_graphs(graphs)
    assert living(collection) is collection


def test_graphs_keep_their_order_and_their_neighbours_do_not_matter() -> None:
    graphs = [cell(3, 3, 0, 1, 2, 4), cell(0, 0, 3, 1, 3, 3), cell(0, 0, 0, 0, 0, 0)]
    together = living(GraphCollection.from_graphs(graphs)).validate()
    for found, graph in zip(together, graphs, strict=True):
        assert found.hash == only(graph).hash
