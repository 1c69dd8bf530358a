"""Recurrent cells and text transformers: specifications, networks by hand, published counts."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from onnx_bench.benchmarks import benchmark
from onnx_bench.builder import GraphBuilder
from onnx_bench.errors import SpecError
from onnx_bench.families import build_spec, family
from onnx_bench.operators import Op
from onnx_bench.verification import checks

FAMILIES = ("bert", "nasbench-nlp", "gpt2", "transformer-xl", "hwgpt")
RNN = '{"f": {"op": "linear", "input": ["x", "h_prev_0"]}, "h_new_0": {"op": "%s", "input": ["f"]}}'


WRONG = {
    "bert:h256": "0 layers",
    "bert:h192/2x512/2x512": "expected h128 or h256",
    "bert:h128/2x512/2x512/2x512": "3 layers",
    "bert:h128/8x512/2x512": "'8x512'",
    "bert:h128/2x512/2x1024": "'2x1024'",
    "bert:h128/2x512/2x512-512": "'2x512-512'",
    "bert:h128/2x512/02x512": "'02x512'",
    "nasbench-nlp:": "NAME=OPERATION",
    "nasbench-nlp:new0=tanh(x)": "expected a linear",
    "nasbench-nlp:a=linear(x,h0)": "does not compute the new states",
    "nasbench-nlp:a=linear(x,h0);new0=tanh(b)": "reads 'b' at 'new0'",
    "nasbench-nlp:a=linear(x);new0=tanh(a)": "makes no use of 'h0'",
    "nasbench-nlp:a=linear(x,h0);b=tanh(a);new0=tanh(a)": "makes no use of 'b'",
    "nasbench-nlp:a=linear(x,b,h0);b=tanh(a);new0=tanh(a)": "round in a circle",
    "nasbench-nlp:a=linear(x,h0);new0=relu(a)": "'relu'",
    "nasbench-nlp:a=linear(x,h0);new0=blend(a,h0)": "blend 2 inputs at 'new0', expected 3",
    "nasbench-nlp:a=linear(x,h0);new0=sum(a,a)": "twice",
    "nasbench-nlp:a=linear(x,h0);new1=tanh(a)": "does not compute the new states",
    "nasbench-nlp:new0=linear(x,h0);new0=linear(x,h0)": "two steps alike",
    'nasbench-nlp:{"f": 3}': "no JSON of the form",
    'nasbench-nlp:{"h_new_0": {"op": "linear", "input": [3]}}': "no JSON of the form",
    "gpt2:d64-e128-v3/2x512": "expected dWIDTH",
    "gpt2:d64-e128-v2": "has no 1 to 64 layers",
    "gpt2:d66-e128-v2/4x512": "do not divide its width 66",
    "gpt2:d64-e8-v4/2x512": "leaves the last cluster no value",
    "gpt2:d64-e4096-v2/2x512": "an e above 2048",
    "transformer-xl:d64-e128-v2/2": "HEADSxWIDTH",
    "hwgpt:d100-b0/4x2": "has the width 100",
    "hwgpt:d192-b2/4x2": "expected dWIDTH-b0",
    "hwgpt:d192-b1/4x2": "HEADSxRATIO of (10, 11, 12) layers",
    "hwgpt:d192-b1/" + "/".join(["16x2"] * 10): "heads in (4, 8, 12)",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_specification_is_refused_with_one_that_is_right(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        build_spec(text)
    message = str(caught.value)
    assert WRONG[text] in message
    assert family(text.partition(":")[0]).example in message
    assert "\n" not in message


# BERT


def test_parameters_of_an_encoder_by_hand() -> None:
    """Width 256: tables, a map to it, and layers of four square maps, two norms and their own."""
    tables = (30_522 + 512 + 2) * 128 + 2 * 128
    layer = 4 * (256 * 256 + 256) + 4 * 256
    narrow = 256 * 1024 + 1024 + 1024 * 256 + 256
    deep = narrow + 1024 * 512 + 512 + 512 * 512 + 512 - 1024 * 256 + 512 * 256
    graph = build_spec("bert:h256/4x1024/2x1024-512-512")
    assert graph.parameters == tables + 128 * 256 + 256 + 2 * layer + narrow + deep
    assert build_spec("bert:h128/2x512/2x512").parameters == 4_369_408


def test_heads_and_depth_of_an_encoder_are_those_of_the_text() -> None:
    graph = build_spec("bert:h128/2x512/4x512/4x512/2x512-1024-1024")
    assert [graph.node(i).in_shape for i in graph.nodes_of(Op.ATTENTION)] == [
        (2, 128, 64),
        (4, 128, 32),
        (4, 128, 32),
        (2, 128, 64),
    ]
    assert len(graph.nodes_of(Op.GELU)) == 6
    assert [graph.node(i).out_shape for i in graph.nodes_of(Op.INPUT)] == [(128,), (128, 2)]


# NAS-Bench-NLP


def test_a_recipe_of_the_logs_is_read_as_our_own_text() -> None:
    cells = family("nasbench-nlp")
    spec = cells.parse(RNN % "activation_tanh")
    assert cells.format(spec) == "a=linear(x,h0);new0=tanh(a)"
    with pytest.raises(SpecError, match="'relu' at 'new0'"):
        cells.parse(RNN % "activation_relu")


def test_steps_are_ordered_and_named_anew() -> None:
    cells = family("nasbench-nlp")
    text = "new0=blend(gate,h0,new);gate=sigm(z);new=tanh(y);z=linear(x,h0);y=linear(h0,x)"
    assert cells.format(cells.parse(text)) == (
        "a=linear(x,h0);b=sigm(a);c=linear(h0,x);d=tanh(c);new0=blend(b,h0,d)"
    )


def test_a_cell_is_built_as_its_text_says() -> None:
    """The gated cell by hand, three layers of 400, 600, 600 and 400 values."""
    g = GraphBuilder()
    x, states = g.input(400), []
    for width in (600, 600, 400):
        h = g.input(width)
        gate = g.sigmoid(g.add(g.linear(x, width), g.linear(h, width, bias=False)))
        new = g.unary(Op.TANH, g.add(g.linear(h, width), g.linear(x, width, bias=False)))
        x = g.add(g.mul(gate, h), g.mul(g.shift(gate), new))
        states.append(x)
    for result in (g.linear(x, 33_278), *states):
        g.output(result)
    text = "a=linear(x,h0);b=sigm(a);c=linear(h0,x);d=tanh(c);new0=blend(b,h0,d)"
    assert build_spec(f"nasbench-nlp:{text}") == g.build()


def test_neighbours_change_rewire_lengthen_and_shorten() -> None:
    cells = family("nasbench-nlp")
    spec = cells.parse("a=linear(x,h0);b=sigm(a);new0=linear(b,h0)")
    texts = {cells.format(other) for other in cells.neighbours(spec)}
    assert "a=linear(x,h0);b=tanh(a);new0=linear(b,h0)" in texts  # another operation
    assert "a=linear(x,h0);b=sigm(a);new0=prod(b,h0)" in texts
    assert "a=linear(x,h0);b=sigm(a);new0=linear(b,a)" in texts  # another input
    assert "a=linear(x,h0);b=sigm(a);new0=linear(b,h0,x)" in texts  # one more, one less
    assert "a=linear(x,h0);b=sigm(a);new0=linear(b)" in texts
    assert "a=linear(x,h0);b=tanh(a);c=sigm(b);new0=linear(c,h0)" in texts  # a step more, one less
    assert "a=linear(x,h0);new0=linear(a,h0)" in texts


def test_no_sample_of_a_cell_is_larger_than_the_space() -> None:
    cells = family("nasbench-nlp")
    specs = [cells.sample(np.random.default_rng(seed)) for seed in range(200)]
    states = {sum(step.name.startswith("new") for step in spec) for spec in specs}
    assert states == {1, 2, 3}
    assert max(map(len, specs)) <= 24
    assert {step.operation for spec in specs for step in spec} == {
        *("linear", "blend", "prod", "sum", "tanh", "sigm", "leaky_relu")
    }


# decoders


def test_parts_of_a_decoder_by_hand() -> None:
    """Three tables of 128, 32 and 8 values, each mapped to 64; 192 positions; two layers."""
    words = (19_997, 20_000, 50_264 - 39_997)
    embedding = sum(n * size + 64 * size for n, size in zip(words, (128, 32, 8), strict=True))
    attention = 4 * 64 * 64 + 4 * 64
    inner = sum(2 * 64 * n + n + 64 for n in (512, 600))
    norms = (2 * 2 + 1) * 2 * 64
    graph = build_spec("gpt2:d64-e128-v4/2x512/4x600")
    assert graph.parameters == embedding + 192 * 64 + 2 * attention + inner + norms
    relative = 5 * 64 * 64 + 2 * 64
    words = (19_997, 20_000, 160_000, 267_736 - 199_997)
    embedding = sum(n * size + 64 * size for n, size in zip(words, (128, 32, 8, 2), strict=True))
    graph = build_spec("transformer-xl:d64-e128-v4/2x512/4x600")
    assert graph.parameters == embedding + 2 * relative + inner + 4 * 2 * 64


def test_one_division_needs_one_projection_or_none() -> None:
    projected = build_spec("gpt2@lm1b:d64-e128-v1/2x512").parameters
    plain = build_spec("gpt2@lm1b:d128-e128-v1/2x512").parameters
    layer = {d: 4 * d * d + 4 * d + 2 * d * 512 + 512 + d + 6 * d + 32 * d for d in (64, 128)}
    assert projected == 50_264 * 128 + 64 * 128 + layer[64]
    assert plain == 50_264 * 128 + layer[128]


def test_the_relative_shift_moves_each_row_by_its_place() -> None:
    """Row i of the products with distances 0 to T - 1, as it is added to the products with keys."""
    tokens = 4
    rows = np.arange(1.0, 1 + tokens * tokens).reshape(tokens, tokens)
    padded = np.pad(rows, ((0, 0), (1, 0)))
    expected = padded.reshape(tokens + 1, tokens)[1:]
    lower = np.tril(np.ones((tokens, tokens), bool))
    by_hand = [[rows[i, tokens - 1 - i + j] for j in range(i + 1)] for i in range(tokens)]
    np.testing.assert_array_equal(expected[lower], np.concatenate(by_hand))
    graph = build_spec("transformer-xl:d64-e128-v4/2x512")
    (pad,) = (graph.node(i) for i in graph.nodes_of(Op.PAD))
    assert (pad.in_shape, pad.out_shape) == ((2, 192, 192), (2, 192, 193))
    assert pad.padding == (0, 1, 0, 0)


def test_biases_heads_and_ratio_of_a_subnet() -> None:
    """Per layer three matrices of ratio times the width, heads of 64 values, two norms."""
    layers = ["4x2"] * 9 + ["12x4"]
    weights = sum(
        4 * 192 * 64 * h + 3 * r * 192 * 192 + 4 * 192 for h, r in [(4, 2)] * 9 + [(12, 4)]
    )
    biases = sum(192 * h + 192 + 2 * r * 192 + 192 for h, r in [(4, 2)] * 9 + [(12, 4)])
    ends = 50_254 * 192 + 2 * 192
    assert build_spec("hwgpt:d192-b0/" + "/".join(layers)).parameters == weights + ends
    assert build_spec("hwgpt:d192-b1/" + "/".join(layers)).parameters == weights + ends + biases


def test_the_medium_scale_refuses_with_a_network_of_its_own() -> None:
    with pytest.raises(SpecError, match="d256-b0/8x2/8x2") as caught:
        build_spec("hwgpt@m:d192-b0/" + "/".join(["8x2"] * 22))
    assert build_spec("hwgpt@m:" + str(caught.value).split("'")[-2]).validate()


# the published tables


def agreeing(name: str, root: Path, every: int = 1) -> list[tuple[str, int, int]]:
    """(figure, rows compared, rows equal) of each check of a family."""
    found = []
    for check in checks(name, root):
        pairs = list(zip(check.networks, check.published, strict=True))[::every]
        ours = [check.ours(build_spec(text)) for text, _ in pairs]
        equal = sum(a == b for a, (_, b) in zip(ours, pairs, strict=True))
        found.append((check.what, len(pairs), equal))
    return found


@pytest.mark.data
@pytest.mark.parametrize(("name", "every"), [("bert", 1), ("nasbench-nlp", 1), ("hwgpt", 50)])
def test_figures_of_networks_are_those_of_the_table(name: str, every: int, data_root: Path) -> None:
    found = agreeing(name, data_root, every)
    assert found
    assert all(rows == equal > 100 for _, rows, equal in found)


@pytest.mark.data
@pytest.mark.parametrize(("name", "total"), [("gpt2", 522), ("transformer-xl", 599)])
def test_five_figures_of_decoders_are_those_of_the_table(
    name: str, total: int, data_root: Path
) -> None:
    """A tenth of every run; the table of the families has all rows."""
    found = agreeing(name, data_root, 10)
    assert all(rows == equal for _, rows, equal in found)
    figures = {what for what, _, _ in found}
    assert len(figures) == 5
    assert sum(len(check.networks) for check in checks(name, data_root)) == 5 * total


@pytest.mark.data
def test_all_recipes_are_read_and_come_back(data_root: Path) -> None:
    cells = family("nasbench-nlp")
    table = pd.read_parquet(data_root / "nasbench_nlp" / "labels.parquet", columns=["recepie"])
    specs = [cells.parse(text) for text in table["recepie"]]
    assert [cells.parse(cells.format(spec)) for spec in specs] == specs
    assert (table["recepie"].nunique(), len(set(specs))) == (291, 277)


@pytest.mark.data
def test_perplexities_compare_within_one_run_and_less_is_better(data_root: Path) -> None:
    table = benchmark("transformer-xl").read(data_root)
    assert (len(table), table.subset) == (200, "wt103")
    assert table.values.max() == pytest.approx(-26.572293616558348)
    assert "all" not in benchmark("gpt2").subsets


@pytest.mark.data
def test_labels_of_sequence_benchmarks(data_root: Path) -> None:
    glue = benchmark("bert").read(data_root)
    assert (len(glue), glue.values[0]) == (500, 74.73375)
    losses = benchmark("nasbench-nlp").read(data_root)
    assert len(losses) == 343
    assert losses.values[0] == pytest.approx(-5.137329225845042)
    assert len(benchmark("hwgpt-m").read(data_root)) == 5245
    assert len(benchmark("hwgpt-s").read(data_root, "latency-h100")) == 10_000
