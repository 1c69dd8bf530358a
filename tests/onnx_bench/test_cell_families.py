"""Families of cells and skeletons: texts, wiring, heads and variants, against graphs by hand."""

import re
from itertools import combinations
from math import log10, prod
from typing import Any

import numpy as np
import onnxruntime
import pytest

from onnx_bench.builder import GraphBuilder
from onnx_bench.cost import cost
from onnx_bench.errors import GraphError, SpecError
from onnx_bench.families import build_spec, family
from onnx_bench.families.darts import Darts
from onnx_bench.families.hnasbench201 import HNasBench201
from onnx_bench.families.hnasbench201_grammar import GRAMMAR, TOPOLOGIES, Tree
from onnx_bench.families.nasbench201 import NasBench201
from onnx_bench.families.transnas import TASKS
from onnx_bench.graph import ComputationGraph
from onnx_bench.onnx_export import to_onnx
from onnx_bench.onnx_import import import_onnx
from onnx_bench.operators import Op

NAMES = (
    "nats-sss",
    "nasbench-macro",
    "transnas-micro",
    "transnas-macro",
    "darts",
    "hnasbench201",
)
NORMAL = "sep3~0+sep3~1,sep3~0+sep3~1,skip~0+sep3~1,skip~0+dil3~2"
REDUCTION = "max3~0+max3~1,max3~1+skip~2,max3~0+skip~2,max3~1+skip~2"
SECOND_ORDER = f"{NORMAL}:{REDUCTION}"
PYTHON = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "
    "('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), "
    "('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), "
    "('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=range(2, 6))"
)


def outputs(graph: ComputationGraph) -> list[tuple[int, ...]]:
    return [graph.node(i).out_shape for i in graph.nodes_of(Op.OUTPUT)]


def relu_conv_bn(g: GraphBuilder, x: int, channels: int, kernel: int, stride: int = 1) -> int:
    return g.batch_norm(g.conv(g.relu(x), channels, kernel, stride))


# wrong texts

HNAS = HNasBench201.example
WRONG = [
    ("nats-sss", "8:8:8:8", "has 4 values, expected 5"),
    ("nats-sss", "8:8:8:8:72", "'72' at position 5"),
    ("nats-sss", "8:8:8:8:08", "'08' at position 5"),
    ("nasbench-macro", "0120120", "has 7 values, expected 8"),
    ("nasbench-macro", "01201203", "'3' at position 8"),
    ("transnas-micro", "64-41414-0_00_0000", "of the form"),
    ("transnas-micro", "64-41414-0_00_004", "'4' at position 6"),
    ("transnas-micro", "64-1414-0_00_000", "of the form"),
    ("transnas-macro", "64-3333-basic", "0 that widen and 4 that shrink"),
    ("transnas-macro", "64-341-basic", "3 modules"),
    ("transnas-macro", "64-1235-basic", "of the form"),
    ("darts", NORMAL, "NORMAL:REDUCTION"),
    ("darts", f"{NORMAL},skip~0+skip~1:{REDUCTION}", "has 10 edges in a cell, expected 8"),
    ("darts", f"{NORMAL.replace('dil3', 'dil7')}:{REDUCTION}", "'dil7'"),
    ("darts", f"{NORMAL.replace('dil3~2', 'dil3~5')}:{REDUCTION}", "node 5 read 5"),
    ("darts", f"{NORMAL.replace('dil3~2', 'dil3~0')}:{REDUCTION}", "node 5 read 0 twice"),
    ("darts", f"{NORMAL.replace('+', ' + ')}:{REDUCTION}", "op~i+op~j"),
    ("darts", PYTHON.replace("range(2, 6)", "range(2, 5)"), "nodes 2 to 5 in reduce_concat"),
    ("darts", PYTHON.replace("range(2, 6)", "__import__('os')"), "neither a list nor a range"),
    ("darts", PYTHON.replace("range(2, 6)", "range(0, 10**9)"), "no readable Genotype"),
    ("darts", PYTHON.replace("[2, 3, 4, 5]", "open('x')"), "neither a list nor a range"),
    ("darts", PYTHON.replace("normal=[", "normal=[5, "), "pairs as normal"),
    ("darts", PYTHON.replace("dil_conv_3x3", "dil_conv_7x7"), "'dil_conv_7x7'"),
    ("darts", PYTHON.replace("normal=[", "normal=[(['a'], 0), "), "pairs as normal"),
    ("darts", PYTHON.replace("normal=", "other=1, normal="), "arguments ['other']"),
    ("darts", PYTHON + "()", "no readable Genotype"),
    ("darts", PYTHON[:-1], "no readable Genotype"),
    ("darts", f"Genotype({'(' * 5000}", "no readable Genotype"),
    ("hnasbench201", "", "its end where (D2 ...) belongs"),
    ("hnasbench201", HNAS.replace("(CELL Cell", "x", 1), "'x ( OPS' where (CELL ...) belongs"),
    ("hnasbench201", HNAS + ")", "words left over"),
    ("hnasbench201", HNAS[:-1], "its end where (D2 Linear3 ends"),
    ("hnasbench201", HNAS.replace(" ", "  ", 1), "single spaces"),
    ("hnasbench201", HNAS.replace("(ACT relu)", "(ACT gelu)", 1), "expected relu or hardswish"),
    ("hnasbench201", HNAS.replace("(OPS avg_pool)", "(OPS zero)", 1), "output from its input"),
    ("hnasbench201", HNAS.replace("resBlock", "block", 1), "where resBlock belongs"),
]


@pytest.mark.parametrize(("name", "text", "why"), WRONG)
def test_a_wrong_text_is_refused_in_one_line(name: str, text: str, why: str) -> None:
    with pytest.raises(SpecError, match=re.escape(why)) as caught:
        family(name).parse(text)
    assert "\n" not in str(caught.value)


# what is built


@pytest.mark.parametrize("name", [*NAMES, "darts@c4-l5", "darts@c4-l3-imagenet"])
def test_networks_run_and_come_back_from_onnx(name: str) -> None:
    members = family(name)
    runs(members.graph(members.example))


@pytest.mark.parametrize("space", ["transnas-micro", "transnas-macro"])
@pytest.mark.parametrize("task", TASKS)
def test_networks_of_every_task_come_back_from_onnx(space: str, task: str) -> None:
    members = family(f"{space}@{task}")
    graph = members.graph(members.example)
    assert import_onnx(to_onnx(graph)).graph == graph


@pytest.mark.parametrize("name", ["transnas-macro@jigsaw", "transnas-macro@normal"])
def test_networks_with_special_ends_run(name: str) -> None:
    runs(build_spec(f"{name}:64-3411-basic"))


def runs(graph: ComputationGraph) -> None:
    model = to_onnx(graph)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    shape = graph.node(0).out_shape
    image = np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)
    (answer,) = session.run(None, {session.get_inputs()[0].name: image})
    assert answer.shape[1:] == outputs(graph)[0]
    assert np.isfinite(answer).all()
    assert import_onnx(model).graph == graph


def test_a_cell_of_nats_widens_in_all_that_leaves_its_input() -> None:
    def cell(g: GraphBuilder, x: int, channels: int) -> int:
        wider = channels != g.shape(x)[0]
        skip = relu_conv_bn(g, x, channels, 1) if wider else x
        one = relu_conv_bn(g, x, channels, 3)
        two = g.add(relu_conv_bn(g, x, channels, 3), relu_conv_bn(g, one, channels, 3))
        return g.add(skip, relu_conv_bn(g, one, channels, 3), relu_conv_bn(g, two, channels, 3))

    def reduction(g: GraphBuilder, x: int, channels: int) -> int:
        y = relu_conv_bn(g, relu_conv_bn(g, x, channels, 3, 2), channels, 3)
        return g.add(g.conv(g.avg_pool(x, 2, 2, padding=0), channels), y)

    g = GraphBuilder()
    x = cell(g, g.batch_norm(g.conv(g.input(3, 32, 32), 8, 3)), 8)
    x = cell(g, reduction(g, x, 16), 24)
    x = cell(g, reduction(g, x, 24), 40)
    g.output(g.linear(g.flatten(g.global_avg_pool(g.relu(g.batch_norm(x)))), 10))
    assert build_spec("nats-sss:8:16:24:24:40") == g.build()


@pytest.mark.parametrize(
    ("widths", "parameters"),
    [("8:8:8:8:8", 11_714), ("8:8:16:40:40", 107_826), ("64:64:64:64:64", 713_674)],
)
def test_published_parameters_of_nats(widths: str, parameters: int) -> None:
    assert build_spec(f"nats-sss:{widths}").parameters == parameters


def test_layers_of_nasbench_macro_are_those_of_the_text() -> None:
    graph = build_spec("nasbench-macro:01210000")
    rows = [graph.node(i) for i in graph.nodes_of(Op.CONV)]
    found = [(n.out_shape[0], n.kernel[0], n.stride[0], n.groups) for n in rows]
    assert found == [
        (32, 3, 1, 1),
        (64, 1, 2, 1),  # an identity that changes shape
        *((64 * 3, 1, 1, 1), (64 * 3, 3, 1, 64 * 3), (64, 1, 1, 1)),
        *((64 * 6, 1, 1, 1), (64 * 6, 5, 2, 64 * 6), (128, 1, 1, 1)),
        *((128 * 3, 1, 1, 1), (128 * 3, 3, 1, 128 * 3), (128, 1, 1, 1)),
        (256, 1, 2, 1),
        (1280, 1, 1, 1),
    ]
    assert len(graph.nodes_of(Op.ADD)) == 2


# TransNAS-Bench-101


def test_a_cell_of_transnas_is_wired_as_its_text_says() -> None:
    def cell(g: GraphBuilder, x: int) -> int:
        """3_12_201 at one shape."""
        channels = g.shape(x)[0]
        one = relu_conv_bn(g, x, channels, 3)
        two = g.add(x, relu_conv_bn(g, one, channels, 1))
        return g.add(relu_conv_bn(g, x, channels, 1), g.zero(one), two)

    def reducing(g: GraphBuilder, x: int) -> int:
        channels, size, _ = g.shape(x)
        one = relu_conv_bn(g, x, 2 * channels, 3, 2)
        y = g.relu(x)
        later = g.slice(g.slice(y, 1, size - 1, axis=1), 1, size - 1, axis=2)
        halves = g.concat(g.conv(y, channels, 1, 2), g.conv(later, channels, 1, 2))
        two = g.add(g.batch_norm(halves), relu_conv_bn(g, one, 2 * channels, 1))
        return g.add(relu_conv_bn(g, x, 2 * channels, 1, 2), g.zero(one), two)

    g = GraphBuilder()
    x = g.batch_norm(g.conv(g.input(3, 256, 256), 32, 3, 2))
    x = relu_conv_bn(g, x, 64, 3, 2)
    for normal in (3, 3, 1):
        x = reducing(g, x)
        for _ in range(normal):
            x = cell(g, x)
    g.output(g.linear(g.flatten(g.global_avg_pool(x)), 47))
    assert build_spec("transnas-micro:64-41414-3_12_201") == g.build()


def test_modules_of_a_skeleton_widen_and_shrink_as_their_digits_say() -> None:
    graph = build_spec("transnas-macro:64-12341-basic")
    added = [graph.node(i).out_shape for i in graph.nodes_of(Op.ADD)]
    shapes = [(64, 64), (128, 64), (128, 32), (256, 16), (256, 16)]
    assert added == [(c, size, size) for c, size in shapes for _ in range(2)]
    assert len([i for i in graph.nodes_of(Op.CONV) if graph.node(i).kernel == (1, 1)]) == 3


def test_the_macro_space_has_as_many_members_as_were_trained() -> None:
    members = family("transnas-macro")
    digits = {members.sample(np.random.default_rng(seed)) for seed in range(300)}
    assert members.size == 3256
    assert {len(d) for d in digits} == {4, 5, 6}
    assert all(members.parse(members.format(d)) == d for d in digits)


@pytest.mark.parametrize("space", ["transnas-micro", "transnas-macro"])
def test_every_task_has_its_own_end(space: str) -> None:
    found = {task: outputs(build_spec(f"{space}@{task}:{family(space).example}")) for task in TASKS}
    assert found == {
        "class_scene": [(47,)],
        "class_object": [(75,)],
        "room_layout": [(9,)],
        "jigsaw": [(1000,)],
        "segmentsemantic": [(17, 256, 256)],
        "normal": [(3, 256, 256)],
        "autoencoder": [(3, 256, 256)],
    }


def test_nine_patches_share_the_encoder() -> None:
    scene = build_spec("transnas-macro:64-3411-basic")
    jigsaw = build_spec("transnas-macro@jigsaw:64-3411-basic")
    features = 128
    encoder = scene.parameters - 47 * (features + 1)
    assert jigsaw.parameters == encoder + 1000 * (9 * features + 1)
    assert jigsaw.node(0).out_shape == (9, 3, 64, 64)
    # Nine patches of a sixteenth of the image each.
    encoded = cost(scene).macs - 47 * features
    assert cost(jigsaw).macs == encoded * 9 // 16 + 1000 * 9 * features


@pytest.mark.parametrize(("modules", "doublings"), [("1132", 3), ("1134", 4), ("333412", 6)])
def test_decoders_double_the_size_as_often_as_it_was_halved(modules: str, doublings: int) -> None:
    for task in ("segmentsemantic", "autoencoder"):
        graph = build_spec(f"transnas-macro@{task}:64-{modules}-basic")
        assert len(graph.nodes_of(Op.CONV_TRANSPOSE)) == doublings


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(SpecError, match="no variant 'depth'"):
        family("transnas-micro@depth")


# DARTS


def test_both_spellings_of_a_genotype_are_one_member() -> None:
    members = family("darts")
    assert members.parse(PYTHON) == members.parse(SECOND_ORDER)
    assert members.format(members.parse(PYTHON)) == SECOND_ORDER


def test_the_order_of_a_nodes_edges_does_not_matter() -> None:
    members = family("darts")
    swapped = SECOND_ORDER.replace("skip~0+dil3~2", "dil3~2+skip~0")
    assert members.format(members.parse(swapped)) == SECOND_ORDER


@pytest.mark.parametrize(
    ("variant", "parameters", "image", "classes"),
    [
        ("darts", 3_349_342, 32, 10),
        ("darts@imagenet", 4_718_752, 224, 1000),
        ("darts@c48-l14-imagenet", 4_718_752, 224, 1000),
        ("darts@cifar100", 3_349_342 + 90 * (16 * 36 + 1), 32, 100),
        ("darts@c36-l20", 3_349_342, 32, 10),
    ],
)
def test_skeletons_of_darts(variant: str, parameters: int, image: int, classes: int) -> None:
    graph = build_spec(f"{variant}:{SECOND_ORDER}")
    assert graph.parameters == parameters
    assert graph.node(0).out_shape == (3, image, image)
    assert outputs(graph) == [(classes,)]


def test_depth_and_width_of_darts_are_those_of_the_variant() -> None:
    graph = build_spec(f"darts@c16-l8:{SECOND_ORDER}")
    joined = [i for i in graph.nodes_of(Op.CONCAT) if len(graph.inputs_of(i)) == 4]
    cells = [graph.node(i).out_shape for i in joined]
    assert cells == [(64, 32, 32)] * 2 + [(128, 16, 16)] * 3 + [(256, 8, 8)] * 3
    assert build_spec(f"darts@nasbench301:{SECOND_ORDER}") == Darts(32, 8).graph(SECOND_ORDER)


@pytest.mark.parametrize(
    "variant", ["c0-l8", "l2", "c16l8", "c16-l8-", "-l8", "imagenet-c3", "c513", "c16-cifar10"]
)
def test_a_variant_that_is_none_is_refused(variant: str) -> None:
    with pytest.raises(SpecError, match=f"no variant '{variant}'"):
        family(f"darts@{variant}")


def test_a_reduction_cell_by_hand() -> None:
    """Layer 1 of three reduces, and so does layer 2: every operation at stride 2 and 1."""
    text = (
        "none~0+skip~1,avg3~0+max3~2,sep5~1+dil5~3,none~2+skip~4"
        ":none~0+skip~1,avg3~0+max3~2,sep5~1+dil5~3,none~2+skip~4"
    )

    def half(g: GraphBuilder, x: int, channels: int) -> int:
        y = g.relu(x)
        _, size, _ = g.shape(y)
        later = g.slice(g.slice(y, 1, size - 1, axis=1), 1, size - 1, axis=2)
        parts = (g.conv(y, channels // 2, 1, 2), g.conv(later, channels // 2, 1, 2))
        return g.batch_norm(g.concat(*parts))

    def separable(g: GraphBuilder, x: int, stride: int, dilation: int = 1) -> int:
        channels = g.shape(x)[0]
        padding = 2 * dilation
        x = g.conv(g.relu(x), channels, 5, stride, padding, dilation, groups=channels)
        return g.batch_norm(g.conv(x, channels))

    def cell(g: GraphBuilder, a: int, b: int, stride: int) -> int:
        size = g.shape(a)[1]
        zeros = a
        if stride == 2:
            zeros = g.slice(g.slice(a, 0, size // 2, 1, 2), 0, size // 2, 2, 2)
        two = g.add(g.zero(zeros), half(g, b, g.shape(b)[0]) if stride == 2 else b)
        three = g.add(g.avg_pool(a, 3, stride), g.max_pool(two, 3))
        sep = separable(g, separable(g, b, stride), 1)
        four = g.add(sep, separable(g, three, 1, 2))
        five = g.add(g.zero(two), four)
        return g.concat(two, three, four, five)

    g = GraphBuilder()
    before = x = g.batch_norm(g.conv(g.input(3, 32, 32), 12, 3))
    for channels, stride in ((4, 1), (8, 2), (16, 2)):
        deeper = g.shape(before)[1] != g.shape(x)[1]
        older = half(g, before, channels) if deeper else relu_conv_bn(g, before, channels, 1)
        newer = relu_conv_bn(g, x, channels, 1)
        before, x = x, cell(g, older, newer, stride)
    g.output(g.linear(g.flatten(g.global_avg_pool(x)), 10))
    assert build_spec(f"darts@c4-l3:{text}") == g.build()


def test_samples_of_darts_have_no_none_but_neighbours_may() -> None:
    members = family("darts")
    rng = np.random.default_rng(0)
    texts = [members.format(members.sample(rng)) for _ in range(50)]
    assert not any("none" in text for text in texts)
    neighbours = [members.format(other) for other in members.neighbours(members.parse(texts[0]))]
    assert any("none" in text for text in neighbours)


# hierarchical NAS-Bench-201


def derivation(operations: tuple[str, ...]) -> str:
    """The grammar's smallest layout with this cell of NAS-Bench-201 everywhere."""
    members = HNasBench201()
    kernels = {"nor_conv_3x3": "conv3x3o", "nor_conv_1x1": "conv1x1o"}
    others = {"skip_connect": "id", "none": "zero", "avg_pool_3x3": "avg_pool"}

    def edge(operation: str) -> Tree:
        if operation in others:
            return Tree("OPS", others[operation])
        leaves = (Tree("ACT", "relu"), Tree("CONV", kernels[operation]), Tree("NORM", "batch"))
        return Tree("OPS", "Linear1", (Tree("CONVBLOCK", "Linear3", leaves),))

    cell = Tree("CELL", "Cell", tuple(edge(operation) for operation in operations))
    group = Tree("C", "Linear2", (cell, cell))
    down = Tree("DOWN", "Linear2", (cell, Tree("resBlock", "resBlock")))
    stage = Tree("D1", "Linear3", (group, group, down))
    last = Tree("D0", "Linear3", (group, group, cell))
    return members.format(Tree("D2", "Linear3", (stage, stage, last)))


@pytest.mark.parametrize("seed", range(5))
def test_the_flat_space_lies_inside_the_hierarchical_one(seed: int) -> None:
    flat = NasBench201()
    spec = flat.sample(np.random.default_rng(seed + 100))
    text = derivation(spec)
    assert build_spec(f"hnasbench201:{text}") == flat.build(spec)


def test_the_grammar_has_the_size_that_the_paper_prints() -> None:
    """10^446 derivations, with the production that is listed twice counted twice."""
    connected = [edges for edges in powerset(TOPOLOGIES["Cell"]) if leads(edges)]
    convolutions = 2 * 3 * 3 * 3
    sizes = {"CELL": sum((2 + convolutions) ** len(edges) for edges in connected), "resBlock": 1}
    for symbol in ("C", "DOWN", "D0", "D1", "D2"):
        sizes[symbol] = sum(
            prod(sizes[part] for part in production.split(" ")[1:])
            for production in GRAMMAR[symbol]
        )
    assert round(log10(sizes["D2"])) == 446


def powerset(edges: tuple[tuple[int, int], ...]) -> list[tuple[tuple[int, int], ...]]:
    return [chosen for size in range(7) for chosen in combinations(edges, size)]


def leads(edges: tuple[tuple[int, int], ...], node: int = 0) -> bool:
    return node == 3 or any(leads(edges, target) for source, target in edges if source == node)


def test_a_residual_layout_adds_the_path_beside_it() -> None:
    members: Any = HNasBench201()
    spec = members.parse(HNasBench201.example)
    others = [tree for tree in members.neighbours(spec) if tree.parts[0].terminal == "Residual3"]
    (residual,) = others
    plain, changed = members.build(spec), members.build(residual)
    # DOWN stands behind both paths: one cell and one reduction more, and one sum over both ends.
    blocks = [len(g.nodes_of(Op.CONV)) for g in (plain, changed)]
    assert blocks[1] - blocks[0] == 1 + 3
    assert residual.parts[0].parts[2] == residual.parts[0].parts[3] == spec.parts[0].parts[2]


def test_layer_normalisation_has_a_scale_for_every_value() -> None:
    text = HNasBench201.example
    batch = build_spec(f"hnasbench201:{text}")
    layer = build_spec(f"hnasbench201:{text.replace('(NORM batch)', '(NORM layer)', 1)}")
    assert layer.parameters - batch.parameters == 2 * 16 * 32 * 32 - 2 * 16


def test_samples_stay_connected_and_use_the_whole_grammar() -> None:
    members = HNasBench201()
    rng = np.random.default_rng(0)
    texts = [members.format(members.sample(rng)) for _ in range(40)]
    assert all(members.format(members.parse(text)) == text for text in texts)
    words = set(re.findall(r"\w+", " ".join(texts)))
    assert {"Linear4", "Residual2", "Residual3", "zero", "dconv3x3o", "instance"} <= words


# what the builder offers them


def test_a_block_of_two_inputs_is_what_it_would_be_without_the_cache() -> None:
    def block(g: GraphBuilder, a: int, b: int, channels: int) -> int:
        both = g.add(a, g.relu(b))
        return g.concat(g.conv(both, channels), a, b)

    graphs = []
    for stamped in (True, False):
        g = GraphBuilder()
        a = b = g.input(4, 8, 8)
        for channels in (4, 8, 4):
            b = g.conv(b, 4)
            y = g.stamp_pair(a, b, block, channels) if stamped else block(g, a, b, channels)
            a, b = g.conv(y, 4), a
        g.output(g.stamp_pair(b, b, block, 2))
        graphs.append(g.build().validate())
    assert graphs[0] == graphs[1]


def test_a_block_of_two_inputs_must_add_a_node() -> None:
    def second(g: GraphBuilder, a: int, b: int) -> int:
        del g, a
        return b

    g = GraphBuilder()
    x = g.input(4, 8, 8)
    with pytest.raises(GraphError, match="a node of its own"):
        g.stamp_pair(x, x, second)


def test_what_runs_on_each_entry_keeps_its_parameters_and_shifts_its_axes() -> None:
    def block(g: GraphBuilder, x: int) -> int:
        x = g.relu(g.batch_norm(g.conv(x, 8, 3, 2)))
        return g.concat(g.slice(x, 0, 2), x)

    g = GraphBuilder()
    g.output(g.stamp_each(g.input(5, 3, 16, 16), block))
    graph = g.build().validate()
    assert outputs(graph) == [(5, 10, 8, 8)]
    assert graph.parameters == 8 * 3 * 9 + 16
    assert cost(graph).macs == 5 * 8 * 8 * 8 * 27
    cut, joined = (graph.node(graph.nodes_of(op)[0]) for op in (Op.SLICE, Op.CONCAT))
    assert (cut.attributes[0], joined.attributes[0]) == (1, 1)
    runs(graph)


def test_an_operator_that_cannot_run_on_each_entry_is_refused() -> None:
    g = GraphBuilder()
    with pytest.raises(GraphError, match="reshape: its row cannot say"):
        g.stamp_each(g.input(5, 3, 16, 16), lambda g, x: g.flatten(x))
