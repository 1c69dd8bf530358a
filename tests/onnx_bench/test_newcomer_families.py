"""HiAML, Inception and Two-Path, the families that GENNAPE adds: text, sizes, wiring, counts."""

import re
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

from onnx_bench.builder import GraphBuilder
from onnx_bench.errors import SpecError
from onnx_bench.families import build_spec, family, inception, two_path
from onnx_bench.families.hiaml import BLOCKS
from onnx_bench.graph import ComputationGraph
from onnx_bench.operators import Op
from onnx_bench.verification import checks

NAMES = ("hiaml", "inception", "two-path")
TWO_PATH = "conv3x3/2,conv3x3/2|conv3x3/2,conv3x3/2"
INCEPTION = "2(conv3x3),2(conv3x3),2(conv3x3),2(conv3x3)"


def conv_bn_relu6(g: GraphBuilder, x: int, width: int, kernel: Any, stride: Any = 1) -> int:
    return g.unary(Op.RELU6, g.batch_norm(g.conv(x, width, kernel, stride)))


# all three


@pytest.mark.parametrize("name", NAMES)
def test_samples_come_back_from_their_texts_and_neighbours_too(name: str) -> None:
    members, rng = family(name), np.random.default_rng(0)
    for spec in [members.sample(rng) for _ in range(25)]:
        assert members.parse(members.format(spec)) == spec
        graph = members.build(spec).validate()
        assert [graph.node(i).out_shape for i in graph.nodes_of(Op.OUTPUT)] == [(10,)]
        assert graph.name == f"{name}:{members.format(spec)}"
        neighbours = members.neighbours(spec)
        assert spec not in neighbours
        assert len(set(neighbours)) == len(neighbours)
        assert [members.parse(members.format(other)) for other in neighbours] == neighbours


WRONG = [
    ("hiaml", "z-z-z", "has 3 values, expected 4"),
    ("hiaml", "z-z-z-src2", "has 'src2' at position 4"),
    ("two-path", "", "has 1 paths, expected 2"),
    ("two-path", TWO_PATH.replace("conv3x3/2", "conv7x7/2", 1), "has the block conv7x7"),
    ("two-path", TWO_PATH.replace("/2", "", 1), "has a path with 1 blocks that end in /2"),
    ("two-path", "conv3x3/2|" + TWO_PATH.partition("|")[0], "has a path of 1 blocks"),
    ("two-path", "conv3x3," * 3 + TWO_PATH, "has a path of 5 blocks, expected 2 to 4"),
    ("two-path", TWO_PATH.replace("conv", "avgpool", 1), "has the block avgpool3x3, expected"),
    ("two-path", "conv1x1+conv1x1+" + TWO_PATH, "has the block conv1x1+conv1x1+conv3x3"),
    ("two-path", "conv3x3+conv3x3+conv3x3+" + TWO_PATH, "has a block of 4 operations"),
    ("inception", "", "is not of the form N(path|path)"),
    ("inception", INCEPTION.replace("2(", "(", 1), "is not of the form"),
    ("inception", INCEPTION + ",2(conv3x3)", "has 5 stages, expected 4"),
    ("inception", INCEPTION.replace("2(", "7(", 1), "has 7 blocks in a stage, expected 2 to 6"),
    ("inception", INCEPTION.replace("conv3x3", "conv1x1", 1), "has the path conv1x1, expected"),
    ("inception", INCEPTION.replace("3x3", "3x3/2", 1), "has /2 behind conv3x3, which cannot"),
    ("inception", INCEPTION.replace("conv3x3", "conv3x3|" * 4 + "conv3x3", 1), "has 5 paths"),
    (
        "inception",
        INCEPTION.replace("conv3x3", "conv3x3|conv3x3|conv3x3", 1),
        "has 1+1+1 operations in 3 paths, expected 2 or more in each and 8 at most",
    ),
    ("inception", INCEPTION.replace("conv3x3", "+".join(["conv3x3"] * 4), 1), "has 4 operations"),
]


@pytest.mark.parametrize(("name", "text", "why"), WRONG)
def test_a_wrong_text_is_refused_with_the_reason(name: str, text: str, why: str) -> None:
    with pytest.raises(SpecError, match=re.escape(why)) as caught:
        family(name).graph(text)
    assert repr(text) in str(caught.value)
    assert "\n" not in str(caught.value)


def chains(convolutions: tuple[str, ...], supplements: tuple[str, ...], length: int) -> list[Any]:
    """All chains of operations with a convolution or more and at most one supplement."""
    return [
        chain
        for chain in product(convolutions + supplements, repeat=length)
        if any(x in convolutions for x in chain) and sum(x in supplements for x in chain) <= 1
    ]


def test_sizes_of_the_spaces() -> None:
    assert family("hiaml").size == 14**4
    blocks = sum(len(chains(two_path.CONVOLUTIONS, two_path.SUPPLEMENTS, n)) for n in (1, 2, 3))
    assert blocks == 1624
    assert two_path.size() == (blocks**2 + 3 * blocks**3 + 6 * blocks**4) ** 2
    alone = sum(
        3 if sum("pool" not in operation for operation in chain) > 1 else 1
        for n in (1, 2, 3)
        for chain in chains(inception.CONVOLUTIONS, inception.SUPPLEMENTS, n)
    )
    assert inception.size() > (5 * alone) ** 4


def test_the_size_of_inception_counts_every_block_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A space of one convolution, one pool and one other supplement, in one path or two."""
    monkeypatch.setattr(inception, "CONVOLUTIONS", ("conv3x3",))
    monkeypatch.setattr(inception, "SUPPLEMENTS", ("conv1x1", "maxpool3x3"))
    monkeypatch.setattr(inception, "POOLS", ("maxpool3x3",))
    monkeypatch.setattr(inception, "OPERATIONS", {1: (1, 3), 2: (1, 3)})
    paths = {
        n: sum(
            3 if sum("pool" not in operation for operation in chain) > 1 else 1
            for chain in chains(("conv3x3",), ("conv1x1", "maxpool3x3"), n)
        )
        for n in (1, 2, 3)
    }
    assert paths == {1: 1, 2: 3 * 3 + 2, 3: 3 * 7}
    blocks = sum(paths.values()) + paths[1] ** 2 + 2 * paths[1] * paths[2]
    assert inception.size() == (5 * blocks) ** 4


# HiAML


def test_parameters_that_the_authors_note_of_their_blocks() -> None:
    for check in checks("hiaml"):
        assert len(check.networks) == 5
        counted = [check.ours(build_spec(text)) for text in check.networks]
        assert counted == pytest.approx(list(check.published), rel=0, abs=check.tolerance)


def test_stages_of_hiaml_have_their_widths_and_sizes() -> None:
    graph = build_spec("hiaml:l20-l20-l20-l20")
    nodes = [graph.node(i) for i in graph.nodes_of(Op.CONV)]
    shapes = [(64, 16, 16)] * 9 + [(128, 8, 8)] * 8
    assert [node.out_shape for node in nodes] == shapes[:5] + [(128, 8, 8)] * 8 + [(256, 4, 4)] * 4
    assert graph.nodes_of(Op.ADD) == []


Wiring = Callable[[GraphBuilder, int, int, int], int]


def g30(g: GraphBuilder, x: int, width: int, stride: int) -> int:
    first = inception_3x3(g, x, width, stride)
    shortcut = x if stride == 1 else g.batch_norm(g.conv(x, width, 1, stride))
    second = inception_3x3(g, g.add(shortcut, first), width, 1)
    return g.relu(g.add(first, g.batch_norm(g.conv(second, width))))


def t31(g: GraphBuilder, x: int, width: int, stride: int) -> int:
    second = conv_bn_relu6(g, inception_3x3(g, x, width, stride), width, 1)

    def shortcut() -> int:
        return x if stride == 1 else g.batch_norm(g.conv(x, width, 1, stride))

    third = inception_3x3(g, g.add(shortcut(), second), width, 1)
    return g.relu(g.add(g.add(shortcut(), second), third))


def inception_3x3(g: GraphBuilder, x: int, width: int, stride: int) -> int:
    return conv_bn_relu6(g, conv_bn_relu6(g, x, width, (1, 3), stride), width, (3, 1))


@pytest.mark.parametrize(("name", "block"), [("g30", g30), ("t31", t31)])
def test_blocks_of_hiaml_are_wired_by_hand(name: str, block: Wiring) -> None:
    g = GraphBuilder()
    x = g.relu(g.batch_norm(g.conv(g.input(3, 32, 32), 64, 3, stride=2)))
    for width, stride in ((64, 1), (128, 2), (128, 1), (256, 2)):
        x = block(g, block(g, x, width, stride), width, 1)
    g.output(g.linear(g.flatten(g.global_avg_pool(x)), 10))
    assert build_spec("hiaml:" + "-".join([name] * 4)) == g.build()


@pytest.mark.parametrize("block", BLOCKS)
def test_no_two_block_types_are_the_same(block: str) -> None:
    graphs = {other: build_spec("hiaml:" + "-".join([other] * 4)) for other in BLOCKS}
    assert [other for other in BLOCKS if graphs[other].hash == graphs[block].hash] == [block]


# Two-Path


def test_a_network_of_two_paths_is_wired_by_hand() -> None:
    g = GraphBuilder()
    x = conv_bn_relu6(g, conv_bn_relu6(g, g.input(3, 32, 32), 32, 3), 32, 3, 2)
    a = g.batch_norm(g.avg_pool(x, 3, count_padding=True))
    a = conv_bn_relu6(g, conv_bn_relu6(g, a, 32, 3, 2), 64, 3)
    b = conv_bn_relu6(g, conv_bn_relu6(g, a, 16, 3), 64, 3)
    b = conv_bn_relu6(g, conv_bn_relu6(g, b, 128, 1), 64, 1)
    a = conv_bn_relu6(g, g.add(a, b), 128, 5, 2)
    c = conv_bn_relu6(g, conv_bn_relu6(g, x, 64, (1, 5), 2), 64, (5, 1))
    c = conv_bn_relu6(g, conv_bn_relu6(g, c, 32, 3, 2), 128, 3)
    y = conv_bn_relu6(g, g.concat(a, c), 512, 3)
    g.output(g.linear(g.flatten(g.global_avg_pool(y)), 10))
    text = (
        "avgpool3x3+double3x3/2,bottleneck-r4-k3+bottleneck-e2-k1,conv5x5/2"
        "|inception_s5x5/2,bottleneck-r2-k3/2"
    )
    assert build_spec(f"two-path:{text}") == g.build()


def test_neighbours_of_two_paths_move_a_halving_and_add_and_drop_blocks() -> None:
    members: Any = family("two-path")
    spec = members.parse("conv3x3/2,conv5x5,conv3x3/2|conv3x3/2,conv3x3/2")
    texts = {members.format(other) for other in members.neighbours(spec)}
    assert "conv3x3,conv5x5/2,conv3x3/2|conv3x3/2,conv3x3/2" in texts
    assert TWO_PATH in texts
    assert "conv3x3/2,conv5x5,conv3x3/2|conv3x3/2,conv3x3,conv3x3/2" in texts
    assert "conv3x3/2,conv5x5+maxpool3x3,conv3x3/2|conv3x3/2,conv3x3/2" in texts


# Inception


def test_a_network_of_inception_blocks_is_wired_by_hand() -> None:
    g = GraphBuilder()

    def conv(x: int, width: int, kernel: Any, stride: Any = 1, groups: int = 1) -> int:
        return g.batch_norm(g.conv(x, width, kernel, stride, groups=groups, bias=True))

    def relu6(x: int) -> int:
        return g.unary(Op.RELU6, x)

    def row(x: int, width: int, stride: int = 1) -> int:
        return conv(x, width, (1, 3), (1, stride))

    def column(x: int, width: int, stride: int = 1) -> int:
        return conv(x, width, (3, 1), (stride, 1))

    x = relu6(conv(g.input(3, 32, 32), 32, 3))
    for _ in range(2):  # 32 channels in two paths, one of them 32 wide inside
        left = relu6(conv(relu6(conv(x, 32, 1)), 16, 3))
        right = g.batch_norm(g.max_pool(x, 3))
        right = relu6(conv(g.conv(right, 16), 16, 5, groups=16))
        x = g.add(x, g.concat(left, right))
    y = relu6(column(relu6(row(x, 64, 2)), 64, 2))
    x = g.add(y, relu6(column(relu6(row(y, 64)), 64)))
    wide = relu6(g.concat(relu6(column(row(x, 64, 2), 64, 2)), relu6(row(column(x, 64, 2), 64, 2))))
    same = relu6(g.concat(relu6(row(wide, 64)), relu6(column(wide, 64))))
    x = g.add(wide, same)
    for stride in (2, 1):
        y = relu6(conv(x, 256, 3, stride))
        x = g.add(x, y) if stride == 1 else y
    x = relu6(conv(x, 512, 3))
    g.output(g.linear(g.flatten(g.global_avg_pool(x)), 10))
    text = (
        "2(conv1x1+conv3x3*2|maxpool3x3+depthwise5x5),2(inception_s3x3),2(inception_p3x3)"
        ",2(conv3x3)"
    )
    assert build_spec(f"inception:{text}") == g.build()


def outputs(graph: ComputationGraph, op: Op) -> list[int]:
    return [graph.node(i).out_shape[0] for i in graph.nodes_of(op)]


def test_no_path_is_narrower_than_sixteen_channels_and_a_projection_mends_the_sum() -> None:
    """Four paths of 32 channels have 16 each: 64, which a 1x1 convolution brings back to 32."""
    paths = "|".join(["conv3x3+conv3x3/2"] * 4)
    graph = build_spec(f"inception:2({paths})" + ",2(conv3x3)" * 3)
    assert outputs(graph, Op.CONV)[1:10] == [16] * 8 + [32]
    assert outputs(graph, Op.CONCAT) == [64, 64]


def test_the_first_of_three_paths_has_half_of_the_width() -> None:
    paths = "|".join(["conv3x3+conv3x3"] * 3)
    graph = build_spec("inception:" + "2(conv3x3)," * 3 + f"2({paths})")
    assert outputs(graph, Op.CONV)[-13:-1] == [128, 128, 64, 64, 64, 64] * 2
