"""Signals of random networks: maps against sampling, graphs against a walk, node by node."""

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats.qmc import MultivariateNormalQMC

from gennape.features.propagation import FEATURES, propagation
from gennape.features.propagation_flow import EPSILON, LEAST, MOST, propagate
from gennape.features.propagation_maps import (
    FUNCTIONS,
    activation_maps,
    max_pool_map,
    pooled_spatial,
    pooled_variance,
    relu_map,
)
from gennape.features.propagation_rules import Rules, rules
from gennape.features.waves import Waves
from onnx_bench.canonical import fuse
from onnx_bench.collections import GraphCollection
from onnx_bench.families import family
from onnx_bench.graph import WIDTH, ComputationGraph, Node
from onnx_bench.operators import Op
from tests.small_families import SELF_CONTAINED

CELLS = family("nasbench101")
SAMPLES = 1 << 14
Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@cache
def independent() -> Array:
    return MultivariateNormalQMC(np.zeros(2), rng=np.random.default_rng(0)).random(SAMPLES)


def pairs(c: float) -> tuple[Array, Array]:
    x, y = independent().T
    return x, c * x + math.sqrt(1 - c * c) * y


def cosine(x: Array, y: Array) -> float:
    return float((x * y).mean() / math.sqrt((x * x).mean() * (y * y).mean()))


def after(op: Op, *correlations: float) -> list[float]:
    kinds = np.full(len(correlations), int(op))
    found = activation_maps().correlate(kinds, np.array(correlations)[:, None])
    return [float(c) for c in found[:, 0]]


@pytest.mark.parametrize("op", sorted(FUNCTIONS))
def test_activations_map_correlations_as_sampled(op: Op) -> None:
    for c in (0.0, 0.3, 0.9):
        expected = cosine(*(FUNCTIONS[op](x) for x in pairs(c)))
        assert after(op, c)[0] == pytest.approx(expected, abs=0.005)
    assert after(op, 1.0) == [1.0]


@pytest.mark.parametrize("op", sorted(set(FUNCTIONS) - {Op.SOFTMAX, Op.EXP}))
def test_activations_scale_as_sampled(op: Op) -> None:
    maps, function, (z, _) = activation_maps(), FUNCTIONS[op], pairs(0)
    slopes = (function(z + 1e-4) - function(z - 1e-4)) / 2e-4
    assert maps.gain_A[op] == pytest.approx((function(z) ** 2).mean(), rel=0.01)
    assert maps.slope_A[op] == pytest.approx((slopes**2).mean(), rel=0.01)


def test_relu_has_its_closed_form_and_keeps_small_distances() -> None:
    c = np.array([0.0, 0.2, 0.7, 1 - 1e-4, 1 - 1e-8])
    expected = relu_map(c)
    np.testing.assert_allclose(1 - np.array(after(Op.RELU, *c)), 1 - expected, rtol=3e-3)
    assert expected[0] == pytest.approx(1 / math.pi)


def test_exponentials_have_their_closed_form() -> None:
    assert after(Op.EXP, 0.25) == [pytest.approx(math.exp(-0.75), abs=1e-3)]
    assert activation_maps().gain_A[Op.EXP] == pytest.approx(math.e**2, rel=1e-3)
    assert activation_maps().gain_A[Op.SOFTMAX] == 1


def test_other_operators_are_the_identity() -> None:
    assert after(Op.UNKNOWN, 0.1, 0.35, 0.99) == pytest.approx([0.1, 0.35, 0.99])


@pytest.mark.parametrize(("window", "shared"), [(9, 6), (4, 0), (5, 5)])
def test_averages_of_alike_places(window: int, shared: int) -> None:
    s, places = 0.4, 2 * window - shared
    covariance = np.full((places, places), s) + (1 - s) * np.eye(places)
    first, second = np.zeros(places), np.zeros(places)
    first[:window] = second[places - window :] = 1 / window
    left = float(first @ covariance @ first)
    among = [np.array([float(x)]) for x in (s, window, shared)]
    assert pooled_variance(*among[:2])[0] == pytest.approx(left)
    assert pooled_spatial(*among)[0] == pytest.approx(float(first @ covariance @ second) / left)


def test_the_greater_of_two_values() -> None:
    c, s = 0.3, 0.6
    covariance = np.kron([[1, c], [c, 1]], [[1, s], [s, 1]])  # (input, place)
    values = np.random.default_rng(1).multivariate_normal(np.zeros(4), covariance, SAMPLES)
    one, other = values[:, :2].max(axis=1), values[:, 2:].max(axis=1)
    assert max_pool_map(np.array([c]), np.array([s]))[0] == pytest.approx(
        cosine(one, other), abs=0.02
    )
    assert (one**2).mean() == pytest.approx(1, abs=0.04)


def forward_by_hand(graph: ComputationGraph) -> tuple[list[float], list[list[float]], list[float]]:
    """q, (c, ..., s) and mixed q of every node, the plain way."""
    of, maps = rules(graph.nodes_NK), activation_maps()
    qs, cs, mixed = list[float](), list[list[float]](), list[float]()
    for i, node, inputs in graph.walk():
        q, c = 1.0, [0.1, 0.5, 0.9, 0.9]
        if inputs:
            q, c = mix_by_hand(node, inputs, of, qs, cs)
        mixed.append(q)
        if inputs:
            q = q / (q + EPSILON) if of.is_unit_N[i] else q
            s, window, shared = (np.array([x]) for x in (c[3], of.window_N[i], of.shared_N[i]))
            if of.is_maximum_N[i]:
                c = [float(max_pool_map(np.array([x]), s)[0]) for x in c]
            if of.is_mean_N[i]:
                q *= float(pooled_variance(s, window)[0])
            if of.is_mean_N[i] or of.is_maximum_N[i]:
                alone = of.has_one_place_N[i]
                c = [*c[:3], float(s[0] if alone else pooled_spatial(s, window, shared)[0])]
            c = [*c[:3], 0.0] if node.op == Op.EMBEDDING else c
            kind = Op(int(of.activation_N[i]))
            q, c = q * float(maps.gain_A[kind]), after(kind, *c)
            q, c = (0.0, [1.0] * 4) if node.op == Op.ZERO else (q, c)
        qs.append(min(max(q, LEAST), MOST))
        cs.append(c)
    return qs, cs, mixed


def mix_by_hand(
    node: Node, inputs: list[int], of: Rules, qs: list[float], cs: list[list[float]]
) -> tuple[float, list[float]]:
    if node.op in (Op.MUL, Op.MATMUL, Op.DIV):
        c = [math.prod(cs[j][k] for j in inputs) for k in range(3)]
        s = math.prod(1.0 if of.has_one_place_N[j] else cs[j][3] for j in inputs)
        return math.prod(qs[j] for j in inputs), [*c, s]
    total = sum(float(of.values_N[j]) for j in inputs)
    shares = [1.0 if node.op in (Op.ADD, Op.SUB) else of.values_N[j] / total for j in inputs]
    parts = [float(share * qs[j]) for share, j in zip(shares, inputs, strict=True)]
    q = sum(parts)
    c = [sum(p * cs[j][k] for p, j in zip(parts, inputs, strict=True)) / q for k in range(4)]
    return q, c


def gradient_by_hand(
    graph: ComputationGraph, qs: list[float], cs: list[list[float]], mixed: list[float]
) -> list[float]:
    of, slope = rules(graph.nodes_NK), activation_maps().slope_A
    nodes = list(graph.walk())
    read = {j for _, _, inputs in nodes for j in inputs}
    found = [0.0 if i in read else 1.0 for i in range(len(nodes))]
    for i, node, inputs in reversed(nodes):
        found[i] = min(max(found[i], LEAST), MOST)
        passed = found[i] * float(slope[of.activation_N[i]])
        passed /= mixed[i] + EPSILON if of.is_unit_N[i] else 1.0
        passed *= node.op != Op.ZERO
        for j in inputs:
            share = of.values_N[j] / sum(of.values_N[k] for k in inputs)
            if node.op in (Op.MUL, Op.MATMUL, Op.DIV):
                share = mixed[i] / qs[j]
            if of.is_mean_N[i]:
                share *= (1 + (of.uses_N[i] - 1) * cs[j][3]) / of.window_N[i]
            found[j] += passed * (1.0 if node.op in (Op.ADD, Op.SUB) else float(share))
    return found


def check_by_hand(graphs: list[ComputationGraph]) -> None:
    collection = GraphCollection.from_graphs(graphs)
    signals = propagate(collection, Waves.of(collection))
    for graph, start in zip(graphs, collection.node_ptr, strict=False):
        nodes = slice(int(start), int(start) + len(graph))
        q, c, mixed = forward_by_hand(graph)
        np.testing.assert_allclose(signals.variance_M[nodes], q, rtol=1e-9)
        np.testing.assert_allclose(signals.read_M[nodes], mixed, rtol=1e-9)
        np.testing.assert_allclose(signals.correlation_MC[nodes], np.array(c)[:, :3], rtol=1e-9)
        np.testing.assert_allclose(signals.spatial_M[nodes], np.array(c)[:, 3], atol=1e-9)
        expected = gradient_by_hand(graph, q, c, mixed)
        np.testing.assert_allclose(signals.gradient_M[nodes], expected, rtol=1e-9)


def examples() -> list[ComputationGraph]:
    spaces = [family(name) for name in SELF_CONTAINED]
    return [fuse(space.graph(space.example)) for space in spaces]


def test_every_family_is_as_walked_and_within_its_ranges() -> None:
    graphs = examples()
    check_by_hand(graphs)
    found = propagation(GraphCollection.from_graphs(graphs))
    assert found.shape == (len(graphs), len(FEATURES))
    assert np.isfinite(found).all()
    for column, feature in zip(found.T, FEATURES, strict=True):
        least, most = feature.range
        assert least - 1e-12 <= column.min() <= column.max() <= most + 1e-12, feature.name


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_cells_are_as_walked(seed: int) -> None:
    rng = np.random.default_rng(seed)
    check_by_hand([fuse(CELLS.build(CELLS.sample(rng))) for _ in range(2)])


def made(rows: list[Node], inputs: list[list[int]]) -> ComputationGraph:
    ptr = np.cumsum([0, *(len(i) for i in inputs)]).astype(np.int32)
    nodes = np.frombuffer(b"".join(row.encode() for row in rows), np.int32).reshape(-1, WIDTH)
    flat = np.array([j for chunk in inputs for j in chunk], np.int32)
    return ComputationGraph(nodes, ptr, flat)


def vectors(*ops: Op) -> list[Node]:
    return [Node(op, (8,), (8,)) for op in ops]


@pytest.mark.parametrize("op", [Op.ADD, Op.MUL, Op.EXP, Op.ZERO, Op.SIGMOID, Op.DIV])
def test_long_chains_of_anything_stay_finite(op: Op) -> None:
    count = 300
    graph = made(vectors(Op.INPUT, *[op] * count), [[], *([i, i] for i in range(count))])
    found = propagation(GraphCollection.from_graphs([graph]))
    assert np.isfinite(found).all()


def test_one_node_none_and_every_operator() -> None:
    empty = GraphCollection.from_graphs([])
    assert propagation(empty).shape == (0, len(FEATURES))
    nothing = made([], [])
    alone = made(vectors(Op.INPUT), [[]])
    every = [made(vectors(Op.INPUT, op), [[], [0]]) for op in Op]
    found = propagation(GraphCollection.from_graphs([nothing, alone, nothing, *every]))
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[0], found[2])
    check_by_hand(every)


def relabelled(graph: ComputationGraph, rng: np.random.Generator) -> ComputationGraph:
    """The same graph, its nodes in a random topological order."""
    inputs, order = [graph.inputs_of(i) for i in range(len(graph))], list[int]()
    while len(order) < len(graph):
        ready = [i for i in range(len(graph)) if i not in order and set(inputs[i]) <= set(order)]
        order.append(int(rng.choice(ready)))
    new = {old: i for i, old in enumerate(order)}
    return made([graph.node(i) for i in order], [[new[j] for j in inputs[i]] for i in order])


def test_order_and_company_do_not_matter() -> None:
    graphs, rng = examples(), np.random.default_rng(0)
    small = [graph for graph in graphs if len(graph) < 60]
    together = propagation(GraphCollection.from_graphs(small))
    for graph, row in zip(small, together, strict=True):
        alone = propagation(GraphCollection.from_graphs([relabelled(graph, rng)]))
        np.testing.assert_allclose(alone[0], row, rtol=1e-9, atol=1e-9)


def test_windows_of_pools_means_and_attention() -> None:
    image, tokens = (8, 6, 6), (12, 8)
    pool = Node(Op.AVG_POOL, image, image, (3, 3), (1, 1))
    halving = Node(Op.MAX_POOL, image, (8, 3, 3), (2, 2), (2, 2))
    line = Node(Op.AVG_POOL, tokens, tokens, (3, 0), (1, 0))
    rest = (Node(Op.GLOBAL_AVG_POOL, image, (8, 1, 1)), Node(Op.MEAN, tokens, (8,)))
    attention = Node(Op.ATTENTION, tokens, tokens, attributes=(2, 12))
    rows = (pool, halving, line, *rest, attention)
    of = rules(made(list(rows), [[] for _ in rows]).nodes_NK)
    assert of.window_N.tolist() == [9, 4, 3, 36, 12, 12]
    assert of.shared_N.tolist() == [6, 0, 2, 0, 0, 12]
    assert of.uses_N.tolist() == [9, 1, 3, 1, 1, 12]
    assert of.has_one_place_N.tolist() == [False, False, False, True, True, False]


def test_names_are_unique_and_values_come_in_their_order() -> None:
    names = [feature.name for feature in FEATURES]
    assert len(set(names)) == len(names)
    chain = made(vectors(Op.INPUT, Op.LINEAR, Op.RELU, Op.LINEAR), [[], [0], [1], [2]])
    found = dict(zip(names, propagation(GraphCollection.from_graphs([chain]))[0], strict=True))
    c = relu_map(np.array([0.1, 0.5, 0.9]))
    expected = {
        "correlation_output_0.5": c[1],
        "alike_output_0.9": -math.log10(1 - c[2]),
        "correlation_gap": c[2] - c[0],
        "correlation_mean": (1 + 2 * c[1]) / 4,
        "apart_active": 1 - c[1],
        "variance_read": math.log10(0.5) / 2,
        "variance_mean": math.log10(0.5) / 4,
        "spatial_output": float(relu_map(np.array([0.9]))[0]),
        # half of it passes the ReLU, and weights behind it make up for that
        "gradient_input": 0.0,
        "gradient_total": math.log10(3),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-3)
