"""Search spaces: text, samples, neighbours, networks, and how wrong texts are refused."""

import re
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest

from onnx_bench.builder import GraphBuilder
from onnx_bench.errors import SpecError
from onnx_bench.families import ChoiceFamily, build_spec, family
from onnx_bench.families.nasbench101 import (
    CONV1X1,
    CONV3X3,
    MAX_EDGES,
    MAXPOOL,
    Cell,
    vertex_channels,
)
from onnx_bench.families.nasbench201 import OPERATIONS as OPERATIONS_201
from onnx_bench.families.nasbench201 import NasBench201
from onnx_bench.operators import Op
from tests.small_families import SELF_CONTAINED, SMALL_FAMILIES

SAMPLES = 25
CHOICES = [name for name in SELF_CONTAINED if isinstance(family(name), ChoiceFamily)]


def samples(name: str, number: int = SAMPLES, seed: int = 0) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [family(name).sample(rng) for _ in range(number)]


# every family


@pytest.mark.parametrize("name", SELF_CONTAINED)
def test_a_sample_comes_back_from_its_text(name: str) -> None:
    members = family(name)
    for spec in samples(name):
        assert members.parse(members.format(spec)) == spec


@pytest.mark.parametrize("name", SELF_CONTAINED)
def test_the_example_is_the_canonical_text_of_a_member(name: str) -> None:
    members = family(name)
    assert members.format(members.parse(members.example)) == members.example


@pytest.mark.parametrize("name", SELF_CONTAINED)
def test_the_seed_decides_the_samples(name: str) -> None:
    assert samples(name, seed=1) == samples(name, seed=1)
    assert samples(name, seed=1) != samples(name, seed=2)


@pytest.mark.parametrize("name", SELF_CONTAINED)
def test_samples_differ_among_themselves(name: str) -> None:
    texts = {family(name).format(spec) for spec in samples(name)}
    assert len(texts) > SAMPLES // 2


@pytest.mark.parametrize("name", SELF_CONTAINED)
def test_samples_are_valid_networks_that_carry_their_text(name: str) -> None:
    members = family(name)
    for spec in samples(name):
        graph = members.build(spec).validate()
        assert graph.nodes_of(Op.INPUT)
        assert graph.nodes_of(Op.OUTPUT)
        assert graph.name == f"{name}:{members.format(spec)}"


@pytest.mark.parametrize("name", SMALL_FAMILIES)
def test_samples_of_the_small_families_tell_ten_classes_apart(name: str) -> None:
    for spec in samples(name):
        graph = family(name).build(spec)
        assert [graph.node(i).out_shape for i in graph.nodes_of(Op.OUTPUT)] == [(10,)]


@pytest.mark.parametrize("name", SELF_CONTAINED)
def test_neighbours_are_other_members_without_doubles(name: str) -> None:
    members = family(name)
    for spec in samples(name, 8):
        neighbours = members.neighbours(spec)
        assert spec not in neighbours
        assert len(set(neighbours)) == len(neighbours)
        assert [members.parse(members.format(other)) for other in neighbours] == neighbours


@pytest.mark.parametrize("name", SELF_CONTAINED)
def test_no_member_is_a_dead_end_for_a_search(name: str) -> None:
    members = family(name)
    assert all(members.neighbours(spec) for spec in samples(name, 8))


@pytest.mark.parametrize("name", SELF_CONTAINED)
def test_neighbours_are_valid_networks(name: str) -> None:
    members = family(name)
    for other in members.neighbours(members.parse(members.example)):
        assert members.build(other).validate().nodes_of(Op.OUTPUT)


# families of independent choices


@pytest.mark.parametrize("name", CHOICES)
def test_neighbours_by_choice_differ_in_one_position_and_are_all_there(name: str) -> None:
    members: Any = family(name)
    for spec in samples(name, 8):
        neighbours = members.neighbours(spec)
        for other in neighbours:
            assert sum(a != b for a, b in zip(spec, other, strict=True)) == 1
        assert len(neighbours) == sum(len(allowed) - 1 for allowed in members.choices)


@pytest.mark.parametrize("name", CHOICES)
def test_neighbours_by_choice_are_mutual(name: str) -> None:
    members = family(name)
    for spec in samples(name, 4):
        assert all(spec in members.neighbours(other) for other in members.neighbours(spec))


@pytest.mark.parametrize("name", CHOICES)
def test_sampling_reaches_every_value_of_every_choice(name: str) -> None:
    members: Any = family(name)
    seen = zip(*samples(name, 200), strict=True)
    assert [set(values) for values in seen] == [set(allowed) for allowed in members.choices]


# wrong texts

CELL_201 = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
WRONG: list[tuple[str, str, str]] = [
    ("nasbench101", "", "from input to output"),
    ("nasbench101", "0110001000010000", "from input to output"),
    ("nasbench101", "0:input", "from input to output"),
    ("nasbench101", f"010001000:{CONV3X3},{CONV3X3},output", "from input to output"),
    ("nasbench101", f"010001000:input,{CONV3X3},{CONV3X3}", "from input to output"),
    ("nasbench101", "010001000:input,conv7x7,output", "conv7x7"),
    ("nasbench101", "010001000:input,,output", "operations"),
    ("nasbench101", f"01000100:input,{CONV3X3},output", "9 times 0 or 1"),
    ("nasbench101", f"0100010000:input,{CONV3X3},output", "9 times 0 or 1"),
    ("nasbench101", f"010002000:input,{CONV3X3},output", "9 times 0 or 1"),
    ("nasbench101", f"010011000:input,{CONV3X3},output", "backwards"),
    ("nasbench101", f"010001100:input,{CONV3X3},output", "backwards"),
    ("nasbench101", f"010000000:input,{CONV3X3},output", "not connected"),
    ("nasbench101", f"000001000:input,{CONV3X3},output", "not connected"),
    (
        "nasbench101",
        "".join("1" if b == a + 1 else "0" for a in range(8) for b in range(8))
        + f":input,{','.join([CONV3X3] * 6)},output",
        "over 7 vertices",
    ),
    (
        "nasbench101",
        "".join("1" if a < b else "0" for a in range(5) for b in range(5))
        + f":input,{','.join([CONV3X3] * 3)},output",
        "9 edges",
    ),
    ("nasbench201", "", "of the form"),
    ("nasbench201", CELL_201[:-1], "of the form"),
    ("nasbench201", CELL_201 + "\n", "of the form"),
    ("nasbench201", CELL_201.replace("~2", "~0"), "of the form"),
    ("nasbench201", CELL_201.replace("none~2", "conv_5x5~2"), "'conv_5x5' at position 6"),
    ("digits-cells", CELL_201[1:], "of the form"),
    ("digits-cells", CELL_201.replace("|none~0|", "|None~0|", 1), "'None' at position 1"),
    ("digits-chains", "", "has 1 values, expected 10"),
    ("digits-chains", "residual-w8-d1-k3", "has 4 values, expected 10"),
    ("digits-chains", "dense-w8-d1-k3-w16-d2-k3-w16-d1-k3", "'dense' at position 1"),
    ("digits-chains", "plain-w8-d1-k3-w16-d2-k3-w16-d1-k7", "'k7' at position 10"),
    ("digits-chains", "plain-d1-w8-k3-w16-d2-k3-w16-d1-k3", "'d1' at position 2"),
    ("digits-mbconv", "relu-e2-k3-w8-d1-se0", "has 6 values, expected 16"),
    (
        "digits-mbconv",
        "relu-e2-k3-w8-d1-se0-e2-k3-w16-d1-se1-e4-k3-w16-d1-se2",
        "'se2' at position 16",
    ),
    ("digits-tokens", "p2-c16-r2-attn4-mlp-skip", "has 6 values, expected 7"),
    ("digits-tokens", "p2-c16-r2-attn2-mlp-skip-skip", "'attn2' at position 4"),
    ("digits-tokens", "p2-c16-r2-attn4-mlp-skip-skip ", "'skip ' at position 7"),
    ("digits-dense", "k3-half-full-g4-l2-k3", "has 6 values, expected 12"),
    ("digits-dense", "k3-half-full-g4-l5-k3-g4-l2-k1-g4-l1-k3", "'l5' at position 5"),
    ("digits-branches", "k3-max-a3-b4-c0-d0-five-a4-b4-c4-d4-twice-a0-b8-c0-d4-five", "'a3'"),
    ("digits-wired", "w8-sep", "has 1 nodes, expected 10"),
    ("digits-wired", "-".join(["w8", *["sep"] * 10]), "has 0 bits at 'sep', not 1"),
    (
        "digits-wired",
        "-".join(["w8", *("dil", "sep0", "sep00", "sep000", "sep0000") * 2]),
        "'dil' at position 2",
    ),
    ("digits-genotypes", "c4-sep3-x1-skip-x0", "has 5 values, expected 25"),
    ("digits-groups", "batch-post-shuffle-w8-b1-g3-k3-d1-w16-b2-g4-k3-d1-w16-b1-g1-k3-d1", "'g3'"),
    ("digits-layers", "batch-relu-w8", "has 3 values, expected 16"),
    ("digits-hybrids", "s1-conv-w8-d1-attn-w16-d1-mixer-w16-d1", "'s1' at position 1"),
    ("digits-recurrent", "rows-e0-tcn-u16-l1-one-plain-last-h0", "'tcn' at position 3"),
]


@pytest.mark.parametrize(("name", "text", "why"), WRONG)
def test_a_wrong_text_is_refused_with_the_reason_and_a_valid_one(
    name: str, text: str, why: str
) -> None:
    with pytest.raises(SpecError, match=re.escape(why)) as caught:
        family(name).graph(text)
    message = str(caught.value)
    assert message.startswith(f"{name}: ")
    assert repr(text) in message
    assert family(name).example in message
    assert "\n" not in message


@pytest.mark.parametrize("name", SELF_CONTAINED)
@pytest.mark.parametrize("wrong", ["", "nonsense", "{}x", "x{}", "{} {}"])
def test_every_family_refuses_what_names_no_member_in_one_line(name: str, wrong: str) -> None:
    text = wrong.replace("{}", family(name).example)
    with pytest.raises(SpecError) as caught:
        family(name).graph(text)
    message = str(caught.value)
    assert message.startswith(f"{name}: ")
    assert "\n" not in message


# cells of NAS-Bench-101


def cell(*edges: str, ops: str) -> Cell:
    """A cell from edges as two digits and operations as letters: 3, 1 and m."""
    letters = {"3": CONV3X3, "1": CONV1X1, "m": MAXPOOL}
    return Cell(
        frozenset((int(edge[0]), int(edge[1])) for edge in edges), tuple(letters[o] for o in ops)
    )


CHANNELS: dict[str, tuple[Cell, int, int, list[int]]] = {
    "input to output alone": (cell("01", ops=""), 128, 256, [128, 256]),
    "a chain": (cell("01", "12", "23", ops="31"), 128, 256, [128, 256, 256, 256]),
    "an edge from input to output takes no share": (
        cell("01", "12", "02", ops="3"),
        128,
        128,
        [128, 128, 128],
    ),
    "shares": (cell("01", "02", "13", "23", ops="31"), 128, 128, [128, 64, 64, 128]),
    "the first shares are one channel wider": (
        cell("01", "02", "03", "14", "24", "34", ops="333"),
        128,
        128,
        [128, 43, 43, 42, 128],
    ),
    "a vertex is as wide as its widest reader": (
        cell("01", "12", "13", "24", "34", ops="333"),
        64,
        129,
        [64, 129 // 2 + 1, 65, 64, 129],
    ),
    "the widest reader may come later": (
        cell("01", "12", "13", "14", "25", "35", "05", "45", ops="3333"),
        64,
        128,
        [64, 43, 43, 43, 42, 128],
    ),
    "a vertex that the output reads keeps its share for all readers": (
        cell("01", "12", "13", "23", ops="33"),
        128,
        256,
        [128, 128, 128, 256],
    ),
    "widths go back through several vertices": (
        cell("01", "12", "23", "34", "24", ops="33m"),
        128,
        128,
        [128, 64, 64, 64, 128],
    ),
}


@pytest.mark.parametrize("case", CHANNELS)
def test_vertex_channels(case: str) -> None:
    spec, arriving, leaving, expected = CHANNELS[case]
    assert vertex_channels(spec, arriving, leaving) == expected


def test_a_tensor_one_channel_too_wide_for_its_reader_is_truncated() -> None:
    """128 = 43 + 43 + 42, 256 = 86 + 85 + 85, 512 = 171 + 171 + 170; three cells of each."""
    spec = cell("01", "12", "13", "14", "25", "35", "45", ops="3333")
    graph = family("nasbench101").build(spec)
    cuts = [
        (graph.node(i).in_shape[0], graph.node(i).out_shape[0]) for i in graph.nodes_of(Op.SLICE)
    ]
    assert cuts == [(43, 42)] * 3 + [(86, 85)] * 6 + [(171, 170)] * 3


@pytest.mark.parametrize(
    ("whole", "pruned"),
    [
        (cell("01", "12", ops="3"), cell("01", "12", ops="3")),
        # vertex 2 leads nowhere
        (cell("01", "12", "13", ops="31"), cell("01", "12", ops="3")),
        # nothing reaches vertex 1
        (cell("02", "12", "23", ops="m1"), cell("01", "12", ops="1")),
        # 1 -> 2 leads nowhere, nothing reaches 4 -> 5
        (cell("01", "12", "03", "36", "45", "56", ops="3m113"), cell("01", "12", ops="1")),
        (cell("03", ops="31"), cell("01", ops="")),
    ],
)
def test_pruning_leaves_what_lies_on_a_path_from_input_to_output(whole: Cell, pruned: Cell) -> None:
    assert whole.pruned() == pruned


def test_dangling_vertices_do_not_change_the_network_but_stay_in_the_text() -> None:
    members = family("nasbench101")
    text = f"0110000100000000:input,{CONV3X3},{MAXPOOL},output"
    whole = members.parse(text)
    assert members.format(whole) == text
    assert members.build(whole) == members.build(cell("01", "12", ops="3"))


def test_a_cell_whose_output_cannot_be_reached_cannot_be_pruned() -> None:
    with pytest.raises(SpecError, match="not connected"):
        cell("01", "23", ops="31").pruned()


def relabelled(spec: Cell, random: Random) -> Cell:
    """The same cell with its inner vertices in another topological order."""
    last = spec.vertices - 1
    waiting, order = list(range(1, last)), [0]
    while waiting:
        ready = [v for v in waiting if not any((w, v) in spec.edges for w in waiting)]
        order.append(random.choice(ready))
        waiting.remove(order[-1])
    place = {old: new for new, old in enumerate([*order, last])}
    edges = frozenset((place[a], place[b]) for a, b in spec.edges)
    return Cell(edges, tuple(spec.operations[v - 1] for v in order[1:]))


def test_module_hash_is_blind_to_the_order_of_inner_vertices() -> None:
    random = Random(0)
    pairs = [(spec, relabelled(spec, random)) for spec in samples("nasbench101", 200)]
    assert all(spec.module_hash() == other.module_hash() for spec, other in pairs)
    assert sum(spec != other for spec, other in pairs) > 10


def test_module_hash_tells_operations_and_edges_apart() -> None:
    cells = [
        cell("01", "12", ops="3"),
        cell("01", "12", ops="1"),
        cell("01", "12", "02", ops="3"),
        cell("01", "12", "23", ops="31"),
        cell("01", "12", "23", ops="13"),
    ]
    assert len({spec.module_hash() for spec in cells}) == len(cells)


def test_module_hash_and_parameters_of_a_published_cell() -> None:
    """The first record of the benchmark's own file."""
    spec = (
        "0100110001000000010010000010000001000000010000000:input,"
        "conv3x3-bn-relu,maxpool3x3,conv3x3-bn-relu,conv3x3-bn-relu,conv1x1-bn-relu,output"
    )
    members: Any = family("nasbench101")
    assert members.parse(spec).module_hash() == "00005c142e6f48ac74fdcf73e3439874"
    assert members.graph(spec).parameters == 8_555_530


def test_neighbours_of_a_cell_are_one_operation_or_one_edge_away() -> None:
    neighbours = family("nasbench101").neighbours(cell("01", "12", ops="3"))
    assert {other for other in neighbours if other.vertices <= 3} == {
        cell("01", "12", ops="1"),
        cell("01", "12", ops="m"),
        cell("01", "12", "02", ops="3"),
    }


def test_a_neighbour_that_loses_an_edge_is_pruned() -> None:
    spec = cell("01", "12", "02", ops="3")
    assert cell("01", ops="") in family("nasbench101").neighbours(spec)


def test_no_sample_has_too_many_edges() -> None:
    assert all(len(spec.edges) <= MAX_EDGES for spec in samples("nasbench101", 200))


def test_neighbours_of_a_cell_with_all_nine_edges_have_none_more() -> None:
    full = cell("01", "12", "23", "34", "45", "56", "06", "16", "26", ops="33333")
    neighbours = family("nasbench101").neighbours(full)
    assert len(full.edges) == MAX_EDGES
    assert max(len(other.edges) for other in neighbours) == MAX_EDGES
    assert {len(other.edges) for other in neighbours if other.operations == full.operations} == {8}


def test_a_cell_of_one_edge_is_a_projection() -> None:
    """Stem, then nine cells of one 1x1 convolution."""
    graph = family("nasbench101").build(cell("01", ops=""))
    kernels = [graph.node(i).kernel for i in graph.nodes_of(Op.CONV)]
    assert kernels == [(3, 3)] + [(1, 1)] * 9


# cells of NAS-Bench-201


def test_a_skeleton_of_another_size_has_its_width_depth_and_ends() -> None:
    small = NasBench201(channels=4, cells=2, input_shape=(1, 16, 16), classes=3)
    graph = small.graph(small.example)
    convolutions = [graph.node(i) for i in graph.nodes_of(Op.CONV)]
    assert graph.node(0).out_shape == (1, 16, 16)
    assert [graph.node(i).out_shape for i in graph.nodes_of(Op.OUTPUT)] == [(3,)]
    assert {node.out_shape for node in convolutions} == {(4, 16, 16), (8, 8, 8), (16, 4, 4)}
    # stem, three convolutions in each of six cells, three in each of two reductions
    assert len(convolutions) == 1 + 3 * 6 + 3 * 2


def test_a_cell_is_wired_as_its_text_says() -> None:
    text = "|nor_conv_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|none~0|skip_connect~1|nor_conv_3x3~2|"

    def operation(g: GraphBuilder, x: int, kernel: int, channels: int, stride: int = 1) -> int:
        return g.batch_norm(g.conv(g.relu(x), channels, kernel, stride))

    def by_hand(g: GraphBuilder, x: int, channels: int) -> int:
        first = operation(g, x, 3, channels)
        second = g.add(g.avg_pool(x, 3), operation(g, first, 1, channels))
        return g.add(g.zero(x), first, operation(g, second, 3, channels))

    g = GraphBuilder()
    x = by_hand(g, g.batch_norm(g.conv(g.input(3, 32, 32), 16, 3)), 16)
    for channels in (32, 64):
        y = operation(g, operation(g, x, 3, channels, stride=2), 3, channels)
        shortcut = g.conv(g.avg_pool(x, 2, stride=2, padding=0), channels)
        x = by_hand(g, g.add(y, shortcut), channels)
    x = g.flatten(g.global_avg_pool(g.relu(g.batch_norm(x))))
    g.output(g.linear(x, 10))
    assert NasBench201(cells=1).graph(text) == g.build()


# the small families


def test_depth_and_width_of_chains_are_those_of_the_text() -> None:
    graph = build_spec("digits-chains:plain-w4-d1-k1-w8-d2-k3-w12-d3-k5")
    rows = [graph.node(i) for i in graph.nodes_of(Op.CONV)]
    assert [(n.out_shape[0], n.kernel[0]) for n in rows] == (
        [(4, 1)] + [(8, 3)] * 2 + [(12, 5)] * 3
    )
    assert [n.out_shape[1] for n in rows] == [8, 4, 4, 2, 2, 2]


def test_residual_chains_add_and_plain_ones_do_not() -> None:
    tail = "-w8-d1-k3-w16-d2-k3-w16-d1-k3"
    assert len(build_spec("digits-chains:residual" + tail).nodes_of(Op.ADD)) == 4
    assert build_spec("digits-chains:plain" + tail).nodes_of(Op.ADD) == []


def test_squeeze_excitation_multiplies_where_the_text_says() -> None:
    graph = build_spec("digits-mbconv:silu-e2-k3-w8-d2-se1-e2-k3-w16-d1-se0-e4-k5-w16-d1-se1")
    assert len(graph.nodes_of(Op.MUL)) == 3
    assert graph.nodes_of(Op.SILU)
    assert not any(
        graph.node(i).op == Op.RELU and graph.node(i).out_shape[1:] != (1, 1)
        for i in range(len(graph))
    )


def test_token_mixers_are_those_of_the_text() -> None:
    graph = build_spec("digits-tokens:p2-c16-r2-attn4-mlp-attn1-skip")
    heads = [graph.node(i).attribute(0) for i in graph.nodes_of(Op.ATTENTION)]
    assert heads == [4, 1]
    assert len(graph.nodes_of(Op.GELU)) == 3
    assert graph.node(graph.nodes_of(Op.POSITION)[0]).out_shape == (16, 16)


# the published tables


@pytest.mark.data
def test_parameters_and_hashes_of_nasbench101_are_those_of_the_table(data_root: Path) -> None:
    columns = ["adjacency", "operations", "trainable_parameters", "module_hash"]
    table = pd.read_parquet(data_root / "nasbench101" / "labels.parquet", columns=columns)
    rows = table.sample(2000, random_state=0)
    members: Any = family("nasbench101")
    specs = [members.parse(text) for text in rows["adjacency"] + ":" + rows["operations"]]
    assert [spec.module_hash() for spec in specs] == rows["module_hash"].tolist()
    counted = [members.build(spec).parameters for spec in specs]
    assert counted == rows["trainable_parameters"].tolist()


@pytest.mark.data
def test_parameters_of_all_nasbench201_are_those_of_the_table(data_root: Path) -> None:
    columns = ["arch_str", "params_M_cifar10_analytic"]
    table = pd.read_parquet(data_root / "nasbench201" / "labels.parquet", columns=columns)
    assert len(table) == len(OPERATIONS_201) ** 6
    members = family("nasbench201")
    counted = np.array([members.graph(text).parameters for text in table["arch_str"]])
    published = table["params_M_cifar10_analytic"].to_numpy(np.float64) * 1e6
    np.testing.assert_array_equal(counted, published.round())
