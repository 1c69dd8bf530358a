"""Once-for-All's MobileNetV3 and ResNet-50, and ProxylessNAS: texts, networks, counts."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from onnx_bench.benchmarks import benchmark, read
from onnx_bench.benchmarks.ofa_mbv3_latency import active_spec
from onnx_bench.builder import GraphBuilder
from onnx_bench.cost import cost
from onnx_bench.errors import SpecError
from onnx_bench.families import build_spec, family
from onnx_bench.families.mbconv import RESOLUTIONS, Elastic, make_divisible
from onnx_bench.families.ofa_resnet50 import ElasticResNet
from onnx_bench.graph import ComputationGraph
from onnx_bench.operators import Op
from onnx_bench.verification import checks

NAMES = ("ofa-mbv3", "ofa-mbv3@w1.2", "ofa-resnet50", "proxylessnas", "proxylessnas@gpu")
SMALLEST = "d=2-2-2-2-2;ks=3-3-3-3-3-3-3-3-3-3;e=3-3-3-3-3-3-3-3-3-3;r=128"
RESNET = "d=0-0-0-0-0;e=0.2-0.2-0.2-0.2-0.2-0.2-0.2-0.2-0.2-0.2;w=0.65-0.65-0.65-0.65-0.65-0.65"


def widths(graph: ComputationGraph, op: Op = Op.CONV) -> list[int]:
    return [graph.node(i).out_shape[0] for i in graph.nodes_of(op)]


# every family of this file


@pytest.mark.parametrize("name", NAMES)
def test_samples_come_back_from_their_texts_and_classify_imagenet(name: str) -> None:
    members, rng = family(name), np.random.default_rng(0)
    for spec in [members.sample(rng) for _ in range(20)]:
        assert members.parse(members.format(spec)) == spec
        graph = members.build(spec).validate()
        assert [graph.node(i).out_shape for i in graph.nodes_of(Op.OUTPUT)] == [(1000,)]
        assert graph.name == f"{name}:{members.format(spec)}"
        assert build_spec(graph.name) == graph


@pytest.mark.parametrize("name", NAMES)
def test_neighbours_are_other_members_without_doubles(name: str) -> None:
    members, rng = family(name), np.random.default_rng(1)
    for spec in [members.sample(rng) for _ in range(5)]:
        neighbours = members.neighbours(spec)
        assert spec not in neighbours
        assert len(set(neighbours)) == len(neighbours)
        assert [members.parse(members.format(other)) for other in neighbours] == neighbours


@pytest.mark.parametrize("name", NAMES)
def test_samples_reach_the_largest_and_the_smallest_resolution(name: str) -> None:
    members, rng = family(name), np.random.default_rng(2)
    found = {int(members.sample(rng).resolution) for _ in range(400)}
    assert found == set(RESOLUTIONS)
    assert (min(found), max(found), len(found)) == (128, 224, 25)


WRONG = [
    ("ofa-mbv3", "", "of the form"),
    ("ofa-mbv3", SMALLEST.replace(";r=128", ""), "of the form"),
    ("ofa-mbv3", SMALLEST.replace("d=2-2", "d=2-two"), "something else than numbers"),
    ("ofa-mbv3", SMALLEST.replace("ks=3-", "ks=-3-"), "something else than numbers"),
    ("ofa-mbv3", SMALLEST.replace("d=2-2-", "d=2-"), "has 4 depths, expected 5"),
    ("ofa-mbv3", SMALLEST.replace("d=2-2-", "d=2-5-"), "has depth 5 in stage 2, not (2, 3, 4)"),
    ("ofa-mbv3", SMALLEST.replace("d=2-2-", "d=2-3-"), "has 10 kernels for 11 blocks"),
    ("ofa-mbv3", SMALLEST.replace("e=3-", "e="), "has 9 expansions for 10 blocks"),
    ("ofa-mbv3", SMALLEST.replace("ks=3", "ks=9"), "has 9 among its kernels"),
    ("ofa-mbv3", SMALLEST.replace("e=3", "e=5"), "has 5 among its expansions"),
    ("ofa-mbv3", SMALLEST.replace("r=128", "r=130"), "no resolution of 128, 132, ... 224"),
    ("ofa-mbv3", SMALLEST.replace("r=128", "r=228"), "no resolution"),
    ("proxylessnas", SMALLEST, "has 5 depths, expected 6"),
    (
        "proxylessnas@gpu",
        "d=1-1-1-1-1-1;ks=3-3-3-3-3-3;e=4-3-3-3-3-3;r=128",
        "has 4 among its expansions, not in (3, 6)",
    ),
    ("ofa-resnet50", SMALLEST, "of the form d=...;e=...;w=...;r=..."),
    ("ofa-resnet50", f"{RESNET};r=100", "has '100' among its resolutions"),
    ("ofa-resnet50", RESNET.replace("d=0", "d=1") + ";r=128", "has '1' among its depths"),
    ("ofa-resnet50", RESNET.replace("=0-0", "=0-1") + ";r=128", "has 10 expansions, expected 11"),
    ("ofa-resnet50", RESNET.replace("-0.65", "", 1) + ";r=128", "has 5 multipliers, expected 6"),
    ("ofa-resnet50", RESNET.replace("e=0.2", "e=0.3") + ";r=128", "has '0.3' among its expansions"),
]


@pytest.mark.parametrize(("name", "text", "why"), WRONG)
def test_a_wrong_text_is_refused_with_the_reason(name: str, text: str, why: str) -> None:
    with pytest.raises(SpecError, match=re.escape(why)) as caught:
        family(name).graph(text)
    assert repr(text) in str(caught.value)
    assert "\n" not in str(caught.value)


# inverted bottlenecks


@pytest.mark.parametrize(
    ("width", "expected"),
    [(3, 8), (16, 16), (19.2, 24), (20, 24), (28.8, 32), (41.6, 40), (51.2, 48), (1331.2, 1328)],
)
def test_widths_become_multiples_of_eight(width: float, expected: int) -> None:
    """19.2 would become 16, which is below nine tenths of it."""
    assert make_divisible(width) == expected


def test_the_smallest_mobilenet_is_wired_by_hand() -> None:
    g = GraphBuilder()

    def act(x: int, op: Op | None) -> int:
        x = g.batch_norm(x)
        return x if op is None else g.unary(op, x)

    x = act(g.conv(g.input(3, 128, 128), 16, 3, stride=2), Op.HARD_SWISH)
    y = act(g.conv(x, 16, 3, groups=16), Op.RELU)
    x = g.add(x, act(g.conv(y, 16), None))
    for width, stride, op, hidden in (
        (24, 2, Op.RELU, ()),
        (40, 2, Op.RELU, (24, 32)),
        (80, 2, Op.HARD_SWISH, ()),
        (112, 1, Op.HARD_SWISH, (64, 88)),
        (160, 2, Op.HARD_SWISH, (88, 120)),
    ):
        for i in range(2):
            wide = 3 * g.shape(x)[0]
            y = act(g.conv(x, wide), op)
            y = act(g.conv(y, wide, 3, stride=1 if i else stride, groups=wide), op)
            if hidden:
                gate = g.relu(g.conv(g.global_avg_pool(y), hidden[i], bias=True))
                y = g.mul(y, g.unary(Op.HARD_SIGMOID, g.conv(gate, wide, bias=True)))
            y = act(g.conv(y, width), None)
            x = g.add(x, y) if i else y
    x = g.global_avg_pool(act(g.conv(x, 960), Op.HARD_SWISH))
    x = g.flatten(g.unary(Op.HARD_SWISH, g.conv(x, 1280)))
    g.output(g.linear(x, 1000))
    assert build_spec(f"ofa-mbv3:{SMALLEST}") == g.build()


def test_the_wide_mobilenet_has_all_widths_times_one_point_two() -> None:
    """MobileNetV3 in a width of 1.2: 16, 24, 40, 80, 112, 160, 960 and 1280 in multiples of 8."""
    found = widths(build_spec(f"ofa-mbv3@w1.2:{SMALLEST}"))
    stages = [32, 48, 96, 136, 192]
    assert found[:3] == [24, 24, 24]
    assert [width for width in stages if found.count(width) >= 2] == stages
    assert found[-2:] == [1152, 1536]


def test_kernels_expansions_and_depths_are_those_of_the_text() -> None:
    text = "d=2-2-2-3-2;ks=3-5-7-3-5-7-3-5-7-3-5;e=3-4-6-3-4-6-3-4-6-3-4;r=160"
    graph = build_spec(f"ofa-mbv3:{text}")
    nodes = [graph.node(i) for i in graph.nodes_of(Op.CONV)]
    depthwise = [node for node in nodes if node.groups > 1][1:]
    assert [node.kernel[0] for node in depthwise] == [3, 5, 7, 3, 5, 7, 3, 5, 7, 3, 5]
    arriving = (16, 24, 24, 40, 40, 80, 80, 112, 112, 112, 160)
    expansions = (3, 4, 6, 3, 4, 6, 3, 4, 6, 3, 4)
    wide = [make_divisible(a * e) for a, e in zip(arriving, expansions, strict=True)]
    assert [node.groups for node in depthwise] == wide
    assert [node.out_shape[1] for node in depthwise] == [40, 40, 20, 20, 10, 10, 10, 10, 10, 5, 5]


def test_neighbours_of_a_subnet_are_one_choice_away() -> None:
    members: Any = family("ofa-mbv3")
    spec = members.parse(SMALLEST)
    neighbours = members.neighbours(spec)
    assert len(neighbours) == 10 * 2 + 10 * 2 + 5 * 2 + 24
    deeper = Elastic((2, 4, 2, 2, 2), (3,) * 12, (3,) * 12, 128)
    assert deeper in neighbours


def test_a_deeper_stage_gains_small_blocks_at_its_end_and_a_shallower_one_loses_its_last() -> None:
    members: Any = family("ofa-mbv3")
    text = "d=2-3-2-2-2;ks=3-5-7-7-5-7-3-5-7-7-5;e=3-4-6-6-4-6-3-4-6-6-4;r=160"
    texts = {members.format(other) for other in members.neighbours(members.parse(text))}
    assert "d=2-4-2-2-2;ks=3-5-7-7-5-3-7-3-5-7-7-5;e=3-4-6-6-4-3-6-3-4-6-6-4;r=160" in texts
    assert "d=2-2-2-2-2;ks=3-5-7-7-7-3-5-7-7-5;e=3-4-6-6-6-3-4-6-6-4;r=160" in texts


def test_sizes_of_the_spaces() -> None:
    """A stage has 9^2 + 9^3 + 9^4 choices; ProxylessNAS has one block of 9 more."""
    assert family("ofa-mbv3").size == pytest.approx(7371**5 * 25)
    assert family("proxylessnas").size == pytest.approx(7371**5 * 9 * 25)
    stages = 117**3 * 1053  # 3^2 + 3^3 + 3^4, and 3^4 + 3^5 + 3^6
    assert family("ofa-resnet50").size == pytest.approx(2 * 3**6 * stages * 25)


def test_proxylessnas_has_no_squeeze_excitation_and_clips_its_activations() -> None:
    graph = build_spec(f"proxylessnas:{family('proxylessnas').example}")
    assert len(graph.nodes_of(Op.GLOBAL_AVG_POOL)) == 1
    assert not graph.nodes_of(Op.RELU) + graph.nodes_of(Op.MUL)
    assert widths(graph)[0] == 40
    assert widths(graph)[-1] == 1664


# ResNet-50


def test_the_stem_of_a_resnet_adds_only_where_the_text_says() -> None:
    plain = build_spec(f"ofa-resnet50:{RESNET};r=128")
    residual = build_spec(f"ofa-resnet50:{RESNET.replace('d=0', 'd=2')};r=128")
    assert len(residual) - len(plain) == 4
    assert residual.parameters - plain.parameters == 24 * 24 * 9 + 2 * 24


def test_depths_widths_and_expansions_of_a_resnet() -> None:
    """Multiples of 8 of 0.65, 0.8 and 1.0 times 256, 512, 1024, 2048, and of 0.2 of those."""
    text = RESNET.replace("w=0.65-0.65-0.65-0.65-0.65-0.65", "w=0.65-0.8-0.65-0.8-1.0-0.65")
    graph = build_spec(f"ofa-resnet50:{text};r=128")
    blocks = [168] * 2 + [408] * 2 + [1024] * 4 + [1328] * 2
    narrow = [32] * 2 + [80] * 2 + [208] * 4 + [264] * 2
    expected, previous = [24, 48], 0
    for width, inner in zip(blocks, narrow, strict=True):
        expected += [inner, inner, width] + [width] * (width != previous)
        previous = width
    assert widths(graph) == expected
    assert len(graph.nodes_of(Op.AVG_POOL)) == 3


def test_neighbours_of_a_resnet_are_one_choice_away() -> None:
    members: Any = family("ofa-resnet50")
    spec: ElasticResNet = members.parse(f"{RESNET};r=128")
    neighbours = members.neighbours(spec)
    assert len(neighbours) == 10 * 2 + 6 * 2 + 1 + 4 * 2 + 24
    stages_differ = [other for other in neighbours if other.depths[1:] != spec.depths[1:]]
    assert sorted(len(other.expansions) for other in stages_differ) == [11] * 4 + [12] * 4


# published figures


@pytest.mark.parametrize("name", ["ofa-resnet50", "proxylessnas"])
def test_counts_of_published_networks(name: str) -> None:
    for check in checks(name):
        counted = [check.ours(build_spec(text)) for text in check.networks]
        assert counted == pytest.approx(list(check.published), rel=0, abs=check.tolerance or 0.1)


def test_lists_of_slots_become_the_text_of_a_subnet() -> None:
    slots = list(range(20))
    assert active_spec(str(slots), " ".join(map(str, slots)), "[2, 3, 2, 4, 2]", 132) == (
        "d=2-3-2-4-2;ks=0-1-4-5-6-8-9-12-13-14-15-16-17;e=0-1-4-5-6-8-9-12-13-14-15-16-17;r=132"
    )


@pytest.mark.data
def test_counts_of_subnets_are_those_of_the_table(data_root: Path) -> None:
    frame = benchmark("ofa-mbv3").frame(data_root)
    lists = zip(frame["ks"], frame["e"], frame["d"], frame["r"], strict=True)
    assert [active_spec(*row) for row in lists] == frame["active_spec"].tolist()
    rows = frame.sample(300, random_state=0)
    found = [cost(family("ofa-mbv3").graph(text)) for text in rows["active_spec"]]
    assert [each.parameters for each in found] == rows["params"].tolist()
    assert [each.macs for each in found] == rows["macs"].tolist()


@pytest.mark.data
def test_labels_of_subnets_and_their_latency(data_root: Path) -> None:
    assert len(read("ofa-mbv3", data_root)) == 2373
    distinct = read("ofa-mbv3", data_root, subset="distinct")
    assert len(distinct) == len(set(distinct.networks)) == 2162
    latency = read("ofa-mbv3-latency", data_root, label="v100-64")
    raw = pd.read_parquet(data_root / "ofa_mobilenetv3" / "latency.parquet")
    assert latency.values.tolist() == (-raw["v100_64"]).tolist()
    sizes = [build_spec(text).node(0).out_shape[1] for text in latency.networks[:100]]
    assert sizes == raw["r"][:100].tolist()
