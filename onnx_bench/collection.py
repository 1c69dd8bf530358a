"""Many graphs as a few flat arrays: what training reads from.

Networks of a family repeat few distinct nodes, so a collection keeps every distinct row once and
one number a node: some 2 kB a graph of 200 nodes instead of 25.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from onnx_bench.graph import WIDTH, ComputationGraph, IntArray


@dataclass(frozen=True, eq=False)
class GraphCollection:
    """G graphs of M nodes and E edges in all, one after another.

    Args:
        rows_RK: the R distinct rows of the node table.
        row_M: which row each node has.
        node_ptr: G + 1 values; the nodes of graph g are `node_ptr[g]:node_ptr[g + 1]`.
        edges_2E: (producer, reader) by their number inside their own graph, ordered by reader.
        edge_ptr: G + 1 values, as `node_ptr`.
        names: each graph's name.
    """

    rows_RK: IntArray
    row_M: IntArray
    node_ptr: IntArray
    edges_2E: IntArray
    edge_ptr: IntArray
    names: tuple[str, ...]

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
            _pointers([len(r) for r in rows]),
            np.concatenate(edges, axis=1) if edges else np.zeros((2, 0), np.int32),
            _pointers([e.shape[1] for e in edges]),
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
        return ComputationGraph(nodes, _pointers(arity), sources.copy(), self.names[index])

    def __iter__(self) -> Iterator[ComputationGraph]:
        return (self[i] for i in range(len(self)))

    @property
    def sizes(self) -> IntArray:
        """Nodes of each graph, shape (G,)."""
        return np.diff(self.node_ptr)

    def gather(
        self, indices: Sequence[int] | npt.NDArray[np.integer]
    ) -> tuple[IntArray, IntArray, IntArray]:
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
        moved = np.repeat(_pointers(sizes)[:-1], [c.shape[1] for c in chunks])
        return (
            np.concatenate([self.row_M[a:b] for a, b in spans]),
            np.concatenate(chunks, axis=1) + moved,
            sizes,
        )


def _pointers(lengths: Sequence[int] | npt.NDArray[np.integer]) -> IntArray:
    pointers = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=pointers[1:])
    return pointers
