"""The cell space of TransNAS-Bench-101 (Duan et al., CVPR 2021): 4,096 cells, seven tasks.

The text is `64-41414-a_bc_def`: 64 channels behind the stem; five modules of two cells, of which
those marked 4 halve the size and double the channels in their first cell; and the operations of
the cell's edges 0->1, 0->2, 1->2, 0->3, 1->3 and 2->3. These are 0 nothing, 1 identity, 2 and 3
ReLU, convolution (1x1, 3x3), normalisation. Where a cell changes shape, so do the edges that leave
its input; an identity does by two strided convolutions, as in DARTS.

Edges of 0 stay in the graph as ZERO nodes, as they did in the networks that were trained.
"""

import re

from onnx_bench.builder import GraphBuilder
from onnx_bench.families.base import ChoiceFamily
from onnx_bench.families.darts import every_other, factorized_reduce
from onnx_bench.families.nasbench201 import EDGES, relu_conv_bn
from onnx_bench.families.transnas import TransNas

MODULES = "41414"
CELLS = 2
ZERO, IDENTITY, CONV1X1, CONV3X3 = "0123"
_PATTERN = re.compile(rf"64-{MODULES}-(\d)_(\d)(\d)_(\d)(\d)(\d)", re.ASCII)
Spec = tuple[str, ...]


class TransNasMicro(TransNas[Spec], ChoiceFamily):
    """The cells of TransNAS-Bench-101 in the benchmark's skeleton, for one of its tasks."""

    name = "transnas-micro"
    example = "64-41414-1_02_103"
    choices = ((ZERO, IDENTITY, CONV1X1, CONV3X3),) * len(EDGES)

    def parse(self, text: str) -> Spec:
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise self.refuse(text, f"is not of the form 64-{MODULES}-a_bc_def with digits a to f")
        return self.check(text, match.groups())

    def format(self, spec: Spec) -> str:
        a, b, c, d, e, f = spec
        return f"64-{MODULES}-{a}_{b}{c}_{d}{e}{f}"

    def encode(self, g: GraphBuilder, x: int, spec: Spec) -> int:
        for after in MODULES.split("4")[1:]:
            x = _cell(g, x, spec, 2)
            x = g.repeat(x, CELLS * (1 + len(after)) - 1, _cell, spec, 1)
        return x


def _cell(g: GraphBuilder, x: int, spec: Spec, stride: int) -> int:
    channels = g.shape(x)[0] * stride
    arriving: list[list[int]] = [[], [], [], []]
    nodes = [x]
    for operation, (source, target) in zip(spec, EDGES, strict=True):
        change = 1 if source else stride
        arriving[target].append(g.stamp(nodes[source], _edge, operation, channels, change))
        if source == target - 1:
            nodes.append(g.add(*arriving[target]))
    return nodes[-1]


def _edge(g: GraphBuilder, x: int, operation: str, channels: int, stride: int) -> int:
    match operation:
        case "0":
            return g.zero(x) if stride == 1 else g.zero(_shrunk(g, x, channels))
        case "1":
            return x if stride == 1 else factorized_reduce(g, x, channels)
        case _:
            return relu_conv_bn(g, x, channels, 1 if operation == CONV1X1 else 3, stride)


def _shrunk(g: GraphBuilder, x: int, channels: int) -> int:
    """Something of the shape of a reducing edge, for its zeros."""
    x = every_other(g, x)
    return g.pad(x, channels, *g.shape(x)[1:])
