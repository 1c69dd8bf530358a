"""What one model says, as what another one starts from."""

from typing import Any

import torch
from torch import Tensor

from gennape.batch import GraphBatch
from gennape.models.encoder import ENCODERS, Encoder
from gennape.models.numbers import NumbersEncoder


@ENCODERS.register("scored")
class ScoredEncoder(Encoder):
    """h = (y), what a model says of each network, in any unit, and where it lies, if asked.

    A head on it learns from few labels of a new family what the model does not know of it, or adds
    what it knows of some families (`models.specialists`).

    Args:
        model: the model, one or an ensemble, as its `config.to_dict()` describes it.
        place: arguments of a `NumbersEncoder`, whose points stand behind the score; None for none.
    """

    def __init__(self, model: dict[str, Any], place: dict[str, Any] | None = None) -> None:
        from gennape.models.ensemble import model_from_dict  # which is made of encoders

        super().__init__()
        self.model = model_from_dict(model)
        self.place = None if place is None else NumbersEncoder(**place)
        self.out_features = 1 + (self.place.out_features if self.place else 0)

    @property
    def embedder(self) -> Encoder:
        """That of places, or of the model."""
        return self.model.encoder.embedder if self.place is None else self.place

    @property
    def reads_whole(self) -> bool:
        """Whether batches must have the numbers of whole graphs."""
        return self.place is not None or self.model.reads_whole

    def forward(self, batch: GraphBatch) -> Tensor:
        scores_B: Tensor = self.model(batch)
        score_B1 = scores_B.float()[:, None]
        return score_B1 if self.place is None else torch.cat([score_B1, self.place(batch)], dim=1)
