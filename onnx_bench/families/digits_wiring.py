"""Families of the embedded benchmark `digits-more` whose members differ in how layers are wired.

As those of `digits.py`, they read 8x8 grey images and answer ten classes.
"""

from collections.abc import Iterator, Sequence

from onnx_bench.builder import GraphBuilder
from onnx_bench.families.base import ChoiceFamily
from onnx_bench.families.darts import factorized_reduce
from onnx_bench.families.digits import (
    INPUT_SHAPE,
    STAGES,
    classify,
    number,
    numbers,
    plain_block,
    portions,
)
from onnx_bench.graph import ComputationGraph

WIRED_NODES, CELL_NODES = 5, 3


class DigitsDense(ChoiceFamily):
    """Three densely connected blocks: each layer reads all layers before it (DenseNet).

    The text: kernel of the stem; `half` or `full`, the channels that each of the two transitions
    keeps; then growth, layers and kernel of each block.
    """

    name = "digits-dense"
    example = "k3-half-full-g4-l2-k3-g4-l2-k1-g4-l1-k3"
    choices = (
        ("k1", "k3"),
        *(("half", "full"),) * (STAGES - 1),
        *(("g2", "g4", "g8"), ("l1", "l2", "l3", "l4"), ("k1", "k3")) * STAGES,
    )

    def build(self, spec: tuple[str, ...]) -> ComputationGraph:
        g, settings = GraphBuilder(), numbers(spec[STAGES:])
        x = g.conv(g.input(*INPUT_SHAPE), 4, number(spec[0]))
        for block, (growth, layers, kernel) in enumerate(portions(settings, 3)):
            if block:
                kept = g.shape(x)[0] // (2 if spec[block] == "half" else 1)
                x = g.avg_pool(g.conv(_active(g, x), kept), 2, 2, padding=0)
            for _ in range(layers):
                x = g.concat(x, g.conv(_active(g, x), growth, kernel))
        classify(g, _active(g, x))
        return g.build(f"{self.name}:{self.format(spec)}")


class DigitsBranches(ChoiceFamily):
    """Three modules of parallel branches (Inception) at 4, 4 and 2 pixels, behind pooling.

    The text: kernel of the stem; pooling by `max` or `avg`; then for each module the width of its
    four branches, 0 for none, and what the third one is: a 1x1 convolution (`a`), one and a 3x3
    (`b`), one and `five` by five or `twice` 3x3 (`c`), average pooling and one (`d`). A module
    without branches does nothing.
    """

    name = "digits-branches"
    example = "k3-max-a4-b4-c0-d0-five-a4-b8-c4-d4-twice-a0-b12-c0-d4-five"
    choices = (
        ("k1", "k3"),
        ("max", "avg"),
        *(
            *(tuple(f"{branch}{width}" for width in (0, 4, 8, 12)) for branch in "abcd"),
            ("five", "twice"),
        )
        * STAGES,
    )

    def build(self, spec: tuple[str, ...]) -> ComputationGraph:
        g = GraphBuilder()
        pool = g.max_pool if spec[1] == "max" else g.avg_pool
        x = plain_block(g, g.input(*INPUT_SHAPE), 6, number(spec[0]), 1)
        for module, (*widths, third) in enumerate(portions(spec[2:], 5)):
            if module != 1:
                x = pool(x, 2, 2, padding=0)
            x = g.concat(*_branches(g, x, numbers(widths), third == "five") or [x])
        classify(g, x)
        return g.build(f"{self.name}:{self.format(spec)}")


class DigitsWired(ChoiceFamily):
    """Two cells of five nodes wired at random, with a convolution of stride 2 between them.

    A node adds what it reads, or reads the cell's input where it reads no node; then ReLU, an
    operator and batch normalisation. The cell adds the nodes that no other reads.

    The text: the width, then each node as its operator (a separable 3x3 convolution, a plain one,
    a 1x1 `point`) and a bit for each node before it: whether it is read.
    """

    name = "digits-wired"
    example = "-".join(["w8", *("sep", "conv1", "sep01", "point110", "sep0010") * 2])
    choices = (
        ("w8", "w10", "w12"),
        *(
            values
            for _ in range(2)
            for node in range(WIRED_NODES)
            for values in (("sep", "conv", "point"), *(("0", "1"),) * node)
        ),
    )

    def parse(self, text: str) -> tuple[str, ...]:
        width, *nodes = text.split("-")
        if len(nodes) != 2 * WIRED_NODES:
            raise self.refuse(text, f"has {len(nodes)} nodes, expected {2 * WIRED_NODES}")
        values = [width]
        for i, node in enumerate(nodes):
            operator = node.rstrip("01")
            bits = node[len(operator) :]
            if len(bits) != i % WIRED_NODES:
                raise self.refuse(text, f"has {len(bits)} bits at {node!r}, not {i % WIRED_NODES}")
            values += [operator, *bits]
        return self.check(text, tuple(values))

    def format(self, spec: tuple[str, ...]) -> str:
        return "-".join([spec[0], *(op + "".join(bits) for op, bits in self._nodes(spec))])

    def build(self, spec: tuple[str, ...]) -> ComputationGraph:
        g, nodes = GraphBuilder(), list(self._nodes(spec))
        width = number(spec[0])
        x = g.batch_norm(g.conv(g.input(*INPUT_SHAPE), width, 3))
        x = _wired(g, x, nodes[:WIRED_NODES])
        x = g.batch_norm(g.conv(g.relu(x), width, 2, 2, padding=0))
        classify(g, g.relu(_wired(g, x, nodes[WIRED_NODES:])))
        return g.build(f"{self.name}:{self.format(spec)}")

    def _nodes(self, spec: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Operator and bits of each node of both cells."""
        start = 1
        for i in range(2 * WIRED_NODES):
            node = i % WIRED_NODES
            yield spec[start], spec[start + 1 : start + 1 + node]
            start += 1 + node


class DigitsGenotypes(ChoiceFamily):
    """Cells as those of DARTS: normal, reducing, normal; three nodes that add two operations each.

    The text: the width, then for each node of the normal and of the reduction cell two operations,
    each with what it reads: `x0` and `x1` the two cells before, `x2` and `x3` the nodes before. The
    first node reads both cells, so that all is in use.
    """

    name = "digits-genotypes"
    example = "-".join(["c4", *("sep3-x0-skip-x1", "max3-x1-dil3-x2", "avg3-x0-sep5-x3") * 2])
    choices = (
        ("c4", "c6"),
        *(
            values
            for _ in range(2)
            for node in range(CELL_NODES)
            for edge in range(2)
            for values in (
                ("sep3", "sep5", "dil3", "max3", "avg3", "skip"),
                tuple(f"x{i}" for i in range(node + 2)) if node else (f"x{edge}",),
            )
        ),
    )

    def build(self, spec: tuple[str, ...]) -> ComputationGraph:
        g, edges = GraphBuilder(), list(zip(spec[1::2], numbers(spec[2::2]), strict=True))
        normal, reduction = edges[: 2 * CELL_NODES], edges[2 * CELL_NODES :]
        channels = number(spec[0])
        before = x = g.batch_norm(g.conv(g.input(*INPUT_SHAPE), 2 * channels, 3, 2))
        for cell, stride in ((normal, 1), (reduction, 2), (normal, 1)):
            channels *= stride
            larger = g.shape(before)[1] != g.shape(x)[1]
            older = (factorized_reduce if larger else _relu_conv_bn)(g, before, channels)
            before, x = x, _genotype_cell(g, older, _relu_conv_bn(g, x, channels), cell, stride)
        classify(g, x)
        return g.build(f"{self.name}:{self.format(spec)}")


def _active(g: GraphBuilder, x: int) -> int:
    return g.relu(g.batch_norm(x))


def _branches(g: GraphBuilder, x: int, widths: list[int], five: bool) -> list[int]:
    """The ends of those branches that there are."""
    a, b, c, d = widths
    ends = []
    if a:
        ends.append(plain_block(g, x, a, 1, 1))
    if b:
        ends.append(plain_block(g, plain_block(g, x, b, 1, 1), b, 3, 1))
    if c:
        y = plain_block(g, x, c, 1, 1)
        for kernel in (5,) if five else (3, 3):
            y = plain_block(g, y, c, kernel, 1)
        ends.append(y)
    if d:
        ends.append(plain_block(g, g.avg_pool(x, 3), d, 1, 1))
    return ends


def _wired(g: GraphBuilder, x: int, nodes: Sequence[tuple[str, tuple[str, ...]]]) -> int:
    values: list[int] = []
    unread = set(range(len(nodes)))
    for operator, bits in nodes:
        read = [source for source, bit in enumerate(bits) if bit == "1"]
        unread -= set(read)
        y = g.relu(g.add(*(values[source] for source in read)) if read else x)
        values.append(g.batch_norm(_wired_operator(g, y, operator)))
    return g.add(*(values[node] for node in sorted(unread)))


def _wired_operator(g: GraphBuilder, x: int, operator: str) -> int:
    width = g.shape(x)[0]
    if operator == "sep":
        return g.conv(g.depthwise(x, 3), width)
    return g.conv(x, width, 3 if operator == "conv" else 1)


def _relu_conv_bn(g: GraphBuilder, x: int, channels: int) -> int:
    return g.batch_norm(g.conv(g.relu(x), channels))


def _genotype_cell(
    g: GraphBuilder, older: int, newer: int, edges: Sequence[tuple[str, int]], stride: int
) -> int:
    values = [older, newer]
    for pair in portions(edges, 2):
        arriving = [
            _operation(g, values[source], name, stride if source < 2 else 1)
            for name, source in pair
        ]
        values.append(g.add(*arriving))
    return g.concat(*values[2:])


def _operation(g: GraphBuilder, x: int, name: str, stride: int) -> int:
    match name:
        case "skip":
            return factorized_reduce(g, x, g.shape(x)[0]) if stride == 2 else x
        case "max3":
            return g.max_pool(x, 3, stride)
        case "avg3":
            return g.avg_pool(x, 3, stride)
        case "dil3":
            return _separable(g, x, 3, stride, dilation=2)
        case _:
            kernel = number(name)
            return _separable(g, _separable(g, x, kernel, stride), kernel)


def _separable(g: GraphBuilder, x: int, kernel: int, stride: int = 1, dilation: int = 1) -> int:
    channels = g.shape(x)[0]
    x = g.conv(g.relu(x), channels, kernel, stride, dilation=dilation, groups=channels)
    return g.batch_norm(g.conv(x, channels))
