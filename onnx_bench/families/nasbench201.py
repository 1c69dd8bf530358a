"""NAS-Bench-201 (Dong and Yang, ICLR 2020): a four-node cell with one of five operations an edge.

The skeleton: stem conv3x3 + BN; three stages of N cells, a residual block of stride 2 between them;
BN, ReLU, global average, linear. 15,625 cells; the text is `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`,
where `~j` says which node an operation reads.

`none` edges stay in the graph as ZERO nodes: the network computes, and its parameter count counts,
what the benchmark's does.
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from onnx_bench.builder import GraphBuilder
from onnx_bench.families.base import ChoiceFamily
from onnx_bench.graph import ComputationGraph, Shape

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
_PATTERN = re.compile(r"\|(\w+)~0\|\+\|(\w+)~0\|(\w+)~1\|\+\|(\w+)~0\|(\w+)~1\|(\w+)~2\|", re.ASCII)


class NasBench201(ChoiceFamily):
    """The cells of NAS-Bench-201 in a skeleton of any size, by default the benchmark's own.

    Args:
        channels: width of the first stage; doubles at each residual block.
        cells: N, cells a stage.
        input_shape: (C, H, W).
        classes: outputs of the last linear.
    """

    name = "nasbench201"
    example = (
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|skip_connect~1|"
        "+|skip_connect~0|nor_conv_1x1~1|avg_pool_3x3~2|"
    )
    source = "Dong and Yang, ICLR 2020"
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "cifar100": {"classes": 100},
        "imagenet16": {"input_shape": (3, 16, 16), "classes": 120},
    }
    choices = (OPERATIONS,) * len(EDGES)

    def __init__(
        self,
        channels: int = 16,
        cells: int = 5,
        input_shape: Shape = (3, 32, 32),
        classes: int = 10,
    ) -> None:
        self.channels, self.cells = channels, cells
        self.input_shape, self.classes = input_shape, classes

    def parse(self, text: str) -> tuple[str, ...]:
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise self.refuse(text, "is not of the form |op~0|+|op~0|op~1|+|op~0|op~1|op~2|")
        return self.check(text, match.groups())

    def format(self, spec: tuple[str, ...]) -> str:
        a, b, c, d, e, f = spec
        return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"

    def build(self, spec: tuple[str, ...]) -> ComputationGraph:
        g = GraphBuilder()
        x = g.stamp(g.input(*self.input_shape), stem, self.channels)
        x = g.repeat(x, self.cells, _cell, spec)
        for stage in (1, 2):
            x = g.stamp(x, reduction, self.channels << stage)
            x = g.repeat(x, self.cells, _cell, spec)
        g.output(g.stamp(x, classifier, self.classes))
        return g.build(f"{self.name}:{self.format(spec)}")


def stem(g: GraphBuilder, x: int, channels: int) -> int:
    """The start of the skeleton: a 3x3 convolution and its normalisation."""
    return g.batch_norm(g.conv(x, channels, 3))


def _cell(g: GraphBuilder, x: int, spec: tuple[str, ...]) -> int:
    arriving: list[list[int]] = [[], [], [], []]
    nodes = [x]
    for operation, (source, target) in zip(spec, EDGES, strict=True):
        arriving[target].append(g.stamp(nodes[source], _edge, operation))
        if source == target - 1:
            nodes.append(g.add(*arriving[target]))
    return nodes[-1]


def _edge(g: GraphBuilder, x: int, operation: str) -> int:
    match operation:
        case "none":
            return g.zero(x)
        case "skip_connect":
            return x
        case "avg_pool_3x3":
            return g.avg_pool(x, 3)
        case _:
            return relu_conv_bn(g, x, g.shape(x)[0], 3 if operation == "nor_conv_3x3" else 1)


def relu_conv_bn(g: GraphBuilder, x: int, channels: int, kernel: int, stride: int = 1) -> int:
    """The convolution of a cell, after its activation and before its normalisation."""
    return g.batch_norm(g.conv(g.relu(x), channels, kernel, stride))


def reduction(g: GraphBuilder, x: int, channels: int) -> int:
    """The residual block between stages: stride 2, its shortcut pooled and projected."""
    y = relu_conv_bn(g, x, channels, 3, stride=2)
    y = relu_conv_bn(g, y, channels, 3)
    shortcut = g.conv(g.avg_pool(x, 2, stride=2, padding=0), channels)
    return g.add(shortcut, y)


def classifier(g: GraphBuilder, x: int, classes: int) -> int:
    """The end of the skeleton: normalisation, activation, global average, linear."""
    x = g.global_avg_pool(g.relu(g.batch_norm(x)))
    return g.linear(g.flatten(x), classes)
