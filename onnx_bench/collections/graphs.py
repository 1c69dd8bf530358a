"""Many graphs as a few flat arrays: what training reads from.

Networks of a family repeat few distinct nodes, so a collection keeps every distinct row once and
one number a node: some 2 kB a graph of 200 nodes instead of 25.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from onnx_bench.errors import CollectionError
from onnx_bench.graph import ACTIVATION, OP, WIDTH, ComputationGraph, IntArray
from onnx_bench.operators import Op

Int64Array = npt.NDArray[np.int64]
Indices = Sequence[int] | npt.NDArray[np.integer]
BLOCK = 4096
"""Graphs that are looked at together where all are looked at in turn."""


@dataclass(frozen=True, eq=False)
class GraphCollection:
    """G graphs of M nodes and E edges in all, one after another.

    Args:
        rows_RK: int32, the R distinct rows of the node table.
        row_M: int32, which row each node has.
        node_ptr: int64, G + 1 values; the nodes of graph g are `node_ptr[g]:node_ptr[g + 1]`.
        edges_2E: int32, (producer, reader) by their number inside their own graph, ordered by
            reader.
        edge_ptr: int64, G + 1 values, as `node_ptr`.
        names: each graph's name.
    """

    rows_RK: IntArray
    row_M: IntArray
    node_ptr: Int64Array
    edges_2E: IntArray
    edge_ptr: Int64Array
    names: Sequence[str]

    @classmethod
    def from_graphs(cls, graphs: Iterable[ComputationGraph]) -> "GraphCollection":
        """Packs graphs; they may come from a generator, one is held at a time."""
        known: dict[bytes, int] = {}
        rows, edges, names = [], [], []
        for graph in graphs:
            raw, size = graph.nodes_NK.tobytes(), WIDTH * 4
            chunks = [raw[i : i + size] for i in range(0, len(raw), size)]
            rows.append(np.array([known.setdefault(row, len(known)) for row in chunks], np.int32))
            edges.append(graph.edge_index)
            names.append(graph.name)
        return cls(
            np.frombuffer(b"".join(known), np.int32).reshape(-1, WIDTH),
            np.concatenate(rows) if rows else np.zeros(0, np.int32),
            pointers([len(r) for r in rows]),
            np.concatenate(edges, axis=1) if edges else np.zeros((2, 0), np.int32),
            pointers([e.shape[1] for e in edges]),
            tuple(names),
        )

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> ComputationGraph:
        """The graph at `index`, as it was packed; negative ones count from the end."""
        index = range(len(self))[index]
        nodes = self.rows_RK[self.row_M[self.node_ptr[index] : self.node_ptr[index + 1]]]
        sources, readers = self.edges_2E[:, self.edge_ptr[index] : self.edge_ptr[index + 1]]
        arity = np.bincount(readers, minlength=len(nodes))
        input_ptr = pointers(arity).astype(np.int32)
        return ComputationGraph(nodes, input_ptr, sources.copy(), self.names[index])

    def __iter__(self) -> Iterator[ComputationGraph]:
        return (self[i] for i in range(len(self)))

    @property
    def sizes(self) -> Int64Array:
        """Nodes of each graph, shape (G,)."""
        return np.diff(self.node_ptr)

    def totals(self, values_R: npt.NDArray[np.int64]) -> Int64Array:
        """The sum over each graph's nodes of what every distinct row stands for, shape (G,)."""
        if not len(self):
            return np.zeros(0, np.int64)
        sums = []
        for start in range(0, len(self), BLOCK):
            ptr = self.node_ptr[start : start + BLOCK + 1]
            values = values_R[self.row_M[ptr[0] : ptr[-1]]]
            sums.append(np.add.reduceat(values, (ptr[:-1] - ptr[0]).astype(np.intp)))
        return np.concatenate(sums)

    def take(self, indices: Indices) -> "GraphCollection":
        """The graphs at `indices`; rows that none of them has are left out.

        Rows are numbered as they are met, as if these graphs had been packed by themselves.
        """
        chosen = np.asarray(indices, np.int64)
        nodes = self.row_M[_spans(self.node_ptr, chosen)]
        used, first, row_M = np.unique(nodes, return_index=True, return_inverse=True)
        order = np.argsort(first)
        rank = np.empty(len(used), np.int32)
        rank[order] = np.arange(len(used), dtype=np.int32)
        return GraphCollection(
            self.rows_RK[used[order]],
            rank[row_M],
            pointers(self.sizes[chosen]),
            np.ascontiguousarray(self.edges_2E[:, _spans(self.edge_ptr, chosen)]),
            pointers(np.diff(self.edge_ptr)[chosen]),
            tuple(self.names[int(i)] for i in chosen),
        )

    def renamed(self, names: Sequence[str]) -> "GraphCollection":
        """The same graphs under other names."""
        return replace(self, names=tuple(names))

    def gather(self, indices: Indices) -> tuple[IntArray, IntArray, IntArray]:
        """The graphs at `indices` as one disconnected graph of N nodes.

        Returns:
            row_N: the row of each node; edges_2E: edges by number in the whole; sizes: nodes of
            each graph.
        """
        spans = [(self.node_ptr[i], self.node_ptr[i + 1]) for i in indices]
        sizes = np.array([b - a for a, b in spans], np.int32)
        if not spans:
            return np.zeros(0, np.int32), np.zeros((2, 0), np.int32), sizes
        chunks = [self.edges_2E[:, self.edge_ptr[i] : self.edge_ptr[i + 1]] for i in indices]
        offsets = pointers(sizes)[:-1].astype(np.int32)
        moved = np.repeat(offsets, [c.shape[1] for c in chunks])
        return (
            np.concatenate([self.row_M[a:b] for a, b in spans]),
            np.concatenate(chunks, axis=1) + moved,
            sizes,
        )

    def validate(self) -> "GraphCollection":
        """Returns the collection itself, or says which graph of it is none.

        Raises:
            CollectionError: the arrays do not describe graphs.
        """
        counts = (len(self.node_ptr), len(self.edge_ptr), len(self) + 1)
        if len(set(counts)) > 1:
            raise CollectionError(f"pointers to {counts[:2]} places for {len(self)} graphs")
        ends = (self.node_ptr[-1], self.edge_ptr[-1])
        if ends != (len(self.row_M), self.edges_2E.shape[1]) or self.node_ptr[0] != 0:
            raise CollectionError(
                f"pointers end at {ends[0]} nodes and {ends[1]} edges, there are "
                f"{len(self.row_M)} and {self.edges_2E.shape[1]}"
            )
        if (np.diff(self.edge_ptr) < 0).any() or (self.sizes < 1).any() or self.edge_ptr[0] != 0:
            raise CollectionError("the pointers to nodes or edges do not rise")
        known = [int(op) for op in Op]
        if not np.isin(self.rows_RK[:, [OP, ACTIVATION]], known).all():
            raise CollectionError("the rows hold operators that this vocabulary does not know")
        for start in range(0, len(self), BLOCK):
            self._validate_block(start, min(start + BLOCK, len(self)))
        return self

    def _validate_block(self, start: int, stop: int) -> None:
        rows = self.row_M[self.node_ptr[start] : self.node_ptr[stop]]
        sources, readers = self.edges_2E[:, self.edge_ptr[start] : self.edge_ptr[stop]]
        graph_E = np.repeat(np.arange(start, stop), np.diff(self.edge_ptr[start : stop + 1]))
        wrong = (sources < 0) | (sources >= readers) | (readers >= self.sizes[graph_E])
        wrong[1:] |= (np.diff(readers) < 0) & (np.diff(graph_E) == 0)
        if wrong.any():
            index = int(graph_E[np.argmax(wrong)])
            raise CollectionError(f"graph {index}: an edge that leads nowhere, or a cycle")
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(self.rows_RK):
            raise CollectionError(
                f"graphs {start} to {stop - 1}: a node has a row that is not there"
            )


def pointers(lengths: Sequence[int] | npt.NDArray[np.integer]) -> Int64Array:
    """Where parts of these lengths begin when they lie one after another, and where they end."""
    found = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=found[1:])
    return found


def _spans(ptr: Int64Array, chosen: Int64Array) -> Int64Array:
    """The places of the parts at `chosen`, one part after another."""
    lengths = np.diff(ptr)[chosen]
    ends = pointers(lengths)
    return np.arange(ends[-1]) + np.repeat(ptr[:-1][chosen] - ends[:-1], lengths)
