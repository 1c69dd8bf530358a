"""Many graphs as one disconnected graph of tensors, as PyG's layers take it."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gennape.features.nodes import node_features
from onnx_bench.collection import GraphCollection
from onnx_bench.graph import ComputationGraph


class GraphBatch(NamedTuple):
    """B graphs of N nodes and E edges in all; `graph_N` is PyG's `batch` vector."""

    row_N: Tensor
    """Which row of the collection a node is: equal numbers mean equal features."""
    type_N: Tensor
    resolution_N6: Tensor
    kernel_N2: Tensor
    bias_N: Tensor
    edges_2E: Tensor
    graph_N: Tensor
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

    def __len__(self) -> int:
        return len(self.graphs)

    def batch(self, indices: Sequence[int] | npt.NDArray[np.integer]) -> GraphBatch:
        """The graphs at `indices`, in that order."""
        row_N, edges_2E, sizes = self.graphs.gather(indices)
        rows = torch.from_numpy(row_N).long()
        type_N, resolution_N6, kernel_N2, bias_N = (f[rows] for f in self.features)
        graph_N = np.repeat(np.arange(len(sizes)), sizes)
        return GraphBatch(
            rows,
            type_N,
            resolution_N6,
            kernel_N2,
            bias_N,
            torch.from_numpy(edges_2E).long(),
            torch.from_numpy(graph_N),
            len(sizes),
        )
