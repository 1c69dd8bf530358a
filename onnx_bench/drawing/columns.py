"""Tall pictures folded into columns, as a newspaper is.

A network is cut between two layers where only one or two tensors pass. Their wires go on from the
foot of one column to the head of the next.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from math import sqrt
from typing import NamedTuple

from onnx_bench.drawing.geometry import Edge, Layout, Point, Wire
from onnx_bench.drawing.layering import layers
from onnx_bench.drawing.placing import layered

ROW, SHORTEST, ASPECT = 64.0, 700.0, 1.5
"""About the height of a layer; the least of a column; the width over height that is aimed at."""
MOST_PASSING = 2
"""Tensors that may pass from one column to the next."""
GUTTER, LANE, TURN = 60.0, 12.0, 10.0


class Piece(NamedTuple):
    """The part of a network in one column: boxes by number, producers before their readers.

    The first `entries` and the last `exits` boxes stand for tensors that pass; they have no size.
    """

    members: list[int]
    """The node, or the node whose tensor passes, that each box stands for."""
    entries: int
    exits: int
    sizes: list[Point]
    edges: list[Edge]

    @property
    def inside(self) -> range:
        """The boxes that are nodes of the network."""
        return range(self.entries, len(self.members) - self.exits)


Engine = Callable[[list[Piece]], list[Layout]]


def arrange(sizes: Sequence[Point], edges: Sequence[Edge], engine: Engine) -> Layout:
    """Lays out a network, folded into columns where it is tall.

    Args:
        sizes: (width, height) of each box.
        edges: (producer, reader), producers numbered before their readers.
        engine: lays out each column; `own`, or `onnx_bench.drawing.graphviz.graphviz`.
    """
    pieces = fold(sizes, edges)
    top = LANE * (1 + MOST_PASSING) if len(pieces) > 1 else 0.0
    centres: list[Point] = [(0.0, 0.0)] * len(sizes)
    wires: list[Wire] = []
    feet: list[Point] = []
    left = floor = height = 0.0
    for piece, layout in zip(pieces, engine(pieces), strict=True):
        moved = [(x + left, y + top) for x, y in layout.centres]
        for box in piece.inside:
            centres[piece.members[box]] = moved[box]
        for lane, (foot, head) in enumerate(zip(feet, moved, strict=False)):
            wires.append(_over(foot, head, floor, left, lane))
        wires += [Wire([(x + left, y + top) for x, y in w.points], w.arrow) for w in layout.wires]
        feet = moved[len(moved) - piece.exits :]
        floor = top + layout.height
        height = max(height, floor)
        left += layout.width + GUTTER
    return Layout(centres, wires, left - GUTTER, height + top)


def _over(foot: Point, head: Point, floor: float, left: float, lane: int) -> Wire:
    """From the foot of a column through the gutter to the head of the next, with round corners."""
    below, above = floor + LANE * (lane + 1), LANE * (MOST_PASSING - lane)
    gutter = left - GUTTER / 2 + LANE * (0.5 - lane)
    corners = [(foot[0], below), (gutter, below), (gutter, above), (head[0], above)]
    points = [foot]
    for corner, after in pairwise([*corners, head]):
        before, behind = _toward(corner, points[-1]), _toward(corner, after)
        points += [points[-1], before, before, corner, corner, behind]
    return Wire([*points, points[-1], head, head], False)


def _toward(corner: Point, other: Point) -> Point:
    """The point `TURN` away from `corner` on the way to `other`."""
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    share = TURN / max(abs(dx) + abs(dy), 2 * TURN)
    return corner[0] + dx * share, corner[1] + dy * share


# folding


def fold(sizes: Sequence[Point], edges: Sequence[Edge]) -> list[Piece]:
    """The pieces of a network, column by column; one piece where it is not tall."""
    ranks = layers(len(sizes), edges)
    cuts = _cuts(sizes, edges, ranks)
    column = [bisect_left(cuts, rank) for rank in ranks]
    read = list(column)
    for u, v in edges:
        read[u] = max(read[u], column[v])
    inside: list[list[int]] = [[] for _ in range(len(cuts) + 1)]
    passing: list[list[int]] = [[] for _ in range(len(cuts) + 1)]  # behind each column
    into: list[list[Edge]] = [[] for _ in inside]
    for v, place in enumerate(column):
        inside[place].append(v)
        for c in range(place, read[v]):
            passing[c].append(v)
    for u, v in edges:
        into[column[v]].append((u, v))
    befores = [[], *passing[:-1]]
    return [_piece(*parts, sizes) for parts in zip(befores, inside, passing, into, strict=True)]


def _piece(
    entries: list[int],
    nodes: list[int],
    exits: list[int],
    edges: list[Edge],
    sizes: Sequence[Point],
) -> Piece:
    members = [*entries, *nodes, *exits]
    box = {member: i for i, member in enumerate([*entries, *nodes])}
    first = len(entries) + len(nodes)
    inner = [(box[u], box[v]) for u, v in edges]
    inner += [(box[u], first + i) for i, u in enumerate(exits)]
    nothing = (0.0, 0.0)
    scale = [nothing] * len(entries) + [sizes[v] for v in nodes] + [nothing] * len(exits)
    return Piece(members, len(entries), len(exits), scale, inner)


def _cuts(sizes: Sequence[Point], edges: Sequence[Edge], ranks: list[int]) -> list[int]:
    """The last layer of each column but the last."""
    depth = max(ranks, default=0) + 1
    widths = [0.0] * depth
    for (width, _), rank in zip(sizes, ranks, strict=True):
        widths[rank] += width
    tall, wide = depth * ROW, max(widths) + 2 * GUTTER
    count = min(round(sqrt(ASPECT * tall / wide)), int(tall / SHORTEST))
    if count < 2:
        return []
    passing, length = _passing(edges, ranks, depth), depth / count
    cuts: list[int] = []
    start = 0
    stop = depth - int(0.4 * length)  # the last column holds something too
    while depth - start > 1.4 * length:
        ideal = start + length - 1
        near = range(start + int(0.6 * length), min(start + int(1.4 * length), stop))
        far = range(near.stop, stop)
        allowed = [r for r in near if passing[r] <= MOST_PASSING]
        allowed = allowed or [r for r in far if passing[r] <= MOST_PASSING][:1]
        if not allowed:
            break
        cuts.append(min(allowed, key=lambda r: (passing[r], abs(r - ideal))))
        start = cuts[-1] + 1
    return cuts


def _passing(edges: Sequence[Edge], ranks: list[int], depth: int) -> list[int]:
    """Behind each layer, how many tensors are still to be read."""
    last = list(ranks)
    for u, v in edges:
        last[u] = max(last[u], ranks[v])
    steps = [0] * (depth + 1)
    for first, end in zip(ranks, last, strict=True):
        steps[first] += 1
        steps[end] -= 1
    return list(accumulate(steps))


def own(pieces: list[Piece]) -> list[Layout]:
    """Our own layered layout of each piece."""
    return [
        layered(p.sizes, p.edges, range(p.entries), range(len(p.sizes) - p.exits, len(p.sizes)))
        for p in pieces
    ]
