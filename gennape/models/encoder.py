"""Graph encoders: from a batch of computation graphs to one vector a graph.

torch-geometric is imported by the encoder that is made of its layers: that takes longer than to
score networks with the others.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from gennape.batch import GraphBatch
from gennape.features.nodes import MAX_KERNEL, OPERATOR_TYPES
from gennape.models.merging import merge
from gennape.models.registry import Registry


class Encoder(nn.Module, ABC):
    """h = pool(message_passing(embed(graph))): a vector of `out_features` values for each graph."""

    out_features: int

    @property
    def reads_whole(self) -> bool:
        """Whether batches must have the numbers of whole graphs (`models.whole`)."""
        return False

    @property
    def embedder(self) -> "Encoder":
        """The encoder whose space networks are compared in: this one."""
        return self

    def silence_unseen(self, type_R: Tensor, kernel_R2: Tensor) -> None:
        """Zeroes what would be looked up for operators and kernels that are not among these."""
        for module in self.modules():
            if isinstance(module, NodeEmbedding):
                module.silence_unseen(type_R, kernel_R2)

    @abstractmethod
    def forward(self, batch: GraphBatch) -> Tensor:
        """Embeddings, shape (B, out_features)."""


ENCODERS: Registry[Encoder] = Registry("encoder")


class NodeEmbedding(nn.Module):
    """The paper's features as one vector a node: type, resolution, two kernel sizes and bias.

    Args:
        features: width of the embedding of the operator's type; 26 more values are appended.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.operator = nn.Embedding(len(OPERATOR_TYPES), features)
        self.resolution = nn.Linear(6, 8)
        self.kernel = nn.Embedding(MAX_KERNEL + 1, 8)
        self.bias = nn.Embedding(2, 2)
        self.out_features = features + 8 + 2 * 8 + 2

    def silence_unseen(self, type_R: Tensor, kernel_R2: Tensor) -> None:
        """Zeroes the vectors of operator types and kernel sizes that are not among these.

        Training never moves them: as they were drawn, they would add noise to every network of
        another family that holds such an operator.
        """
        with torch.no_grad():
            for table, seen in ((self.operator, type_R), (self.kernel, kernel_R2)):
                unseen = torch.ones(table.num_embeddings, dtype=torch.bool)
                unseen[seen.flatten()] = False
                table.weight[unseen] = 0.0

    def forward(self, batch: GraphBatch) -> Tensor:
        parts = [
            self.operator(batch.type_N),
            self.resolution(batch.resolution_N6),
            self.kernel(batch.kernel_N2).flatten(1),
            self.bias(batch.bias_N),
        ]
        return torch.cat(parts, dim=1)


class GraphConv(nn.Module):
    """x <- W x + V (sum of producers' x) + b (Morris et al., AAAI 2019).

    The parameters have the names that torch-geometric gives them.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.lin_rel = nn.Linear(in_features, out_features)
        self.lin_root = nn.Linear(in_features, out_features, bias=False)

    def forward(self, x_NF: Tensor, edges_2E: Tensor) -> Tensor:
        sources, readers = edges_2E
        arrived_NF = torch.zeros_like(x_NF).index_add_(0, readers, x_NF[sources])
        x_NG: Tensor = self.lin_rel(arrived_NF) + self.lin_root(x_NF)
        return x_NG


@ENCODERS.register("k-gnn")
class KGNN(Encoder):
    """The baseline of the GENNAPE paper: GraphConv layers (Morris et al., AAAI 2019), tanh, mean.

    Messages follow the data, from producer to reader; equal nodes are computed once (`merging`).

    Args:
        hidden: width of every layer; the published baseline has 32.
        layers: message-passing steps; 6 in the published baseline.
    """

    def __init__(self, hidden: int = 32, layers: int = 6) -> None:
        super().__init__()
        if layers < 1:
            raise ValueError(f"k-gnn needs one or more layers, got {layers}")
        self.embed = NodeEmbedding(hidden)
        widths = [self.embed.out_features, *[hidden] * layers]
        self.layers = nn.ModuleList(GraphConv(widths[i], widths[i + 1]) for i in range(layers))
        self.out_features = hidden

    def forward(self, batch: GraphBatch) -> Tensor:
        merged, class_N = merge(batch, hops=len(self.layers))
        x = self.embed(merged)
        for layer in self.layers:
            x = torch.tanh(layer(x, merged.edges_2E))
        return mean_of_nodes(x[class_N], batch)


@ENCODERS.register("gated-gcn")
class GatedGCN(Encoder):
    """Residual gated graph convolutions (Bresson and Laurent, 2017), messages both ways.

    Pre-normalised residual layers with GELU and dropout, the form in which plain message passing
    rivals graph transformers (Luo, Shi and Wu, NeurIPS 2024).

    Args:
        hidden: width of every layer.
        layers: message-passing steps, each along and against the data flow.
        dropout: share of each update that is dropped while training.
    """

    def __init__(self, hidden: int = 64, layers: int = 4, dropout: float = 0.1) -> None:
        from torch_geometric.nn import ResGatedGraphConv

        super().__init__()
        self.embed = NodeEmbedding(hidden)
        self.project = nn.Linear(self.embed.out_features, hidden)
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(layers))
        self.along = nn.ModuleList(ResGatedGraphConv(hidden, hidden) for _ in range(layers))
        self.against = nn.ModuleList(ResGatedGraphConv(hidden, hidden) for _ in range(layers))
        self.dropout = nn.Dropout(dropout)
        self.final = nn.LayerNorm(hidden)
        self.out_features = hidden

    def forward(self, batch: GraphBatch) -> Tensor:
        x = self.project(self.embed(batch))
        reverse = batch.edges_2E.flip(0)
        for norm, along, against in zip(self.norms, self.along, self.against, strict=True):
            y = norm(x)
            y = nn.functional.gelu(along(y, batch.edges_2E) + against(y, reverse))
            x = x + self.dropout(y)
        return mean_of_nodes(self.final(x), batch)


@ENCODERS.register("size")
class SizeEncoder(Encoder):
    """h = (log10 MACs, less 8): the network's size alone, for the paper's FLOPs predictor."""

    def __init__(self) -> None:
        super().__init__()
        self.out_features = 1

    def forward(self, batch: GraphBatch) -> Tensor:
        return (torch.log10(batch.macs_B + 1) - 8)[:, None].float()


def mean_of_nodes(x_NF: Tensor, batch: GraphBatch) -> Tensor:
    """Mean over the nodes of each graph, shape (B, F)."""
    sum_BF = x_NF.new_zeros(batch.num_graphs, x_NF.shape[1]).index_add_(0, batch.graph_N, x_NF)
    count_B = torch.bincount(batch.graph_N, minlength=batch.num_graphs).clamp(min=1)
    return sum_BF / count_B[:, None]
