"""Import gives back what was exported, and reads what torch writes."""

import io
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from strategies import graphs
from torch import Tensor, nn

from onnx_bench.builder import GraphBuilder
from onnx_bench.families import family
from onnx_bench.graph import ComputationGraph
from onnx_bench.onnx_export import to_onnx
from onnx_bench.onnx_import import from_onnx, import_onnx
from onnx_bench.operators import Op
from onnx_bench.rows import SILENT
from tests.small_families import SMALL_FAMILIES

Step = Callable[[GraphBuilder, int], int]


def single(step: Step, *shape: int) -> ComputationGraph:
    """The network of one input and one step."""
    g = GraphBuilder()
    g.output(step(g, g.input(*shape)))
    return g.build()


# what our own exporter writes


@pytest.mark.parametrize("name", SMALL_FAMILIES)
def test_fifty_networks_of_each_family_come_back_equal(name: str) -> None:
    space, rng = family(name), np.random.default_rng(3)
    for _ in range(50):
        graph = space.build(space.sample(rng))
        found = import_onnx(to_onnx(graph))
        assert found.graph == graph
        assert found.graph.name == graph.name
        assert (found.unknown, found.coverage, found.assumed) == ({}, (1, 1, 1), {})


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graphs(), st.randoms(use_true_random=False))
def test_random_networks_come_back_equal_from_nodes_in_any_order(
    graph: ComputationGraph, random: Any
) -> None:
    model = to_onnx(graph)
    assert from_onnx(model) == graph
    nodes = list(model.graph.node)
    random.shuffle(nodes)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    assert from_onnx(model) == graph


def test_random_networks_reach_every_operator() -> None:
    reached: set[int] = set()

    @settings(
        max_examples=1500,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(graphs())
    def collect(graph: ComputationGraph) -> None:
        reached.update(graph.ops.tolist())

    collect()
    assert reached == set(Op) - set(SILENT)


PAIRS: dict[str, tuple[Step, Step, tuple[int, ...]]] = {
    "silu, product with the sigmoid": (
        lambda g, x: g.unary(Op.SILU, x),
        lambda g, x: g.mul(x, g.sigmoid(x)),
        (3, 4),
    ),
    "sum of three, two sums": (
        lambda g, x: g.add(x, x, g.relu(x)),
        lambda g, x: g.add(g.add(x, x), g.relu(x)),
        (3, 4),
    ),
    "product of three, two products": (
        lambda g, x: g.mul(x, x, g.relu(x)),
        lambda g, x: g.mul(g.mul(x, x), g.relu(x)),
        (3, 4),
    ),
    "bias, position": (
        lambda g, x: g.linear(x, 3, bias=True),
        lambda g, x: g.position(g.linear(x, 3, bias=False)),
        (1, 3),
    ),
    "bias of a vector, position": (
        lambda g, x: g.linear(x, 3, bias=True),
        lambda g, x: g.position(g.linear(x, 3, bias=False)),
        (3,),
    ),
    "broadcast, reshape before the sum": (
        lambda g, x: g.add(x, g.mean(x)),
        lambda g, x: g.add(x, g.reshape(g.mean(x), 1, 4)),
        (3, 4),
    ),
    "output, identity before it": (lambda _, x: x, lambda g, x: g.unary(Op.IDENTITY, x), (3,)),
    "global average, pool of the whole": (
        lambda g, x: g.global_avg_pool(x),
        lambda g, x: g.avg_pool(x, 4, padding=0),
        (3, 4, 4),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_networks_that_look_alike_in_onnx_are_told_apart(name: str) -> None:
    first, second, shape = PAIRS[name]
    a, b = single(first, *shape), single(second, *shape)
    assert a != b
    assert from_onnx(to_onnx(a)) == a
    assert from_onnx(to_onnx(b)) == b


def test_two_outputs_of_one_value_and_unread_nodes_come_back() -> None:
    g = GraphBuilder()
    x = g.input(3)
    shared = g.relu(x)
    g.linear(x, 2)
    for value in (shared, shared, x):
        g.output(value)
    graph = g.build()
    assert from_onnx(to_onnx(graph)) == graph


def test_weights_that_lie_elsewhere_are_not_needed(tmp_path: Path) -> None:
    graph = single(lambda g, x: g.linear(g.relu(g.linear(x, 40)), 3), 4, 30)
    path = tmp_path / "x.onnx"
    onnx.save(to_onnx(graph), path, save_as_external_data=True, location="weights.bin")
    (tmp_path / "weights.bin").unlink()
    assert from_onnx(path) == graph
    assert from_onnx(str(path)) == graph


def test_a_shape_that_lies_elsewhere_makes_the_reshape_unknown(tmp_path: Path) -> None:
    model = to_onnx(single(lambda g, x: g.reshape(x, 3, 4), 2, 6))
    path = tmp_path / "x.onnx"
    onnx.save(model, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    found = import_onnx(path)
    assert found.unknown == {"Reshape": 1}
    assert found.graph.node(1).out_shape == (3, 4)


# what torch writes


def test_torch_exports_of_a_residual_network_agree_with_the_module() -> None:
    module = _residual_network()
    in_training = import_onnx(_torch_export(module.train()))
    assert in_training.unknown == {}
    assert in_training.graph.parameters == sum(p.numel() for p in module.parameters())
    in_evaluation = import_onnx(_torch_export(module.eval()))
    assert in_evaluation.unknown == {}
    # Outside training torch folds each normalisation into its convolution, which gets a bias.
    norms = [m.num_features for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    biases = sum(m.bias is not None for m in module.modules() if isinstance(m, nn.Conv2d))
    assert biases == 0
    assert in_evaluation.graph.parameters == in_training.graph.parameters - sum(norms)
    kinds = {Op.CONV: 7, Op.RELU6: 1, Op.RELU: 2, Op.SILU: 1, Op.ADD: 2, Op.MUL: 1, Op.LINEAR: 1}
    for graph in (in_training.graph, in_evaluation.graph):
        counts = Counter(graph.ops.tolist())
        assert {op: counts[op] for op in kinds} == kinds
    assert len(in_training.graph.nodes_of(Op.BATCH_NORM)) == len(norms)


class _Block(nn.Module):
    """Two convolutions around a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(8, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1, groups=2, bias=False),
            nn.BatchNorm2d(8),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class _Gate(nn.Module):
    """Squeeze and excitation through one linear map."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Conv2d(8, 8, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.scale(x.mean((2, 3), keepdim=True)))


def _residual_network() -> nn.Module:
    stem = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6(), nn.MaxPool2d(2)
    )
    last = nn.Sequential(nn.Conv2d(8, 8, 1, bias=False), nn.BatchNorm2d(8), nn.SiLU())
    pooled = nn.Sequential(nn.Dropout(0.1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(stem, _Block(), _Block(), _Gate(), last, pooled, nn.Linear(8, 10))


def _torch_export(module: nn.Module, **options: Any) -> onnx.ModelProto:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # this exporter is deprecated, and files of it abound
        torch.onnx.export(
            module,
            (torch.zeros(2, 3, 16, 16),),
            stream,
            dynamo=False,
            input_names=["image"],
            dynamic_axes={"image": {0: "batch"}},
            training=torch.onnx.TrainingMode.PRESERVE
            if module.training
            else torch.onnx.TrainingMode.EVAL,
            do_constant_folding=not module.training,
            **options,
        )
    return onnx.load_model_from_string(stream.getvalue())
