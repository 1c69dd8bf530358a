"""The models: what they compute, that they can learn, and how bad configurations are refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gennape.batch import EncodedGraphs
from gennape.checkpoint import seeded_model
from gennape.metrics import spearman
from gennape.models.encoder import ENCODERS, KGNN, GatedGCN, GraphConv, NodeEmbedding
from gennape.models.heads import HEADS
from gennape.models.merging import merge
from gennape.models.performance import ModelConfig, PerformanceModel
from gennape.targets import TargetScale
from onnx_bench.builder import GraphBuilder
from onnx_bench.errors import GennapeError
from onnx_bench.families import build_spec, family
from onnx_bench.graph import ComputationGraph
from onnx_bench.operators import Op

OTHERS = ("none", "numbers", "patterns", "scored", "size")
"""Encoders that learn nothing from nodes."""
NAMES = [name for name in ENCODERS if name not in OTHERS]
every_encoder = pytest.mark.parametrize("encoder", NAMES)


def renumbered(graph: ComputationGraph, rng: np.random.Generator) -> ComputationGraph:
    """The same network with its nodes in another topological order."""
    waiting = np.diff(graph.input_ptr)
    sources, readers = graph.edge_index
    ready, order = [int(i) for i in np.flatnonzero(waiting == 0)], []
    while ready:
        order.append(ready.pop(rng.integers(len(ready))))
        for reader in readers[sources == order[-1]]:
            waiting[reader] -= 1
            if waiting[reader] == 0:
                ready.append(int(reader))
    place = np.argsort(order)
    inputs = [place[graph.inputs_of(i)] for i in order]
    input_ptr = np.cumsum([0, *map(len, inputs)], dtype=np.int32)
    flat = np.concatenate(inputs).astype(np.int32)
    return ComputationGraph(graph.nodes_NK[order], input_ptr, flat).validate()


def scores(model: PerformanceModel, *graphs: ComputationGraph) -> torch.Tensor:
    with torch.inference_mode():
        result: torch.Tensor = model(EncodedGraphs(graphs).batch(range(len(graphs))))
    return result


# registries and configurations


def test_registered_names_are_listed_in_order() -> None:
    assert list(ENCODERS) == ["gated-gcn", "gnn", "gnn-transformer", "k-gnn", *OTHERS]
    trained = ["fuzzy-mlp", "fuzzy-pairwise", "linear", "mlp", "none", "pairwise"]
    solved = ["few-labels", "gaussian-process", "ridge", "specialists", "trees"]
    assert list(HEADS) == sorted([*trained, *solved])


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (ModelConfig(encoder="gin"), "no encoder is called 'gin'; there are gated-gcn, gnn"),
        (ModelConfig(head="forest"), "no head is called 'forest'; there are few-labels, fuzzy-mlp"),
    ],
)
def test_an_unknown_name_is_refused_with_those_there_are(config: ModelConfig, message: str) -> None:
    with pytest.raises(GennapeError, match=message):
        PerformanceModel(config)


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig(encoder_args={"width": 32}),
        ModelConfig(encoder_args={"hidden": "wide"}),
        ModelConfig(encoder_args={"layers": 2.5}),
        ModelConfig(head_args={"dropout": 0.1}),
        ModelConfig("gated-gcn", {"hidden": None}),
    ],
)
def test_arguments_that_a_part_does_not_take_are_refused(config: ModelConfig) -> None:
    with pytest.raises(GennapeError, match="model configuration"):
        PerformanceModel(config)


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig(encoder_args={"hidden": -4}),
        ModelConfig(encoder_args={"layers": 0}),
        ModelConfig("gated-gcn", {"dropout": 2.0}),
    ],
)
def test_arguments_out_of_range_are_refused(config: ModelConfig) -> None:
    with pytest.raises(GennapeError, match="model configuration"):
        PerformanceModel(config)


def test_a_configuration_is_plain_data_that_gives_itself_back() -> None:
    config = ModelConfig("gated-gcn", {"hidden": 8}, "mlp", {"layers": 2})
    assert ModelConfig(**config.to_dict()) == config


def test_the_baseline_has_the_shapes_of_the_paper() -> None:
    model = PerformanceModel(ModelConfig())
    assert isinstance(model.encoder, KGNN)
    shapes = {name: tuple(p.shape) for name, p in model.encoder.named_parameters()}
    layers = [name for name in shapes if name.startswith("layers.") and name.endswith("rel.weight")]
    assert len(layers) == 6
    assert shapes[layers[0]] == (32, 32 + 8 + 16 + 2)
    assert {shapes[name] for name in layers[1:]} == {(32, 32)}
    head = [tuple(p.shape) for p in model.head.parameters() if p.ndim == 2]
    assert head == [(32, 32), (32, 32), (32, 32), (1, 32)]


# what they compute


@every_encoder
@pytest.mark.parametrize("kind", ["digits-cells", "digits-chains", "nasbench101"])
def test_renumbering_the_nodes_leaves_the_score(
    encoder: str, kind: str, make_model: Callable[..., PerformanceModel]
) -> None:
    graph, model = build_spec(f"{kind}:{family(kind).example}"), make_model(encoder)
    twin = renumbered(graph, np.random.default_rng(0))
    assert not np.array_equal(twin.nodes_NK, graph.nodes_NK)
    torch.testing.assert_close(scores(model, twin), scores(model, graph), rtol=0, atol=1e-5)


@every_encoder
def test_turning_one_edge_around_changes_the_score(
    encoder: str, make_model: Callable[..., PerformanceModel]
) -> None:
    graph = build_spec(f"digits-cells:{family('digits-cells').example}")
    batch = EncodedGraphs([graph]).batch([0])
    edges = batch.edges_2E.clone()
    edges[:, 5] = edges[:, 5].flip(0)
    model = make_model(encoder)
    with torch.inference_mode():
        assert model(batch).item() != pytest.approx(
            model(batch._replace(edges_2E=edges)).item(), abs=1e-7
        )


def test_the_gated_gcn_sends_messages_both_ways(
    graphs: list[ComputationGraph], make_model: Callable[..., PerformanceModel]
) -> None:
    batch, model = EncodedGraphs(graphs).batch([0, 1]), make_model("gated-gcn")
    encoder = model.encoder
    assert isinstance(encoder, GatedGCN)
    expected = scores(model, *graphs[:2])
    encoder.along, encoder.against = encoder.against, encoder.along
    with torch.inference_mode():
        mirrored = model(batch._replace(edges_2E=batch.edges_2E.flip(0)))
        swapped = model(batch)
    torch.testing.assert_close(mirrored, expected, rtol=0, atol=1e-5)
    assert (swapped - expected).abs().min() > 1e-5


@every_encoder
@pytest.mark.parametrize("field", ["type_N", "resolution_N6", "kernel_N2", "bias_N"])
def test_every_feature_reaches_the_score(
    encoder: str,
    field: str,
    graphs: list[ComputationGraph],
    make_model: Callable[..., PerformanceModel],
) -> None:
    batch, model = EncodedGraphs(graphs).batch([0]), make_model(encoder)
    changed = getattr(batch, field).clone()
    changed[0] = 1 - changed[0] if field == "bias_N" else changed[0] + 1
    with torch.inference_mode():
        assert model(batch).item() != model(batch._replace(**{field: changed})).item()


@every_encoder
def test_embeddings_have_the_width_that_the_encoder_says(
    encoder: str, graphs: list[ComputationGraph], make_model: Callable[..., PerformanceModel]
) -> None:
    model = make_model(encoder, hidden=24, layers=2)
    with torch.inference_mode():
        assert model.encoder(EncodedGraphs(graphs).batch([0, 1, 2])).shape == (3, 24)
    assert model.encoder.out_features == 24


# the k-GNN computes equal nodes once


def test_merged_nodes_have_equal_features(graphs: list[ComputationGraph]) -> None:
    batch = EncodedGraphs(graphs).batch([0, 1, 2, 3])
    merged, class_N = merge(batch, hops=2)
    assert len(merged.row_N) < len(batch.row_N)
    assert torch.equal(merged.row_N[class_N], batch.row_N)


def test_nodes_are_told_apart_by_what_lies_within_the_hops() -> None:
    g = GraphBuilder()
    x = g.input(4, 8, 8)
    first = g.relu(g.relu(g.relu(x)))  # relu behind relu behind relu
    second = g.relu(g.sigmoid(x))
    g.output(g.add(first, second))
    batch = EncodedGraphs([g.build()]).batch([0])
    relus = batch.type_N == Op.RELU
    assert [len(set(merge(batch, hops).class_N[relus].tolist())) for hops in (0, 1, 2)] == [1, 3, 4]


@every_encoder
def test_models_compute_where_the_batch_is(
    encoder: str, graphs: list[ComputationGraph], make_model: Callable[..., PerformanceModel]
) -> None:
    # Tensors made on the default device, not the batch's, would fail on a GPU.
    batch, model = EncodedGraphs(graphs).batch([0, 1]), make_model(encoder)
    with torch.inference_mode(), torch.device("meta"):
        found = model(batch)
    assert found.device.type == "cpu"
    torch.testing.assert_close(found, scores(model, *graphs[:2]))


# that they learn


@every_encoder
def test_every_encoder_overfits_a_dozen_networks(
    encoder: str, graphs: list[ComputationGraph], labels: npt.NDArray[np.float64]
) -> None:
    model = seeded_model(ModelConfig(encoder, {"hidden": 16, "layers": 3}), seed=0)
    few, scale = EncodedGraphs(graphs[:12]).batch(range(12)), TargetScale.of(labels[:12])
    targets = torch.from_numpy((labels[:12] - scale.mean) / scale.std).float()
    model.eval()  # dropout would keep the loss from vanishing
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(800):
        loss = torch.nn.functional.mse_loss(model(few), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss.item() < 1e-4:
            break
    assert loss.item() < 1e-3
    assert spearman(model(few).detach(), labels[:12]) == pytest.approx(1)


# seeds


@every_encoder
def test_a_seed_decides_the_initial_weights(encoder: str) -> None:
    config = ModelConfig(encoder)
    same, twin, other = (seeded_model(config, seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(same[name], twin[name]) for name in same)
    assert any(not torch.equal(same[name], other[name]) for name in same)


def test_making_a_seeded_model_leaves_the_stream_of_the_user_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    seeded_model(ModelConfig(), 0)
    assert torch.equal(torch.rand(3), expected)


@every_encoder
def test_weights_that_are_loaded_give_the_same_scores(
    encoder: str, graphs: list[ComputationGraph], make_model: Callable[..., PerformanceModel]
) -> None:
    model, other = make_model(encoder, seed=1), make_model(encoder, seed=2)
    state: dict[str, Any] = model.state_dict()
    assert not torch.equal(scores(model, *graphs[:4]), scores(other, *graphs[:4]))
    other.load_state_dict(state)
    assert torch.equal(scores(model, *graphs[:4]), scores(other, *graphs[:4]))


def test_what_training_never_saw_is_silent() -> None:
    embedding = NodeEmbedding(4)
    before = embedding.operator.weight.clone()
    embedding.silence_unseen(torch.tensor([3, 8]), torch.tensor([[0, 0], [3, 1]]))
    assert torch.equal(embedding.operator.weight[[3, 8]], before[[3, 8]])
    others = [i for i in range(len(before)) if i not in (3, 8)]
    assert not embedding.operator.weight[others].any()
    assert [bool(row.any()) for row in embedding.kernel.weight] == [
        size in (0, 1, 3) for size in range(8)
    ]


def test_graph_convolutions_are_those_of_torch_geometric() -> None:
    from torch_geometric.nn import GraphConv as Theirs

    torch.manual_seed(0)
    ours, theirs = GraphConv(5, 3), Theirs(5, 3)
    theirs.load_state_dict(ours.state_dict())
    x, edges = torch.randn(7, 5), torch.tensor([[0, 1, 1, 4, 4, 6], [2, 2, 3, 5, 5, 0]])
    torch.testing.assert_close(ours(x, edges), theirs(x, edges))
