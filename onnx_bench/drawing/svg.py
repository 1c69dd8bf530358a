"""The picture itself: `to_svg`."""

from html import escape
from itertools import pairwise
from math import ceil
from typing import Literal

import numpy as np
import numpy.typing as npt

from onnx_bench.cost import cost
from onnx_bench.drawing.boxes import (
    BOLD,
    DARK,
    DETAIL_SIZE,
    FAINT,
    KINDS,
    TITLE_SIZE,
    Box,
    Paint,
    Shading,
    clean,
    heat,
    kind,
    node_boxes,
    operator_paints,
    stage_box,
    text_width,
)
from onnx_bench.drawing.columns import arrange, own
from onnx_bench.drawing.geometry import Edge, Layout, Point, Wire
from onnx_bench.drawing.graphviz import graphviz
from onnx_bench.errors import GraphError
from onnx_bench.graph import ComputationGraph
from onnx_bench.operators import Op
from onnx_bench.stages import stages

EngineName = Literal["auto", "dot", "own"]

MOST_NODES, MOST_EDGES = 4_000, 20_000
"""Larger networks are drawn stage by stage."""
MOST_STAGES = 200
LONGEST_TITLE = 300
MARGIN, LEAST_WIDTH, LINE = 24.0, 560.0, 20.0
PAPER, WIRE = "#ffffff", "#6b7689"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
PLAIN = Paint("#e8eef7", "#6f86a8")
ARROW = "onnx-bench-arrow"
_POINTED = f' marker-end="url(#{ARROW})"'


def to_svg(
    graph: ComputationGraph,
    title: str = "",
    colour_N: npt.NDArray[np.floating] | None = None,
    engine: EngineName = "auto",
    shading: Shading | None = None,
) -> str:
    """A picture of a network from top to bottom, as the text of an SVG file.

    One box a node, in the colour of its kind of operator: the operator, what tells it from others,
    its output's shape and its trainable parameters (p); more under the pointer. Tall pictures are
    folded into columns, read one after the other. The same arguments, the same text, on one
    machine.

    Networks of more than 4,000 nodes or 20,000 edges are drawn as a chain of their stages
    (`summary.stages`), the first 200 of them, and the picture says so.

    Args:
        graph: the network.
        title: the line above the picture; the network's name by default.
        colour_N: one number a node, 0 to 1: paints a heat map instead of kinds of operators.
        engine: who places the boxes: graphviz's program `dot`, or our `own` layered layout. `auto`
            takes `dot` where it is installed and answers within 60 seconds.
        shading: numbers, colours and remarks of one's own, instead of `colour_N`.

    Raises:
        GraphError: `colour_N`, or what the shading holds, is not one number or text a node, or
            `dot` was asked for and gave no layout.
    """
    if shading is None and colour_N is not None:
        shading = heat(colour_N)
    if shading is not None:
        _refuse_other_sizes(shading, len(graph))
    total = cost(graph)
    notes = [f"{len(graph):,} nodes · {total.macs:,} MACs · {total.parameters:,} parameters (p)"]
    if len(graph) > MOST_NODES or graph.num_edges > MOST_EDGES:
        boxes, note = _stages(graph, shading)
        edges = list(pairwise(range(len(boxes))))
        legend, notes = _legend(set(), shading), [*notes, note]
    else:
        boxes, edges = _nodes(graph, shading), [(u, v) for u, v in graph.edge_index.T.tolist()]
        legend = _legend({kind(Op(op)) for op in set(graph.ops.tolist())}, shading)
    if shading is not None and shading.note:
        notes.append(shading.note)
    layout = _layout([box.size for box in boxes], edges, engine)
    return _page(clean((title or graph.name)[:LONGEST_TITLE]), notes, legend, boxes, layout)


def _layout(sizes: list[Point], edges: list[Edge], engine: EngineName) -> Layout:
    if engine != "own":
        try:
            return arrange(sizes, edges, graphviz)
        except GraphError:
            if engine == "dot":
                raise
    return arrange(sizes, edges, own)


def _refuse_other_sizes(shading: Shading, nodes: int) -> None:
    if np.shape(shading.value_N) != (nodes,):
        shape = np.shape(shading.value_N)
        raise GraphError(f"colour_N has shape {shape}, expected one number a node: {nodes}")
    for name, texts in (("detail_N", shading.detail_N), ("tip_N", shading.tip_N)):
        if len(texts) not in (0, nodes):
            raise GraphError(f"{name} has {len(texts)} texts, expected {nodes}, one a node")


def _nodes(graph: ComputationGraph, shading: Shading | None) -> list[Box]:
    """A box a node."""
    if shading is None:
        return node_boxes(graph, operator_paints(graph))
    values = np.asarray(shading.value_N, np.float64).tolist()
    return shading.on(node_boxes(graph, [shading.paint(value) for value in values]))


def _stages(graph: ComputationGraph, shading: Shading | None) -> tuple[list[Box], str]:
    """The boxes of a network too large for one box a node, and a line that says so."""
    parts = stages(graph)
    note = f"Too large for one box a node: its {len(parts):,} stages"
    if len(parts) > MOST_STAGES:
        note += f", of which the first {MOST_STAGES}"
    boxes = []
    for number, stage in enumerate(parts[:MOST_STAGES]):
        paint = PLAIN
        if shading is not None:
            value_N = np.asarray(shading.value_N, np.float64)[list(stage.nodes)]
            known_N = value_N[~np.isnan(value_N)]
            paint = shading.paint(float(known_N.mean()) if len(known_N) else float("nan"))
        boxes.append(stage_box(number, stage, paint))
    return boxes, note


def _page(
    title: str, notes: list[str], legend: list[tuple[str, Paint]], boxes: list[Box], layout: Layout
) -> str:
    """Title, notes and legend above the picture, on paper of its own."""
    width = ceil(max(layout.width + 2 * MARGIN, LEAST_WIDTH))
    y = MARGIN + 12
    lines = [(note, f'font-size="12" fill="{FAINT}"') for note in notes]
    if title:
        line = _shortened(title, width - 2 * MARGIN)
        lines.insert(0, (line, 'font-size="16" font-weight="600"'))
    head = [_text(MARGIN, y + LINE * i, *line) for i, line in enumerate(lines)]
    keys, y = _keys(legend, width, y + LINE * len(lines) + 4)
    height = ceil(y + layout.height + MARGIN)
    left = (width - layout.width) / 2
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
            f' viewBox="0 0 {width} {height}" role="img" font-family="{FONT}" fill="{DARK}">',
            f"<title>{escape(title or 'network')}</title>",
            f'<defs><marker id="{ARROW}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8"'
            ' markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">'
            f'<path d="M0 1L8 4L0 7z" fill="{WIRE}"/></marker></defs>',
            f'<rect width="{width}" height="{height}" rx="8" fill="{PAPER}"/>',
            *head,
            *keys,
            f'<g transform="translate({left:.1f} {y:.1f})">',
            f'<g fill="none" stroke="{WIRE}" stroke-width="1.3" stroke-linecap="round">',
            *(_wire(wire) for wire in layout.wires),
            '</g><g text-anchor="middle">',
            *(_box(box, centre) for box, centre in zip(boxes, layout.centres, strict=True)),
            "</g></g>",
            "</svg>\n",
        ]
    )


def _keys(legend: list[tuple[str, Paint]], width: float, y: float) -> tuple[list[str], float]:
    """The legend's swatches in rows, and where the picture below may begin."""
    keys, x = [], MARGIN
    for name, paint in legend:
        length = 22 + text_width(name, 11.5) + 12
        if x + length > width - MARGIN and x > MARGIN:
            x, y = MARGIN, y + LINE
        keys.append(
            f'<rect x="{x:.1f}" y="{y - 11:.1f}" width="16" height="14" rx="4" fill="{paint.fill}"'
            f' stroke="{paint.line}"/>'
        )
        keys.append(_text(x + 22, y, name, 'font-size="11.5"'))
        x += length
    return keys, y + LINE


def _wire(wire: Wire) -> str:
    (x, y), *rest = wire.points
    steps = " ".join(f"{x:.1f} {y:.1f}" for x, y in rest)
    return f'<path d="M{x:.1f} {y:.1f}C{steps}"{_POINTED if wire.arrow else ""}/>'


def _box(box: Box, centre: Point) -> str:
    (x, y), (width, height), paint = centre, box.size, box.paint
    radius = height / 2 if box.is_end else 7
    faint = "" if paint.ink != DARK else f' fill="{FAINT}"'
    return (
        f'<g fill="{paint.ink}"><title>{escape(box.tip)}</title>'
        f'<rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:g}"'
        f' height="{height:g}" rx="{radius:g}" fill="{paint.fill}" stroke="{paint.line}"/>'
        f'<text x="{x:.1f}" y="{y - 3:.1f}" font-size="{TITLE_SIZE}"><tspan font-weight="600">'
        f"{escape(box.title)}</tspan>{escape(box.extra)}</text>"
        f'<text x="{x:.1f}" y="{y + 12:.1f}" font-size="{DETAIL_SIZE}"{faint}>'
        f"{escape(box.detail)}</text></g>"
    )


def _text(x: float, y: float, text: str, attributes: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(text)}</text>'


def _shortened(text: str, width: float) -> str:
    """`text` with an ellipsis where it is wider than `width`."""
    room = int(width / text_width("x", 16 * BOLD))
    return text if len(text) <= room else text[: room - 1] + "…"


def _legend(kinds: set[str], shading: Shading | None) -> list[tuple[str, Paint]]:
    """What each colour stands for: kinds of operators that are there, or numbers."""
    if shading is not None:
        return list(shading.legend)
    return [(name, paint) for name, paint in KINDS.items() if name in kinds]
