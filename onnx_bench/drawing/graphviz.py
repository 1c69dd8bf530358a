"""The other engine of pictures: graphviz's `dot`, where it is installed.

It gets the sizes of boxes and the edges, as numbers alone, and gives their places; what is drawn
there is ours. So both engines draw the same picture, and no name out of a file reaches a program.
"""

import shutil
import subprocess
from collections.abc import Sequence
from math import isfinite

from onnx_bench.drawing.columns import Piece
from onnx_bench.drawing.geometry import Layout, Point, Wire
from onnx_bench.errors import GraphError

TIMEOUT = 60.0
"""Seconds that graphviz may take."""
INCH = 72.0


def graphviz(pieces: list[Piece]) -> list[Layout]:
    """The layout of each piece by graphviz's `dot`, which gets numbers alone, no names.

    Raises:
        GraphError: there is no `dot`, or it failed, took over `TIMEOUT` seconds, or made no sense.
    """
    program = shutil.which("dot")
    if program is None:
        raise GraphError("there is no graphviz: the program `dot` is not on the path")
    text = "".join(_to_dot(piece) for piece in pieces)
    try:
        answer = subprocess.run(
            [program, "-Tplain"],
            input=text,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=True,
        )
        plain = answer.stdout.replace("\\\n", "").split("stop\n")
        return [_layout(piece, part) for piece, part in zip(pieces, plain[:-1], strict=True)]
    except (OSError, ValueError, IndexError, subprocess.SubprocessError) as error:
        raise GraphError(f"graphviz gave no layout ({error}); ask for our own engine") from None


def _to_dot(piece: Piece) -> str:
    first_exit = len(piece.sizes) - piece.exits
    lines = [
        "digraph {",
        'graph [nodesep=0.3, ranksep=0.36]; edge [arrowhead=none]; node [shape=box, label="",'
        " fixedsize=true]",
    ]
    for box, (width, height) in enumerate(piece.sizes):
        shape = "" if width else ", shape=point"
        lines.append(f"{box} [width={width / INCH:.4f}, height={height / INCH:.4f}{shape}]")
    for rank, ends in (
        ("source", range(piece.entries)),
        ("sink", range(first_exit, len(piece.sizes))),
    ):
        if ends:
            lines.append(f"{{rank={rank}; {' '.join(map(str, ends))}}}")
    lines += [f"{u} -> {v}" for u, v in piece.edges]
    return "\n".join([*lines, "}\n"])


def _layout(piece: Piece, text: str) -> Layout:
    """Reads graphviz's plain format: inches, the origin at the lower left."""
    centres: dict[int, Point] = {}
    wires = []
    width = height = 0.0
    for line in text.splitlines():
        kind, *words = line.split()
        if kind == "graph":
            width, height = float(words[1]) * INCH, float(words[2]) * INCH
        elif kind == "node":
            centres[int(words[0])] = _point(words[1:3], height)
        elif kind == "edge":
            head, count = int(words[1]), int(words[2])
            points = [_point(words[i : i + 2], height) for i in range(3, 3 + 2 * count, 2)]
            if len(points) % 3 != 1:
                raise ValueError("a wire is no Bezier curve")
            wires.append(Wire(points, head in piece.inside))
    if sorted(centres) != list(range(len(piece.sizes))) or len(wires) != len(piece.edges):
        raise ValueError("boxes or wires are missing")
    return Layout([centres[i] for i in range(len(centres))], wires, width, height)


def _point(words: Sequence[str], height: float) -> Point:
    x, y = (float(word) * INCH for word in words)
    if not isfinite(x + y):
        raise ValueError("a coordinate is no number")
    return x, height - y
