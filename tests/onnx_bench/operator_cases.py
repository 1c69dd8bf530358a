"""A small network for every operator, in every form that its row can take; and rows that say too
little to be run."""

from collections.abc import Callable
from typing import Any

from onnx_bench import rows, shapes
from onnx_bench.builder import GraphBuilder
from onnx_bench.graph import ComputationGraph, Node, Shape
from onnx_bench.operators import ACTIVATIONS, Op

Block = Callable[[GraphBuilder, int], int]


def single(step: Block, *shape: int) -> ComputationGraph:
    """The network of one input and one step."""
    g = GraphBuilder()
    g.output(step(g, g.input(*shape)))
    return g.build()


def placed(op: Op, *given: Shape, out: Shape, **fields: Any) -> ComputationGraph:
    """The network of one node whose row is written by hand, and its inputs."""
    g = GraphBuilder()
    inputs = [g.input(*shape) for shape in given]
    g.output(g.place(shapes.row(Node(op, given[0], out, **fields)), *inputs))
    return g.build()


def _positive(g: GraphBuilder, x: int) -> int:
    return g.sigmoid(x)


def _with_constant(op: Op, size: int, *shape: int) -> tuple[Op, ComputationGraph]:
    return op, single(lambda g, x: (g.scale if op == Op.SCALE else g.shift)(x, size), *shape)


def _recurrent(op: Op, both: bool, bias: bool) -> tuple[Op, ComputationGraph]:
    def layer(g: GraphBuilder, x: int) -> int:
        return {Op.LSTM: g.lstm, Op.GRU: g.gru, Op.RNN: g.rnn}[op](x, 4, both, bias)

    return op, single(layer, 5, 3)


WEIGHTED: dict[str, tuple[Op, ComputationGraph]] = {
    "conv": (
        Op.CONV,
        single(lambda g, x: g.conv(x, 6, (3, 2), (2, 1), (1, 0, 2, 1), (1, 2), 2, True), 4, 7, 6),
    ),
    "conv of a line": (
        Op.CONV,
        single(lambda g, x: g.conv1d(x, 6, 3, 2, (0, 2), 2, 2, True), 4, 9),
    ),
    "conv of a line, even padding": (
        Op.CONV,
        single(lambda g, x: g.conv1d(x, 4, 3, padding=1), 4, 9),
    ),
    "conv of a volume": (
        Op.CONV,
        placed(
            Op.CONV,
            (4, 5, 6, 7),
            out=(6, 3, 6, 4),
            kernel=(3, 2),
            stride=(1, 2),
            dilation=(1, 1),
            padding=(1, 1, 1, 0),
            groups=2,
            bias=True,
            parameters=6 * 2 * 18 + 6,
            attributes=(0, 0, 3, 1, 1, 0, 0),
        ),
    ),
    "conv of frames": (
        Op.CONV,
        placed(
            Op.CONV,
            (3, 4, 5, 5),
            out=(3, 2, 5, 5),
            kernel=(3, 3),
            stride=(1, 1),
            dilation=(1, 1),
            padding=(1, 1, 1, 1),
            groups=1,
            parameters=72,
        ),
    ),
    "conv_transpose": (
        Op.CONV_TRANSPOSE,
        single(lambda g, x: g.conv_transpose(x, 6, 4, 2, 1, 0, 1, 2, True), 4, 5, 6),
    ),
    "conv_transpose, uneven": (
        Op.CONV_TRANSPOSE,
        single(
            lambda g, x: g.conv_transpose(x, 2, (3, 2), (2, 3), (1, 0, 0, 1), (1, 2), (2, 1)),
            3,
            4,
            5,
        ),
    ),
    "conv_transpose of a line": (
        Op.CONV_TRANSPOSE,
        placed(
            Op.CONV_TRANSPOSE,
            (4, 5),
            out=(2, 11),
            kernel=(3, 0),
            stride=(2, 0),
            dilation=(1, 0),
            groups=1,
            parameters=24,
        ),
    ),
    "linear of a vector": (Op.LINEAR, single(lambda g, x: g.linear(x, 3, bias=False), 5)),
    "linear of tokens": (Op.LINEAR, single(lambda g, x: g.linear(x, 3), 4, 5)),
    "linear without bias": (Op.LINEAR, single(lambda g, x: g.linear(x, 3, bias=False), 4, 5)),
    "matmul with a learned right side": (
        Op.MATMUL,
        placed(Op.MATMUL, (3, 4, 5), out=(3, 4, 2), parameters=30),
    ),
    "matmul with a learned left side": (
        Op.MATMUL,
        placed(Op.MATMUL, (4, 5), out=(3, 5), parameters=12),
    ),
    "batch_norm": (Op.BATCH_NORM, single(lambda g, x: g.batch_norm(x), 3, 4, 5)),
    "batch_norm of frames": (
        Op.BATCH_NORM,
        placed(Op.BATCH_NORM, (3, 4, 5, 5), out=(3, 4, 5, 5), parameters=8),
    ),
    "batch_norm without weights": (
        Op.BATCH_NORM,
        placed(Op.BATCH_NORM, (3, 4), out=(3, 4)),
    ),
    "layer_norm": (Op.LAYER_NORM, single(lambda g, x: g.layer_norm(x), 3, 4)),
    "layer_norm over two axes": (
        Op.LAYER_NORM,
        placed(Op.LAYER_NORM, (2, 3, 4), out=(2, 3, 4), parameters=24, attributes=(2,)),
    ),
    "layer_norm without shift": (
        Op.LAYER_NORM,
        placed(Op.LAYER_NORM, (3, 4), out=(3, 4), parameters=4),
    ),
    "layer_norm without weights": (Op.LAYER_NORM, placed(Op.LAYER_NORM, (3, 4), out=(3, 4))),
    "group_norm": (Op.GROUP_NORM, single(lambda g, x: g.group_norm(x, 2), 4, 3, 5)),
    "group_norm of a vector": (Op.GROUP_NORM, single(lambda g, x: g.group_norm(x, 2), 4)),
    "instance_norm": (Op.INSTANCE_NORM, single(lambda g, x: g.instance_norm(x), 3, 4, 5)),
    "instance_norm without weights": (
        Op.INSTANCE_NORM,
        placed(Op.INSTANCE_NORM, (3, 4, 5), out=(3, 4, 5)),
    ),
    "rms_norm": (Op.RMS_NORM, single(lambda g, x: g.rms_norm(x), 3, 4)),
    "rms_norm without weights": (Op.RMS_NORM, placed(Op.RMS_NORM, (3, 4), out=(3, 4))),
    "prelu": (Op.PRELU, single(lambda g, x: g.prelu(x), 3, 4)),
    "prelu by channel": (Op.PRELU, single(lambda g, x: g.prelu(x, per_channel=True), 3, 4, 2)),
    "position": (Op.POSITION, single(lambda g, x: g.position(x), 3, 4)),
    **{
        f"{op.label}{what}": _with_constant(op, size, *shape)
        for op in (Op.SCALE, Op.SHIFT)
        for what, size, shape in (
            ("", 1, (3, 4)),
            (" of a scalar", 1, ()),
            (" of the last axis", 4, (3, 4)),
            (" of channels", 3, (3, 4, 5)),
            (" of the whole", 12, (3, 4)),
            (" of a vector", 3, (3,)),
        )
    },
    "scale by a learned number": (
        Op.SCALE,
        placed(Op.SCALE, (3, 4), out=(3, 4), parameters=1, attributes=(1,)),
    ),
    "shift that broadcasts": (
        Op.SHIFT,
        placed(Op.SHIFT, (4,), out=(3, 4), parameters=12, attributes=(12,)),
    ),
    "embedding": (Op.EMBEDDING, single(lambda g, x: g.embedding(x, 7, 3), 5)),
    **{
        f"{op.label}{what}": _recurrent(op, both, bias)
        for op in (Op.LSTM, Op.GRU, Op.RNN)
        for what, both, bias in (
            ("", False, True),
            (" both ways", True, True),
            (" without bias", False, False),
        )
    },
    "lstm with a one where the batch was": (
        Op.LSTM,
        placed(
            Op.LSTM, (5, 1, 3), out=(5, 1, 4), bias=True, parameters=4 * 4 * 9, attributes=(4, 1)
        ),
    ),
    "concat with a learned token": (
        Op.CONCAT,
        placed(Op.CONCAT, (4, 3), out=(5, 3), parameters=3, attributes=(0,)),
    ),
    "concat with zeros": (Op.CONCAT, placed(Op.CONCAT, (4, 3), out=(4, 8), attributes=(1,))),
}


PLAIN: dict[str, tuple[Op, ComputationGraph]] = {
    **{
        op.label: (op, single(lambda g, x, op=op: g.unary(op, x), 3, 9))
        for op in (*sorted(ACTIVATIONS), Op.SOFTMAX, Op.IDENTITY, Op.ZERO)
    },
    **{
        op.label: (op, single(lambda g, x, op=op: g.unary(op, x), 3, 9))
        for op in (Op.EXP, Op.ABS, Op.ERF, Op.SINE, Op.NORMALIZE, Op.CUMULATE)
    },
    **{
        op.label: (op, single(lambda g, x, op=op: g.unary(op, _positive(g, x)), 3, 9))
        for op in (Op.LOG, Op.SQRT)
    },
    "add": (Op.ADD, single(lambda g, x: g.add(x, g.relu(x)), 3, 4)),
    "add of three": (Op.ADD, single(lambda g, x: g.add(x, x, g.relu(x)), 3, 4)),
    "mul": (Op.MUL, single(lambda g, x: g.mul(x, g.relu(x)), 3, 4)),
    "mul of four": (Op.MUL, single(lambda g, x: g.mul(x, x, g.relu(x), x), 3, 4)),
    "gate": (Op.MUL, single(lambda g, x: g.mul(g.global_avg_pool(x), x), 3, 4, 4)),
    "sub": (Op.SUB, single(lambda g, x: g.sub(g.relu(x), x), 3, 4)),
    "sub with fewer axes": (Op.SUB, single(lambda g, x: g.sub(g.mean(x), x), 3, 4)),
    "div": (Op.DIV, single(lambda g, x: g.div(x, _positive(g, x)), 3, 4)),
    "maximum of three": (
        Op.MAXIMUM,
        single(lambda g, x: g.maximum(x, g.sigmoid(x), g.mean(x)), 3, 4),
    ),
    "minimum": (Op.MINIMUM, single(lambda g, x: g.minimum(x, g.sigmoid(x)), 3, 4)),
    "concat": (Op.CONCAT, single(lambda g, x: g.concat(x, g.relu(x), axis=1), 3, 4, 2)),
    "matmul": (Op.MATMUL, single(lambda g, x: g.matmul(x, g.transpose(x, 0, 2, 1)), 2, 3, 4)),
    "attention": (
        Op.ATTENTION,
        single(lambda g, x: g.attention(x, g.slice(x, 1, 3), g.slice(x, 2, 3), 2), 5, 6),
    ),
    "attention of narrow values": (
        Op.ATTENTION,
        single(lambda g, x: g.attention(x, x, g.slice(x, 0, 2, axis=1), 2), 5, 6),
    ),
    "attention with an axis of heads": (
        Op.ATTENTION,
        placed(Op.ATTENTION, (2, 5, 3), (2, 4, 3), (2, 4, 6), out=(2, 5, 6), attributes=(2, 4)),
    ),
    "attention in windows": (
        Op.ATTENTION,
        placed(Op.ATTENTION, *[(3, 2, 4, 5)] * 3, out=(3, 2, 4, 5), attributes=(2, 4)),
    ),
    "max_pool": (Op.MAX_POOL, single(lambda g, x: g.max_pool(x, 3, 2, (1, 0, 0, 1)), 2, 7, 8)),
    "max_pool, ceil": (Op.MAX_POOL, single(lambda g, x: g.max_pool(x, 2, 2, 0, True), 2, 7, 8)),
    "max_pool, wide padding": (
        Op.MAX_POOL,
        single(lambda g, x: g.max_pool(x, 3, 2, 2), 2, 7, 8),
    ),
    "max_pool, dilated line": (
        Op.MAX_POOL,
        placed(
            Op.MAX_POOL,
            (2, 9),
            out=(2, 4),
            kernel=(3, 0),
            stride=(2, 0),
            dilation=(2, 0),
            padding=(1, 0, 1, 0),
        ),
    ),
    "max_pool of a volume": (
        Op.MAX_POOL,
        placed(
            Op.MAX_POOL,
            (2, 5, 6, 7),
            out=(2, 3, 3, 3),
            kernel=(2, 2),
            stride=(2, 2),
            dilation=(1, 1),
            attributes=(0, 0, 3, 2, 1, 1, 1),
        ),
    ),
    "avg_pool": (Op.AVG_POOL, single(lambda g, x: g.avg_pool(x, 3, 2, 1), 2, 7, 8)),
    "avg_pool, padding counted": (
        Op.AVG_POOL,
        single(lambda g, x: g.avg_pool(x, 3, 2, 1, True, True), 2, 6, 8),
    ),
    "avg_pool, ceil": (Op.AVG_POOL, single(lambda g, x: g.avg_pool(x, 2, 2, 0, True), 2, 7, 8)),
    "avg_pool of a line, uneven": (
        Op.AVG_POOL,
        placed(
            Op.AVG_POOL,
            (2, 9),
            out=(2, 5),
            kernel=(3, 0),
            stride=(2, 0),
            dilation=(1, 0),
            padding=(0, 0, 2, 0),
        ),
    ),
    "avg_pool of a volume": (
        Op.AVG_POOL,
        placed(
            Op.AVG_POOL,
            (2, 4, 6, 6),
            out=(2, 2, 3, 3),
            kernel=(2, 2),
            stride=(2, 2),
            dilation=(1, 1),
            attributes=(0, 0, 2, 2, 1, 0, 0),
        ),
    ),
    "global_avg_pool": (Op.GLOBAL_AVG_POOL, single(lambda g, x: g.global_avg_pool(x), 2, 3, 4)),
    "global_avg_pool of frames": (
        Op.GLOBAL_AVG_POOL,
        placed(Op.GLOBAL_AVG_POOL, (3, 2, 4, 5), out=(3, 2, 1, 1)),
    ),
    "global_max_pool": (Op.GLOBAL_MAX_POOL, single(lambda g, x: g.global_max_pool(x), 2, 3, 4)),
    "mean": (Op.MEAN, single(lambda g, x: g.mean(x), 4, 5)),
    "reduce_mean": (
        Op.REDUCE_MEAN,
        single(lambda g, x: g.reduce(Op.REDUCE_MEAN, x, 2), 2, 3, 4),
    ),
    "reduce_mean that keeps the axis": (
        Op.REDUCE_MEAN,
        single(lambda g, x: g.reduce(Op.REDUCE_MEAN, x, 1, keep=True), 4, 4),
    ),
    "reduce_sum": (Op.REDUCE_SUM, single(lambda g, x: g.reduce(Op.REDUCE_SUM, x, 0, 2), 2, 3, 4)),
    "reduce_sum to a scalar": (
        Op.REDUCE_SUM,
        single(lambda g, x: g.reduce(Op.REDUCE_SUM, x, 0, 1), 3, 3),
    ),
    "reduce_max": (Op.REDUCE_MAX, single(lambda g, x: g.reduce(Op.REDUCE_MAX, x, 1), 1, 5, 1)),
    "slice": (Op.SLICE, single(lambda g, x: g.slice(x, 1, 2, axis=1), 3, 5, 2)),
    "slice by twos": (Op.SLICE, single(lambda g, x: g.slice(x, 1, 2, 1, step=2), 3, 5)),
    "slice backwards": (Op.SLICE, single(lambda g, x: g.slice(x, 4, 5, 1, step=-1), 3, 5)),
    "slice backwards by twos": (Op.SLICE, single(lambda g, x: g.slice(x, 4, 2, step=-2), 5, 2)),
    "reshape": (Op.RESHAPE, single(lambda g, x: g.reshape(x, 4, 3), 3, 2, 2)),
    "reshape to seven axes": (
        Op.RESHAPE,
        single(lambda g, x: g.reshape(x, 1, 2, 1, 3, 1, 2, 1), 3, 2, 2),
    ),
    "transpose": (Op.TRANSPOSE, single(lambda g, x: g.transpose(x, 2, 1, 0), 3, 4, 5)),
    "pad": (Op.PAD, single(lambda g, x: g.pad(x, 3, 6, 5), 3, 4, 5)),
    "resize": (Op.RESIZE, single(lambda g, x: g.resize(x, 6, 12), 3, 4, 4)),
    "resize of a line": (Op.RESIZE, single(lambda g, x: g.resize(x, 4), 3, 8)),
    "expand": (Op.EXPAND, single(lambda g, x: g.expand(x, 3, 4, 5), 3, 1, 5)),
    "expand to more axes": (Op.EXPAND, single(lambda g, x: g.expand(x, 2, 3, 5), 3, 1)),
    "expand by copies": (Op.EXPAND, single(lambda g, x: g.expand(x, 2, 6, 5), 3, 5)),
}

RUNNABLE = {**WEIGHTED, **PLAIN}
"""By name: the operator that a network is about, and the network."""


def _square(op: Op, arity: int = 1, **fields: Any) -> ComputationGraph:
    return placed(op, *[(4, 4)] * arity, out=(4, 4), **fields)


SILENT: dict[str, tuple[ComputationGraph, str]] = {
    **{op.label: (_square(op), reason) for op, reason in rows.SILENT.items()},
    "a join with a constant that the row lacks": (_square(Op.SUB), "reads 1 .* expected 2"),
    "attention with a mask": (_square(Op.ATTENTION, 4, attributes=(2, 4)), "reads 4 .* masks"),
    "convolution with a computed kernel": (_square(Op.CONV, 2), "reads 2 .* expected 1"),
    "recurrence with a computed state": (_square(Op.GRU, 2, attributes=(4, 1)), "reads 2"),
    "matmul with a constant that is not learned": (_square(Op.MATMUL), "not in its row"),
    "scale that fits no axis": (
        placed(Op.SCALE, (3, 4, 5), out=(3, 4, 5), attributes=(20,)),
        "constant has 20 values",
    ),
    "slopes that fit no axis": (_square(Op.PRELU, parameters=3), "3 slopes"),
    "norm with parameters that fit no axis": (
        _square(Op.GROUP_NORM, groups=2, parameters=5),
        "5 parameters, expected none, 4 or 8",
    ),
    "norm over more axes than there are": (
        _square(Op.LAYER_NORM, attributes=(3,)),
        r"3 axes, \(4, 4\) has fewer",
    ),
    "last state of a recurrence": (
        placed(Op.LSTM, (5, 1, 3), out=(1, 4), attributes=(4, 1)),
        "last state",
    ),
    "recurrence over images": (
        placed(Op.LSTM, (5, 2, 3), out=(5, 2, 4), attributes=(4, 1)),
        r"expected \(T, C\)",
    ),
    "transposed convolution of another size": (
        placed(
            Op.CONV_TRANSPOSE,
            (2, 3),
            out=(2, 9),
            kernel=(3, 0),
            stride=(2, 0),
            dilation=(1, 0),
            groups=1,
        ),
        r"does not lead from \(2, 3\) to \(2, 9\)",
    ),
    "mean over dilated windows": (
        placed(Op.AVG_POOL, (2, 9), out=(2, 5), kernel=(3, 0), stride=(1, 0), dilation=(2, 0)),
        "dilated",
    ),
    "concatenation that is too short": (
        placed(Op.CONCAT, (4, 4), out=(3, 4)),
        "longer than its output",
    ),
    "reduction along either of two axes": (
        placed(Op.REDUCE_SUM, (4, 4, 2), out=(4, 2)),
        "do not tell its axes",
    ),
    "reduction along no axis": (_square(Op.REDUCE_MEAN), "do not tell its axes"),
    "padding that cuts": (placed(Op.PAD, (4, 4), out=(3, 5)), "padding does not lead"),
    "resize of channels": (placed(Op.RESIZE, (2, 4), out=(4, 4)), "change of one to three axes"),
    "copies that do not fit": (placed(Op.EXPAND, (2, 4), out=(3, 4)), "copies"),
    "scalar": (placed(Op.NORMALIZE, (), out=()), "scalar"),
    "global pool of a line": (
        placed(Op.GLOBAL_AVG_POOL, (4, 4), out=(4, 1)),
        "expected at least 3 axes",
    ),
}
"""By name: a network whose row does not say enough, and what the refusal says."""
