"""Boxes in layers from top to bottom, and an order within each layer with few crossings.

The first steps of Sugiyama, Tagawa and Toda (IEEE Trans. SMC 1981): layers by longest paths, dummy
places where a wire passes a layer, and the order by barycentres. All readers of one tensor share
one wire, the trunk, which each leaves just above its own layer.
"""

from bisect import bisect_right, insort
from collections.abc import Collection, Sequence
from itertools import pairwise

from onnx_bench.drawing.geometry import Edge, Point

MAX_DUMMIES = 12_000
"""Trunks that need more places than these run straight to their readers, behind the boxes."""
EFFORT = 100_000
"""Places times sweeps over them: bounds the time that wide networks take."""


def layers(
    count: int, edges: Sequence[Edge], top: Collection[int] = (), bottom: Collection[int] = ()
) -> list[int]:
    """Layer of each of `count` boxes, from 0: the number of steps on the longest path to it.

    What is read more often than it reads moves down to its first reader, but for `top`.
    """
    readers, arity, ranks = readers_of(count, edges), [0] * count, [0] * count
    for u in range(count):
        for v in readers[u]:
            arity[v] += 1
            ranks[v] = max(ranks[v], ranks[u] + 1)
    for v in bottom:
        ranks[v] = max(ranks)
    for u in reversed(range(count)):
        if arity[u] < len(readers[u]) and u not in top:
            ranks[u] = min(ranks[v] for v in readers[u]) - 1
    return ranks


def readers_of(count: int, edges: Sequence[Edge]) -> list[list[int]]:
    """The readers of each of `count` boxes, in the order of `edges`."""
    readers: list[list[int]] = [[] for _ in range(count)]
    for u, v in edges:
        readers[u].append(v)
    return readers


class Net:
    """Boxes and dummies in layers. Dummies are numbered behind the boxes and have no size."""

    def __init__(
        self,
        sizes: Sequence[Point],
        edges: Sequence[Edge],
        top: Collection[int],
        bottom: Collection[int],
    ) -> None:
        self.count = len(sizes)
        self.sizes = list(sizes)
        self.bottom = bottom
        self.readers = readers_of(self.count, edges)
        self.ranks = layers(self.count, edges, top, bottom)
        self.rows: list[list[int]] = [[] for _ in range(max(self.ranks, default=-1) + 1)]
        for v, rank in enumerate(self.ranks):
            self.rows[rank].append(v)
        self.above: list[list[int]] = [[] for _ in sizes]
        self.below: list[list[int]] = [[] for _ in sizes]
        self.trunks: list[list[int]] = [[] for _ in sizes]
        lengths = [self._length(u) for u in range(self.count)]
        for u in _shortest(lengths, MAX_DUMMIES):
            self._route(u, lengths[u])
        for u, v in edges:
            start = [u, *self.trunks[u]][self.leaves(u, v)]
            if self.ranks[start] + 1 == self.ranks[v]:
                self._join(start, v)

    def _length(self, u: int) -> int:
        """Layers that the trunk of `u` passes on the way to its farthest reader."""
        return max((self.ranks[v] - self.ranks[u] - 1 for v in self.readers[u]), default=0)

    def _route(self, u: int, length: int) -> None:
        before = u
        for rank in range(self.ranks[u] + 1, self.ranks[u] + 1 + length):
            dummy = len(self.sizes)
            self.sizes.append((0.0, 0.0))
            self.ranks.append(rank)
            self.rows[rank].append(dummy)
            self.above.append([])
            self.below.append([])
            self._join(before, dummy)
            self.trunks[u].append(dummy)
            before = dummy

    def _join(self, u: int, v: int) -> None:
        self.below[u].append(v)
        self.above[v].append(u)

    def leaves(self, u: int, v: int) -> int:
        """How many dummies of the trunk of `u` the wire to reader `v` follows."""
        return self.ranks[v] - self.ranks[u] - 1 if self.trunks[u] else 0

    def chains(self) -> list[list[int]]:
        """All places, as runs that want to lie on one vertical: trunks, boxes in file."""
        chains: list[list[int]] = []
        chain_of: dict[int, list[int]] = {}
        for v in (v for row in self.rows for v in row):
            u = self.above[v][0] if len(self.above[v]) == 1 else v
            trunk = min(u, v) >= self.count
            if u != v and (trunk or self.below[u] == [v]):
                chain_of[v] = chain_of[u]
            else:
                chain_of[v] = []
                chains.append(chain_of[v])
            chain_of[v].append(v)
        return chains

    def weight(self, u: int, v: int) -> float:
        """How much the wire from `u` to `v` wants to be straight."""
        dummies = (u >= self.count) + (v >= self.count)
        if dummies == 2 or (self.below[u] == [v] and self.above[v] == [u]):
            return 8.0
        return 1.0 + dummies


def _shortest(lengths: list[int], budget: int) -> list[int]:
    """The trunks, in order, that are routed: the shortest, of `budget` places in all."""
    kept = []
    for u in sorted(range(len(lengths)), key=lambda u: (lengths[u], u)):
        budget -= lengths[u]
        if budget >= 0:
            kept.append(u)
    return sorted(kept)


def sort_rows(net: Net) -> None:
    """Sorts each layer by the mean place of its neighbours, down and up, and keeps the best."""
    best, fewest = [list(row) for row in net.rows], _crossings(net)
    for sweep in range(max(2, min(16, EFFORT // max(len(net.sizes), 1)))):
        if fewest == 0:
            break
        down = sweep % 2 == 0
        rows, sides = (net.rows, net.above) if down else (net.rows[::-1], net.below)
        for before, row in pairwise(rows):
            place = {v: i / len(before) for i, v in enumerate(before)}
            keys = {}
            for i, v in enumerate(row):
                near = [place[u] for u in sides[v]]
                keys[v] = sum(near) / len(near) if near else i / len(row)
            row.sort(key=keys.__getitem__)
        if (crossings := _crossings(net)) < fewest:
            best, fewest = [list(row) for row in net.rows], crossings
    net.rows[:] = best


def _crossings(net: Net) -> int:
    """Pairs of wires that cross between neighbouring layers."""
    total = 0
    for upper, lower in pairwise(net.rows):
        place = {v: i for i, v in enumerate(lower)}
        seen: list[int] = []
        for u in upper:
            ends = sorted(place[v] for v in net.below[u])
            total += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return total
