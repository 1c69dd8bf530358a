"""Merging equal nodes changes what is computed how often, not what."""

import numpy as np
import pytest
import torch
from torch_geometric.nn import global_mean_pool

from gennape.batch import EncodedGraphs, GraphBatch
from gennape.models.encoder import KGNN
from gennape.models.merging import merge
from onnx_bench.families import family
from tests.small_families import SMALL_FAMILIES


def batch_of(name: str, count: int) -> GraphBatch:
    members, rng = family(name), np.random.default_rng(0)
    graphs = EncodedGraphs(members.build(members.sample(rng)) for _ in range(count))
    return graphs.batch(range(count))


def plain(encoder: KGNN, batch: GraphBatch) -> torch.Tensor:
    x = encoder.embed(batch)
    for layer in encoder.layers:
        x = torch.tanh(layer(x, batch.edges_2E))
    return global_mean_pool(x, batch.graph_N, batch.num_graphs)


@pytest.mark.parametrize("name", SMALL_FAMILIES)
def test_merged_message_passing_equals_plain(name: str) -> None:
    torch.manual_seed(0)
    encoder, batch = KGNN(), batch_of(name, 6)
    torch.testing.assert_close(encoder(batch), plain(encoder, batch), rtol=1e-5, atol=1e-6)


def test_gradients_equal_those_of_plain_message_passing() -> None:
    torch.manual_seed(0)
    encoder, batch = KGNN().double(), batch_of("nasbench101", 4)
    batch = batch._replace(resolution_N6=batch.resolution_N6.double())
    weights = list(encoder.parameters())
    merged = torch.autograd.grad(encoder(batch).square().sum(), weights)
    expected = torch.autograd.grad(plain(encoder, batch).square().sum(), weights)
    for ours, theirs in zip(merged, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_copies_of_a_network_cost_nothing() -> None:
    members = family("nasbench201")
    graphs = EncodedGraphs([members.graph(members.example)] * 5)
    one, five = merge(graphs.batch([0]), 6), merge(graphs.batch(range(5)), 6)
    assert len(one.batch.row_N) == len(five.batch.row_N)
    assert len(one.batch.row_N) < len(graphs.graphs[0])
    assert five.class_N.shape == (5 * len(graphs.graphs[0]),)


def test_more_hops_tell_more_nodes_apart() -> None:
    batch = batch_of("nasbench101", 3)
    counts = [len(merge(batch, hops).batch.row_N) for hops in (0, 1, 3, 6, 100)]
    assert counts == sorted(counts)
    assert counts[0] == len(batch.row_N.unique())
