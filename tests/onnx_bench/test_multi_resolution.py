"""NAS-Bench-MR: its text, branches and fusions against graphs by hand, figures, labels."""

import re
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from onnx_bench.benchmarks import benchmark
from onnx_bench.builder import GraphBuilder
from onnx_bench.cost import cost
from onnx_bench.errors import GraphError, SpecError
from onnx_bench.families import build_spec, family
from onnx_bench.families.nasbench_mr import NasBenchMR
from onnx_bench.operators import Op
from onnx_bench.verification import checks
from onnx_bench.verification.nasbench_mr import flops

SMALL = "16_16_1_1_16_1_1_1_16_16_1_1_1_1_16_16_16_1_1_1_1_1_16_16_16_16_16"
LARGE = "128_128_2_4_128_2_4_4_128_128_2_4_4_4_128_128_128_2_4_4_4_4_128_128_128_128_128"
VARIED = "16_16_1_1_16_2_3_3_16_32_3_4_4_3_64_112_96_4_2_1_3_1_32_80_112_48_48"
PUBLISHED = {
    SMALL: (82_658, 40_917_842),
    LARGE: (28_290_994, 13_727_426_866),
    VARIED: (11_291_874, 2_651_497_362),
    "16_16_1_1_16_1_2_1_32_64_1_1_1_1_64_56_56_1_2_2_2_1_8_56_40_32_48": (753_570, 265_124_754),
}
"""Parameters and FLOPs in the authors' table."""
WRONG = [
    ("", "has 1 values, expected 27"),
    (SMALL.rpartition("_")[0], "has 26 values, expected 27"),
    (SMALL.replace("_", "-"), "has 1 values, expected 27"),
    ("12" + SMALL[2:], "'12' at position 1"),
    ("0" + SMALL, "'016' at position 1"),
    (SMALL.replace("_1_", "_5_", 1), "'5' at position 3"),
    (SMALL.replace("_1_", "_0_", 1), "'0' at position 3"),
    (SMALL[:-2] + "136", "'136' at position 27"),
    (SMALL[:-2] + "x", "'x' at position 27"),
]


@pytest.mark.parametrize(("text", "figures"), PUBLISHED.items())
def test_parameters_and_flops_are_the_published_ones(text: str, figures: tuple[int, int]) -> None:
    graph = build_spec(f"nasbench-mr:{text}").validate()
    assert (graph.parameters, flops(graph)) == figures


@pytest.mark.parametrize(("text", "why"), WRONG)
def test_a_wrong_text_is_refused_in_one_line(text: str, why: str) -> None:
    with pytest.raises(SpecError, match=re.escape(why)) as caught:
        family("nasbench-mr").parse(text)
    assert "\n" not in str(caught.value)


def conv(g: GraphBuilder, x: int, width: int, kernel: int = 3, stride: int = 1) -> int:
    return g.relu(g.batch_norm(g.conv(x, width, kernel, stride)))


def block(g: GraphBuilder, x: int) -> int:
    width = g.shape(x)[0]
    return g.relu(g.add(x, g.batch_norm(g.conv(conv(g, x, width), width, 3))))


def doubled(g: GraphBuilder, x: int, width: int) -> int:
    x = conv(g, x, width, 1)
    return g.resize(x, *(2 * size for size in g.shape(x)[1:]))


def test_branches_are_fused_with_their_neighbours_alone() -> None:
    g = GraphBuilder()
    x = conv(g, conv(g, g.input(3, 128, 128), 8, 3, 2), 16, 3, 2)
    # one branch, in two modules; a sum of one term is the term
    x = block(g, block(g, g.relu(conv(g, x, 24))))
    x = block(g, block(g, g.relu(conv(g, x, 24))))
    # two branches: the second from the fused first
    a = g.relu(conv(g, x, 32))
    b = conv(g, a, 40, 3, 2)
    a, b = block(g, a), block(g, block(g, b))
    # three branches
    c = g.relu(g.add(conv(g, a, 48), doubled(g, b, 48)))
    d = g.relu(g.add(conv(g, a, 56, 3, 2), conv(g, b, 56)))
    e = conv(g, d, 64, 3, 2)
    c, d, e = block(g, c), block(g, d), block(g, e)
    # four branches, the middle two with three neighbours less one, and a new one
    four = [
        g.relu(g.add(conv(g, c, 72), doubled(g, d, 72))),
        g.relu(g.add(conv(g, c, 80, 3, 2), conv(g, d, 80), doubled(g, e, 80))),
        g.relu(g.add(conv(g, d, 88, 3, 2), conv(g, e, 88))),
    ]
    four.append(conv(g, four[2], 96, 3, 2))
    four = [block(g, branch) for branch in four]
    assert [g.shape(branch)[1] for branch in four] == [32, 16, 8, 4]
    y = conv(g, g.concat(*(g.resize(branch, 4, 4) for branch in four)), 104, 1)
    g.output(g.flatten(g.conv(g.global_avg_pool(y), 50, bias=True)))
    built = "8_16_2_2_24_1_1_2_32_40_1_1_1_1_48_56_64_1_1_1_1_1_72_80_88_96_104"
    ours = build_spec(f"nasbench-mr:{built}")
    assert ours.hash == g.build().hash
    assert len(ours) == len(g)


def test_the_k_th_stage_has_k_branches() -> None:
    graph = build_spec(f"nasbench-mr:{LARGE}")
    joins = [graph.node(i) for i in graph.nodes_of(Op.ADD)]
    # In each of two modules a branch has four blocks, and a sum where it has neighbours to read.
    expected = {
        32: 2 * 4 * 4 + (0 + 1 + 2 + 2),
        16: 2 * 4 * 3 + (1 + 2 + 2),
        8: 2 * 4 * 2 + (1 + 2),
        4: 2 * 4 * 1 + 1,
    }
    assert Counter(node.out_shape[1] for node in joins) == expected
    (concat,) = (graph.node(i) for i in graph.nodes_of(Op.CONCAT))
    assert concat.out_shape == (4 * 128, 4, 4)


def test_every_number_of_the_code_counts() -> None:
    members = family("nasbench-mr")
    spec = members.parse(SMALL)
    least = members.build(spec)
    grown = [
        other
        for other in members.neighbours(spec)
        if sum(map(int, other)) > sum(map(int, spec))
    ]  # fmt: skip
    assert {i for other in grown for i in range(27) if other[i] != spec[i]} == set(range(27))
    for other in grown:
        graph = members.build(other)
        assert graph.parameters > least.parameters
        assert cost(graph).macs > cost(least).macs


def test_images_and_classes_may_be_others() -> None:
    graph = NasBenchMR(pixels=64, classes=10).graph(VARIED)
    assert graph.node(0).out_shape == (3, 64, 64)
    assert graph.node(-1).out_shape == (10,)
    assert graph.parameters == PUBLISHED[VARIED][0] - 40 * (48 + 1)


def test_images_whose_halves_do_not_meet_are_refused() -> None:
    with pytest.raises(GraphError, match="add"):
        NasBenchMR(pixels=100).graph(SMALL)


def test_what_the_authors_count_as_flops() -> None:
    g = GraphBuilder()
    x = g.relu(g.batch_norm(g.conv(g.input(3, 8, 8), 4, 3)))
    g.output(g.flatten(g.conv(g.global_avg_pool(x), 10, bias=True)))
    assert flops(g.build()) == 4 * 8 * 8 * 27 + 2 * 4 * 8 * 8 + 4 * 10 + 10


# labels


def test_networks_without_a_label_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "nas_bench_mr"
    folder.mkdir()
    frame = pd.DataFrame({"code": [SMALL, LARGE], "seg.mIoU": [None, 76.09]})
    frame.to_parquet(folder / "labels.parquet")
    table = benchmark("nasbench-mr").read(tmp_path, "seg-val")
    assert table.networks == (f"nasbench-mr:{LARGE}",)
    assert table.values.tolist() == [76.09]


@pytest.mark.data
def test_figures_of_all_networks_are_the_published_ones(data_root: Path) -> None:
    for check in checks("nasbench-mr", data_root):
        assert len(check.networks) == len(set(check.networks)) == 2_507
        ours = [check.ours(build_spec(text)) for text in check.networks]
        assert ours == list(check.published), check.what


@pytest.mark.data
def test_labels_are_those_of_the_eight_settings(data_root: Path) -> None:
    declared = benchmark("nasbench-mr")
    best = {
        label.name: declared.read(data_root, label.name).values.max() for label in declared.labels
    }
    assert best == {
        "cls-50-1000-val": 86.16,
        "cls-50-100-val": 57.24,
        "cls-10-1000-val": 90.4,
        "cls-10c-val": 67.96,
        "seg-val": 79.1,
        "seg-4x-val": 68.74,
        "video-test": 28.292,
        "video-p-test": 40.391,
    }
    table = declared.read(data_root)
    assert dict(zip(table.networks, table.values, strict=True))[f"nasbench-mr:{LARGE}"] == 84.12
