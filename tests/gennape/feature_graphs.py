"""Graphs that features of whole networks are tested on, and the same graphs numbered otherwise."""

from functools import cache

import numpy as np

from onnx_bench.builder import GraphBuilder
from onnx_bench.canonical import fuse
from onnx_bench.families import family
from onnx_bench.graph import WIDTH, ComputationGraph, Node
from onnx_bench.operators import Op
from tests.small_families import SELF_CONTAINED


@cache
def examples() -> dict[str, ComputationGraph]:
    """The example of every family, fused; and graphs as odd as there can be."""
    found = {name: fuse(family(name).graph(family(name).example)) for name in SELF_CONTAINED}
    return found | {
        "no nodes": plain([], []),
        "one node": plain([Node(Op.INPUT, (), (3, 8, 8))], []),
        "scalars": plain([Node(Op.INPUT, (), ()), Node(Op.LINEAR, (), ())], [(0, 1)]),
        "unknown": plain([Node(Op.UNKNOWN, (4,), (5,), activation=Op.RELU)] * 3, [(0, 2), (0, 2)]),
        "doubling": doubling(2000),
        "video": video(),
    }


def cells(seed: int, count: int = 3) -> list[ComputationGraph]:
    """Fused random networks of NAS-Bench-101."""
    rng, space = np.random.default_rng(seed), family("nasbench101")
    return [fuse(space.build(space.sample(rng))) for _ in range(count)]


def plain(nodes: list[Node], edges: list[tuple[int, int]]) -> ComputationGraph:
    """The graph of these nodes and edges, edges ordered by reader."""
    table = np.frombuffer(b"".join(node.encode() for node in nodes), np.int32)
    reads = np.bincount([reader for _, reader in edges], minlength=len(nodes))[: len(nodes)]
    return ComputationGraph(
        table.reshape(-1, WIDTH),
        np.concatenate([[0], np.cumsum(reads)]).astype(np.int32),
        np.array([source for source, _ in edges], np.int32),
    )


def doubling(depth: int) -> ComputationGraph:
    """Residual blocks in a row: far more paths than floats count."""
    shape = (4, 6, 6)
    conv = Node(Op.CONV, shape, shape, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1, False, 144)
    nodes, edges = [Node(Op.INPUT, (), shape)], []
    for last in range(0, 2 * depth, 2):
        nodes += [conv, Node(Op.ADD, shape, shape)]
        edges += [(last, last + 1), (last, last + 2), (last + 1, last + 2)]
    return plain(nodes, edges)


def video() -> ComputationGraph:
    """Depthwise convolutions over three axes of space and over one, and a head."""
    volume, line = (4, 6, 8, 8), (4, 20)
    three = Node(
        Op.CONV, volume, volume, (3, 3), (1, 1), (2, 2), (2, 2, 2, 2), 4, False, 108, Op.GELU,
        (0, 0, 3, 1, 1, 1, 1),
    )  # fmt: skip
    one = Node(Op.CONV, line, line, (5, 0), (1, 0), (1, 0), (2, 0, 2, 0), 4, True, 24)
    head = Node(Op.LINEAR, (4,), (7,), bias=True, parameters=35)
    nodes = [Node(Op.INPUT, (), volume), three, Node(Op.INPUT, (), line), one, head]
    return plain(nodes, [(0, 1), (2, 3), (3, 4)])


def gated() -> ComputationGraph:
    """Squeeze-excitation on an image: the gate sees one place."""
    g = GraphBuilder()
    x = g.relu(g.conv(g.input(3, 32, 32), 8, 3, padding=1))
    x = g.conv(g.mul(x, g.sigmoid(g.conv(g.global_avg_pool(x), 8))), 8, 3, 4, padding=1)
    g.output(x)
    return fuse(g.build("gated"))


def renumbered(graph: ComputationGraph, seed: int) -> ComputationGraph:
    """The same graph in a random other topological order."""
    rng = np.random.default_rng(seed)
    open_ = np.diff(graph.input_ptr)
    readers: list[list[int]] = [[] for _ in range(len(graph))]
    for source, reader in graph.edge_index.T.tolist():
        readers[source].append(reader)
    ready, order = [int(i) for i in np.flatnonzero(open_ == 0)], list[int]()
    while ready:
        order.append(ready.pop(int(rng.integers(len(ready)))))
        for reader in readers[order[-1]]:
            open_[reader] -= 1
            if open_[reader] == 0:
                ready.append(reader)
    place = {old: new for new, old in enumerate(order)}
    return plain(
        [graph.node(old) for old in order],
        [(place[s], place[old]) for old in order for s in rng.permutation(graph.inputs_of(old))],
    )
