"""Graphs as modules: what they compute, what they learn."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from strategies import graphs
from torch import Tensor
from torch.nn import functional as F

from onnx_bench import shapes
from onnx_bench.benchmarks.digits import KINDS
from onnx_bench.builder import GraphBuilder
from onnx_bench.errors import GraphError
from onnx_bench.families import family
from onnx_bench.graph import ComputationGraph
from onnx_bench.operators import ACTIVATIONS, Op
from onnx_bench.torch_module import to_torch
from tests.small_families import SMALL_FAMILIES

few = settings(
    max_examples=60,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # to shrink a network takes a minute
)
Array = npt.NDArray[np.float32]
Block = Callable[[GraphBuilder], int]
Sides = tuple[int, int, int, int]
Pair = tuple[int, int]


def graph_of(*blocks: Block) -> ComputationGraph:
    """The network whose outputs are the blocks'."""
    g = GraphBuilder()
    for x in [block(g) for block in blocks]:
        g.output(x)
    return g.build()


def inputs_of(graph: ComputationGraph, batch: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes_in = [graph.node(i).out_shape for i in graph.nodes_of(Op.INPUT)]
    return [torch.randn(batch, *shape, generator=generator) for shape in shapes_in]


def results_of(graph: ComputationGraph, inputs: list[Tensor]) -> tuple[Tensor, ...]:
    """All outputs in evaluation mode, with the weights of seed 0."""
    torch.manual_seed(0)
    module = to_torch(graph).eval()
    with torch.no_grad():
        results = module(*inputs)
    return results if isinstance(results, tuple) else (results,)


def result(block: Block, *inputs: Tensor) -> Tensor:
    return results_of(graph_of(block), list(inputs))[0]


# shapes and determinism


@few
@given(graphs())
def test_outputs_have_the_shapes_of_the_graph_behind_the_batch(graph: ComputationGraph) -> None:
    results = results_of(graph, inputs_of(graph, 3))
    expected = [(3, *graph.node(i).out_shape) for i in graph.nodes_of(Op.OUTPUT)]
    assert [tuple(y.shape) for y in results] == expected


@few
@given(graphs())
def test_each_sample_of_a_batch_is_computed_by_itself(graph: ComputationGraph) -> None:
    inputs = inputs_of(graph, 2)
    together = results_of(graph, inputs)
    alone = results_of(graph, [x[1:] for x in inputs])
    for whole, part in zip(together, alone, strict=True):
        torch.testing.assert_close(whole[1:], part, rtol=1e-4, atol=1e-4, equal_nan=True)


@pytest.mark.parametrize("name", SMALL_FAMILIES)
def test_members_of_every_family_answer_ten_classes(name: str) -> None:
    members = family(name)
    graph = members.graph(members.example)
    with torch.device("meta"):
        images = torch.empty(2, *graph.node(0).out_shape)
        assert to_torch(graph)(images).shape == (2, 10)


@pytest.mark.parametrize("name", KINDS)
def test_the_seed_decides_the_outputs(name: str) -> None:
    members = family(name)
    graph = members.graph(members.example)
    images = inputs_of(graph, 4)

    def outputs(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return to_torch(graph)(*images)

    assert torch.equal(outputs(0), outputs(0))
    assert not torch.equal(outputs(0), outputs(1))


def test_weights_are_named_after_their_nodes() -> None:
    graph = graph_of(lambda g: g.linear(g.relu(g.conv(g.input(1, 2, 2), 3)), 4))
    assert list(to_torch(graph).state_dict()) == ["n1.weight", "n3.weight", "n3.bias"]


# operators against references


OPERATORS: dict[str, tuple[Block, Callable[..., Tensor], list[tuple[int, ...]]]] = {
    "softmax": (
        lambda g: g.unary(Op.SOFTMAX, g.input(3, 4)),
        lambda x: x.exp() / x.exp().sum(-1, keepdim=True),
        [(3, 4)],
    ),
    "zero": (lambda g: g.zero(g.input(3)), lambda x: 0 * x, [(3,)]),
    "identity": (lambda g: g.unary(Op.IDENTITY, g.input(3)), lambda x: x, [(3,)]),
    "sum of four": (
        lambda g: g.add(*(g.input(3) for _ in range(4))),
        lambda a, b, c, d: a + b + c + d,
        [(3,)] * 4,
    ),
    "product of three": (
        lambda g: g.mul(*(g.input(3) for _ in range(3))),
        lambda a, b, c: a * b * c,
        [(3,)] * 3,
    ),
    "channel gate": (
        lambda g: g.mul(g.input(3, 4, 5), g.input(3, 1, 1)),
        lambda x, gate: x * gate,
        [(3, 4, 5), (3, 1, 1)],
    ),
    "sum with fewer axes": (
        lambda g: g.add(g.input(3, 2, 2), g.input(2)),
        lambda x, y: x + y[:, None, None, :],
        [(3, 2, 2), (2,)],
    ),
    "sum with more axes": (
        lambda g: g.add(g.input(2), g.input(3, 2)),
        lambda y, x: x + y[:, None, :],
        [(2,), (3, 2)],
    ),
    "product with a scalar": (
        lambda g: g.mul(g.input(2, 2), g.input()),
        lambda x, y: x * y[:, None, None],
        [(2, 2), ()],
    ),
    "concat": (
        lambda g: g.concat(g.input(3, 2), g.input(3, 4), axis=1),
        lambda a, b: torch.cat([a, b], 2),
        [(3, 2), (3, 4)],
    ),
    "matmul": (
        lambda g: g.matmul(g.input(3, 4), g.input(4, 2)),
        lambda a, b: torch.einsum("bij,bjk->bik", a, b),
        [(3, 4), (4, 2)],
    ),
    "global average": (
        lambda g: g.global_avg_pool(g.input(3, 4, 5)),
        lambda x: x.sum((2, 3))[:, :, None, None] / 20,
        [(3, 4, 5)],
    ),
    "mean of tokens": (lambda g: g.mean(g.input(3, 4)), lambda x: x.sum(1) / 3, [(3, 4)]),
    "slice": (
        lambda g: g.slice(g.input(3, 5), 1, 3, axis=1),
        lambda x: x[:, :, 1:4],
        [(3, 5)],
    ),
    "reshape": (
        lambda g: g.reshape(g.input(3, 4), 2, 6),
        lambda x: torch.stack([row.reshape(2, 6) for row in x]),
        [(3, 4)],
    ),
    "transpose": (
        lambda g: g.transpose(g.input(2, 3, 4), 2, 1, 0),
        lambda x: torch.stack([image.permute(2, 1, 0) for image in x]),
        [(2, 3, 4)],
    ),
}


@pytest.mark.parametrize("case", OPERATORS)
def test_operator_computes_its_reference(case: str) -> None:
    block, reference, sizes = OPERATORS[case]
    generator = torch.Generator().manual_seed(1)
    inputs = [torch.randn(2, *size, generator=generator) for size in sizes]
    torch.testing.assert_close(result(block, *inputs), reference(*inputs))


def test_attention_is_the_softmax_of_scaled_products_head_by_head() -> None:
    generator = torch.Generator().manual_seed(1)
    query, key, value = (
        torch.randn(2, *size, generator=generator) for size in ((3, 4), (5, 4), (5, 6))
    )
    heads = []
    for h in range(2):
        q, k, v = query[..., 2 * h : 2 * h + 2], key[..., 2 * h : 2 * h + 2], value[..., 3 * h :]
        weights = (q @ k.mT / 2**0.5).softmax(-1)
        heads.append(weights @ v[..., :3])
    got = result(
        lambda g: g.attention(g.input(3, 4), g.input(5, 4), g.input(5, 6), heads=2),
        query,
        key,
        value,
    )
    torch.testing.assert_close(got, torch.cat(heads, -1))


def test_batch_norm_normalises_the_first_axis_and_layer_norm_the_last() -> None:
    x = 3 + 2 * torch.randn(8, 4, 5, generator=torch.Generator().manual_seed(1))
    batch_norm = to_torch(graph_of(lambda g: g.batch_norm(g.input(4, 5)))).train()
    layer_norm = to_torch(graph_of(lambda g: g.layer_norm(g.input(4, 5))))
    by_channel, by_token = batch_norm(x), layer_norm(x)
    torch.testing.assert_close(by_channel.mean((0, 2)), torch.zeros(4), rtol=0, atol=1e-5)
    torch.testing.assert_close(by_token.mean(2), torch.zeros(8, 4), rtol=0, atol=1e-5)


def test_position_adds_one_learned_tensor_to_every_sample() -> None:
    module = to_torch(graph_of(lambda g: g.position(g.input(3, 2))))
    added = module(torch.zeros(4, 3, 2))
    assert added.shape == (4, 3, 2)
    for sample in added:
        torch.testing.assert_close(sample, module.state_dict()["n1.weight"])


# windows


def slide(
    image: Array, kernel: Pair, stride: Pair, sides: Sides, size: Pair, fill: float
) -> list[list[Array]]:
    """The windows over each output pixel; one that reaches past the padding ends there."""
    top, left, bottom, right = sides
    padded = np.pad(image, ((top, bottom), (left, right)), constant_values=fill)
    return [
        [padded[y * stride[0] :, x * stride[1] :][: kernel[0], : kernel[1]] for x in range(size[1])]
        for y in range(size[0])
    ]


@st.composite
def windows(draw: st.DrawFn) -> tuple[Pair, Pair, Pair, Sides]:
    """(size, kernel, stride, padding); a window touches the image, as pools demand."""
    size = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    kernel = tuple(draw(st.integers(1, min(4, length))) for length in size)
    sides = tuple(draw(st.integers(0, kernel[i % 2] // 2)) for i in range(4))
    stride = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    return size, (kernel[0], kernel[1]), stride, (sides[0], sides[1], sides[2], sides[3])


@settings(max_examples=150)
@given(windows(), st.booleans())
def test_max_pool_takes_the_largest_value_of_each_window(
    window: tuple[Pair, Pair, Pair, Sides], ceil: bool
) -> None:
    size, kernel, stride, sides = window
    ceil = ceil and sides[:2] == sides[2:]  # uneven padding together with ceil is refused
    graph = graph_of(lambda g: g.max_pool(g.input(1, *size), kernel, stride, sides, ceil))
    (images,) = inputs_of(graph, 1)
    _, height, width = graph.node(1).out_shape
    expected = [
        [part.max() for part in row]
        for row in slide(images[0, 0].numpy(), kernel, stride, sides, (height, width), -np.inf)
    ]
    (got,) = results_of(graph, [images])
    np.testing.assert_array_equal(got[0, 0].numpy(), np.array(expected, np.float32))


@settings(max_examples=150)
@given(windows(), st.booleans(), st.booleans())
def test_avg_pool_takes_the_mean_of_each_window(
    window: tuple[Pair, Pair, Pair, Sides], ceil: bool, counted: bool
) -> None:
    size, kernel, stride, sides = window
    ceil = ceil and sides[:2] == sides[2:]
    graph = graph_of(lambda g: g.avg_pool(g.input(1, *size), kernel, stride, sides, ceil, counted))
    (images,) = inputs_of(graph, 1)
    _, height, width = graph.node(1).out_shape
    outside = 0.0 if counted else np.nan
    expected = [
        [np.nanmean(part) for part in row]
        for row in slide(images[0, 0].numpy(), kernel, stride, sides, (height, width), outside)
    ]
    (got,) = results_of(graph, [images])
    np.testing.assert_allclose(got[0, 0].numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pool", [GraphBuilder.max_pool, GraphBuilder.avg_pool])
def test_pools_with_uneven_padding_and_ceil_are_refused(pool: Callable[..., int]) -> None:
    """torch would add a window that lies in the padding alone."""
    graph = graph_of(lambda g: pool(g, g.input(1, 5, 5), 2, 2, (0, 0, 1, 1), ceil=True))
    with pytest.raises(GraphError, match="uneven padding together with ceil"):
        to_torch(graph)


@pytest.mark.parametrize("sides", [(1, 2, 1, 2), (0, 1, 2, 0), (0, 0, 1, 1), (3, 0, 0, 0)])
@pytest.mark.parametrize("groups", [1, 2])
def test_conv_pads_each_side_as_it_is_told(sides: Sides, groups: int) -> None:
    block: Block = lambda g: g.conv(  # noqa: E731
        g.input(4, 6, 7), 6, (3, 2), (2, 1), sides, (1, 2), groups, bias=True
    )
    module = to_torch(graph_of(block))
    (images,) = inputs_of(graph_of(block), 2)
    top, left, bottom, right = sides
    padded = torch.zeros(2, 4, 6 + top + bottom, 7 + left + right)
    padded[:, :, top : top + 6, left : left + 7] = images
    weight, bias = module.state_dict()["n1.weight"], module.state_dict()["n1.bias"]
    expected = F.conv2d(padded, weight, bias, (2, 1), 0, (1, 2), groups)
    torch.testing.assert_close(module(images), expected)


# activations that are part of another node


def fused(row: shapes.Row, activation: Op) -> shapes.Row:
    graph = ComputationGraph(
        np.frombuffer(row.data, np.int32).reshape(1, -1),
        np.zeros(2, np.int32),
        np.zeros(0, np.int32),
    )
    return shapes.row(graph.node(0)._replace(activation=activation))


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS), ids=lambda op: op.label)
@pytest.mark.parametrize("layer", ["conv", "linear", "add"])
def test_a_fused_activation_is_the_activation_behind_the_node(layer: str, activation: Op) -> None:
    rows: dict[str, tuple[shapes.Row, int]] = {
        "conv": (shapes.conv((2, 4, 4), 2, 3, 1, None, 1, 1, True), 1),
        "linear": (shapes.linear((2, 4, 4), 4, True), 1),
        "add": (shapes.broadcast(Op.ADD, ((2, 4, 4),) * 2), 2),
    }
    row, arity = rows[layer]
    x = [3 * torch.randn(2, 2, 4, 4, generator=torch.Generator().manual_seed(1))]
    together = result(lambda g: g.place(fused(row, activation), *[g.input(2, 4, 4)] * arity), *x)
    apart = result(lambda g: g.unary(activation, g.place(row, *[g.input(2, 4, 4)] * arity)), *x)
    torch.testing.assert_close(together, apart)
    assert not torch.equal(
        together, result(lambda g: g.place(row, *[g.input(2, 4, 4)] * arity), *x)
    )


# ends


def test_inputs_and_outputs_come_in_the_order_of_their_nodes() -> None:
    g = GraphBuilder()
    a, b = g.input(2), g.input(3)
    g.output(g.relu(b))
    g.output(a)
    g.output(b)
    first, second = torch.randn(4, 2), torch.randn(4, 3)
    results = to_torch(g.build())(first, second)
    assert isinstance(results, tuple)
    for got, expected in zip(results, (second.relu(), first, second), strict=True):
        torch.testing.assert_close(got, expected)


def test_a_result_may_be_read_further() -> None:
    g = GraphBuilder()
    middle = g.output(g.relu(g.input(3)))
    g.output(g.sigmoid(middle))
    x = torch.randn(2, 3)
    first, second = to_torch(g.build())(x)
    torch.testing.assert_close(first, x.relu())
    torch.testing.assert_close(second, x.relu().sigmoid())


@pytest.mark.parametrize("given_inputs", [0, 1, 3])
def test_another_number_of_inputs_is_refused(given_inputs: int) -> None:
    module = to_torch(graph_of(lambda g: g.add(g.input(2), g.input(2))))
    with pytest.raises(GraphError, match=f"has 2 inputs, got {given_inputs}"):
        module(*[torch.zeros(1, 2)] * given_inputs)


def test_an_operator_outside_the_vocabulary_is_refused() -> None:
    with pytest.raises(GraphError, match="unknown"):
        to_torch(graph_of(lambda g: g.unknown((3,), g.input(2))))


def test_a_module_stays_the_same_between_calls() -> None:
    module = to_torch(graph_of(lambda g: g.add(g.relu(g.conv(g.input(1, 4, 4), 1, 3)), 0))).eval()
    x = torch.randn(2, 1, 4, 4)
    before = x.clone()
    assert torch.equal(module(x), module(x))
    assert torch.equal(x, before)


# learning


def parameters_that_matter(graph: ComputationGraph) -> set[str]:
    """Layers whose value reaches an output other than through a ZERO or the choice of a row."""
    needed = set(graph.nodes_of(Op.OUTPUT))
    for index in reversed(range(len(graph))):
        if index in needed and graph.node(index).op not in (Op.ZERO, Op.EMBEDDING):
            needed |= set(graph.inputs_of(index))
    return {f"n{i}" for i in needed if graph.node(i).parameters}


def assert_gradients_reach_what_matters(graph: ComputationGraph) -> None:
    module = to_torch(graph)
    results = module(*inputs_of(graph, 4))
    results = results if isinstance(results, tuple) else (results,)
    total = torch.stack([y.sum() for y in results]).sum()
    if total.requires_grad:
        total.backward()
    reached = {name.split(".")[0] for name, p in module.named_parameters() if p.grad is not None}
    assert reached == parameters_that_matter(graph)


def test_zero_carries_neither_values_nor_gradients() -> None:
    x = torch.tensor([[torch.inf, -1.0]])
    block: Block = lambda g: g.zero(g.input(2))  # noqa: E731
    assert result(block, x).tolist() == [[0, 0]]
    cut = graph_of(lambda g: g.add(g.zero(g.linear(g.input(2), 3)), g.linear(0, 3)))
    assert parameters_that_matter(cut) == {"n3"}
    assert_gradients_reach_what_matters(cut)


@few
@given(graphs(mixed_ranks=False))
def test_gradients_reach_every_parameter_that_an_output_depends_on(
    graph: ComputationGraph,
) -> None:
    assert_gradients_reach_what_matters(graph)


@pytest.mark.parametrize("name", KINDS)
def test_gradients_reach_every_parameter_of_small_families(name: str) -> None:
    members, rng = family(name), np.random.default_rng(3)
    for _ in range(5):
        assert_gradients_reach_what_matters(members.build(members.sample(rng)))


@pytest.mark.parametrize("name", KINDS)
def test_a_network_of_each_small_family_overfits_a_batch(name: str) -> None:
    members = family(name)
    torch.manual_seed(0)
    module = to_torch(members.graph(members.example))
    images, classes = torch.randn(16, 1, 8, 8), torch.randint(10, (16,))
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    first = F.cross_entropy(module(images), classes).item()
    for _ in range(80):
        optimizer.zero_grad()
        loss = F.cross_entropy(module(images), classes)
        loss.backward()
        optimizer.step()
    assert first > 1.5
    assert loss.item() < 0.1
