"""A batch of graphs is its graphs side by side, and nothing passes between them."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from gennape.batch import EncodedGraphs
from gennape.features.nodes import node_features
from gennape.models.encoder import ENCODERS
from gennape.models.performance import PerformanceModel
from onnx_bench.collections import GraphCollection
from onnx_bench.graph import ComputationGraph

INDICES = [7, 0, 3, 3, 12]


@pytest.fixture(scope="module")
def encoded(graphs: list[ComputationGraph]) -> EncodedGraphs:
    return EncodedGraphs(graphs)


def test_features_are_those_of_each_graph_in_turn(
    graphs: list[ComputationGraph], encoded: EncodedGraphs
) -> None:
    batch = encoded.batch(INDICES)
    expected = node_features(np.concatenate([graphs[i].nodes_NK for i in INDICES]))
    for name, values in expected._asdict().items():
        np.testing.assert_array_equal(getattr(batch, name).numpy(), values)


def test_nodes_with_equal_rows_have_equal_numbers(
    graphs: list[ComputationGraph], encoded: EncodedGraphs
) -> None:
    numbers = encoded.batch(INDICES).row_N.tolist()
    rows = [row.tobytes() for i in INDICES for row in graphs[i].nodes_NK]
    assert len(set(zip(numbers, rows, strict=True))) == len(set(rows)) == len(set(numbers))


def test_nodes_know_their_graph(graphs: list[ComputationGraph], encoded: EncodedGraphs) -> None:
    batch = encoded.batch(INDICES)
    expected = [place for place, i in enumerate(INDICES) for _ in range(len(graphs[i]))]
    assert batch.graph_N.tolist() == expected
    assert batch.num_graphs == len(INDICES)


def test_edges_stay_inside_their_graph(encoded: EncodedGraphs) -> None:
    batch = encoded.batch(INDICES)
    sources, readers = batch.graph_N[batch.edges_2E]
    assert torch.equal(sources, readers)


def test_edges_are_those_of_each_graph(
    graphs: list[ComputationGraph], encoded: EncodedGraphs
) -> None:
    batch = encoded.batch(INDICES)
    first = 0
    for place, i in enumerate(INDICES):
        own = batch.edges_2E[:, batch.graph_N[batch.edges_2E[0]] == place] - first
        np.testing.assert_array_equal(own.numpy(), graphs[i].edge_index)
        first += len(graphs[i])


@pytest.mark.parametrize("encoder", sorted({*ENCODERS} - {"scored", "none", "numbers"}))
def test_predictions_of_a_batch_equal_those_one_by_one(
    encoder: str, encoded: EncodedGraphs, make_model: Callable[..., PerformanceModel]
) -> None:
    model = make_model(encoder)
    with torch.inference_mode():
        together = model(encoded.batch(INDICES))
        alone = torch.cat([model(encoded.batch([i])) for i in INDICES])
    assert together.shape == (len(INDICES),)
    assert len(set(alone.tolist())) == len(set(INDICES))
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_a_collection_a_list_and_a_generator_encode_alike(
    graphs: list[ComputationGraph], encoded: EncodedGraphs
) -> None:
    for other in (GraphCollection.from_graphs(graphs), (graph for graph in graphs)):
        batch = EncodedGraphs(other).batch(INDICES)
        assert all(
            torch.equal(a, b) for a, b in zip(batch[:-1], encoded.batch(INDICES)[:-1], strict=True)
        )


def test_a_batch_moves_whole_to_another_device(encoded: EncodedGraphs) -> None:
    moved = encoded.batch(INDICES).to("meta")
    assert {part.device.type for part in moved[:-1]} == {"meta"}
    assert moved.num_graphs == len(INDICES)


def test_the_number_of_encoded_graphs_is_known(encoded: EncodedGraphs) -> None:
    assert len(encoded) == 40
