"""Our own engine: a layered layout whose wires are short, straight and share trunks."""

from collections.abc import Collection, Sequence
from itertools import accumulate, pairwise
from math import inf

from onnx_bench.drawing.geometry import Edge, Layout, Point, Wire
from onnx_bench.drawing.layering import EFFORT, Net, sort_rows

GAP_X, LANE, GAP_Y, MOST_GAP_Y = 24.0, 14.0, 26.0, 70.0
"""Least distances: of boxes side by side, of wires, of layers, and of layers with long slants."""
STRAIGHTENING = 6
"""Rounds over the chains."""


def layered(
    sizes: Sequence[Point],
    edges: Sequence[Edge],
    top: Collection[int] = (),
    bottom: Collection[int] = (),
) -> Layout:
    """Lays out a directed acyclic graph from top to bottom; the same input, the same layout.

    Args:
        sizes: (width, height) of each box.
        edges: (producer, reader), producers numbered before their readers. Repeats are drawn.
        top: boxes for the top layer; they read nothing.
        bottom: boxes for the bottom layer, which nothing reads; wires end there without an arrow.
    """
    net = Net(sizes, edges, top, bottom)
    sort_rows(net)
    x = _abscissas(net)
    left = min((x[v] - net.sizes[v][0] / 2 for v in range(len(x))), default=0.0)
    x = [round(place - left, 2) for place in x]
    width = max((x[v] + net.sizes[v][0] / 2 for v in range(len(x))), default=0.0)
    spans = _ordinates(net, x)
    y = [sum(spans[rank]) / 2 for rank in net.ranks]
    centres = list(zip(x, y, strict=True))[: net.count]
    return Layout(centres, _wires(net, x, y, spans), width, spans[-1][1] if spans else 0.0)


def _abscissas(net: Net) -> list[float]:
    """Horizontal places: each layer in turn as near as its widths let it to its neighbours."""
    x = [0.0] * len(net.sizes)
    sweeps = max(3, min(14, EFFORT // max(len(net.sizes), 1)))
    for sweep in range(sweeps):
        down, both = sweep % 2 == 0, sweep >= sweeps - 2
        for row in net.rows if down else net.rows[::-1]:
            pulls = [_pull(net, [v], x, down or both, both or not down) for v in row]
            steps = [_step(net, u, v) for u, v in pairwise(row)]
            for v, place in zip(row, _spread(pulls, steps), strict=True):
                x[v] = place
    return _straighten(net, x)


def _straighten(net: Net, x: list[float]) -> list[float]:
    """Moves whole chains to one vertical, where there is room, and near to what they join."""
    chains = net.chains()
    place = {v: (row, i) for row in net.rows for i, v in enumerate(row)}
    for turn in range(STRAIGHTENING):
        for chain in chains if turn % 2 == 0 else chains[::-1]:
            low, high = -inf, inf
            for row, i in (place[v] for v in chain):
                if i > 0:
                    low = max(low, x[row[i - 1]] + _step(net, row[i - 1], row[i]))
                if i + 1 < len(row):
                    high = min(high, x[row[i + 1]] - _step(net, row[i], row[i + 1]))
            if low <= high:
                there = min(max(_pull(net, chain, x)[0], low), high)
                for v in chain:
                    x[v] = there
    return x


def _pull(
    net: Net, chain: list[int], x: list[float], above: bool = True, below: bool = True
) -> tuple[float, float]:
    """(the place that the neighbours of a chain pull it to, how hard)."""
    pulls = [(net.weight(u, chain[0]), x[u]) for u in net.above[chain[0]] if above]
    pulls += [(net.weight(chain[-1], w), x[w]) for w in net.below[chain[-1]] if below]
    weight = sum(w for w, _ in pulls)
    if weight == 0:
        return x[chain[0]], 0.1
    return sum(w * place for w, place in pulls) / weight, weight


def _step(net: Net, u: int, v: int) -> float:
    """Least distance between the centres of two neighbours of one layer."""
    gap = GAP_X if max(u, v) < net.count else LANE
    return (net.sizes[u][0] + net.sizes[v][0]) / 2 + gap


def _spread(pulls: list[tuple[float, float]], steps: list[float]) -> list[float]:
    """Places in this order, at least `steps` apart, of least squares from the (place, weight)s.

    Isotonic regression of the places less the steps before them: what would overlap is pooled.
    """
    offsets = list(accumulate(steps, initial=0.0))
    blocks: list[tuple[float, float, int]] = []  # mean, weight, number of places
    for (wanted, weight), offset in zip(pulls, offsets, strict=True):
        mean, count = wanted - offset, 1
        while blocks and blocks[-1][0] > mean:
            other, heavy, many = blocks.pop()
            mean = (mean * weight + other * heavy) / (weight + heavy)
            weight, count = weight + heavy, count + many
        blocks.append((mean, weight, count))
    means = [mean for mean, _, count in blocks for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def _ordinates(net: Net, x: list[float]) -> list[tuple[float, float]]:
    """(top, bottom) of each layer; slanted wires get more room above."""
    spans: list[tuple[float, float]] = []
    for row in net.rows:
        slant = max((abs(x[u] - x[v]) for v in row for u in net.above[v]), default=0.0)
        top = spans[-1][1] + min(GAP_Y + slant / 12, MOST_GAP_Y) if spans else 0.0
        spans.append((top, top + max(net.sizes[v][1] for v in row)))
    return spans


def _wires(net: Net, x: list[float], y: list[float], spans: list[Point]) -> list[Wire]:
    """Trunks first, then one curve with an arrow for each edge."""
    wires = []
    arrivals: list[list[Point]] = [[] for _ in range(net.count)]
    for u in range(net.count):
        way = [(x[u], y[u] + net.sizes[u][1] / 2)]
        for dummy in net.trunks[u]:
            way += [(x[dummy], end) for end in spans[net.ranks[dummy]]]
        if net.trunks[u]:
            wires.append(Wire(_curve(way), False))
        for v in net.readers[u]:
            arrivals[v].append(way[2 * net.leaves(u, v)])
    for v, starts in enumerate(arrivals):
        starts.sort()
        for start, port in zip(starts, _ports(starts, x[v], net.sizes[v][0]), strict=True):
            end = (port, y[v] - net.sizes[v][1] / 2)
            wires.append(Wire(_curve([start, end]), v not in net.bottom))
    return wires


def _ports(starts: list[Point], x: float, width: float) -> list[float]:
    """Where wires from `starts` meet the upper side of a box: straight below if they can."""
    if len(starts) < 2:
        return [x for _ in starts]
    reach = 0.4 * width
    step = min(14.0, 2 * reach / (len(starts) - 1))
    free = 2 * reach - step * (len(starts) - 1)  # how far all of them can move together
    ports = _spread([(start, 1.0) for start, _ in starts], [step] * (len(starts) - 1))
    lows = [x - reach + step * i for i in range(len(starts))]
    return [min(max(port, low), low + free) for port, low in zip(ports, lows, strict=True)]


def _curve(way: list[Point]) -> list[Point]:
    """Bezier points of a curve that passes each point of `way` vertically."""
    kept = [way[0]]
    for here, after in pairwise(way[1:]):
        if not kept[-1][0] == here[0] == after[0]:
            kept.append(here)
    points = [way[0]]
    for (x0, y0), (x1, y1) in pairwise([*kept, way[-1]]):
        middle = (y0 + y1) / 2
        points += [(x0, middle), (x1, middle), (x1, y1)]
    return points
