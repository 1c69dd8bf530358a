"""Size, make-up and wiring of networks, against counting node by node."""

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gennape.features.kinds import KINDS, WEIGHTED, WORKING
from gennape.features.structure import FEATURES, structure
from onnx_bench.collections import GraphCollection
from onnx_bench.cost import macs_N
from onnx_bench.graph import ComputationGraph, Node
from onnx_bench.operators import ACTIVATIONS, Op
from tests.gennape.feature_graphs import cells, examples, gated

CONVOLUTIONS = (Op.CONV, Op.CONV_TRANSPOSE)
WINDOWS = (*CONVOLUTIONS, Op.MAX_POOL, Op.AVG_POOL)
KIND_OF = {
    Op.LINEAR: "linear",
    Op.LSTM: "linear",
    Op.GRU: "linear",
    Op.RNN: "linear",
    Op.MATMUL: "product",
    Op.ATTENTION: "product",
    Op.ADD: "add",
    Op.SUB: "add",
    Op.CONCAT: "concat",
    Op.MUL: "multiply",
    Op.DIV: "multiply",
    Op.BATCH_NORM: "norm",
    Op.LAYER_NORM: "norm",
    Op.GROUP_NORM: "norm",
    Op.INSTANCE_NORM: "norm",
    Op.RMS_NORM: "norm",
    Op.LOCAL_NORM: "norm",
}
NAMES = [feature.name for feature in FEATURES]
Found = dict[str, float]


def space(node: Node) -> int:
    if node.op not in WINDOWS:
        return 0
    return 1 if node.kernel[1] == 0 else 3 if node.attribute(2) else 2


def channels(node: Node, shape: tuple[int, ...]) -> int:
    axis = max(len(shape) - 1 - space(node), 0)
    return shape[axis] if shape else 1


def kernel(node: Node) -> int:
    return max(*node.kernel, node.attribute(2)) if node.op in WINDOWS else 0


def kind(node: Node) -> str:
    if node.op in (Op.AVG_POOL, Op.MAX_POOL):
        return node.op.label if kernel(node) > 1 else ""
    if node.op not in CONVOLUTIONS:
        return KIND_OF.get(node.op, "")
    if node.groups > 1 and node.groups == channels(node, node.in_shape):
        return "depthwise"
    return "pointwise" if kernel(node) == 1 else "kernel3" if kernel(node) <= 3 else "larger"


def activates(node: Node) -> bool:
    return node.activation != Op.UNKNOWN or node.op in ACTIVATIONS or node.op == Op.PRELU


def share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def log(value: float) -> float:
    return math.log10(1 + value)


def nodes_of(graph: ComputationGraph) -> list[Node]:
    return [node for _, node, _ in graph.walk()]


def macs_of(graph: ComputationGraph) -> list[int]:
    return [int(macs) for macs in macs_N(graph.nodes_NK)]


def costs(graph: ComputationGraph) -> Found:
    nodes = nodes_of(graph)
    workers = [node for node in nodes if kind(node) in WORKING]
    found = {
        "macs": log(sum(macs_of(graph))),
        "parameters": log(sum(node.parameters for node in nodes)),
        "activations": log(sum(math.prod(node.out_shape) for node in nodes)),
        "rectified": log(sum(math.prod(node.out_shape) for node in nodes if activates(node))),
        "nodes": log(len(nodes)),
        "edges": log(graph.num_edges),
        "convolutions": log(sum(node.op in CONVOLUTIONS for node in nodes)),
        "operators": log(len(workers)),
        "widest": math.log2(max((channels(n, n.in_shape) for n in workers), default=1)),
        "places": math.log2(max(map(places, workers), default=1)),
    }
    for part, whole in (
        ("macs", "parameters"),
        ("macs", "operators"),
        ("parameters", "operators"),
        ("macs", "activations"),
    ):
        found[f"{part}_per_{whole}"] = found[part] - found[whole]
    return found


def shares(graph: ComputationGraph) -> Found:
    count, macs, parameters, total = Counter[str](), Counter[str](), Counter[str](), 0
    for node, work in zip(nodes_of(graph), macs_of(graph), strict=True):
        count[kind(node)] += 1
        count["activation"] += activates(node)
        macs[kind(node)] += work
        parameters[kind(node)] += node.parameters
        total += kind(node) in WORKING
    return (
        {f"count_{k}": log(count[k]) for k in KINDS}
        | {f"each_{k}": share(count[k], total) for k in KINDS}
        | {f"macs_{k}": share(macs[k], macs.total()) for k in WORKING}
        | {f"parameters_{k}": share(parameters[k], parameters.total()) for k in WEIGHTED}
    )


def places(node: Node) -> int:
    return math.prod(node.out_shape) // channels(node, node.out_shape)


def levels(graph: ComputationGraph) -> list[int]:
    found: list[int] = []
    for _, _, inputs in graph.walk():
        found.append(max((found[i] + 1 for i in inputs), default=0))
    return found


def thirds(graph: ComputationGraph) -> list[int]:
    """The third of each node; 3 for those in none."""
    nodes, level = nodes_of(graph), levels(graph)
    scales = [math.log2(places(n)) for n in nodes if kind(n) in WEIGHTED and places(n) > 1]
    finest, coarsest = max(scales, default=0.0), min(scales, default=0.0)
    found = []
    for node, depth in zip(nodes, level, strict=True):
        if kind(node) not in WORKING or (scales and places(node) == 1):
            found.append(3)
            continue
        way = depth / max(*level, 1)
        if finest - coarsest >= 1:
            way = (finest - math.log2(places(node))) / (finest - coarsest)
        found.append(min(max(int(3 * way + 1e-9), 0), 2))
    return found


def profile(graph: ComputationGraph) -> Found:
    sums: dict[str, Counter[int]] = defaultdict(Counter)
    for node, macs, third in zip(nodes_of(graph), macs_of(graph), thirds(graph), strict=True):
        if kind(node) in WORKING:
            sums["macs"][third] += macs
            sums["parameters"][third] += node.parameters
            sums["operators"][third] += 1
            sums["spatial"][third] += node.op in CONVOLUTIONS and kernel(node) > 1
    found = {}
    for third in range(3):
        for name in ("macs", "parameters", "operators"):
            found[f"stage{third + 1}_{name}"] = share(sums[name][third], sums[name].total())
        inside = sums["operators"][third]
        found[f"stage{third + 1}_count"] = log(inside)
        found[f"stage{third + 1}_spatial"] = share(sums["spatial"][third], inside)
    return found


def wiring(graph: ComputationGraph) -> Found:
    nodes, level, edges = nodes_of(graph), levels(graph), graph.edge_index.T.tolist()
    read = Counter(source for source, _ in edges)
    reads = Counter(reader for _, reader in edges)
    joins = [count for count in reads.values() if count > 1]
    rises = [level[reader] - level[source] for source, reader in edges]
    terms = [s for s, reader in edges if nodes[reader].op in (Op.ADD, Op.SUB)]
    shortcuts = [s for s in terms if read[s] > 1 or reads[s] > 1]
    pooled = [s for s in terms if kind(nodes[s]) in ("avg_pool", "max_pool")]
    depth = max(level, default=0)
    return {
        "edges_per_node": share(len(edges), len(nodes)),
        "joins": share(len(joins), len(nodes)),
        "forks": share(sum(count > 1 for count in read.values()), len(nodes)),
        "join_width": share(sum(joins), len(joins)),
        "widest_join": log(max(reads.values(), default=0)),
        "widest_fork": log(max(read.values(), default=0)),
        "levels": log(depth),
        "nodes_per_level": len(nodes) / (depth + 1),
        "skips": share(sum(rise > 1 for rise in rises), len(edges)),
        "skip_length": log(share(sum(rises), len(edges))),
        "longest_skip": share(max(rises, default=0), depth),
        "shortcuts": share(len(shortcuts), len(terms)),
        "shortcuts_each": share(len(shortcuts), sum(kind(n) in WORKING for n in nodes)),
        "pooled_terms": share(len(pooled), len(terms)),
    }


def by_hand(graph: ComputationGraph) -> list[float]:
    found = costs(graph) | shares(graph) | profile(graph) | wiring(graph)
    return [found[name] for name in NAMES]


def of(*graphs: ComputationGraph) -> np.ndarray:
    return structure(GraphCollection.from_graphs(graphs))


def value(graph: ComputationGraph, name: str) -> float:
    return float(of(graph)[0, NAMES.index(name)])


@pytest.mark.parametrize("name", examples())
def test_every_number_is_what_counting_gives(name: str) -> None:
    graph = examples()[name]
    expected = dict(zip(NAMES, by_hand(graph), strict=True))
    assert dict(zip(NAMES, of(graph)[0], strict=True)) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_numbers_of_cells_are_what_counting_gives(seed: int) -> None:
    graphs = cells(seed)
    np.testing.assert_allclose(of(*graphs), [by_hand(g) for g in graphs], rtol=1e-12, atol=1e-12)


def test_gates_belong_to_no_third() -> None:
    graph = gated()
    assert value(graph, "operators") == pytest.approx(math.log10(4))
    parts = [value(graph, f"stage{third}_operators") for third in (1, 2, 3)]
    assert parts == pytest.approx([1 / 3, 0, 1 / 3])


def test_resolution_tells_the_thirds_of_images_and_depth_those_of_tokens() -> None:
    image, tokens = examples()["nasbench201"], examples()["gpt2"]
    sizes = [n.out_shape[-1] for n, t in zip(nodes_of(image), thirds(image), strict=True) if t == 1]
    assert set(sizes) == {16}
    assert [value(tokens, f"stage{third}_count") > 0 for third in (1, 2, 3)] == [True] * 3
