"""What one model says, as what another one starts from."""

from typing import Any

from torch import Tensor

from gennape.batch import GraphBatch
from gennape.models.encoder import ENCODERS, Encoder


@ENCODERS.register("scored")
class ScoredEncoder(Encoder):
    """h = (y), what a model says of each network, in any unit.

    A head on it learns from few labels of a new family what the model does not know of it.

    Args:
        model: the model, one or an ensemble, as its `config.to_dict()` describes it.
    """

    def __init__(self, model: dict[str, Any]) -> None:
        from gennape.models.ensemble import model_from_dict  # which is made of encoders

        super().__init__()
        self.model = model_from_dict(model)
        self.out_features = 1

    @property
    def embedder(self) -> Encoder:
        """That of the model."""
        return self.model.encoder.embedder

    def forward(self, batch: GraphBatch) -> Tensor:
        scores_B: Tensor = self.model(batch)
        return scores_B.float()[:, None]
