"""The builder's shape rules against torch's own, and its shortcuts against plain calls."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from onnx_bench import shapes
from onnx_bench.builder import GraphBuilder
from onnx_bench.errors import GraphError
from onnx_bench.graph import ComputationGraph, Node, Shape
from onnx_bench.operators import Op

few = settings(max_examples=150)
Pair = tuple[int, int]


def pairs(low: int, high: int) -> st.SearchStrategy[Pair]:
    return st.tuples(st.integers(low, high), st.integers(low, high))


def shape_or_none(call: Callable[[], torch.Tensor]) -> Shape | None:
    """The shape of torch's result without the batch; None where torch refuses."""
    try:
        return tuple(call().shape[1:])
    except RuntimeError:
        return None


def built_or_none(image: Shape, block: Callable[[GraphBuilder, int], int]) -> Shape | None:
    """The shape that the builder gives a block; None where it refuses."""
    g = GraphBuilder()
    try:
        return g.shape(block(g, g.input(*image)))
    except GraphError:
        return None


# against torch


@few
@given(
    groups=st.integers(1, 3),
    size=pairs(1, 12),
    kernel=pairs(1, 5),
    stride=pairs(1, 4),
    padding=pairs(0, 4),
    dilation=pairs(1, 3),
)
def test_conv_has_the_shape_of_torch(
    groups: int, size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> None:
    image = (2 * groups, *size)
    weight = torch.empty(3 * groups, 2, *kernel, device="meta")
    expected = shape_or_none(
        lambda: F.conv2d(
            torch.empty(1, *image, device="meta"), weight, None, stride, padding, dilation, groups
        )
    )
    sides = (*padding, *padding)
    got = built_or_none(
        image, lambda g, x: g.conv(x, 3 * groups, kernel, stride, sides, dilation, groups)
    )
    assert got == expected


@few
@given(
    size=pairs(1, 12),
    kernel=pairs(1, 5),
    stride=pairs(1, 4),
    dilation=pairs(1, 3),
    sides=st.tuples(*[st.integers(0, 4)] * 4),
)
def test_conv_with_uneven_padding_has_the_shape_of_the_padded_image(
    size: Pair, kernel: Pair, stride: Pair, dilation: Pair, sides: tuple[int, int, int, int]
) -> None:
    top, left, bottom, right = sides
    padded = torch.empty(1, 2, size[0] + top + bottom, size[1] + left + right, device="meta")
    weight = torch.empty(4, 2, *kernel, device="meta")
    expected = shape_or_none(lambda: F.conv2d(padded, weight, None, stride, 0, dilation))
    got = built_or_none((2, *size), lambda g, x: g.conv(x, 4, kernel, stride, sides, dilation))
    assert got == expected


@few
@given(
    size=pairs(1, 12),
    kernel=pairs(1, 6),
    stride=pairs(1, 7),
    part=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    ceil=st.booleans(),
    average=st.booleans(),
)
def test_pools_have_the_shape_of_torch(
    size: Pair, kernel: Pair, stride: Pair, part: tuple[float, float], ceil: bool, average: bool
) -> None:
    padding = (round(part[0] * (kernel[0] // 2)), round(part[1] * (kernel[1] // 2)))
    image = torch.empty(1, 2, *size)
    torch_pool = F.avg_pool2d if average else F.max_pool2d
    expected = shape_or_none(lambda: torch_pool(image, kernel, stride, padding, ceil_mode=ceil))
    sides = (*padding, *padding)

    def pool(g: GraphBuilder, x: int) -> int:
        method = g.avg_pool if average else g.max_pool
        return method(x, kernel, stride, sides, ceil=ceil)

    assert built_or_none((2, *size), pool) == expected


@given(
    size=pairs(1, 20),
    kernel=st.sampled_from([1, 3, 5, 7]),
    dilation=st.integers(1, 3),
    stride=st.integers(1, 3),
)
def test_default_padding_divides_the_size_by_the_stride_for_odd_kernels(
    size: Pair, kernel: int, dilation: int, stride: int
) -> None:
    g = GraphBuilder()
    x = g.input(3, *size)
    halved = tuple(-(-length // stride) for length in size)
    assert g.shape(g.conv(x, 8, kernel, stride, dilation=dilation)) == (8, *halved)
    assert g.shape(g.max_pool(x, kernel, stride)) == (3, *halved)
    assert g.shape(g.avg_pool(x, kernel, stride)) == (3, *halved)
    assert g.shape(g.depthwise(x, kernel, stride)) == (3, *halved)


@given(st.lists(st.integers(1, 4), max_size=4), st.data())
def test_joins_broadcast_as_torch_does(shape: list[int], data: st.DataObject) -> None:
    others = [
        tuple(data.draw(st.sampled_from((1, 2, length))) for length in shape[skipped:])
        for skipped in data.draw(st.lists(st.integers(0, len(shape)), min_size=1, max_size=3))
    ]
    together = [tuple(shape), *others]
    try:
        expected = tuple(torch.broadcast_shapes(*together))
    except RuntimeError:
        expected = None
    g = GraphBuilder()
    values = [g.input(*s) for s in together]
    for join in (g.add, g.mul, g.maximum, g.minimum):
        try:
            got = g.shape(join(*values))
        except GraphError:
            got = None
        assert got == expected


@pytest.mark.parametrize(
    ("block", "shape"),
    [
        (lambda g: g.linear(g.input(5, 7), 3), (5, 3)),
        (lambda g: g.layer_norm(g.input(5, 7)), (5, 7)),
        (lambda g: g.batch_norm(g.input(5, 7)), (5, 7)),
        (lambda g: g.position(g.input(5, 7)), (5, 7)),
        (lambda g: g.concat(g.input(2, 4, 4), g.input(3, 4, 4)), (5, 4, 4)),
        (lambda g: g.concat(g.input(2, 4), g.input(2, 5), g.input(2, 1), axis=1), (2, 10)),
        (lambda g: g.matmul(g.input(2, 3, 4), g.input(2, 4, 5)), (2, 3, 5)),
        (lambda g: g.attention(g.input(3, 8), g.input(5, 8), g.input(5, 4), 2), (3, 4)),
        (lambda g: g.global_avg_pool(g.input(4, 5, 6)), (4, 1, 1)),
        (lambda g: g.mean(g.input(5, 7)), (7,)),
        (lambda g: g.slice(g.input(6, 4), 1, 3), (3, 4)),
        (lambda g: g.slice(g.input(6, 4), 2, 2, axis=1), (6, 2)),
        (lambda g: g.reshape(g.input(6, 4), 3, 8), (3, 8)),
        (lambda g: g.flatten(g.input(6, 4)), (24,)),
        (lambda g: g.flatten(g.input()), (1,)),
        (lambda g: g.transpose(g.input(6, 4, 2), 2, 0, 1), (2, 6, 4)),
        (lambda g: g.unknown((9, 9), g.input(3)), (9, 9)),
        (lambda g: g.conv1d(g.input(4, 9), 6, 3), (6, 9)),
        (lambda g: g.conv1d(g.input(4, 9), 6, 4, 2, (1, 2)), (6, 5)),
        (lambda g: g.conv_transpose(g.input(4, 5, 6), 2, 2, 2), (2, 10, 12)),
        (lambda g: g.group_norm(g.input(6, 4), 3), (6, 4)),
        (lambda g: g.instance_norm(g.input(6, 4)), (6, 4)),
        (lambda g: g.rms_norm(g.input(6, 4)), (6, 4)),
        (lambda g: g.prelu(g.input(6, 4)), (6, 4)),
        (lambda g: g.scale(g.input(6, 4), 4), (6, 4)),
        (lambda g: g.shift(g.input(6, 4), 24), (6, 4)),
        (lambda g: g.embedding(g.input(7), 100, 3), (7, 3)),
        (lambda g: g.lstm(g.input(7, 3), 5), (7, 5)),
        (lambda g: g.gru(g.input(7, 3), 5, bidirectional=True), (7, 10)),
        (lambda g: g.rnn(g.input(7, 3), 5), (7, 5)),
        (lambda g: g.sub(g.input(3), g.input(2, 3)), (2, 3)),
        (lambda g: g.div(g.input(2, 3), g.input(1, 3)), (2, 3)),
        (lambda g: g.maximum(g.input(2, 3), g.input(3), g.input(2, 1)), (2, 3)),
        (lambda g: g.minimum(g.input(2, 3), g.input(3)), (2, 3)),
        (lambda g: g.global_max_pool(g.input(4, 5, 6)), (4, 1, 1)),
        (lambda g: g.reduce(Op.REDUCE_MEAN, g.input(4, 5, 6), 0, 2), (5,)),
        (lambda g: g.reduce(Op.REDUCE_SUM, g.input(4, 5, 6), 1, keep=True), (4, 1, 6)),
        (lambda g: g.reduce(Op.REDUCE_MAX, g.input(4, 1), 1), (4,)),
        (lambda g: g.slice(g.input(6, 4), 1, 3, step=2), (3, 4)),
        (lambda g: g.slice(g.input(6, 4), 5, 6, step=-1), (6, 4)),
        (lambda g: g.pad(g.input(6, 4), 6, 7), (6, 7)),
        (lambda g: g.resize(g.input(3, 4, 5), 8, 2), (3, 8, 2)),
        (lambda g: g.expand(g.input(1, 4), 5, 6, 4), (5, 6, 4)),
        (lambda g: g.expand(g.input(2, 4), 4, 4), (4, 4)),
    ],
)
def test_shape_rules(block: Callable[[GraphBuilder], int], shape: Shape) -> None:
    g = GraphBuilder()
    assert g.shape(block(g)) == shape


@pytest.mark.parametrize("method", ["add", "mul", "maximum", "concat"])
def test_a_join_of_one_tensor_adds_no_node(method: str) -> None:
    g = GraphBuilder()
    x = g.input(3)
    assert getattr(g, method)(x) == x
    assert len(g) == 1


# what does not fit


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (lambda g: g.conv(g.input(8), 4), r"conv needs an image .*\(8,\)"),
        (lambda g: g.conv(g.input(3, 4, 4), 8, 7, padding=0), "conv .* at least 1"),
        (lambda g: g.conv(g.input(3, 4, 4), 0), "conv .* at least 1"),
        (lambda g: g.conv(g.input(3, 4, 4), 4, groups=2), "2 groups do not divide 3 and 4"),
        (lambda g: g.conv(g.input(4, 4, 4), 3, groups=2), "2 groups do not divide 4 and 3"),
        (lambda g: g.conv(g.input(4, 4, 4), 4, groups=0), "0 groups"),
        (lambda g: g.conv(g.input(4, 4, 4), 4, 0), "kernel .* must be 1 or more"),
        (lambda g: g.conv(g.input(4, 4, 4), 4, 3, stride=0), "stride .* must be 1 or more"),
        (lambda g: g.conv(g.input(4, 4, 4), 4, 3, dilation=0), "dilation .* must be 1 or more"),
        (lambda g: g.conv(g.input(4, 4, 4), 4, 3, padding=-1), "conv.*padding"),
        (lambda g: g.max_pool(g.input(4, 4), 2), "max_pool needs an image"),
        (lambda g: g.max_pool(g.input(4, 2, 2), 3, padding=0), "max_pool .* at least 1"),
        (lambda g: g.max_pool(g.input(4, 4, 4), 3, padding=-1), "max_pool.*padding"),
        (lambda g: g.avg_pool(g.input(4, 4, 4), 3, stride=0), "avg_pool.*stride"),
        (lambda g: g.global_avg_pool(g.input(4)), "global_avg_pool needs an image"),
        (lambda g: g.linear(g.input(), 4), "linear needs at least one axis"),
        (lambda g: g.linear(g.input(4), 0), "linear .* at least 1"),
        (lambda g: g.linear(g.input(2**20), 2**12), "linear does not fit"),
        (lambda g: g.batch_norm(g.input()), "batch_norm needs at least one axis"),
        (lambda g: g.layer_norm(g.input()), "layer_norm needs at least one axis"),
        (lambda g: g.add(g.input(3, 4), g.input(2, 4)), "add: .*broadcast"),
        (lambda g: g.mul(g.input(3), g.input(4)), "mul: .*broadcast"),
        (lambda g: g.concat(g.input(3, 4), g.input(3, 5)), "concat: .*differ outside axis 0"),
        (lambda g: g.concat(g.input(3), g.input(3, 4)), "concat"),
        (lambda g: g.concat(g.input(3), g.input(3), axis=1), "concat: axis 1 is outside"),
        (lambda g: g.concat(g.input(3), g.input(3), axis=-1), "concat: axis -1 is outside"),
        (lambda g: g.matmul(g.input(3, 4), g.input(3, 4)), "matmul: .*do not multiply"),
        (lambda g: g.matmul(g.input(4), g.input(4)), "matmul: .*do not multiply"),
        (lambda g: g.matmul(g.input(2, 3, 4), g.input(3, 4, 5)), "matmul: .*do not multiply"),
        (lambda g: g.attention(*[g.input(4, 6)] * 3, 4), "attention: 4 heads"),
        (lambda g: g.attention(*[g.input(4, 6)] * 3, 0), "attention: 0 heads"),
        (lambda g: g.attention(*[g.input(4, 6, 1)] * 3, 1), "attention needs"),
        (lambda g: g.attention(g.input(4, 6), g.input(4, 8), g.input(4, 8), 2), "attention"),
        (lambda g: g.attention(g.input(4, 6), g.input(4, 6), g.input(5, 6), 2), "attention"),
        (lambda g: g.mean(g.input(4)), "mean needs tokens"),
        (lambda g: g.slice(g.input(4), 2, 3), "slice: entries 2 to 5"),
        (lambda g: g.slice(g.input(4), -1, 1), "slice"),
        (lambda g: g.slice(g.input(4), 0, 0), "slice"),
        (lambda g: g.slice(g.input(4), 0, 1, axis=1), "slice"),
        (lambda g: g.reshape(g.input(4), 5), "reshape"),
        (lambda g: g.reshape(g.input(4), -2, -2), "reshape"),
        (lambda g: g.reshape(g.input(4), *[1] * 8, 4), "reshape .* 8 axes"),
        (lambda g: g.transpose(g.input(4, 5), 0, 0), "transpose"),
        (lambda g: g.transpose(g.input(4, 5), 0), "transpose"),
        (lambda g: g.input(4, 0), "input .* at least 1"),
        (lambda g: g.input(*[1] * 9), "input .* 8 axes"),
        (lambda g: g.conv1d(g.input(4, 5, 6), 4), r"conv1d needs a line .*\(4, 5, 6\)"),
        (lambda g: g.conv1d(g.input(4, 5), 4, 7, padding=0), "conv .* at least 1"),
        (lambda g: g.conv_transpose(g.input(4, 5), 4, 2), "conv_transpose needs an image"),
        (lambda g: g.conv_transpose(g.input(4, 5, 5), 4, 2, 0), "stride .* must be 1 or more"),
        (lambda g: g.conv_transpose(g.input(4, 5, 5), 4, 2, 2, 0, 2), "conv_transpose: .*lead"),
        (lambda g: g.conv_transpose(g.input(4, 5, 5), 3, 2, groups=2), "2 groups do not divide"),
        (
            lambda g: g.conv_transpose(g.input(4, 1, 1), 4, 2, padding=1),
            "conv_transpose .* least 1",
        ),
        (lambda g: g.group_norm(g.input(6, 4), 4), "group_norm: 4 groups do not divide"),
        (lambda g: g.instance_norm(g.input(6)), "instance_norm needs channels and space"),
        (lambda g: g.rms_norm(g.input()), "rms_norm needs at least one axis"),
        (lambda g: g.scale(g.input(3, 4, 5), 20), "scale: its constant has 20 values"),
        (lambda g: g.shift(g.input(3), 0), "shift: its constant has 0 values"),
        (lambda g: g.embedding(g.input(3), 0, 4), "embedding: its table has 0 rows"),
        (lambda g: g.embedding(g.input(3), 4, 0), "embedding .* at least 1"),
        (lambda g: g.lstm(g.input(3), 4), r"lstm needs \(T, C\)"),
        (lambda g: g.gru(g.input(3, 4), 0), "gru needs"),
        (lambda g: g.sub(g.input(3), g.input(4)), "sub: .*broadcast"),
        (lambda g: g.global_max_pool(g.input(4)), "global_max_pool needs an image"),
        (lambda g: g.reduce(Op.REDUCE_SUM, g.input(4), 1), "reduce_sum: axes"),
        (lambda g: g.reduce(Op.REDUCE_SUM, g.input(4)), "reduce_sum: axes"),
        (lambda g: g.reduce(Op.REDUCE_SUM, g.input(4, 4, 2), 0), "reduce_sum: .*do not tell"),
        (lambda g: g.slice(g.input(4), 3, 3, step=-2), "slice: entries 3 to -3"),
        (lambda g: g.slice(g.input(4), 0, 1, step=0), "slice"),
        (lambda g: g.pad(g.input(4), 3), "pad: .*lead"),
        (lambda g: g.pad(g.input(4), 4, 4), "pad: .*lead"),
        (lambda g: g.resize(g.input(4), 3), "resize: "),
        (lambda g: g.resize(g.input(4, 3, 3), 0, 3), "resize .* at least 1"),
        (lambda g: g.expand(g.input(2, 4), 3, 4), "expand: copies"),
    ],
)
def test_shapes_that_do_not_fit_are_refused_and_leave_the_builder_as_it_was(
    block: Callable[[GraphBuilder], int], reason: str
) -> None:
    g = GraphBuilder()
    with pytest.raises(GraphError, match=reason):
        block(g)
    assert all(g.build().node(i).op == Op.INPUT for i in range(len(g)))


# shortcuts


def residual(g: GraphBuilder, x: int, kernel: int) -> int:
    """A block that reads its input twice, early and late."""
    y = g.relu(g.batch_norm(g.conv(x, g.shape(x)[0], kernel)))
    return g.add(g.conv(y, g.shape(x)[0], kernel), x)


def nothing(_: GraphBuilder, x: int) -> int:
    return x


def halving(g: GraphBuilder, x: int) -> int:
    return g.max_pool(x, 2, 2, 0)


def nested(g: GraphBuilder, x: int, kernel: int) -> int:
    return g.repeat(g.relu(x), 2, residual, kernel)


Apply = Callable[[GraphBuilder, int], int]


def network(apply: Apply) -> ComputationGraph:
    """A block between other nodes, so that its numbers are not those that it was recorded with."""
    g = GraphBuilder()
    g.input(2)
    x = g.conv(g.input(4, 8, 8), 6, 3)
    side = g.relu(x)
    g.output(g.add(side, apply(g, x)))
    return g.build()


def plain(block: Callable[..., int], times: int, *args: int) -> Apply:
    def apply(g: GraphBuilder, x: int) -> int:
        for _ in range(times):
            x = block(g, x, *args)
        return x

    return apply


def assert_same_arrays(graph: ComputationGraph, expected: ComputationGraph) -> None:
    assert graph.nodes_NK.tolist() == expected.nodes_NK.tolist()
    assert graph.input_ptr.tolist() == expected.input_ptr.tolist()
    assert graph.inputs.tolist() == expected.inputs.tolist()


@pytest.mark.parametrize("times", [0, 1, 3])
@pytest.mark.parametrize(("block", "args"), [(residual, (3,)), (nested, (1,)), (nothing, ())])
def test_repeat_gives_the_graph_of_the_plain_calls(
    block: Callable[..., int], args: tuple[int, ...], times: int
) -> None:
    repeated = network(lambda g, x: g.repeat(x, times, block, *args))
    assert_same_arrays(repeated, network(plain(block, times, *args)))


@pytest.mark.parametrize(("block", "args"), [(residual, (3,)), (nested, (1,)), (nothing, ())])
def test_stamp_gives_the_graph_of_the_plain_call_each_time(
    block: Callable[..., int], args: tuple[int, ...]
) -> None:
    def stamped(g: GraphBuilder, x: int) -> int:
        return g.stamp(g.stamp(x, block, *args), block, *args)

    assert_same_arrays(network(stamped), network(plain(block, 2, *args)))


def test_a_stamp_is_made_anew_for_another_shape_or_argument() -> None:
    def stamped(g: GraphBuilder, x: int) -> int:
        y = g.stamp(g.stamp(x, residual, 3), residual, 1)
        g.stamp(g.conv(y, 5), residual, 3)
        return y

    def called(g: GraphBuilder, x: int) -> int:
        y = residual(g, residual(g, x, 3), 1)
        residual(g, g.conv(y, 5), 3)
        return y

    assert_same_arrays(network(stamped), network(called))


def test_what_follows_a_stamp_leaves_its_cached_copy_alone() -> None:
    def spoilt(g: GraphBuilder, x: int) -> int:
        y = g.stamp(x, residual, 3)
        g.replace(y, shapes.unary(Op.TANH, g.shape(y)))
        return g.relu(y)

    network(spoilt)
    assert_same_arrays(
        network(lambda g, x: g.stamp(x, residual, 3)), network(plain(residual, 1, 3))
    )


def test_a_repeated_block_must_keep_the_shape() -> None:
    g = GraphBuilder()
    with pytest.raises(GraphError, match=r"\(4, 8, 8\) into \(4, 4, 4\)"):
        g.repeat(g.input(4, 8, 8), 2, halving)


def test_a_replaced_row_takes_the_place_of_the_old_one() -> None:
    g = GraphBuilder()
    x = g.input(4, 8, 8)
    y = g.conv(x, 4, 3)
    g.output(y)
    g.replace(y, shapes.unary(Op.SIGMOID, (4, 8, 8)))
    expected = GraphBuilder()
    expected.output(expected.sigmoid(expected.input(4, 8, 8)))
    assert_same_arrays(g.build(), expected.build())


def test_a_replaced_row_must_have_the_shape_of_the_old_one() -> None:
    g = GraphBuilder()
    x = g.relu(g.input(4))
    with pytest.raises(GraphError, match=r"\(4,\).*\(5,\)"):
        g.replace(x, shapes.unary(Op.SIGMOID, (5,)))
    assert g.build().node(x) == Node(Op.RELU, (4,), (4,))


def test_a_graph_stays_as_it_was_built_when_the_builder_goes_on() -> None:
    g = GraphBuilder()
    x = g.relu(g.input(4))
    graph = g.build()
    before = graph.nodes_NK.tolist()
    g.replace(x, shapes.unary(Op.SIGMOID, (4,)))
    g.output(x)
    assert graph.nodes_NK.tolist() == before
    assert len(graph) == 2


def test_an_empty_builder_gives_a_graph_that_validation_refuses() -> None:
    with pytest.raises(GraphError, match="node table"):
        GraphBuilder().build().validate()
