"""Heads: from a graph's embedding to its score."""

from torch import Tensor, nn

from gennape.models.registry import Registry

HEADS: Registry[nn.Module] = Registry("head")


@HEADS.register("mlp")
class MLPHead(nn.Module):
    """A multi-layer perceptron with one output.

    Args:
        in_features: width of the embedding.
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

    def forward(self, embedding: Tensor) -> Tensor:
        """Scores, shape (B,), from embeddings (B, in_features)."""
        scores: Tensor = self.net(embedding).squeeze(-1)
        return scores
