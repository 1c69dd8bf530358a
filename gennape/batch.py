"""Many graphs as one disconnected graph of tensors, as PyG's layers take it."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gennape.features.depth import depths
from gennape.features.nodes import node_features
from gennape.features.whole import whole_graph
from onnx_bench.collections import GraphCollection
from onnx_bench.cost import macs_N
from onnx_bench.graph import ComputationGraph


class GraphBatch(NamedTuple):
    """B graphs of N nodes and E edges in all; `graph_N` is PyG's `batch` vector."""

    row_N: Tensor
    """Which row of the collection a node is: equal numbers mean equal features."""
    type_N: Tensor
    resolution_N6: Tensor
    kernel_N2: Tensor
    bias_N: Tensor
    depth_N: Tensor
    """Where a node stands between the input (0) and the last node (1) of its graph."""
    edges_2E: Tensor
    graph_N: Tensor
    macs_B: Tensor
    """Multiply-accumulates of each graph, in double precision."""
    whole_BD: Tensor
    """The numbers of each whole graph (`features.whole`); of no width unless they are asked for."""
    num_graphs: int

    def to(self, device: torch.device | str) -> "GraphBatch":
        """The same batch on another device."""
        tensors = (part.to(device) if isinstance(part, Tensor) else part for part in self)
        return GraphBatch._make(tensors)


class EncodedGraphs:
    """A collection with node features: computed once for each distinct row, gathered by batch."""

    def __init__(self, graphs: GraphCollection | Iterable[ComputationGraph]) -> None:
        if not isinstance(graphs, GraphCollection):
            graphs = GraphCollection.from_graphs(graphs)
        self.graphs = graphs
        self.features = [torch.from_numpy(f.copy()) for f in node_features(graphs.rows_RK)]
        """Type, resolution, kernel and bias of each distinct row, as tensors."""
        self.depth_M = torch.from_numpy(depths(graphs))
        self.macs_G = torch.from_numpy(_macs(graphs))

    def __len__(self) -> int:
        return len(self.graphs)

    @cached_property
    def whole_GD(self) -> Tensor:
        """The numbers of each whole graph, computed when they are first asked for."""
        return torch.from_numpy(whole_graph(self.graphs))

    def take(self, indices: npt.NDArray[np.integer]) -> "EncodedGraphs":
        """Those at `indices`, in that order."""
        return EncodedGraphs(self.graphs.take(indices))

    def batch(
        self, indices: Sequence[int] | npt.NDArray[np.integer], whole: bool = False
    ) -> GraphBatch:
        """The graphs at `indices`, in that order.

        Args:
            whole: whether the batch has the numbers of whole graphs.
        """
        chosen = np.asarray(indices, np.int64)
        row_N, edges_2E, sizes = self.graphs.gather(indices)
        rows = torch.from_numpy(row_N).long()
        type_N, resolution_N6, kernel_N2, bias_N = (f[rows] for f in self.features)
        graph_N = np.repeat(np.arange(len(sizes)), sizes)
        ptr = self.graphs.node_ptr
        nodes = [self.depth_M[ptr[i] : ptr[i + 1]] for i in indices]
        return GraphBatch(
            rows,
            type_N,
            resolution_N6,
            kernel_N2,
            bias_N,
            torch.cat(nodes) if nodes else self.depth_M[:0],
            torch.from_numpy(edges_2E).long(),
            torch.from_numpy(graph_N),
            self.macs_G[chosen],
            self.whole_GD[chosen] if whole else torch.zeros(len(sizes), 0),
            len(sizes),
        )


def _macs(graphs: GraphCollection) -> npt.NDArray[np.float64]:
    """Multiply-accumulates of each graph, shape (G,)."""
    before = np.concatenate([[0], macs_N(graphs.rows_RK)[graphs.row_M].cumsum()])
    total: npt.NDArray[np.int64] = before[graphs.node_ptr[1:]] - before[graphs.node_ptr[:-1]]
    return total.astype(np.float64)
