"""What newer operators compute in torch, where a row leaves something to choose."""

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from operator_cases import RUNNABLE, placed, single
from torch import Tensor

from onnx_bench import shapes
from onnx_bench.builder import GraphBuilder
from onnx_bench.errors import GraphError
from onnx_bench.graph import ComputationGraph
from onnx_bench.operators import Op
from onnx_bench.torch_module import GraphModule, to_torch

Block = Callable[[GraphBuilder, int], int]
X = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))

REFERENCES: dict[str, tuple[Block, Callable[[Tensor], Tensor]]] = {
    "leaky_relu": (
        lambda g, x: g.unary(Op.LEAKY_RELU, x),
        lambda x: torch.where(x > 0, x, 0.01 * x),
    ),
    "elu": (lambda g, x: g.unary(Op.ELU, x), lambda x: torch.where(x > 0, x, x.exp() - 1)),
    "clip": (lambda g, x: g.unary(Op.CLIP, x), lambda x: x.clamp(-1, 1)),
    "mish": (lambda g, x: g.unary(Op.MISH, x), lambda x: x * (1 + x.exp()).log().tanh()),
    "sine": (lambda g, x: g.unary(Op.SINE, x), torch.sin),
    "normalize": (
        lambda g, x: g.unary(Op.NORMALIZE, x),
        lambda x: x / (x * x).sum(-1, keepdim=True).sqrt(),
    ),
    "cumulate": (lambda g, x: g.unary(Op.CUMULATE, x), lambda x: x @ torch.ones(4, 4).triu()),
    "scale by a number": (lambda g, x: g.scale(x), lambda x: x),
    "shift by a number": (lambda g, x: g.shift(x), lambda x: x),
    "rms_norm": (
        lambda g, x: g.rms_norm(x),
        lambda x: x / (x.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt(),
    ),
    "difference": (lambda g, x: g.sub(g.relu(x), x), lambda x: x.relu() - x),
    "quotient": (lambda g, x: g.div(x, g.sigmoid(x)), lambda x: x * (1 + (-x).exp())),
    "largest of three": (
        lambda g, x: g.maximum(x, g.scale(x), g.sigmoid(x)),
        lambda x: torch.stack([x, x.sigmoid()]).amax(0),
    ),
    "mean of one axis": (
        lambda g, x: g.reduce(Op.REDUCE_MEAN, x, 1),
        lambda x: sum(x.unbind(2)) / 4,  # type: ignore[operator]
    ),
    "maximum of all": (lambda g, x: g.reduce(Op.REDUCE_MAX, x, 0, 1), lambda x: x.amax((1, 2))),
    "backwards": (lambda g, x: g.slice(x, 3, 2, 1, step=-2), lambda x: x[:, :, [3, 1]]),
    "zeros behind": (
        lambda g, x: g.pad(x, 4, 4),
        lambda x: torch.cat([x, torch.zeros(2, 1, 4)], 1),
    ),
    "nearest": (lambda g, x: g.resize(x, 8), lambda x: x.repeat_interleave(2, 2)),
    "copies": (lambda g, x: g.expand(x, 6, 4), lambda x: torch.cat([x, x], 1)),
    "copies along a new axis": (
        lambda g, x: g.expand(x, 2, 3, 4),
        lambda x: torch.stack([x, x], 1),
    ),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_operator_computes_its_reference(name: str) -> None:
    block, reference = REFERENCES[name]
    torch.testing.assert_close(to_torch(single(block, 3, 4))(X), reference(X))


@pytest.mark.parametrize("case", RUNNABLE)
def test_a_module_learns_as_many_parameters_as_its_graph_counts(case: str) -> None:
    _, graph = RUNNABLE[case]
    assert sum(p.numel() for p in to_torch(graph).parameters()) == graph.parameters


def test_embedding_takes_the_whole_part_modulo_the_rows() -> None:
    module = to_torch(single(lambda g, x: g.embedding(x, 3, 2), 4))
    (table,) = module.parameters()
    result = module(torch.tensor([[0.0, 1.9, 4.0, -1.0]]))
    torch.testing.assert_close(result, table[[0, 1, 1, 2]][None])


def test_what_a_concatenation_lacks_stands_in_front_of_every_sample() -> None:
    module = to_torch(RUNNABLE["concat with a learned token"][1])
    (token,) = module.parameters()
    x = torch.randn(2, 4, 3)
    expected = torch.stack([torch.cat([token, sample]) for sample in x])
    torch.testing.assert_close(module(x), expected)
    padded = to_torch(RUNNABLE["concat with zeros"][1])(x)
    torch.testing.assert_close(padded, torch.cat([torch.zeros(2, 4, 5), x], 2))


def test_recurrent_layers_have_the_weights_of_torch() -> None:
    module = to_torch(single(lambda g, x: g.lstm(x, 4, bidirectional=True), 5, 3))
    names = [f"{kind}_{side}" for kind in ("weight", "bias") for side in ("ih", "hh")]
    expected = [f"n1.{name}_l0{end}" for end in ("", "_reverse") for name in names]
    assert list(module.state_dict()) == expected


def _frames() -> ComputationGraph:
    """A convolution over frames with an activation fused onto it: two functions around a module."""
    node = RUNNABLE["conv of frames"][1].node(1)._replace(activation=Op.RELU)
    return single(lambda g, x: g.place(shapes.row(node), x), *node.in_shape)


def test_a_copy_of_a_module_has_weights_of_its_own() -> None:
    module = to_torch(_frames())
    x = torch.randn(2, 3, 4, 5, 5)
    before, copied = module(x), deepcopy(module)
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.zero_()
    assert not torch.equal(before, torch.zeros_like(before))
    assert torch.equal(module(x), before)
    assert torch.equal(copied(x), torch.zeros_like(before))


def test_a_graph_whose_layout_is_implicit_is_refused() -> None:
    g = GraphBuilder()
    row = shapes.row(placed(Op.RELU, (12,), out=(12,)).node(1))
    g.output(g.place(row, g.input(3, 4)))
    with pytest.raises(GraphError, match=r"reads \(3, 4\) as \(12,\): a fused graph"):
        to_torch(g.build())


def test_single_values_are_normalised_in_training_too() -> None:
    module: GraphModule = to_torch(single(lambda g, x: g.instance_norm(x), 3, 1)).train()
    assert module(torch.randn(1, 3, 1)).abs().max() < 1e-4
