"""The embedded benchmark `digits-more`: its eight families, its labels and its card."""

import runpy
from itertools import combinations
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr

from onnx_bench import benchmarks
from onnx_bench.benchmarks import digits, digits_more, digits_training
from onnx_bench.families import FAMILIES, build_spec, family
from onnx_bench.graph import ComputationGraph
from onnx_bench.onnx_export import to_onnx
from onnx_bench.onnx_import import import_onnx
from onnx_bench.operators import Op
from onnx_bench.torch_module import to_torch

BENCHMARK, KINDS = digits_more.BENCHMARK, digits_more.KINDS
FILE = BENCHMARK.home() / BENCHMARK.table
SEEDS = range(BENCHMARK.seeds)


def sampled(kind: str, number: int, seed: int = 0) -> list[ComputationGraph]:
    members, rng = family(kind), np.random.default_rng(seed)
    return [members.build(members.sample(rng)) for _ in range(number)]


def kernels(graph: ComputationGraph) -> list[tuple[int, int, int]]:
    """Output width, kernel and groups of each convolution, in order."""
    rows = [graph.node(i) for i in graph.nodes_of(Op.CONV)]
    return [(row.out_shape[0], row.kernel[0], row.groups) for row in rows]


def count(graph: ComputationGraph, *ops: Op) -> int:
    return sum(len(graph.nodes_of(op)) for op in ops)


# every family


def test_the_kinds_are_families_of_their_own() -> None:
    assert set(KINDS) <= set(FAMILIES)
    assert not set(KINDS) & set(digits.KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_members_read_small_grey_images_and_answer_ten_classes(kind: str) -> None:
    for graph in sampled(kind, 100):
        assert graph.node(0).out_shape == (1, 8, 8)
        assert [graph.node(i).out_shape for i in graph.nodes_of(Op.OUTPUT)] == [(10,)]


@pytest.mark.parametrize("kind", KINDS)
def test_members_differ_in_more_than_their_text(kind: str) -> None:
    assert len({graph.hash for graph in sampled(kind, 60)}) >= 58


@pytest.mark.parametrize("kind", KINDS)
def test_exported_members_come_back_with_the_same_hash(kind: str) -> None:
    for graph in sampled(kind, 15, seed=1):
        assert import_onnx(to_onnx(graph)).graph.hash == graph.hash


@pytest.mark.parametrize("kind", KINDS)
def test_exported_members_compute_what_torch_does(kind: str) -> None:
    for graph in sampled(kind, 3, seed=2):
        module = to_torch(graph).eval()
        weights = {name: value.numpy() for name, value in module.state_dict().items()}
        images = np.random.default_rng(0).standard_normal((2, 1, 8, 8)).astype(np.float32)
        with torch.no_grad():
            expected = module(torch.from_numpy(images))
        session = onnxruntime.InferenceSession(to_onnx(graph, weights).SerializeToString())
        (got,) = session.run(None, {session.get_inputs()[0].name: images})
        np.testing.assert_allclose(got, expected.numpy(), rtol=1e-3, atol=1e-4)


# what the texts say


def test_dense_layers_read_all_before_them_and_transitions_halve() -> None:
    graph = build_spec("digits-dense:k1-half-full-g2-l3-k3-g4-l1-k1-g8-l1-k3")
    read = [graph.node(i).in_shape[0] for i in graph.nodes_of(Op.CONV)]
    assert read == [1, 4, 6, 8, 10, 5, 9, 9]
    widths = [(width, kernel) for width, kernel, _ in kernels(graph)]
    assert widths == [(4, 1), (2, 3), (2, 3), (2, 3), (5, 1), (4, 1), (9, 1), (8, 3)]
    assert count(graph, Op.AVG_POOL) == 2


def test_branches_of_width_zero_are_not_there() -> None:
    none = "-a0-b0-c0-d0-five"
    graph = build_spec("digits-branches:k3-avg-a4-b8-c12-d4-twice" + none * 2)
    widths = [(width, kernel) for width, kernel, _ in kernels(graph)]
    assert widths == [(6, 3), (4, 1), (8, 1), (8, 3), (12, 1), (12, 3), (12, 3), (4, 1)]
    assert [graph.node(i).out_shape for i in graph.nodes_of(Op.CONCAT)] == [(28, 4, 4)]
    assert (count(graph, Op.AVG_POOL), count(graph, Op.MAX_POOL)) == (3, 0)
    empty = build_spec("digits-branches:k3-max" + none * 3)
    assert count(empty, Op.CONV) == 1
    assert count(empty, Op.CONCAT) == 0


def test_wired_cells_add_what_is_read_and_what_nobody_reads() -> None:
    """A chain adds nothing; nodes that all read the cell's input are added at its end."""
    chain = "sep-conv1-point01-sep001-sep0001"
    star = "sep-conv0-point00-sep000-sep0000"
    assert count(build_spec(f"digits-wired:w8-{chain}-{chain}"), Op.ADD) == 0
    graph = build_spec(f"digits-wired:w8-{star}-{chain}")
    (total,) = graph.nodes_of(Op.ADD)
    assert [len(inputs) for index, _, inputs in graph.walk() if index == total] == [5]


def test_genotypes_have_three_cells_of_the_operations_of_the_text() -> None:
    pools, skips = ("max3-x0-avg3-x1", "skip-x0-skip-x1"), ("skip-x0-skip-x1",) * 2
    graph = build_spec("digits-genotypes:" + "-".join(["c4", *pools, pools[1], *skips, skips[0]]))
    assert (count(graph, Op.MAX_POOL), count(graph, Op.AVG_POOL)) == (2, 2)
    ends = [graph.node(i).out_shape for i in graph.nodes_of(Op.CONCAT)]
    assert [shape for shape in ends if shape[0] % 3 == 0] == [(12, 4, 4), (24, 2, 2), (24, 2, 2)]


def test_groups_are_shuffled_where_the_text_says() -> None:
    tail = "-w8-b1-g2-k3-d1-w16-b4-g4-k3-d1-w24-b2-g8-k1-d2"
    graph = build_spec("digits-groups:batch-post-shuffle" + tail)
    assert [(width, groups) for width, _, groups in kernels(graph) if groups > 1] == [
        *[(8, 2)] * 3,
        *[(4, 4), (4, 4), (16, 4)],
        *[(16, 8), (16, 8), (24, 8)] * 2,
    ]
    # Four groups of four channels are shuffled to where they were.
    assert count(graph, Op.TRANSPOSE, Op.SHUFFLE) == 3
    assert count(build_spec("digits-groups:batch-post-apart" + tail), Op.TRANSPOSE) == 0


def test_layers_are_those_of_the_text() -> None:
    text = "none-tanh-w4-k3-skip-max-w8-k5-k1-stride-w16-skip-skip-keep-flat-h32"
    graph = build_spec("digits-layers:" + text)
    assert [(w, k) for w, k, _ in kernels(graph)] == [(4, 3), (8, 5), (8, 1), (8, 3)]
    assert count(graph, Op.TANH) == 5
    assert [graph.node(i).in_shape[-1] for i in graph.nodes_of(Op.LINEAR)] == [32, 32]


def test_hybrids_add_the_position_once() -> None:
    graph = build_spec("digits-hybrids:s3-attn-w8-d2-pool-w16-d1-mixer-w16-d1")
    assert [graph.node(i).out_shape for i in graph.nodes_of(Op.POSITION)] == [(16, 8)]
    assert (count(graph, Op.ATTENTION), count(graph, Op.SUB)) == (2, 1)
    assert graph.node(graph.nodes_of(Op.LINEAR)[-3]).out_shape == (4, 32)


def test_recurrent_layers_are_those_of_the_text() -> None:
    graph = build_spec("digits-recurrent:patches-e8-gru-u4-l2-both-norm-mean-h16")
    shapes = [(graph.node(i).in_shape, graph.node(i).out_shape) for i in graph.nodes_of(Op.GRU)]
    assert shapes == [((16, 8), (16, 8)), ((16, 8), (16, 8))]
    assert (count(graph, Op.LAYER_NORM), count(graph, Op.LINEAR)) == (1, 3)
    last = build_spec("digits-recurrent:rows-e0-lstm-u16-l3-one-shortcut-last-h0")
    assert (count(last, Op.ADD), count(last, Op.SLICE), count(last, Op.LSTM)) == (2, 1, 3)
    whole = build_spec("digits-recurrent:rows-e0-rnn-u16-l1-one-plain-all-h0")
    assert whole.node(whole.nodes_of(Op.LINEAR)[0]).in_shape == (128,)


# the labels


def rows_of(kind: str) -> pd.DataFrame:
    frame = BENCHMARK.frame()
    return frame[frame["kind"] == kind]


def test_digits_more_holds_as_many_networks_of_each_kind() -> None:
    table = benchmarks.read("digits-more")
    assert {kind: table.kinds.count(kind) for kind in KINDS} == dict.fromkeys(KINDS, 160)
    assert set(table.kinds) == set(KINDS)
    assert FILE.stat().st_size < 300_000


def test_no_two_networks_of_digits_more_are_the_same() -> None:
    hashes = {graph.hash for graph in benchmarks.read("digits-more").graphs()}
    assert len(hashes) == len(benchmarks.read("digits-more"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_and_all_the_others_part_digits_more(kind: str) -> None:
    part = benchmarks.read("digits-more", subset=kind)
    rest = benchmarks.read("digits-more", subset=f"not-{kind}")
    assert set(part.kinds) == {kind}
    assert set(rest.kinds) == set(KINDS) - {kind}


@pytest.mark.parametrize("kind", KINDS)
def test_seeds_agree_and_networks_differ(kind: str) -> None:
    rows = rows_of(kind)
    runs = [rows[f"accuracy_{seed}"] for seed in SEEDS]
    rhos = [spearmanr(a, b).statistic for a, b in combinations(runs, 2)]
    assert np.mean(rhos) >= 0.75
    assert np.ptp(np.mean(runs, axis=0)) > 15


def test_the_label_is_the_mean_of_the_runs_and_curves_have_all_epochs() -> None:
    rows, table = BENCHMARK.frame(), benchmarks.read("digits-more")
    mean = np.mean([rows[f"accuracy_{seed}"].astype(float) for seed in SEEDS], axis=0)
    np.testing.assert_allclose(table.values, mean)
    for seed in SEEDS:
        curves = np.stack(rows[f"curve_{seed}"].to_list())
        assert curves.shape == (len(rows), digits_training.EPOCHS)
        assert ((curves >= 0) & (curves <= 100)).all()


@pytest.mark.parametrize("name", ["digits", "digits-more"])
def test_cards_are_those_of_the_labels(name: str) -> None:
    script = Path(__file__).parents[2] / "scripts" / "label_digits.py"
    card = runpy.run_path(str(script), run_name="script")["card"]
    found = benchmarks.benchmark(name)
    path = (found.home() / found.table).with_suffix(".md")
    assert card(found.frame(), name) == path.read_text()


@pytest.mark.parametrize("kind", ["digits-layers", "digits-recurrent"])
def test_labels_are_those_of_the_protocol(kind: str) -> None:
    """Other machines round otherwise, so up to what another seed would change."""
    rows = rows_of(kind)
    row = min(rows.to_dict("records"), key=lambda row: abs(row["accuracy_0"] - 45))
    run = digits_training.train(build_spec(f"{kind}:{row['spec']}"), 0)
    assert run.accuracy == pytest.approx(row["accuracy_0"], abs=6)
