"""The model: an encoder, numbers of the whole graph and a head, described by plain data."""

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from gennape.batch import GraphBatch
from gennape.models import (  # noqa: F401, they register encoders and heads
    gnn,
    numbers,
    scored,
    solved,
    specialists,
)
from gennape.models.encoder import ENCODERS
from gennape.models.heads import HEADS, Clustered, Head
from gennape.models.whole import WholeGraph
from onnx_bench.errors import GennapeError


@dataclass(frozen=True)
class ModelConfig:
    """Everything needed to build a model again: registry names and plain arguments."""

    encoder: str = "k-gnn"
    encoder_args: dict[str, Any] = field(default_factory=dict)
    head: str = "mlp"
    head_args: dict[str, Any] = field(default_factory=dict)
    whole: dict[str, Any] | None = None
    """Arguments of `WholeGraph`; None for a model of embeddings alone."""

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON can hold it."""
        return asdict(self)


class PerformanceModel(nn.Module):
    """y = prior(graph) + head(encoder(graph), numbers(graph)): a score a graph, higher is better.

    Prior and numbers are those of `WholeGraph`; a model may do without both.

    Raises:
        GennapeError: a name is not registered, or a part does not take the arguments given.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        try:
            self.encoder = ENCODERS[config.encoder](**config.encoder_args)
            self.whole = None if config.whole is None else WholeGraph(**config.whole)
            self.head = self._head()
        except (TypeError, ValueError, RuntimeError) as error:
            raise GennapeError(f"model configuration {config.to_dict()}: {error}") from None

    def _head(self) -> Head:
        kind, arguments = HEADS[self.config.head], dict(self.config.head_args)
        joined = self.whole.out_features if self.whole else 0
        if joined and issubclass(kind, Clustered):
            arguments["joined"] = joined
        return kind(self.encoder.out_features + joined, **arguments)

    @property
    def reads_whole(self) -> bool:
        """Whether batches must have the numbers of whole graphs."""
        return self.whole is not None or self.encoder.reads_whole

    @property
    def encoder_config(self) -> tuple[str, dict[str, Any]]:
        """Name and arguments of the encoder."""
        return self.config.encoder, self.config.encoder_args

    def forward(self, batch: GraphBatch) -> Tensor:
        """Scores on the scale of the (standardised) target, shape (B,)."""
        scores: Tensor = self.head(self.represent(batch))
        return scores + self.prior(batch)

    def represent(self, batch: GraphBatch) -> Tensor:
        """What heads read, shape (B, F + D): the embedding, and numbers of the whole graph."""
        embedding_BF: Tensor = self.encoder(batch)
        if self.whole is None:
            return embedding_BF
        return torch.cat([embedding_BF, self.whole(batch)], dim=1)

    def hidden(self, representation_BR: Tensor) -> Tensor:
        """The same as heads see it while they learn: some numbers of the whole graph are hidden."""
        if self.whole is None:
            return representation_BR
        width = self.encoder.out_features
        numbers_BD = self.whole.hide(representation_BR[:, width:])
        return torch.cat([representation_BR[:, :width], numbers_BD], dim=1)

    def prior(self, batch: GraphBatch) -> Tensor:
        """What is foretold of each graph before anything is learnt, shape (B,)."""
        if self.whole is None:
            return torch.zeros(batch.num_graphs, device=batch.macs_B.device)
        return self.whole.prior(batch)
