"""The graph, the module that is trained and the exported ONNX model are one network."""

import numpy as np
import onnxruntime
import pytest
import torch

from onnx_bench.families import family
from onnx_bench.graph import ComputationGraph
from onnx_bench.onnx_export import to_onnx
from onnx_bench.operators import Op
from onnx_bench.torch_module import GraphModule, to_torch
from tests.small_families import SMALL_FAMILIES

SAMPLES = {name: 2 if name.startswith("nasbench") else 8 for name in SMALL_FAMILIES}


def networks() -> list[tuple[str, int]]:
    return [(name, seed) for name, count in SAMPLES.items() for seed in range(count)]


def a_step_trained(graph: ComputationGraph, seed: int) -> GraphModule:
    """After one step of training: running statistics and weights are not the initial ones."""
    torch.manual_seed(seed)
    module = to_torch(graph)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    module(images(graph, 4)).square().mean().backward()
    optimizer.step()
    return module.eval()


def images(graph: ComputationGraph, count: int) -> torch.Tensor:
    return torch.randn(count, *graph.node(graph.nodes_of(Op.INPUT)[0]).out_shape)


@pytest.mark.parametrize(("name", "seed"), networks())
def test_module_and_onnx_model_answer_alike_for_equal_weights(name: str, seed: int) -> None:
    members = family(name)
    graph = members.build(members.sample(np.random.default_rng(seed)))
    module = a_step_trained(graph, seed)
    weights = {key: value.numpy() for key, value in module.state_dict().items()}
    session = onnxruntime.InferenceSession(to_onnx(graph, weights).SerializeToString())
    batch = images(graph, 3)
    with torch.inference_mode():
        expected = module(batch).numpy()
    (answer,) = session.run(None, {"input": batch.numpy()})
    np.testing.assert_allclose(answer, expected, rtol=2e-3, atol=2e-4 * np.abs(expected).max())


@pytest.mark.parametrize(("name", "seed"), networks())
def test_module_has_as_many_parameters_as_the_graph(name: str, seed: int) -> None:
    members = family(name)
    graph = members.build(members.sample(np.random.default_rng(seed)))
    assert sum(p.numel() for p in to_torch(graph).parameters()) == graph.parameters
