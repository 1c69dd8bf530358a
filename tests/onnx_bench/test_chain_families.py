"""The chains of MetaQNN: what may follow what, dropout, networks, the benchmark's own counts."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onnx_bench.benchmarks import benchmark, read
from onnx_bench.builder import GraphBuilder
from onnx_bench.errors import SpecError
from onnx_bench.families import build_spec, family
from onnx_bench.families.metaqnn import (
    DEPTH_LIMIT,
    GAP,
    LAYERS,
    Layer,
    State,
    after,
    choices,
    with_dropout,
)
from onnx_bench.operators import Op
from onnx_bench.verification.metaqnn import counted

CONV, POOL = Layer("C", (64, 3, 1)), Layer("P", (2, 2))


def members() -> Any:
    return family("metaqnn")


def test_samples_come_back_from_their_texts_and_neighbours_too() -> None:
    rng = np.random.default_rng(0)
    for spec in [members().sample(rng) for _ in range(30)]:
        assert members().parse(members().format(spec)) == spec
        assert members().build(spec).validate().name == f"metaqnn:{members().format(spec)}"
        neighbours = members().neighbours(spec)
        assert neighbours
        assert spec not in neighbours
        assert len(set(neighbours)) == len(neighbours)
        assert [members().parse(members().format(other)) for other in neighbours] == neighbours


def test_samples_have_one_to_eighteen_layers() -> None:
    rng = np.random.default_rng(0)
    lengths = {len(members().sample(rng)) for _ in range(1000)}
    assert lengths == set(range(1, DEPTH_LIMIT + 1))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "of the form"),
        ("C(64,3,1), SM(10)", "of the form"),
        ("[C(64,3,1) SM(10)]", "of the form"),
        ("[SM(10)]", "no layers that end in SM(10)"),
        ("[C(64,3,1)]", "no layers that end in SM(10)"),
        ("[C(64,3,1), SM(100)]", "no layers that end in SM(10)"),
        ("[P(2,2), SM(10)]", "has P(2,2) at the start on 32 pixels"),
        ("[GAP(10), SM(10)]", "has GAP(10) at the start on 32 pixels"),
        ("[C(64,7,1), SM(10)]", "has C(64,7,1) at the start"),
        ("[C(96,3,1), SM(10)]", "has C(96,3,1) at the start"),
        ("[C(64,3,2), SM(10)]", "has C(64,3,2) at the start"),
        ("[C(64,3,1), P(2,2), P(2,2), SM(10)]", "has P(2,2) after P(2,2) on 16 pixels"),
        ("[C(64,3,1), FC(128), SM(10)]", "has FC(128) after C(64,3,1) on 32 pixels"),
        ("[C(64,3,1), GAP(10), C(64,3,1), SM(10)]", "has C(64,3,1) after GAP(10)"),
        ("[C(64,3,1), XY(3), SM(10)]", "has XY(3) after C(64,3,1)"),
        (
            "[C(64,3,1), P(5,3), C(64,3,1), P(3,2), C(64,5,1), SM(10)]",
            "has C(64,5,1) after P(3,2) on 4 pixels",
        ),
        (f"[{', '.join(['C(64,3,1)'] * 19)}, SM(10)]", "has C(64,3,1) after C(64,3,1)"),
        ("[C(64,3,1), C(64,3,1), D(1,2), SM(10)]", "has other dropout than [C(64,3,1), C(64,3,1)"),
        ("[C(64,3,1), D(1,1), C(64,3,1), SM(10)]", "has other dropout than"),
    ],
)
def test_a_wrong_text_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(SpecError, match=re.escape(why)) as caught:
        members().graph(text)
    assert repr(text) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_text_may_leave_dropout_and_spaces_out() -> None:
    whole = members().parse("[C(64,3,1), P(5,3), D(1,1), GAP(10), SM(10)]")
    assert members().parse("[C(64,3,1),P(5,3),GAP(10),SM(10)]") == whole


def test_a_chain_begins_with_a_convolution_and_ends_behind_its_means() -> None:
    assert {layer.kind for layer in choices(State())} == {"C"}
    assert choices(after(State(), CONV)) == tuple(x for x in LAYERS if x.kind != "FC")
    assert choices(State(GAP, 32, 2)) == ()
    assert choices(State(CONV, 32, DEPTH_LIMIT)) == ()


def test_windows_are_smaller_than_the_image_and_linear_layers_read_small_ones() -> None:
    def allowed(size: int) -> set[str]:
        return {str(layer).replace("64,", "") for layer in choices(State(CONV, size, 3))}

    assert {"C(5,1)", "P(5,3)"} <= allowed(8)
    assert "FC(128)" not in allowed(8)
    assert {"C(3,1)", "P(3,2)", "FC(128)"} <= allowed(7)
    assert not {"C(5,1)", "P(5,3)"} & allowed(7)
    assert {text[0] for text in allowed(3)} == {"F", "G"}


def test_two_linear_layers_at_most_which_do_not_widen() -> None:
    wide = after(State(CONV, 4, 3), Layer("FC", (256,)))
    assert [str(layer) for layer in choices(wide)] == ["FC(128)", "FC(256)"]
    assert choices(after(wide, Layer("FC", (128,)))) == ()


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ("C", "C SM"),
        ("C C", "C C D1/1 SM"),
        ("C C C", "C C D1/2 C SM"),
        ("C C C GAP", "C C D1/1 C GAP SM"),
        ("C P C P FC", "C P D1/4 C P D2/4 FC D3/4 SM"),
        ("C P C FC", "C P D1/3 C FC D2/3 SM"),
        ("C P C FC FC", "C P D1/4 C FC D2/4 FC D3/4 SM"),
    ],
)
def test_dropout_lies_behind_every_second_layer_and_each_linear_one(
    layers: str, expected: str
) -> None:
    """The place behind the classifier is counted, and has none."""
    kinds = {"C": CONV, "P": POOL, "FC": Layer("FC", (128,)), "GAP": GAP}
    found = with_dropout(tuple(kinds[kind] for kind in layers.split()))
    texts = [f"D{'/'.join(map(str, x.numbers))}" if x.kind == "D" else x.kind for x in found]
    assert " ".join(texts) == expected


def test_a_chain_is_wired_by_hand() -> None:
    g = GraphBuilder()
    x = g.relu(g.conv(g.input(3, 32, 32), 64, 5, bias=True))
    x = g.max_pool(x, 5, stride=3, padding=0)
    x = g.relu(g.conv(x, 128, 1, bias=True))
    x = g.max_pool(x, 3, stride=2, padding=0)
    assert g.shape(x) == (128, 4, 4)
    x = g.relu(g.linear(g.flatten(x), 256))
    g.output(g.linear(g.relu(g.linear(x, 128)), 10))
    text = "[C(64,5,1), P(5,3), C(128,1,1), P(3,2), FC(256), FC(128), SM(10)]"
    assert build_spec(f"metaqnn:{text}") == g.build()


def test_means_of_ten_channels_are_classified() -> None:
    graph = build_spec("metaqnn:[C(64,1,1), GAP(10), SM(10)]")
    assert graph.parameters == (3 * 64 + 64) + (64 * 10 + 10) + (10 * 10 + 10)
    assert len(graph.nodes_of(Op.GLOBAL_AVG_POOL)) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[C(64,1,1), P(5,3), SM(10)]", 3 * 64),
        ("[C(64,1,1), GAP(10), SM(10)]", 3 * 64 + 64 * 10),
        ("[C(64,1,1), C(128,3,1), SM(10)]", 3 * 64 + 64 * 128 * 9 + 128 * 128 * 9),
        (
            "[C(64,1,1), P(5,3), C(64,1,1), P(3,2), FC(128), SM(10)]",
            3 * 64 + 64 * 64 + 64 * 16 * 128 + 128 * 128,
        ),
    ],
)
def test_the_benchmark_counts_no_biases_and_a_copy_of_the_last_layer(
    text: str, expected: int
) -> None:
    assert counted(build_spec(f"metaqnn:{text}")) == expected


def test_neighbours_are_one_layer_away() -> None:
    spec = (CONV, POOL, CONV)
    neighbours = members().neighbours(spec)
    assert (CONV, CONV) in neighbours
    assert (CONV, POOL) in neighbours
    assert (CONV, POOL, CONV, GAP) in neighbours
    assert (POOL, CONV) not in neighbours
    assert (CONV, POOL, POOL) not in neighbours
    assert {len(other) for other in neighbours} == {2, 3, 4}


@pytest.mark.data
def test_all_chains_of_the_table_are_members_with_its_counts(data_root: Path) -> None:
    frame = benchmark("metaqnn").frame(data_root)
    specs = [members().parse(text) for text in frame["net"]]
    assert [members().format(spec) for spec in specs] == frame["net"].tolist()
    found = [counted(members().build(spec)) for spec in specs]
    assert found == frame["num_params"].tolist()
    assert read("metaqnn", data_root).values.tolist() == frame["val_acc_last"].tolist()
