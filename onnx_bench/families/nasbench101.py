"""NAS-Bench-101 (Ying et al., ICML 2019): cells of up to 7 vertices and 9 edges, CIFAR-10.

The skeleton: stem conv3x3 of 128 channels; three stacks of three cells, a 2x2 max-pool and doubled
channels between stacks; global average, linear. In a cell, inputs of an inner vertex are added (the
cell's input through a 1x1 projection), and the inputs of the output vertex are concatenated: that
concatenation has the cell's width, so the channels are split among its inputs, and a tensor that is
one channel too wide for its reader is truncated.

The text is `ADJACENCY:OPERATIONS`: the matrix row by row as 0 and 1, and a comma list from `input`
to `output`.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from onnx_bench.builder import GraphBuilder
from onnx_bench.errors import SpecError
from onnx_bench.families.base import Family
from onnx_bench.graph import ComputationGraph

CONV3X3, CONV1X1, MAXPOOL = "conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"
OPERATIONS = (CONV3X3, CONV1X1, MAXPOOL)
MAX_VERTICES, MAX_EDGES = 7, 9
STEM_CHANNELS, STACKS, CELLS = 128, 3, 3


@dataclass(frozen=True)
class Cell:
    """A cell: `edges` as (from, to) with from < to, `operations` of the inner vertices.

    Vertex 0 is the input and the last one the output.
    """

    edges: frozenset[tuple[int, int]]
    operations: tuple[str, ...]

    @property
    def vertices(self) -> int:
        return len(self.operations) + 2

    @cached_property
    def matrix(self) -> list[list[bool]]:
        """Adjacency as nested lists, `matrix[from][to]`."""
        rows = [[False] * self.vertices for _ in range(self.vertices)]
        for source, target in self.edges:
            rows[source][target] = True
        return rows

    def pruned(self) -> "Cell":
        """Without the vertices that are not on a path from input to output.

        Raises:
            SpecError: nothing is, as the output cannot be reached from the input.
        """
        last = self.vertices - 1
        forward = _reach({0}, sorted(self.edges))
        backward = _reach({last}, sorted(((b, a) for a, b in self.edges), reverse=True))
        kept = sorted(forward & backward)
        if last not in kept or 0 not in kept:
            raise SpecError("nasbench101: the cell's output is not connected to its input")
        place = {vertex: i for i, vertex in enumerate(kept)}
        edges = frozenset((place[a], place[b]) for a, b in self.edges if a in place and b in place)
        return Cell(edges, tuple(self.operations[v - 1] for v in kept[1:-1]))

    def module_hash(self) -> str:
        """The benchmark's own isomorphism-invariant hash of the (pruned) cell."""
        matrix, vertices = self.matrix, range(self.vertices)
        labels = [-1, *(OPERATIONS.index(op) for op in self.operations), -2]
        sources = [[w for w in vertices if matrix[w][v]] for v in vertices]
        targets = [[w for w in vertices if matrix[v][w]] for v in vertices]
        marks = [_md5(str((len(targets[v]), len(sources[v]), labels[v]))) for v in vertices]
        for _ in vertices:
            marks = [
                _md5(
                    "|".join(
                        (
                            "".join(sorted(marks[w] for w in sources[v])),
                            "".join(sorted(marks[w] for w in targets[v])),
                            marks[v],
                        )
                    )
                )
                for v in vertices
            ]
        return _md5(str(sorted(marks)))


class NasBench101(Family[Cell]):
    """The cells of NAS-Bench-101 in the benchmark's skeleton."""

    name = "nasbench101"
    source = "Ying et al., ICML 2019"
    size = 423_624
    example = f"0110001000010000:input,{CONV3X3},{CONV1X1},output"

    def parse(self, text: str) -> Cell:
        bits, _, names = text.partition(":")
        operations = names.split(",")
        size = len(operations)
        if size < 2 or (operations[0], operations[-1]) != ("input", "output"):
            raise self.refuse(text, "does not list operations from input to output")
        if unknown := set(operations[1:-1]) - set(OPERATIONS):
            raise self.refuse(text, f"has operations {sorted(unknown)}, not in {OPERATIONS}")
        if len(bits) != size * size or set(bits) - {"0", "1"}:
            raise self.refuse(text, f"does not begin with {size * size} times 0 or 1")
        ones = [divmod(i, size) for i, bit in enumerate(bits) if bit == "1"]
        if any(source >= target for source, target in ones):
            raise self.refuse(text, "has an edge backwards (the matrix must be upper triangular)")
        if size > MAX_VERTICES or len(ones) > MAX_EDGES:
            raise self.refuse(text, f"has over {MAX_VERTICES} vertices or {MAX_EDGES} edges")
        cell = Cell(frozenset(ones), tuple(operations[1:-1]))
        if not _connected(cell):
            raise self.refuse(text, "is not connected from input to output")
        return cell

    def format(self, spec: Cell) -> str:
        bits = "".join("01"[edge] for row in spec.matrix for edge in row)
        return f"{bits}:{','.join(('input', *spec.operations, 'output'))}"

    def sample(self, rng: np.random.Generator) -> Cell:
        """Uniform over matrices and operations, drawn until the cell is valid, then pruned."""
        upper = [(a, b) for b in range(MAX_VERTICES) for a in range(b)]
        while True:
            chosen = rng.integers(2, size=len(upper)).astype(bool)
            edges = frozenset(edge for edge, kept in zip(upper, chosen, strict=True) if kept)
            names = rng.integers(len(OPERATIONS), size=MAX_VERTICES - 2)
            cell = Cell(edges, tuple(OPERATIONS[i] for i in names))
            if len(edges) <= MAX_EDGES and _connected(cell):
                return cell.pruned()

    def neighbours(self, spec: Cell) -> list[Cell]:
        """One operation exchanged, one edge added or taken away, or a vertex put on an edge.

        Pruned, and without doubles.
        """
        inner = range(len(spec.operations))
        changed = [
            Cell(spec.edges, (*spec.operations[:i], op, *spec.operations[i + 1 :]))
            for i in inner
            for op in OPERATIONS
        ]
        upper = [(a, b) for b in range(spec.vertices) for a in range(b)]
        changed += [Cell(spec.edges ^ {edge}, spec.operations) for edge in upper]
        if spec.vertices < MAX_VERTICES:
            changed += [_split(spec, edge, op) for edge in sorted(spec.edges) for op in OPERATIONS]
        valid = (c.pruned() for c in changed if len(c.edges) <= MAX_EDGES and _connected(c))
        return [cell for cell in dict.fromkeys(valid) if cell != spec]

    def build(self, spec: Cell) -> ComputationGraph:
        cell = spec.pruned()
        g = GraphBuilder()
        channels = STEM_CHANNELS
        x = _conv_bn_relu(g, g.input(3, 32, 32), channels, 3)
        for stack in range(STACKS):
            repeats = CELLS
            if stack:
                x = g.max_pool(x, 2, stride=2, padding=0)
                channels *= 2
                x = _build_cell(g, x, cell, channels)  # the one that widens
                repeats -= 1
            x = g.repeat(x, repeats, _build_cell, cell, channels)
        g.output(g.linear(g.flatten(g.global_avg_pool(x)), 10))
        return g.build(f"{self.name}:{self.format(spec)}")


def vertex_channels(cell: Cell, in_channels: int, out_channels: int) -> list[int]:
    """Output channels of each vertex of a pruned cell.

    The inputs of the output vertex share `out_channels` as evenly as they can, the first ones one
    more; every other vertex is as wide as its widest reader. The cell's input keeps its own width.
    """
    last, matrix = cell.vertices - 1, cell.matrix
    channels = [in_channels, *[0] * len(cell.operations), out_channels]
    final = [v for v in range(1, last) if matrix[v][last]]
    for rank, vertex in enumerate(final):
        share, left = divmod(out_channels, len(final))
        channels[vertex] = share + (rank < left)
    for vertex in range(last - 1, 0, -1):
        if not matrix[vertex][last]:
            channels[vertex] = max(channels[w] for w in range(vertex, last) if matrix[vertex][w])
    return channels


def _build_cell(g: GraphBuilder, x: int, cell: Cell, out_channels: int) -> int:
    channels = vertex_channels(cell, g.shape(x)[0], out_channels)
    last, matrix = cell.vertices - 1, cell.matrix
    values = [x]
    for vertex in range(1, last):
        width = channels[vertex]
        arriving = [_truncate(g, values[v], width) for v in range(1, vertex) if matrix[v][vertex]]
        if matrix[0][vertex]:
            arriving.append(g.stamp(x, _conv_bn_relu, width, 1))
        values.append(_operation(g, cell.operations[vertex - 1], g.add(*arriving), width))
    final = [values[v] for v in range(1, last) if matrix[v][last]]
    if not final:
        return g.stamp(x, _conv_bn_relu, out_channels, 1)
    y = g.concat(*final)
    return g.add(y, g.stamp(x, _conv_bn_relu, out_channels, 1)) if matrix[0][last] else y


def _operation(g: GraphBuilder, name: str, x: int, channels: int) -> int:
    if name == MAXPOOL:
        return g.max_pool(x, 3)
    return g.stamp(x, _conv_bn_relu, channels, 3 if name == CONV3X3 else 1)


def _conv_bn_relu(g: GraphBuilder, x: int, channels: int, kernel: int) -> int:
    return g.relu(g.batch_norm(g.conv(x, channels, kernel)))


def _truncate(g: GraphBuilder, x: int, channels: int) -> int:
    return x if g.shape(x)[0] == channels else g.slice(x, 0, channels)


def _split(cell: Cell, edge: tuple[int, int], operation: str) -> Cell:
    """The cell with a new vertex on one of its edges, right before the edge's end."""
    source, new = edge
    edges = {(a + (a >= new), b + (b >= new)) for a, b in cell.edges - {edge}}
    edges |= {(source, new), (new, new + 1)}
    before, after = cell.operations[: new - 1], cell.operations[new - 1 :]
    return Cell(frozenset(edges), (*before, operation, *after))


def _connected(cell: Cell) -> bool:
    return cell.vertices - 1 in _reach({0}, sorted(cell.edges))


def _reach(start: set[int], edges: Iterable[tuple[int, int]]) -> set[int]:
    """Vertices that can be reached; `edges` come in the order of the walk."""
    reached = set(start)
    for source, target in edges:
        if source in reached:
            reached.add(target)
    return reached


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
