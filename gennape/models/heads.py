"""Heads: from a graph's embedding to its score.

What heads call an embedding may have numbers of the whole graph behind it (`models.whole`).
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from gennape.losses import Loss
from gennape.models.membership import Membership
from gennape.models.registry import Registry
from onnx_bench.errors import GennapeError


class Head(nn.Module, ABC):
    """y = head(h): a score for each embedding, on the scale of the (standardised) target."""

    @abstractmethod
    def forward(self, embedding_BF: Tensor) -> Tensor:
        """Scores, shape (B,), from embeddings (B, F)."""

    def loss(self, embedding_BF: Tensor, target_B: Tensor, loss: Loss) -> Tensor:
        """What training makes small: `loss` on the scores, unless the head learns otherwise."""
        return loss(self(embedding_BF), target_B)

    def prepare(self, embedding_NF: Tensor, seed: int = 0) -> dict[str, float]:
        """Before training: looks at the embeddings of all training networks; returns figures."""
        del embedding_NF, seed
        return {}

    def follow(self, embedding_BF: Tensor) -> None:
        """With every step of training that moves the encoder: looks at the batch."""

    def figures(self, embedding_NF: Tensor) -> dict[str, float]:
        """What is to be said of the head, from embeddings of training networks."""
        del embedding_NF
        return {}

    def refresh(self, embedding_KF: Tensor, target_K: Tensor) -> None:
        """Before scoring: looks at some labelled networks as the encoder now sees them."""


class Clustered(Head):
    """A head whose parts are the experts of fuzzy clusters.

    Clusters lie in the space of the encoder's embeddings: of what the head reads, the last `joined`
    values are none of it.
    """

    membership: Membership
    width: int
    """Of the embedding."""

    def belonging(self, embedding_BF: Tensor) -> Tensor:
        """The share of each cluster in each network, shape (B, C)."""
        shares_BC: Tensor = self.membership(embedding_BF[:, : self.width])
        return shares_BC

    def prepare(self, embedding_NF: Tensor, seed: int = 0) -> dict[str, float]:
        """Fits the clusters."""
        points = embedding_NF[:, : self.width].detach().cpu().double().numpy()
        return {"partition": self.membership.fit(points, seed)}

    def follow(self, embedding_BF: Tensor) -> None:
        """Moves the clusters with their networks."""
        self.membership.track(embedding_BF[:, : self.width])

    def figures(self, embedding_NF: Tensor) -> dict[str, float]:
        """How crisp the clusters are; an error where they have collapsed."""
        return {"partition": self.membership.partition(embedding_NF[:, : self.width])}


HEADS: Registry[Head] = Registry("head")


@HEADS.register("mlp")
class MLPHead(Head):
    """A multi-layer perceptron with one output.

    Args:
        in_features: width of what it reads.
        hidden: width of the inner layers.
        layers: linear layers in all; 4 in the published baseline.
    """

    def __init__(self, in_features: int, hidden: int = 32, layers: int = 4) -> None:
        super().__init__()
        widths = [in_features, *[hidden] * (layers - 1)]
        steps: list[nn.Module] = []
        for i in range(layers - 1):
            steps += [nn.Linear(widths[i], widths[i + 1]), nn.ReLU()]
        self.net = nn.Sequential(*steps, nn.Linear(widths[-1], 1))

    def forward(self, embedding_BF: Tensor) -> Tensor:
        scores: Tensor = self.net(embedding_BF).squeeze(-1)
        return scores


class Experts(nn.Module):
    """C perceptrons with one output each, computed at once.

    Args:
        count: C.
        widths: of the input and the inner layers.
    """

    def __init__(self, count: int, *widths: int) -> None:
        super().__init__()
        sizes = [*widths, 1]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for i in range(len(widths)):
            bound = sizes[i] ** -0.5  # as torch draws a linear layer
            drawn = torch.empty(count, sizes[i], sizes[i + 1]).uniform_(-bound, bound)
            self.weights.append(drawn)
            self.biases.append(torch.empty(count, 1, sizes[i + 1]).uniform_(-bound, bound))

    def forward(self, x_BF: Tensor) -> Tensor:
        """One value of each expert for each row, shape (B, C)."""
        x = x_BF.expand(len(self.weights[0]), *x_BF.shape)
        return self._inner(torch.baddbmm(self.biases[0], x, self.weights[0])).T

    def grid(self, first_BF: Tensor, second_KF: Tensor) -> Tensor:
        """The same for each pair of rows, one behind the other, shape (B, K, C).

        What the first layer makes of a row it makes once, not once for each pair.
        """
        behind = first_BF.shape[1]
        first_CBH = first_BF @ self.weights[0][:, :behind] + self.biases[0]
        second_CKH = second_KF @ self.weights[0][:, behind:]
        pairs = (first_CBH[:, :, None] + second_CKH[:, None]).flatten(1, 2)
        return self._inner(pairs).T.reshape(len(first_BF), len(second_KF), -1)

    def _inner(self, x_CBH: Tensor) -> Tensor:
        """What the layers after the first make of its values, shape (C, B)."""
        for weight, bias in zip(self.weights[1:], self.biases[1:], strict=True):
            x_CBH = torch.baddbmm(bias, torch.relu(x_CBH), weight)
        return x_CBH[..., 0]


@HEADS.register("fuzzy-mlp")
class FuzzyHead(Clustered):
    """y_i = sum_j u_ij f_j(h_i): a perceptron for each cluster, softly aggregated.

    GENNAPE's MLP ensemble over fuzzy c-means (Mills et al., AAAI 2023); u is the `Membership`.

    Args:
        in_features: width of what it reads.
        clusters: C; like the two below not given in the paper's main text.
        fuzzifier: m.
        projection: principal components in which the clusters lie; None for the embedding itself.
        hidden, layers: of each perceptron.
        joined: how many values of `in_features`, the last ones, are not of the embedding.
    """

    def __init__(
        self,
        in_features: int,
        clusters: int = 8,
        fuzzifier: float = 1.2,
        projection: int | None = None,
        hidden: int = 32,
        layers: int = 4,
        joined: int = 0,
    ) -> None:
        super().__init__()
        self.width = in_features - joined
        self.membership = Membership(clusters, self.width, fuzzifier, projection)
        self.experts = Experts(clusters, in_features, *[hidden] * (layers - 1))

    def forward(self, embedding_BF: Tensor) -> Tensor:
        shares_BC = self.belonging(embedding_BF)
        scores: Tensor = (shares_BC * self.experts(embedding_BF)).sum(dim=1)
        return scores


@HEADS.register("pairwise")
class PairwiseHead(Head):
    """Which of two networks is better? A network's score is how clearly it beats the anchors.

    The classifier says l(i, j) = g(h_i, h_j) - g(h_j, h_i), the log-odds that i is the better one,
    so that l(i, j) = -l(j, i). It learns from the pairs of a batch. The paper does not say how its
    pairwise classifiers score a network alone: here the score is the mean of l(i, a) over the
    anchors a, training networks spread over the range of labels, brought to their scale.

    Args:
        in_features: width of the embedding.
        hidden, layers: of the perceptron g.
        anchors: how many there are room for.
    """

    anchor_KF: Tensor
    scale_2: Tensor

    def __init__(
        self, in_features: int, hidden: int = 32, layers: int = 3, anchors: int = 64
    ) -> None:
        super().__init__()
        self.experts = self._experts(2 * in_features, *[hidden] * (layers - 1))
        self.register_buffer("anchor_KF", torch.zeros(anchors, in_features))
        self.register_buffer("scale_2", torch.tensor([1.0, 0.0]))

    def _experts(self, *widths: int) -> Experts:
        return Experts(1, *widths)

    def shares(self, embedding_BF: Tensor) -> Tensor:
        """How much each expert counts for each network, shape (B, C)."""
        return embedding_BF.new_ones(len(embedding_BF), 1)

    def compare(self, first_BF: Tensor, second_KF: Tensor) -> Tensor:
        """Log-odds that one of the first is better than one of the second, shape (B, K)."""
        there = self.experts.grid(first_BF, second_KF)
        back = self.experts.grid(second_KF, first_BF).transpose(0, 1)
        share_BKC = (self.shares(first_BF)[:, None] + self.shares(second_KF)) / 2
        odds: Tensor = (share_BKC * (there - back)).sum(dim=2)
        return odds

    def forward(self, embedding_BF: Tensor) -> Tensor:
        gain, offset = self.scale_2
        scores: Tensor = self._mean_odds(embedding_BF) * gain + offset
        return scores

    def _mean_odds(self, embedding_BF: Tensor) -> Tensor:
        return self.compare(embedding_BF, self.anchor_KF).mean(dim=1)

    def loss(self, embedding_BF: Tensor, target_B: Tensor, loss: Loss) -> Tensor:
        """Mean of log(1 + exp(-l(i, j))) over the pairs of the batch in which i is better."""
        del loss
        better_BB = target_B[:, None] > target_B[None, :]
        odds = self.compare(embedding_BF, embedding_BF)[better_BB]
        return nn.functional.softplus(-odds).sum() / max(len(odds), 1)

    def refresh(self, embedding_KF: Tensor, target_K: Tensor) -> None:
        """Takes anchors spread evenly over the labels, and the scale that fits their labels."""
        order = torch.argsort(target_K, stable=True)
        places = torch.linspace(0, len(order) - 1, len(self.anchor_KF)).round().long()
        with torch.no_grad():
            self.anchor_KF.copy_(embedding_KF[order[places]])
            odds = self._mean_odds(embedding_KF)
            spread = odds.var(correction=0)
            moved = ((odds - odds.mean()) * (target_K - target_K.mean())).mean()
            # Never a negative gain: it would turn the order that was learnt around.
            gain = (moved / spread).clamp(min=1e-3) if spread > 0 else odds.new_ones(())
            self.scale_2.copy_(torch.stack([gain, target_K.mean() - gain * odds.mean()]))


@HEADS.register("fuzzy-pairwise")
class FuzzyPairwiseHead(Clustered, PairwiseHead):
    """l(i, j) = sum_c (u_ic + u_jc) / 2 (g_c(h_i, h_j) - g_c(h_j, h_i)): a classifier a cluster.

    Args:
        clusters, fuzzifier, projection, joined: as for `fuzzy-mlp`.
        hidden, layers, anchors: as for `pairwise`.
    """

    def __init__(
        self,
        in_features: int,
        clusters: int = 8,
        fuzzifier: float = 1.2,
        projection: int | None = None,
        hidden: int = 32,
        layers: int = 3,
        anchors: int = 64,
        joined: int = 0,
    ) -> None:
        self.clusters = clusters
        super().__init__(in_features, hidden, layers, anchors)
        self.width = in_features - joined
        self.membership = Membership(clusters, self.width, fuzzifier, projection)

    def _experts(self, *widths: int) -> Experts:
        return Experts(self.clusters, *widths)

    def shares(self, embedding_BF: Tensor) -> Tensor:
        return self.belonging(embedding_BF)


@HEADS.register("linear")
class LinearHead(Head):
    """y = w . h + b; for embeddings that are already numbers of the whole graph."""

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, 1)

    def forward(self, embedding_BF: Tensor) -> Tensor:
        scores: Tensor = self.linear(embedding_BF).squeeze(-1)
        return scores


@HEADS.register("none")
class NoHead(Head):
    """The head of an encoder that was pretrained and has seen no labels: it scores nothing."""

    def __init__(self, in_features: int) -> None:
        super().__init__()
        del in_features

    def forward(self, embedding_BF: Tensor) -> Tensor:
        raise GennapeError(
            f"the model is a pretrained encoder: it embeds networks ({len(embedding_BF)} here) and "
            "scores none; train heads on it (gennape-train fit --model.pretrained FOLDER)"
        )
