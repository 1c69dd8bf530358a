"""The model: an encoder and a head, described by plain data."""

from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor, nn

from gennape.batch import GraphBatch
from gennape.models import gnn  # noqa: F401, it registers its encoders
from gennape.models.encoder import ENCODERS
from gennape.models.heads import HEADS
from onnx_bench.errors import GennapeError


@dataclass(frozen=True)
class ModelConfig:
    """Everything needed to build a model again: registry names and plain arguments."""

    encoder: str = "k-gnn"
    encoder_args: dict[str, Any] = field(default_factory=dict)
    head: str = "mlp"
    head_args: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON can hold it."""
        return asdict(self)


class PerformanceModel(nn.Module):
    """y = head(encoder(graph)): a score for each graph; higher is better.

    Raises:
        GennapeError: a name is not registered, or a part does not take the arguments given.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        try:
            self.encoder = ENCODERS[config.encoder](**config.encoder_args)
            self.head = HEADS[config.head](self.encoder.out_features, **config.head_args)
        except (TypeError, ValueError, RuntimeError) as error:
            raise GennapeError(f"model configuration {config.to_dict()}: {error}") from None

    @property
    def encoder_config(self) -> tuple[str, dict[str, Any]]:
        """Name and arguments of the encoder."""
        return self.config.encoder, self.config.encoder_args

    def forward(self, batch: GraphBatch) -> Tensor:
        """Scores on the scale of the (standardised) target, shape (B,)."""
        scores: Tensor = self.head(self.encoder(batch))
        return scores
