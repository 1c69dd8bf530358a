"""Stages of networks and the tables made of them."""

import io
import json

import pytest
from hypothesis import given
from rich.console import Console
from strategies import graphs

from onnx_bench.builder import GraphBuilder
from onnx_bench.cost import cost
from onnx_bench.families import build_spec, family
from onnx_bench.graph import ComputationGraph
from onnx_bench.operators import Op
from onnx_bench.summary import Stage, describe, stages, tables
from tests.small_families import SELF_CONTAINED

EXAMPLES = [f"{name}:{family(name).example}" for name in SELF_CONTAINED]


def names(graph: ComputationGraph) -> list[str]:
    return [stage.name for stage in stages(graph)]


def assert_whole(graph: ComputationGraph, parts: list[Stage]) -> None:
    """Each node is in one stage, and the sums are those of `cost`."""
    assert sorted(i for stage in parts for i in stage.nodes) == list(range(len(graph)))
    total = cost(graph)
    assert sum(stage.macs for stage in parts) == total.macs
    assert sum(stage.parameters for stage in parts) == total.parameters
    assert sum(stage.activations for stage in parts) == total.activations
    for stage in parts:
        labels = [graph.node(i).op.label for i in stage.nodes]
        assert list(stage.nodes) == sorted(stage.nodes)
        assert stage.operators == {
            label: labels.count(label) for label in sorted({*labels} - {"input", "output"})
        }


@pytest.mark.parametrize("spec", EXAMPLES)
def test_stages_add_up_for_every_family(spec: str) -> None:
    graph = build_spec(spec)
    assert_whole(graph, stages(graph))
    images = any(len(graph.node(i).out_shape) == 3 for i in graph.nodes_of(Op.INPUT))
    ends = len(graph.node(graph.nodes_of(Op.OUTPUT)[0]).out_shape) == 1
    assert (stages(graph)[-1].name == "head") == (images and ends)


@given(graphs())
def test_stages_add_up_for_any_network(graph: ComputationGraph) -> None:
    assert_whole(graph, stages(graph))


@pytest.mark.parametrize("name", ["nasbench101", "nasbench201"])
def test_benchmark_networks_have_three_resolutions_and_a_head(name: str) -> None:
    parts = stages(build_spec(f"{name}:{family(name).example}"))
    assert [stage.name for stage in parts] == ["32×32", "16×16", "8×8", "head"]
    width = parts[0].out_shape[0]
    assert [stage.out_shape for stage in parts] == [
        (width, 32, 32),
        (2 * width, 16, 16),
        (4 * width, 8, 8),
        (10,),
    ]
    assert parts[-1].operators == {"global_avg_pool": 1, "linear": 1, "reshape": 1}


def test_tokens_are_one_stage_with_their_wide_halves() -> None:
    parts = stages(build_spec(f"digits-tokens:{family('digits-tokens').example}"))
    assert [stage.name for stage in parts] == ["4×4", "16×16 tokens", "head"]
    assert parts[0].operators == {"conv": 1}  # and the input, though larger, is with it
    assert len(parts[0].nodes) == 2
    assert parts[1].operators["gelu"] == 2
    assert parts[2].operators == {"linear": 1, "mean": 1}


def test_squeeze_excitation_belongs_to_its_stage() -> None:
    g = GraphBuilder()
    x = g.relu(g.conv(g.input(3, 16, 16), 8, 3, stride=2))
    for _ in range(2):
        gate = g.sigmoid(g.conv(g.relu(g.conv(g.global_avg_pool(x), 2)), 8))
        x = g.conv(g.mul(x, gate), 8, 3)
    g.output(g.linear(g.flatten(g.global_avg_pool(x)), 10))
    parts = stages(g.build())
    assert [stage.name for stage in parts] == ["8×8", "head"]
    assert parts[0].operators["conv"] == 7
    assert parts[0].operators["global_avg_pool"] == 2
    assert parts[0].out_shape == (8, 8, 8)


def test_branches_that_shrink_at_different_depths_do_not_cut_each_other_up() -> None:
    g = GraphBuilder()
    x = g.conv(g.input(3, 16, 16), 8, 3)
    quick = g.conv(x, 8, 3, 2)  # the order of the nodes goes to 8×8 and back three times
    slow = g.conv(g.conv(x, 8, 1), 8, 3, 2)
    pooled = g.max_pool(g.relu(x), 3, 2)
    g.output(g.linear(g.flatten(g.global_avg_pool(g.concat(quick, slow, pooled))), 10))
    parts = stages(g.build())
    assert [(stage.name, stage.operators.get("conv", 0)) for stage in parts] == [
        ("16×16", 2),
        ("8×8", 2),
        ("head", 0),
    ]


def test_a_second_head_in_the_middle_does_not_cut_the_trunk() -> None:
    g = GraphBuilder()
    x = g.conv(g.input(3, 16, 16), 8, 3)
    first = g.linear(g.flatten(g.global_avg_pool(x)), 10)
    second = g.linear(g.flatten(g.global_avg_pool(g.conv(x, 8, 3, 2))), 10)
    g.output(first)
    g.output(second)
    parts = stages(g.build())
    assert [stage.name for stage in parts] == ["16×16", "8×8", "head"]
    assert parts[2].operators["linear"] == 2


def test_a_u_net_goes_down_and_up() -> None:
    g = GraphBuilder()
    left = g.relu(g.conv(g.input(3, 16, 16), 8, 3))
    low = g.relu(g.conv(g.max_pool(left, 2, 2, 0), 16, 3))
    up = g.unknown((8, 16, 16), low)
    g.output(g.conv(g.concat(left, up), 2, 1))
    assert names(g.build()) == ["16×16", "8×8", "16×16"]


def test_a_pool_between_two_stages_of_one_resolution_is_none() -> None:
    g = GraphBuilder()
    x = g.conv(g.input(3, 16, 16), 8, 3)
    up = g.unknown((8, 16, 16), g.max_pool(x, 2, 2, 0))
    g.output(g.conv(up, 2, 1))
    assert names(g.build()) == ["16×16"]


def test_a_long_run_of_activations_is_a_stage() -> None:
    g = GraphBuilder()
    x = g.input(3, 8, 8)
    for _ in range(40):
        x = g.relu(x)
    g.output(g.conv(x, 4, 3, 2))
    assert names(g.build()) == ["8×8", "4×4"]


def test_attention_written_out_belongs_to_its_tokens() -> None:
    g = GraphBuilder()
    x = g.linear(g.input(12, 8), 8)
    heads = [g.transpose(g.reshape(g.linear(x, 8), 12, 2, 4), 1, 0, 2) for _ in range(3)]
    weights = g.unary(Op.SOFTMAX, g.matmul(heads[0], g.transpose(heads[1], 0, 2, 1)))
    mixed = g.reshape(g.transpose(g.matmul(weights, heads[2]), 1, 0, 2), 12, 8)
    g.output(g.linear(g.mean(g.add(x, g.linear(mixed, 8))), 3))
    parts = stages(g.build())
    assert [stage.name for stage in parts] == ["12×8 tokens", "head"]
    assert parts[0].operators["matmul"] == 2


def test_a_long_stretch_at_another_resolution_is_a_stage() -> None:
    g = GraphBuilder()
    x = g.relu(g.conv(g.input(3, 4, 4), 8, 1))
    tokens = g.reshape(x, 8, 16)
    for _ in range(20):
        tokens = g.linear(g.relu(tokens), 16)
    g.output(g.conv(g.add(x, g.reshape(tokens, 8, 4, 4)), 8, 1))
    assert names(g.build()) == ["4×4", "8×16 tokens", "4×4"]


def test_vectors_alone_are_no_head() -> None:
    g = GraphBuilder()
    g.output(g.linear(g.relu(g.linear(g.input(20), 8)), 3))
    assert names(g.build()) == ["vectors"]


def test_networks_of_one_node_and_of_many() -> None:
    g = GraphBuilder()
    g.input(3, 8, 8)
    assert names(g.build()) == ["8×8"]
    g = GraphBuilder()
    x = g.input(2, 2)
    for tokens in range(3, 10_000):  # a new resolution at every node
        x = g.linear(g.unknown((tokens, 2), x), 2)
    assert len(stages(g.build())) == 9_997


# what is made of them


@pytest.mark.parametrize("spec", EXAMPLES)
def test_the_description_is_json_and_adds_up(spec: str) -> None:
    graph = build_spec(spec)
    facts = describe(graph)
    assert json.loads(json.dumps(facts)) == facts
    total = cost(graph)
    assert (facts["macs"], facts["parameters"]) == (total.macs, total.parameters)
    assert (facts["nodes"], facts["edges"]) == (len(graph), graph.num_edges)
    assert (facts["activations"], facts["coverage"]) == (total.activations, 1)
    for number in ("macs", "parameters", "activations", "nodes"):
        assert sum(row[number] for row in facts["stages"]) == facts[number]
    for number in ("macs", "parameters", "count"):
        assert sum(row[number] for row in facts["operators"].values()) == facts[number]
    for label, row in facts["operators"].items():
        assert sum(stage["operators"].get(label, 0) for stage in facts["stages"]) == row["count"]


def test_operators_of_a_known_network() -> None:
    g = GraphBuilder()
    g.output(g.relu(g.conv(g.input(3, 8, 8), 4, 3)))
    operators = describe(g.build())["operators"]
    assert operators["conv"] == {
        "count": 1,
        "macs": 3 * 9 * 4 * 64,
        "parameters": 3 * 9 * 4,
        "activations": 4 * 64,
    }
    assert list(operators) == ["conv", "relu"]


def test_the_tables_show_rows_and_totals() -> None:
    graph = build_spec(f"nasbench201:{family('nasbench201').example}")
    total = cost(graph)
    texts = []
    for table in tables(graph):
        stream = io.StringIO()
        Console(file=stream, width=120).print(table)
        texts.append(stream.getvalue())
        assert f"{total.macs:,}" in texts[-1]
        assert f"{total.parameters:,}" in texts[-1]
    by_stage, by_operator = texts
    assert [line.split()[1] for line in by_stage.splitlines() if line.startswith("│")] == [
        "32×32",
        "16×16",
        "8×8",
        "head",
        "total",
    ]
    assert f"{total.activations:,}" in by_stage
    assert "avg_pool" in by_operator
    assert str(len(graph) - 2) in by_operator
