"""Costs against hand counts, torch's own counter and published numbers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from onnx_bench.builder import GraphBuilder
from onnx_bench.cost import Cost, activations_N, cost, macs_N, parameters_N
from onnx_bench.families import family
from onnx_bench.graph import ComputationGraph
from onnx_bench.operators import Op
from onnx_bench.torch_module import GraphModule, to_torch
from tests.small_families import SMALL_FAMILIES

SAMPLES = 5
ONLY_CONV3X3 = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|" + (
    "+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
)


def on_meta(graph: ComputationGraph) -> GraphModule:
    """The module without memory or arithmetic: shapes and counts only."""
    with torch.device("meta"):
        return to_torch(graph)


def samples(name: str) -> list[ComputationGraph]:
    members, rng = family(name), np.random.default_rng(7)
    return [members.build(members.sample(rng)) for _ in range(SAMPLES)]


# by hand


@pytest.mark.parametrize(
    ("block", "macs", "parameters"),
    [
        (lambda g: g.conv(g.input(3, 8, 8), 16, 3), 64 * 16 * 27, 16 * 27),
        (lambda g: g.conv(g.input(3, 8, 8), 16, 3, bias=True), 64 * 16 * 27, 16 * 27 + 16),
        (lambda g: g.conv(g.input(3, 8, 8), 16, 3, stride=2), 16 * 16 * 27, 16 * 27),
        (lambda g: g.conv(g.input(3, 8, 8), 16, (1, 5), dilation=2), 64 * 16 * 15, 16 * 15),
        (lambda g: g.conv(g.input(8, 8, 8), 16, 3, groups=4), 64 * 16 * 18, 16 * 18),
        (lambda g: g.depthwise(g.input(8, 8, 8), 5), 64 * 8 * 25, 8 * 25),
        (lambda g: g.linear(g.input(12), 5), 60, 65),
        (lambda g: g.linear(g.input(3), 5, bias=False), 15, 15),
        (lambda g: g.linear(g.input(7, 12), 5), 7 * 60, 65),
        (lambda g: g.linear(g.input(2, 7, 12), 5), 14 * 60, 65),
        (lambda g: g.matmul(g.input(3, 4), g.input(4, 5)), 60, 0),
        (lambda g: g.matmul(g.input(2, 3, 4), g.input(2, 4, 5)), 120, 0),
        (lambda g: g.attention(*[g.input(10, 8)] * 3, 1), 2 * 10 * 10 * 8, 0),
        (lambda g: g.attention(*[g.input(10, 8)] * 3, 4), 2 * 10 * 10 * 8, 0),
        # scores: 3 queries x 5 keys x 8; sum: 3 queries x 5 keys x 4
        (lambda g: g.attention(g.input(3, 8), g.input(5, 8), g.input(5, 4), 2), 120 + 60, 0),
        (lambda g: g.batch_norm(g.input(6, 8, 8)), 0, 12),
        (lambda g: g.layer_norm(g.input(7, 12)), 0, 24),
        (lambda g: g.position(g.input(7, 12)), 0, 84),
        (lambda g: g.max_pool(g.input(6, 8, 8), 3), 0, 0),
        (lambda g: g.mul(g.input(6, 8, 8), g.input(6, 1, 1)), 0, 0),
        (lambda g: g.unary(Op.SOFTMAX, g.input(6)), 0, 0),
        (lambda g: g.unknown((5, 5), g.input(6)), 0, 0),
    ],
)
def test_cost_of_one_operator(
    block: Callable[[GraphBuilder], int], macs: int, parameters: int
) -> None:
    g = GraphBuilder()
    g.output(block(g))
    total = cost(g.build())
    assert (total.macs, total.parameters) == (macs, parameters)


def test_activations_count_every_value_that_a_node_gives() -> None:
    g = GraphBuilder()
    x = g.input(3, 4, 4)
    g.output(g.linear(g.flatten(g.max_pool(x, 2, 2, 0)), 10))
    assert activations_N(g.build().nodes_NK).tolist() == [48, 12, 12, 10, 10]


def test_a_scalar_is_one_activation() -> None:
    g = GraphBuilder()
    g.input()
    assert activations_N(g.build().nodes_NK).tolist() == [1]


def test_the_cost_of_a_network_is_the_sum_over_its_nodes() -> None:
    graph = samples("digits-tokens")[0]
    nodes = graph.nodes_NK
    assert cost(graph) == Cost(
        int(macs_N(nodes).sum()), int(parameters_N(nodes).sum()), int(activations_N(nodes).sum())
    )


def test_counts_beyond_32_bits_do_not_wrap() -> None:
    g = GraphBuilder()
    x = g.input(1024, 512, 512)
    for _ in range(4):
        x = g.conv(x, 1024, 25, bias=False)
    g.output(x)
    total = cost(g.build())
    assert total.parameters == 4 * 1024 * 1024 * 625 > 2**31
    assert total.macs == total.parameters * 512 * 512
    assert total.activations == 6 * 1024 * 512 * 512


# against torch


@pytest.mark.parametrize("name", SMALL_FAMILIES)
def test_parameters_are_those_of_the_module(name: str) -> None:
    for graph in samples(name):
        module = on_meta(graph)
        assert cost(graph).parameters == sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("name", SMALL_FAMILIES)
def test_parameters_of_each_node_are_those_of_its_layer(name: str) -> None:
    graph = samples(name)[0]
    layers = dict(on_meta(graph).named_children())
    counted = {f"n{i}": int(count) for i, count in enumerate(parameters_N(graph.nodes_NK)) if count}
    assert counted == {
        layer: sum(p.numel() for p in module.parameters()) for layer, module in layers.items()
    }


@pytest.mark.parametrize(
    "name", ["nasbench101", "nasbench201", "digits-cells", "digits-chains", "digits-mbconv"]
)
def test_macs_are_half_the_operations_that_torch_counts(name: str) -> None:
    for graph in samples(name):
        images = torch.empty(1, *graph.node(0).out_shape, device="meta")
        with FlopCounterMode(display=False) as counter:
            on_meta(graph)(images)
        assert 2 * cost(graph).macs == counter.get_total_flops()


def test_macs_of_attention_are_those_of_its_two_products() -> None:
    """torch counts attention as nothing where it has no kernel for it, so as plain products."""
    g = GraphBuilder()
    query, key, value = g.input(6, 8), g.input(9, 8), g.input(9, 12)
    g.output(g.attention(query, key, value, heads=2))
    with FlopCounterMode(display=False) as counter:
        scores = torch.empty(2, 6, 4) @ torch.empty(2, 4, 9)
        scores.softmax(-1) @ torch.empty(2, 9, 6)
    assert 2 * cost(g.build()).macs == counter.get_total_flops()


# published


def test_the_nasbench201_network_of_3x3_convolutions_costs_what_its_skeleton_says() -> None:
    """1,531,546 parameters, as published; multiply-adds by hand from the published skeleton."""
    stem = 3 * 16 * 9 * 32**2
    cells = 3 * 5 * 6 * (16 * 16 * 9 * 32**2)  # each stage: half the side, twice the channels
    reductions = 2 * (16 * 32 * 9 + 32 * 32 * 9 + 16 * 32) * 16**2
    total = cost(family("nasbench201").graph(ONLY_CONV3X3))
    assert total.parameters == 1_531_546
    assert total.macs == stem + cells + reductions + 64 * 10


@pytest.mark.data
def test_the_nasbench201_network_of_3x3_convolutions_is_so_in_the_table(data_root: Path) -> None:
    table = pd.read_parquet(data_root / "nasbench201" / "labels.parquet").set_index("arch_str")
    millions = float(table["params_M_cifar10_analytic"][ONLY_CONV3X3])
    assert cost(family("nasbench201").graph(ONLY_CONV3X3)).parameters == round(millions * 1e6)


@pytest.mark.data
def test_nasbench201_macs_are_the_published_flops_but_for_element_wise_work(
    data_root: Path,
) -> None:
    """The benchmark also counts normalisation and activation, at most one or so a value."""
    table = pd.read_parquet(data_root / "nasbench201" / "labels.parquet")
    table = table[~table["arch_str"].str.contains("pool")].sample(300, random_state=0)
    members = family("nasbench201")
    for spec, millions in zip(table["arch_str"], table["flops_M_cifar10"], strict=True):
        total = cost(members.graph(spec))
        assert 0 < millions * 1e6 - total.macs < total.activations
