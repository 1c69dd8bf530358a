"""The GENNAPE encoders: message passing both ways, with or without a transformer behind it.

The paper (Mills et al., AAAI 2023) names a GNN encoder and one with a Transformer ("+T"), and gives
no sizes: those here are ours.
"""

import math

import torch
from torch import Tensor, nn

from gennape.batch import GraphBatch
from gennape.models.encoder import ENCODERS, Encoder, NodeEmbedding, mean_of_nodes


class MessagePassing(nn.Module):
    """x <- x + mask * gelu(W [y, sum of producers' y, sum of readers' y] + b), y = norm(x).

    A pre-normalised residual layer of GraphConv (Morris et al., AAAI 2019) whose edges have a
    direction: both ends learn of each other, each by weights of its own.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(3 * width, width)

    def forward(self, x_NF: Tensor, edges_2E: Tensor, mask_NF: Tensor | None) -> Tensor:
        y = self.norm(x_NF)
        own, arriving, leaving = self.linear.weight.T.chunk(3)
        producers, readers = edges_2E
        # Multiplied before they are sent: sums of products are products of sums.
        mixed = torch.addmm(self.linear.bias, y, own)
        mixed = mixed.index_add(0, readers, (y @ arriving)[producers])
        mixed = mixed.index_add(0, producers, (y @ leaving)[readers])
        update = nn.functional.gelu(mixed)
        return x_NF + (update if mask_NF is None else update * mask_NF)


@ENCODERS.register("gnn")
class GNN(Encoder):
    """h = mean over nodes of norm(layers(embed(graph))), messages both ways.

    Dropout takes the same features from all nodes of a graph, as in recurrent networks (Gal and
    Ghahramani, NeurIPS 2016): one draw a graph and layer, which mean pooling cannot average away.

    Args:
        hidden: width of every layer.
        layers: message-passing steps.
        dropout: share of the features of each update that is dropped while training; what makes the
            two views of a graph differ in contrastive pretraining.
    """

    def __init__(self, hidden: int = 64, layers: int = 4, dropout: float = 0.1) -> None:
        super().__init__()
        if layers < 1:
            raise ValueError(f"gnn needs one or more layers, got {layers}")
        self.embed = NodeEmbedding(hidden)
        self.project = nn.Linear(self.embed.out_features, hidden)
        self.layers = nn.ModuleList(MessagePassing(hidden) for _ in range(layers))
        self.norm = nn.LayerNorm(hidden)
        self.dropout = nn.Dropout(dropout)
        self.out_features = hidden

    def forward(self, batch: GraphBatch) -> Tensor:
        return mean_of_nodes(self.nodes(batch), batch)

    def nodes(self, batch: GraphBatch) -> Tensor:
        """What the messages leave each node with, shape (N, hidden)."""
        x = self._embedded(batch)
        drops = self.training and self.dropout.p > 0
        for layer in self.layers:
            x = layer(x, batch.edges_2E, self.mask(batch)[batch.graph_N] if drops else None)
        nodes: Tensor = self.norm(x)
        return nodes

    def mask(self, batch: GraphBatch) -> Tensor:
        """What dropout leaves of each graph's features, shape (B, hidden): ones in inference."""
        width, device = self.out_features, batch.edges_2E.device
        ones = torch.ones(batch.num_graphs, width, device=device, dtype=self.norm.weight.dtype)
        mask: Tensor = self.dropout(ones)
        return mask

    def _embedded(self, batch: GraphBatch) -> Tensor:
        """The nodes' features at full width; nodes of one row are computed once."""
        _, class_N = torch.unique(batch.row_N, return_inverse=True)
        nodes = torch.arange(len(class_N), device=class_N.device)
        chosen = torch.empty_like(nodes[: int(class_N.max()) + 1]).scatter_(0, class_N, nodes)
        rows = batch._replace(
            type_N=batch.type_N[chosen],
            resolution_N6=batch.resolution_N6[chosen],
            kernel_N2=batch.kernel_N2[chosen],
            bias_N=batch.bias_N[chosen],
        )
        embedded: Tensor = self.project(self.embed(rows))[class_N]
        return embedded


class Attention(nn.Module):
    """x <- x + mask * attention(norm(x)); x <- x + mask * perceptron(norm(x)).

    A pre-normalised transformer layer (Xiong et al., ICML 2020) on torch's fused attention, which
    on a CPU trains three times as many graphs a second as torch's own layer with dropout inside.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"hidden is {width}, no multiple of {heads} heads")
        self.heads = heads
        self.norm, self.norm_between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.perceptron = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x_BLF: Tensor, real_BL: Tensor, mask_BF: Tensor) -> Tensor:
        graphs, length, width = x_BLF.shape
        split = self.queries_keys_values(self.norm(x_BLF))
        parts = split.view(graphs, length, 3, self.heads, width // self.heads)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)
        seen = nn.functional.scaled_dot_product_attention(
            queries, keys, values, attn_mask=real_BL[:, None, None, :]
        )
        update: Tensor = self.mix(seen.transpose(1, 2).reshape(x_BLF.shape))
        x_BLF = x_BLF + mask_BF[:, None] * update
        update = self.perceptron(self.norm_between(x_BLF))
        return x_BLF + mask_BF[:, None] * update


@ENCODERS.register("gnn-transformer")
class GNNTransformer(GNN):
    """h = mean over nodes of transformer(gnn(graph) + position): the "+T" encoder.

    Attention sees all nodes of a graph at once, however far apart. Where a node stands is told by
    sines and cosines of its depth, as a share of the whole way (0 at the input, 1 at the end), so
    that long and short graphs speak of the same places.

    Args:
        hidden: width of every layer.
        layers: message-passing steps.
        attention_layers: transformer layers behind them.
        heads: of the attention.
        dropout: as for `gnn`, in the transformer too.
        most_nodes: of a graph with more, so many take part in the attention, evenly spread.
    """

    def __init__(
        self,
        hidden: int = 64,
        layers: int = 4,
        attention_layers: int = 1,
        heads: int = 4,
        dropout: float = 0.1,
        most_nodes: int = 2048,
    ) -> None:
        super().__init__(hidden, layers, dropout)
        self.attention = nn.ModuleList(Attention(hidden, heads) for _ in range(attention_layers))
        self.final = nn.LayerNorm(hidden)
        self.most_nodes = most_nodes

    def forward(self, batch: GraphBatch) -> Tensor:
        x_NF = self.nodes(batch)
        x_NF = x_NF + _waves(batch.depth_N, x_NF.shape[1])
        kept = _spread(batch, self.most_nodes)
        x_BLF, real_BL = _side_by_side(x_NF[kept], batch.graph_N[kept], batch.num_graphs)
        for layer in self.attention:
            x_BLF = layer(x_BLF, real_BL, self.mask(batch))
        weight_BL1 = real_BL[..., None].to(x_BLF.dtype)
        pooled: Tensor = (self.final(x_BLF) * weight_BL1).sum(dim=1) / weight_BL1.sum(dim=1)
        return pooled


def _side_by_side(x_NF: Tensor, graph_N: Tensor, graphs: int) -> tuple[Tensor, Tensor]:
    """The nodes of each graph, (B, L, F) with L those of the largest, and which are there, (B, L).

    Args:
        graph_N: the graph of each node, in ascending order.
    """
    size_B = torch.bincount(graph_N, minlength=graphs)
    place = torch.arange(len(graph_N), device=graph_N.device)
    place_N = place - (size_B.cumsum(0) - size_B)[graph_N]
    longest = int(size_B.max())
    x_BLF = x_NF.new_zeros(graphs, longest, x_NF.shape[1])
    x_BLF[graph_N, place_N] = x_NF
    return x_BLF, torch.arange(longest, device=graph_N.device) < size_B[:, None]


def _waves(share_N: Tensor, width: int) -> Tensor:
    """Sines and cosines of a share of the way, from half a wave over the whole to 32 waves."""
    bands = torch.logspace(0, 6, width // 2, 2, device=share_N.device) * math.pi
    angle = share_N[:, None] * bands
    waves = torch.cat([angle.sin(), angle.cos()], dim=1)
    return nn.functional.pad(waves, (0, width - waves.shape[1]))


def _spread(batch: GraphBatch, most: int) -> Tensor:
    """Which nodes attend: all of them, or `most` of a graph, evenly spread over its depth."""
    sizes = torch.bincount(batch.graph_N, minlength=batch.num_graphs)
    if int(sizes.max()) <= most:
        return torch.arange(len(batch.graph_N), device=batch.graph_N.device)
    order = torch.argsort(batch.graph_N + batch.depth_N / 2, stable=True)
    start_B = sizes.cumsum(0) - sizes
    graph_N = batch.graph_N[order]
    rank_N = torch.arange(len(order), device=order.device) - start_B[graph_N]
    step_N = (sizes[graph_N] / most).clamp(min=1.0)
    kept = (rank_N / step_N).floor() != ((rank_N - 1) / step_N).floor()
    return order[kept]
