"""GraphBuilder: networks written as plain Python calls, shapes inferred by our own rules.

No torch and no ONNX: a cell network of 200 nodes takes some 100 microseconds. Two things make it
so. The shape rules of `shapes.py` are cached (networks of a family use few distinct nodes), and so
are whole blocks: a stack of equal cells is built once and copied (`repeat`, `stamp`).
"""

from array import array
from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Concatenate, NamedTuple

import numpy as np

from onnx_bench import shapes
from onnx_bench.errors import GraphError
from onnx_bench.graph import WIDTH, ComputationGraph, Shape
from onnx_bench.operators import Op

Block = Callable[Concatenate["GraphBuilder", int, ...], int]
"""Part of a network: `block(builder, x, *args)` adds nodes behind `x` and returns the last."""
PairBlock = Callable[Concatenate["GraphBuilder", int, int, ...], int]
"""Part of a network that reads two values: `block(builder, a, b, *args)`."""


class GraphBuilder:
    """Adds operators one by one; each call returns the number of its node, for later calls to read.

    Shapes leave the batch out: images are (C, H, W), sequences (T, C), vectors (C,).
    Every method raises GraphError where the shapes do not fit the operator.

    Example:
        >>> g = GraphBuilder()
        >>> x = g.relu(g.batch_norm(g.conv(g.input(3, 32, 32), 16, 3)))
        >>> g.output(g.linear(g.flatten(g.global_avg_pool(x)), 10))
        >>> g.build("tiny").parameters
        634
    """

    def __init__(self) -> None:
        self._rows: list[shapes.Row] = []
        self._arity = array("i")
        self._back = array("i")  # each input as a distance: how many nodes before its reader

    def __len__(self) -> int:
        return len(self._rows)

    def shape(self, x: int) -> Shape:
        """Output shape of node `x`, without the batch."""
        return self._rows[x].shape

    def place(self, row: shapes.Row, *inputs: int) -> int:
        """Adds a node from its finished row; the other methods are this one with a rule each."""
        index = len(self._rows)
        self._rows.append(row)
        self._arity.append(len(inputs))
        self._back.extend([index - source for source in inputs])
        return index

    def replace(self, x: int, row: shapes.Row) -> None:
        """Exchanges the row of node `x` for another of the same output shape."""
        if row.shape != self.shape(x):
            raise GraphError(f"node {x} has shape {self.shape(x)}, its new row {row.shape}")
        self._rows[x] = row

    # ends

    def input(self, *shape: int) -> int:
        """The network's input."""
        return self.place(shapes.source(shape))

    def output(self, x: int) -> int:
        """Marks `x` as a result of the network."""
        return self.unary(Op.OUTPUT, x)

    # operators with weights

    def conv(
        self,
        x: int,
        channels: int,
        kernel: int | tuple[int, int] = 1,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int, int, int] | None = None,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = False,
    ) -> int:
        """Convolution of (C, H, W); `padding` None keeps the size at stride 1 for odd kernels."""
        shape = self._rows[x].shape
        return self.place(
            shapes.conv(shape, channels, kernel, stride, padding, dilation, groups, bias), x
        )

    def depthwise(self, x: int, kernel: int, stride: int = 1) -> int:
        """Depthwise convolution: one filter a channel."""
        channels = self._rows[x].shape[0]
        return self.conv(x, channels, kernel, stride, groups=channels)

    def conv1d(
        self,
        x: int,
        channels: int,
        kernel: int = 1,
        stride: int = 1,
        padding: int | tuple[int, int] | None = None,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
    ) -> int:
        """Convolution of (C, T); `padding` None keeps the length at stride 1 for odd kernels."""
        shape = self._rows[x].shape
        return self.place(
            shapes.conv1d(shape, channels, kernel, stride, padding, dilation, groups, bias), x
        )

    def conv_transpose(
        self,
        x: int,
        channels: int,
        kernel: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int, int, int] = 0,
        output_padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = False,
    ) -> int:
        """Transposed convolution of (C, H, W), which multiplies the size by the stride."""
        settings = (kernel, stride, padding, output_padding, dilation, groups, bias)
        return self.place(shapes.conv_transpose(self._rows[x].shape, channels, *settings), x)

    def linear(self, x: int, features: int, bias: bool = True) -> int:
        """Linear map of the last axis."""
        return self.place(shapes.linear(self._rows[x].shape, features, bias), x)

    def batch_norm(self, x: int) -> int:
        """Batch normalisation over the first axis, with scale and shift (2 C parameters)."""
        return self.place(shapes.norm(Op.BATCH_NORM, self._rows[x].shape), x)

    def layer_norm(self, x: int) -> int:
        """Layer normalisation over the last axis, with scale and shift."""
        return self.place(shapes.norm(Op.LAYER_NORM, self._rows[x].shape), x)

    def group_norm(self, x: int, groups: int) -> int:
        """Normalisation of groups of channels (the first axis), with scale and shift."""
        return self.place(shapes.group_norm(self._rows[x].shape, groups), x)

    def instance_norm(self, x: int) -> int:
        """Normalisation of each channel of (C, ...) by itself, with scale and shift."""
        return self.place(shapes.instance_norm(self._rows[x].shape), x)

    def rms_norm(self, x: int) -> int:
        """Division by the root mean square of the last axis, with a scale."""
        return self.place(shapes.rms_norm(self._rows[x].shape), x)

    def prelu(self, x: int, per_channel: bool = False) -> int:
        """ReLU with a learned slope below zero: one, or one for each entry of the first axis."""
        return self.place(shapes.prelu(self._rows[x].shape, per_channel), x)

    def position(self, x: int) -> int:
        """Adds a learned tensor of the shape of `x`."""
        return self.place(shapes.position(self._rows[x].shape), x)

    def scale(self, x: int, size: int = 1) -> int:
        """Times a constant of `size` values.

        One is a number, which is not learned; as many as the last axis, the first one or the whole
        of `x` has are a learned tensor.
        """
        return self.place(shapes.constant(Op.SCALE, self._rows[x].shape, size), x)

    def shift(self, x: int, size: int = 1) -> int:
        """Plus a constant, as `scale`; a learned tensor of the shape of `x` is `position`."""
        return self.place(shapes.constant(Op.SHIFT, self._rows[x].shape, size), x)

    def embedding(self, x: int, entries: int, features: int) -> int:
        """Rows of a learned table of `entries`, chosen by the values of `x`: (T,) to (T, C)."""
        return self.place(shapes.embedding(self._rows[x].shape, entries, features), x)

    def lstm(self, x: int, hidden: int, bidirectional: bool = False, bias: bool = True) -> int:
        """One layer over the steps of (T, C), to (T, hidden), or (T, 2 hidden) both ways."""
        return self._recurrent(Op.LSTM, x, hidden, bidirectional, bias)

    def gru(self, x: int, hidden: int, bidirectional: bool = False, bias: bool = True) -> int:
        """Gated recurrent units, as `lstm`."""
        return self._recurrent(Op.GRU, x, hidden, bidirectional, bias)

    def rnn(self, x: int, hidden: int, bidirectional: bool = False, bias: bool = True) -> int:
        """A recurrent layer without gates, as `lstm`."""
        return self._recurrent(Op.RNN, x, hidden, bidirectional, bias)

    def _recurrent(self, op: Op, x: int, hidden: int, bidirectional: bool, bias: bool) -> int:
        directions = 1 + bidirectional
        return self.place(shapes.recurrent(op, self._rows[x].shape, hidden, directions, bias), x)

    # operators of one input that keep its shape

    def unary(self, op: Op, x: int) -> int:
        """An operator that keeps the shape: an activation, softmax, exp, identity, output."""
        return self.place(shapes.unary(op, self._rows[x].shape), x)

    def relu(self, x: int) -> int:
        return self.unary(Op.RELU, x)

    def gelu(self, x: int) -> int:
        return self.unary(Op.GELU, x)

    def sigmoid(self, x: int) -> int:
        return self.unary(Op.SIGMOID, x)

    def zero(self, x: int) -> int:
        """Zeros of the shape of `x`: the edge of a cell space that carries nothing."""
        return self.unary(Op.ZERO, x)

    # joins

    def add(self, *xs: int) -> int:
        """Sum of tensors of one shape (or that broadcast); one tensor alone stays as it is."""
        return self._join(Op.ADD, xs)

    def mul(self, *xs: int) -> int:
        """Product of tensors of one shape, or that broadcast as (C, 1, 1) to (C, H, W)."""
        return self._join(Op.MUL, xs)

    def _join(self, op: Op, xs: tuple[int, ...]) -> int:
        if len(xs) == 1:
            return xs[0]
        return self.place(shapes.broadcast(op, tuple([self._rows[x].shape for x in xs])), *xs)

    def sub(self, a: int, b: int) -> int:
        """Difference of two tensors, as `add`."""
        return self._join(Op.SUB, (a, b))

    def div(self, a: int, b: int) -> int:
        """Quotient of two tensors, as `add`."""
        return self._join(Op.DIV, (a, b))

    def maximum(self, *xs: int) -> int:
        """The larger value at each place, as `add`."""
        return self._join(Op.MAXIMUM, xs)

    def minimum(self, *xs: int) -> int:
        """The smaller value at each place, as `add`."""
        return self._join(Op.MINIMUM, xs)

    def concat(self, *xs: int, axis: int = 0) -> int:
        """Concatenation along `axis` (0: channels of an image); one tensor alone stays as it is."""
        if len(xs) == 1:
            return xs[0]
        return self.place(shapes.concat(tuple(self._rows[x].shape for x in xs), axis), *xs)

    def matmul(self, a: int, b: int) -> int:
        """Matrix product over the last two axes."""
        return self.place(shapes.matmul(self._rows[a].shape, self._rows[b].shape), a, b)

    def attention(self, query: int, key: int, value: int, heads: int) -> int:
        """Scaled dot-product attention of (T, C) tensors in `heads` heads, without projections."""
        q, k, v = (self._rows[x].shape for x in (query, key, value))
        return self.place(shapes.attention(q, k, v, heads), query, key, value)

    # pooling

    def max_pool(
        self,
        x: int,
        kernel: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int, int, int] | None = None,
        ceil: bool = False,
    ) -> int:
        """Maximum over windows; `padding` None keeps the size at stride 1 for odd kernels."""
        return self.place(
            shapes.pool(Op.MAX_POOL, self._rows[x].shape, kernel, stride, padding, ceil), x
        )

    def avg_pool(
        self,
        x: int,
        kernel: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int, int, int] | None = None,
        ceil: bool = False,
        count_padding: bool = False,
    ) -> int:
        """Mean over windows; `count_padding` counts the padded zeros too."""
        row = shapes.pool(
            Op.AVG_POOL, self._rows[x].shape, kernel, stride, padding, ceil, count_padding
        )
        return self.place(row, x)

    def global_avg_pool(self, x: int) -> int:
        """Mean over the image: (C, H, W) to (C, 1, 1)."""
        return self.place(shapes.global_pool(Op.GLOBAL_AVG_POOL, self._rows[x].shape), x)

    def global_max_pool(self, x: int) -> int:
        """Maximum over the image: (C, H, W) to (C, 1, 1)."""
        return self.place(shapes.global_pool(Op.GLOBAL_MAX_POOL, self._rows[x].shape), x)

    def mean(self, x: int) -> int:
        """Mean over the tokens: (T, C) to (C,)."""
        return self.place(shapes.mean(self._rows[x].shape), x)

    def reduce(self, op: Op, x: int, *axes: int, keep: bool = False) -> int:
        """REDUCE_MEAN, REDUCE_SUM or REDUCE_MAX along axes, which `keep` leaves as ones.

        A row does not name the axes: where the shapes tell others, this is refused.
        """
        return self.place(shapes.reduce(op, self._rows[x].shape, axes, keep), x)

    # moving data

    def slice(self, x: int, start: int, length: int, axis: int = 0, step: int = 1) -> int:
        """`length` entries of `axis` from `start` on; a negative step runs backwards."""
        return self.place(shapes.cut(self._rows[x].shape, axis, start, length, step), x)

    def pad(self, x: int, *shape: int) -> int:
        """Zeros behind the values of each axis, up to this shape; the same shape adds no node."""
        given = self._rows[x].shape
        return x if shape == given else self.place(shapes.pad(given, shape), x)

    def resize(self, x: int, *size: int) -> int:
        """(C, ...) to another size in space, by the nearest value; the same adds no node."""
        given = self._rows[x].shape
        return x if size == given[1:] else self.place(shapes.resize(given, size), x)

    def expand(self, x: int, *shape: int) -> int:
        """Copies along axes, or new axes in front; the same shape adds no node."""
        given = self._rows[x].shape
        return x if shape == given else self.place(shapes.expand(given, shape), x)

    def reshape(self, x: int, *shape: int) -> int:
        """The same values in another shape."""
        return self.place(shapes.reshape(self._rows[x].shape, shape), x)

    def flatten(self, x: int) -> int:
        """All values as one vector."""
        return self.reshape(x, int(np.prod(self._rows[x].shape)))

    def transpose(self, x: int, *permutation: int) -> int:
        """Axes in another order."""
        return self.place(shapes.transpose(self._rows[x].shape, permutation), x)

    def unknown(self, shape: Shape, *inputs: int) -> int:
        """An operator outside the vocabulary, of which only the output shape is known."""
        first = self._rows[inputs[0]].shape if inputs else ()
        return self.place(shapes.unknown(first, shape), *inputs)

    # the whole

    def stamp(self, x: int, block: Block, *args: Hashable) -> int:
        """The same nodes as `block(self, x, *args)`, from a cache.

        For small blocks that a family uses again and again. The block is a plain function of the
        builder, `x` and the arguments; it may read `x` and its own nodes only.
        """
        return self._paste(_recorded(block, self._rows[x].shape, args), x)

    def repeat(self, x: int, times: int, block: Block, *args: Hashable) -> int:
        """Applies a block that keeps the shape of `x` `times` times: built once, then copied."""
        fragment = _record(block, self._rows[x].shape, args)
        for _ in range(times):
            y = self._paste(fragment, x)
            if self.shape(y) != self.shape(x):
                raise GraphError(f"a repeated block turns {self.shape(x)} into {self.shape(y)}")
            x = y
        return x

    def stamp_pair(self, a: int, b: int, block: PairBlock, *args: Hashable) -> int:
        """As `stamp`, for a block of two inputs that adds nodes: `block(self, a, b, *args)`.

        For cells that read the two cells before them, of which a network has many alike: the cache
        holds few of them.
        """
        fragment, reads_b = _recorded_pair(block, self._rows[a].shape, self._rows[b].shape, args)
        start, first_edge = len(self._rows), len(self._back)
        x = self._paste(fragment, a)
        for edge, reader in reads_b:
            self._back[first_edge + edge] = start + reader - b
        return x

    def stamp_each(self, x: int, block: Block, *args: Hashable) -> int:
        """Runs a block on every entry of the first axis of `x`, with the same weights for each.

        Patches or frames of shape (N, C, H, W), say, that share an encoder of images; the nodes
        have the axis in front of their own, as if it were more of the batch.
        """
        count, *rest = self._rows[x].shape
        fragment = _record(block, tuple(rest), args)
        return self._paste(
            fragment._replace(rows=[shapes.each(r, count) for r in fragment.rows]), x
        )

    def _paste(self, fragment: "_Fragment", x: int) -> int:
        start, first_edge = len(self._rows), len(self._back)
        self._rows += fragment.rows
        self._arity += fragment.arity
        self._back += fragment.back
        for edge, reader in fragment.reads:
            self._back[first_edge + edge] = start + reader - x
        return x if fragment.result is None else start + fragment.result

    def build(self, name: str = "") -> ComputationGraph:
        """The finished, immutable graph."""
        nodes = np.frombuffer(b"".join([row.data for row in self._rows]), np.int32)
        arity = np.frombuffer(self._arity, np.int32)
        input_ptr = np.zeros(len(arity) + 1, np.int32)
        arity.cumsum(out=input_ptr[1:])
        readers = np.arange(len(arity), dtype=np.int32).repeat(arity)
        inputs = readers - np.frombuffer(self._back, np.int32)
        return ComputationGraph(nodes.reshape(-1, WIDTH), input_ptr, inputs, name)


class _Fragment(NamedTuple):
    """A block's nodes, ready to be copied behind any node of the same shape."""

    rows: list[shapes.Row]
    arity: "array[int]"
    back: "array[int]"
    reads: list[tuple[int, int]]
    """(edge, reader) of every edge that reads the block's input."""
    result: int | None
    """The node that holds the result; None where the block returns its input."""


def _record(block: Block, in_shape: Shape, args: tuple[Hashable, ...]) -> _Fragment:
    g = GraphBuilder()
    placeholder = g.input(*in_shape)
    result = block(g, placeholder, *args)
    reads = _reads(g, placeholder, 1)
    return _Fragment(g._rows[1:], g._arity[1:], g._back, reads, result - 1 if result else None)


def _record_pair(
    block: PairBlock, shape_a: Shape, shape_b: Shape, args: tuple[Hashable, ...]
) -> tuple[_Fragment, list[tuple[int, int]]]:
    """The fragment, which reads the first value, and its edges that read the second one."""
    g = GraphBuilder()
    a, b = g.input(*shape_a), g.input(*shape_b)
    result = block(g, a, b, *args)
    if result <= b:
        raise GraphError("a block of two inputs gives back one of them, expected a node of its own")
    whole = _Fragment(g._rows[2:], g._arity[2:], g._back, _reads(g, a, 2), result - 2)
    return whole, _reads(g, b, 2)


def _reads(g: GraphBuilder, source: int, skipped: int) -> list[tuple[int, int]]:
    """(edge, reader) of the edges that read `source`; readers count from behind `skipped` nodes."""
    readers = [i for i, arity in enumerate(g._arity) for _ in range(arity)]
    return [
        (edge, reader - skipped)
        for edge, (reader, back) in enumerate(zip(readers, g._back, strict=True))
        if reader - back == source
    ]


_recorded = lru_cache(maxsize=1 << 12)(_record)
_recorded_pair = lru_cache(maxsize=1 << 8)(_record_pair)
