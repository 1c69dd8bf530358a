"""Attention in every spelling is one operator; products around another softmax are not."""

import pytest
from attention_lines import (
    BACK,
    FORWARD,
    HEADS,
    KEYS,
    LAST,
    PROJECTED,
    SCORES,
    SPELLINGS,
    SPLIT,
    TAIL,
    TOKENS,
    TURNED,
    VALUES,
    WIDTH,
    X,
    read,
)
from canonical_models import fused_through, labels, macs
from onnx_models import Dims, Line

from onnx_bench.builder import GraphBuilder
from onnx_bench.canonical import attention, fuse
from onnx_bench.graph import ComputationGraph

OPERATOR: list[Line] = [
    *PROJECTED,
    ("Attention", "q0 k0 v0", "o2", {"q_num_heads": HEADS, "kv_num_heads": HEADS}),
    *LAST,
]
OPERATOR_BY_HEADS: list[Line] = [
    *PROJECTED,
    *SPLIT,
    *TURNED,
    ("Attention", "q k v", "o"),
    *BACK,
    *LAST,
]


def _built() -> ComputationGraph:
    g = GraphBuilder()
    x = g.input(TOKENS, WIDTH)
    q, k, v = (g.linear(x, WIDTH, bias=False) for _ in "qkv")
    g.output(g.linear(g.attention(q, k, v, HEADS), WIDTH, bias=False))
    return g.build()


@pytest.mark.parametrize("name", SPELLINGS)
def test_every_spelling_is_the_operator(name: str) -> None:
    graph = read(SPELLINGS[name])
    fused = fuse(graph)
    assert fused == fuse(_built())
    assert fuse(fused) == fused
    assert macs(fused) == macs(graph) == macs(_built())


@pytest.mark.parametrize("lines", [OPERATOR, OPERATOR_BY_HEADS])
def test_the_operator_of_onnx_is_the_operator(lines: list[Line]) -> None:
    graph = read(lines, opset=23)
    assert fuse(graph) == fuse(_built())
    assert macs(graph) == macs(_built())


def test_the_node_says_how_many_maps_and_keys() -> None:
    fused = fuse(read(SPELLINGS["divided after"]))
    (index,) = (i for i, node, _ in fused.walk() if node.op.label == "attention")
    node = fused.node(index)
    assert (node.in_shape, node.out_shape) == ((TOKENS, WIDTH), (TOKENS, WIDTH))
    assert node.attributes == (HEADS, TOKENS)


def test_one_head_for_all_queries() -> None:
    """Keys and values of one head: spread out over the others, or by the product itself."""
    few: list[Line] = [
        *[("MatMul", f"x w{name}", f"{name[0]}0") for name in ("q", "k1", "v1")],
        ("Reshape", "q0 heads", "q1"),
        ("Transpose", "q1", "q", FORWARD),
        ("Reshape", "k0 one_head", "k1"),
        ("Transpose", "k1", "ks", FORWARD),
        ("Reshape", "v0 one_head", "v1"),
        ("Transpose", "v1", "vs", FORWARD),
    ]
    spread: list[Line] = [("Expand", "ks many", "k"), ("Expand", "vs many", "v"), *KEYS]
    short: list[Line] = [
        ("Transpose", "ks", "kt", {"perm": [0, 1, 3, 2]}),
        ("Identity", "vs", "v"),
    ]
    product: Line = ("MatMul", "q kt", "s")
    one, other = (read([*few, *lines, product, *TAIL]) for lines in (spread, short))
    assert fuse(one) == fuse(other)
    assert labels(fuse(one)) == ["linear"] * 3 + ["attention", "linear"]
    assert macs(fuse(one)) == macs(one) == macs(other)
    assert fuse(one) != fuse(_built())


def test_a_computed_mask_is_an_input() -> None:
    inputs: dict[str, Dims] = {**X, "m": (1, 1, TOKENS, TOKENS)}
    lines = [*SCORES, ("Add", "s0 m", "s"), *TAIL]
    swapped = [*SCORES, ("Add", "m s0", "s"), *TAIL]
    fused = fuse(read(lines, inputs))
    (index,) = (i for i, node, _ in fused.walk() if node.op.label == "attention")
    assert len(fused.inputs_of(index)) == 4
    assert fused == fuse(read(swapped, inputs)) != fuse(_built())


NO_ATTENTION: dict[str, list[Line]] = {
    "a sigmoid": [*SCORES, ("Sigmoid", "s0", "p"), *VALUES, *BACK, *LAST],
    "weights turned around": [
        *SCORES,
        ("Softmax", "s0", "p0"),
        ("Transpose", "p0", "p", {"perm": [0, 1, 3, 2]}),
        *VALUES,
        *BACK,
        *LAST,
    ],
    "a value in front": [
        *SCORES,
        ("Softmax", "s0", "p"),
        ("MatMul", "kt p", "o"),
        ("Relu", "o", "y"),
    ],
    "no product before": [
        *PROJECTED,
        *SPLIT,
        *TURNED,
        ("Softmax", "q", "s"),
        ("Transpose", "k", "kt", {"perm": [0, 1, 3, 2]}),
        ("MatMul", "s kt", "o"),
        ("Relu", "o", "y"),
    ],
    "an activation before": [*SCORES, ("Relu", "s0", "s"), *TAIL],
    "scores over the queries": [
        *SCORES,
        ("Softmax", "s0", "p", {"axis": -2}),
        *VALUES,
        *BACK,
        *LAST,
    ],
}


@pytest.mark.parametrize("name", NO_ATTENTION)
def test_near_misses_stay_products(name: str) -> None:
    graph = read(NO_ATTENTION[name])
    fused = fuse(graph)
    assert "attention" not in labels(fused)
    assert labels(fused).count("matmul") == labels(graph).count("matmul")
    assert macs(fused) == macs(graph)


@pytest.mark.parametrize("result", ["p", "s"])
def test_weights_that_are_a_result_too_stay_products(result: str) -> None:
    graph = read(SPELLINGS["divided after"], outputs=f"y {result}")
    assert macs(fuse(graph)) == macs(graph)
    assert "attention" not in labels(fuse(graph))


def test_heads_of_another_number_are_another_network() -> None:
    g = GraphBuilder()
    x = g.input(TOKENS, WIDTH)
    q, k, v = (g.linear(x, WIDTH, bias=False) for _ in "qkv")
    g.output(g.linear(g.attention(q, k, v, 3), WIDTH, bias=False))
    assert fuse(g.build()) != fuse(_built())


def test_queries_and_keys_are_told_apart() -> None:
    def attending(swapped: bool) -> ComputationGraph:
        g = GraphBuilder()
        x = g.input(TOKENS, WIDTH)
        q, k, v = g.linear(x, WIDTH), g.relu(x), g.linear(x, WIDTH)
        g.output(g.attention(*((k, q) if swapped else (q, k)), v, HEADS))
        return fuse(g.build())

    assert attending(swapped=True) != attending(swapped=False)


@pytest.mark.parametrize("gated", ["p0 g", "g p0"])
def test_what_gates_the_weights_is_kept(gated: str) -> None:
    inputs: dict[str, Dims] = {**X, "m": (1, HEADS, TOKENS, TOKENS)}
    lines = [
        *SCORES,
        ("Softmax", "s0", "p0"),
        ("Sigmoid", "m", "g"),
        ("Mul", gated, "p"),
        *VALUES,
        *BACK,
        *LAST,
    ]
    fused = fuse(read(lines, inputs))
    assert labels(fused).count("sigmoid") == labels(fused).count("attention") == 1


@pytest.mark.parametrize("name", [*SPELLINGS, *NO_ATTENTION])
def test_nothing_is_left_to_recognise(name: str) -> None:
    graph = read((SPELLINGS | NO_ATTENTION)[name])
    once = fused_through(graph, attention.recognise)
    assert fused_through(once, attention.recognise) == once
