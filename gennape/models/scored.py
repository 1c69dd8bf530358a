"""What one model says, as what another one starts from."""

from typing import Any

import torch
from torch import Tensor

from gennape.batch import GraphBatch
from gennape.models.encoder import ENCODERS, Encoder
from gennape.models.numbers import NumbersEncoder
from gennape.models.patterns import PatternsEncoder


@ENCODERS.register("scored")
class ScoredEncoder(Encoder):
    """h = (y), what a model says of each network, in any unit, and more if asked.

    A head on it learns from few labels of a new family what the model does not know of it, or adds
    what it knows of some families (`models.specialists`).

    Args:
        model: the model, one or an ensemble, as its `config.to_dict()` describes it.
        network: a second model, whose score stands behind that of the first; None for none.
        patterns: arguments of a `PatternsEncoder`, whose columns come next; None for none.
        place: arguments of a `NumbersEncoder`, where a network lies, last of all; None for none.
    """

    def __init__(
        self,
        model: dict[str, Any],
        place: dict[str, Any] | None = None,
        network: dict[str, Any] | None = None,
        patterns: dict[str, Any] | None = None,
    ) -> None:
        from gennape.models.ensemble import model_from_dict  # which is made of encoders

        super().__init__()
        self.model = model_from_dict(model)
        self.network = None if network is None else model_from_dict(network)
        self.patterns = None if patterns is None else PatternsEncoder(**patterns)
        self.place = None if place is None else NumbersEncoder(**place)
        self.out_features = 1 + (self.network is not None)
        self.out_features += sum(part.out_features for part in self._parts())

    @property
    def embedder(self) -> Encoder:
        """That of places, or of the model."""
        return self.model.encoder.embedder if self.place is None else self.place

    @property
    def reads_whole(self) -> bool:
        """Whether batches must have the numbers of whole graphs."""
        networks = [model for model in (self.model, self.network) if model is not None]
        return self.place is not None or any(model.reads_whole for model in networks)

    def forward(self, batch: GraphBatch) -> Tensor:
        parts = [self.model(batch).float()[:, None]]
        if self.network is not None:
            parts.append(self.network(batch).float()[:, None])
        return torch.cat([*parts, *(part(batch) for part in self._parts())], dim=1)

    def _parts(self) -> list[Encoder]:
        """What sees networks beside the models, in order."""
        return [part for part in (self.patterns, self.place) if part is not None]
