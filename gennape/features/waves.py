"""The order in which a quantity flows through many graphs at once, from inputs to outputs or back.

All nodes of one level, in all graphs, are done in one step of array arithmetic, so that the work in
Python is that of the deepest graph.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from onnx_bench.collections import GraphCollection

Int64Array = npt.NDArray[np.int64]
Wave = tuple[Int64Array, Int64Array]


@dataclass(frozen=True, eq=False)
class Waves:
    """The M nodes of a collection by levels; nodes count through all graphs.

    Args:
        level_M: edges of the longest path from an input; 0 for inputs.
        source_E, reader_E: producer and reader of every edge.
    """

    level_M: Int64Array
    source_E: Int64Array
    reader_E: Int64Array

    @classmethod
    def of(cls, graphs: GraphCollection) -> "Waves":
        """The levels of all nodes."""
        start_E = np.repeat(np.asarray(graphs.node_ptr[:-1], np.int64), np.diff(graphs.edge_ptr))
        place_E = np.asarray(graphs.edges_2E[1])
        # Graphs are in topological order: at one place of all graphs nothing reads another.
        order = np.argsort(place_E, kind="stable")
        source_E, reader_E = (start_E[order] + np.asarray(end)[order] for end in graphs.edges_2E)
        steps = np.searchsorted(place_E[order], np.arange(int(place_E.max(initial=0)) + 2))
        level_M = np.zeros(len(graphs.row_M), np.int64)
        for begin, end in pairwise(steps):
            np.maximum.at(level_M, reader_E[begin:end], level_M[source_E[begin:end]] + 1)
        return cls(level_M, source_E, reader_E)

    def forward(self) -> Iterator[Wave]:
        """Producers and readers of the edges into each level, from the first one on.

        The edges into one node come side by side.
        """
        return self._by(self.level_M[self.reader_E])

    def backward(self) -> Iterator[Wave]:
        """Producers and readers of the edges out of each level, from the last one back."""
        return self._by(-self.level_M[self.source_E])

    def _by(self, key_E: Int64Array) -> Iterator[Wave]:
        order = np.argsort(key_E, kind="stable")
        _, starts = np.unique(key_E[order], return_index=True)
        for begin, end in pairwise([*starts.tolist(), len(order)]):
            edges = order[begin:end]
            yield self.source_E[edges], self.reader_E[edges]
