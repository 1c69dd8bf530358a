"""What a picture says of each node: its text, its size and its colours."""

import unicodedata
from collections.abc import Callable, Sequence
from math import ceil, isnan
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from onnx_bench.cost import macs_N
from onnx_bench.graph import ComputationGraph, Node, Shape
from onnx_bench.operators import ACTIVATIONS, Op
from onnx_bench.stages import Stage

DARK, FAINT, LIGHT = "#1d2433", "#4b5563", "#ffffff"


class Paint(NamedTuple):
    """Colours of a box: inside, border, text."""

    fill: str
    line: str
    ink: str = DARK


class Box(NamedTuple):
    """A box to draw: two lines of text, and more under the pointer."""

    title: str
    extra: str
    """Behind the title, in plain weight."""
    detail: str
    tip: str
    paint: Paint
    is_end: bool = False

    @property
    def size(self) -> tuple[float, float]:
        """(width, height) in pixels: the text with a margin, in steps that make boxes alike."""
        text = max(
            text_width(self.title, TITLE_SIZE * BOLD) + text_width(self.extra, TITLE_SIZE),
            text_width(self.detail, DETAIL_SIZE),
        )
        return max(128.0, 16.0 * ceil((text + 20) / 16)), 40.0


TITLE_SIZE, DETAIL_SIZE = 12.5, 10.5
MOST_OPERATORS = 4
BOLD = 1.1
"""How much wider bold text is."""

KINDS = {
    "input, output": Paint("#2b3440", "#2b3440", LIGHT),
    "convolution": Paint("#cfe1fb", "#3f74bd"),
    "linear, attention, recurrent": Paint("#e0d3f7", "#7b56c2"),
    "normalisation": Paint("#e4e9f0", "#93a1b5"),
    "activation, function": Paint("#ffe6b3", "#c98a14"),
    "pooling, reduction": Paint("#c6ece3", "#22917c"),
    "join": Paint("#d9efc3", "#629a2f"),
    "movement": Paint("#f1ece6", "#a3917c"),
    "other": Paint("#ffffff", "#8a8f99"),
    "unknown": Paint("#d7263d", "#7d0f1f", LIGHT),
}
"""Kinds of operators in the order of the legend."""
_MEMBERS = {
    "input, output": "input output",
    "convolution": "conv conv_transpose",
    "linear, attention, recurrent": "linear matmul attention embedding position lstm gru rnn",
    "normalisation": "batch_norm layer_norm group_norm instance_norm rms_norm local_norm normalize"
    " scale shift",
    "activation, function": "softmax prelu exp log sqrt power abs erf sine round",
    "pooling, reduction": "max_pool avg_pool global_avg_pool global_max_pool mean reduce_mean"
    " reduce_sum reduce_max cumulate rank",
    "join": "add mul concat sub div maximum minimum compare where",
    "movement": "slice reshape transpose identity zero pad resize expand gather scatter shuffle"
    " sample fourier",
    "unknown": "unknown",
}
_KIND = {label: kind for kind, labels in _MEMBERS.items() for label in labels.split()}

HEAT = ("#fff5c9", "#fdc268", "#ee7b3f", "#bf3350", "#571c5c")
"""Colours of 0, 1/4, 1/2, 3/4 and 1 on a heat map."""


def kind(op: Op) -> str:
    """The kind of an operator; "other" for what the table does not name."""
    return "activation, function" if op in ACTIVATIONS else _KIND.get(op.label, "other")


def operator_paints(graph: ComputationGraph) -> list[Paint]:
    """The colours of each node's kind."""
    return [KINDS[kind(Op(op))] for op in graph.ops.tolist()]


def heat_paint(value: float, colours: Sequence[str] = HEAT) -> Paint:
    """The colours of one value; of equal steps from 0 to 1."""
    if isnan(value):
        return Paint("#ffffff", "#8a8f99")
    steps = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in colours]
    place = min(max(value, 0.0), 1.0) * (len(steps) - 1)
    rgb = [np.interp(place, range(len(steps)), channel) for channel in zip(*steps, strict=True)]
    fill, line = (f"#{''.join(f'{round(c * k):02x}' for c in rgb)}" for k in (1.0, 0.75))
    linear = [(c / 255) ** 2.2 for c in rgb]
    is_light = np.dot(linear, (0.2126, 0.7152, 0.0722)) > 0.18
    return Paint(fill, line, "#000000" if is_light else LIGHT)


class Shading(NamedTuple):
    """Nodes coloured by a number each, in colours of one's own, and what is said of the numbers."""

    value_N: npt.NDArray[np.floating]
    paint: Callable[[float], Paint]
    """The colours of a number; a stage has the mean of its nodes, nan where none has a number."""
    legend: Sequence[tuple[str, Paint]]
    note: str = ""
    """A line above the legend."""
    detail_N: Sequence[str] = ()
    """Of each node, behind its shape; may be empty."""
    tip_N: Sequence[str] = ()
    """Of each node, under the pointer, below what else is there."""

    def on(self, boxes: list[Box]) -> list[Box]:
        """The boxes of the nodes with what this says of them."""
        for i, text in enumerate(self.detail_N):
            boxes[i] = boxes[i]._replace(detail=" · ".join(filter(None, [boxes[i].detail, text])))
        for i, text in enumerate(self.tip_N):
            boxes[i] = boxes[i]._replace(tip="\n".join(filter(None, [boxes[i].tip, text])))
        return boxes


def heat(colour_N: npt.NDArray[np.floating]) -> Shading:
    """A heat map of values of 0 to 1; those outside count as the nearer end, NaN stays white."""
    steps = (0.0, 0.25, 0.5, 0.75, 1.0)
    return Shading(colour_N, heat_paint, [(f"{step:g}", heat_paint(step)) for step in steps])


def node_boxes(graph: ComputationGraph, paints: list[Paint]) -> list[Box]:
    """The box of each node."""
    macs = macs_N(graph.nodes_NK).tolist()
    return [_node_box(i, node, paints[i], macs[i]) for i, node, _ in graph.walk()]


def _node_box(index: int, node: Node, paint: Paint, macs: int) -> Box:
    title, extra = words(node)
    detail = shape_text(node.out_shape)
    path = f"{shape_text(node.in_shape)} → {detail}" if node.in_shape else detail
    tip = f"node {index}: {title}{extra}\n{path}\n{macs:,} MACs, {node.parameters:,} parameters"
    if node.parameters:
        detail += f" · {node.parameters:,} p"
    return Box(title, extra, detail, tip, paint, node.op in (Op.INPUT, Op.OUTPUT))


def words(node: Node) -> tuple[str, str]:
    """("conv 3×3 + relu", " · stride 2 · depthwise"): what tells the node from others."""
    title = node.op.label
    if max(node.kernel) > 0:
        title += f" {node.kernel[0]}×{node.kernel[1]}"
    if node.activation != Op.UNKNOWN:
        title += f" + {node.activation.label}"
    extra = [
        f"{word} {pair[0]}" if pair[0] == pair[1] else f"{word} {pair[0]}×{pair[1]}"
        for word, pair in (("stride", node.stride), ("dilation", node.dilation))
        if max(pair) > 1
    ]
    if node.groups > 1:
        depthwise = node.groups == node.in_shape[0]
        extra.append("depthwise" if depthwise else f"{node.groups} groups")
    if node.op == Op.ATTENTION and node.attribute(0):
        extra.append(f"{node.attribute(0)} heads")
    return title, "".join(f" · {word}" for word in extra)


def stage_box(index: int, stage: Stage, paint: Paint) -> Box:
    """One box for a whole stage of a network that is too large to be drawn node by node."""
    counts = sorted(stage.operators.items(), key=lambda item: -item[1])
    operators = [f"{count:,} {label}" for label, count in counts]
    most = ", ".join([*operators[:MOST_OPERATORS], *["…"] * (len(operators) > MOST_OPERATORS)])
    cost = f"{stage.macs:,} MACs · {stage.parameters:,} p"
    return Box(
        f"stage {index + 1}: {stage.name}",
        f" · {most}" if most else "",
        f"{len(stage.nodes):,} nodes · {shape_text(stage.out_shape)} · {cost}",
        f"stage {index + 1}: {', '.join(operators)}",
        paint,
    )


def shape_text(shape: Shape) -> str:
    """A shape without the batch, as "16×32×32"."""
    return "×".join(map(str, shape)) or "scalar"


def text_width(text: str, size: float) -> float:
    """About the width of `text` in pixels, rather too much: fonts differ."""
    return sum(0.34 if c in "ijlt.,:;|!'·() " else 0.63 for c in text) * size


def clean(text: str) -> str:
    """`text` without what could harm a page or a reader: controls, direction marks, surrogates."""
    kept = (
        " " if c.isspace() else c if unicodedata.category(c)[0] != "C" else "\ufffd" for c in text
    )
    return " ".join("".join(kept).split())
