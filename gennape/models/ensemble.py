"""The GENNAPE ensemble: the weighted mean of several models' predictions.

Six of them in the paper (Mills et al., AAAI 2023), each with its own view of a network. Zero-shot
all weigh the same; after fine-tuning, member k weighs w_k = exp(tau_k) / sum_j exp(tau_j), tau_k
its Kendall rank correlation on the networks that it was fine-tuned on.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from gennape.batch import GraphBatch
from gennape.models.encoder import Encoder
from gennape.models.performance import ModelConfig, PerformanceModel
from gennape.targets import TargetScale
from onnx_bench.errors import GennapeError


@dataclass(frozen=True)
class Member:
    """One model of an ensemble: how it is built, how its scores become predictions, its weight."""

    name: str
    model: ModelConfig
    scale: TargetScale
    weight: float = 1.0

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> "Member":
        """The member that `asdict` of one describes."""
        return cls(
            str(given["name"]),
            ModelConfig(**given["model"]),
            TargetScale.from_dict(given["scale"]),
            float(given["weight"]),
        )


@dataclass(frozen=True)
class EnsembleConfig:
    """The members of an ensemble, as plain data."""

    members: tuple[Member, ...]

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON can hold it."""
        return {"members": [asdict(member) for member in self.members]}

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> "EnsembleConfig":
        """The configuration that `to_dict` wrote."""
        return cls(tuple(Member.from_dict(member) for member in given["members"]))


class Ensemble(nn.Module):
    """y = sum_k w_k y_k / sum_k w_k: predictions in the units of the labels.

    Raises:
        GennapeError: there are no members, or weights that are negative or all zero.
    """

    def __init__(self, config: EnsembleConfig) -> None:
        super().__init__()
        weights = [member.weight for member in config.members]
        if not weights or min(weights) < 0 or sum(weights) == 0:
            raise GennapeError(f"an ensemble needs members and positive weights, got {weights}")
        self.config = config
        self.members = nn.ModuleList(PerformanceModel(member.model) for member in config.members)

    @classmethod
    def of(cls, config: EnsembleConfig, models: Sequence[PerformanceModel]) -> "Ensemble":
        """An ensemble of models that are there; it takes them over."""
        ensemble = cls(config)
        ensemble.members = nn.ModuleList(models)
        return ensemble.eval()

    @property
    def models(self) -> list[PerformanceModel]:
        """The members, in the order of the configuration."""
        return cast(list[PerformanceModel], list(self.members))

    @property
    def encoder(self) -> Encoder:
        """That of the first member, which embeds networks for the whole."""
        return self.models[0].encoder

    @property
    def reads_whole(self) -> bool:
        """Whether batches must have the numbers of whole graphs."""
        return any(model.reads_whole for model in self.models)

    @property
    def weights_K(self) -> Tensor:
        """How much each member counts, in sum 1."""
        weights = torch.tensor([member.weight for member in self.config.members]).double()
        return weights / weights.sum()

    def forward(self, batch: GraphBatch) -> Tensor:
        """Predictions, shape (B,)."""
        return self.predictions(batch) @ self.weights_K.to(batch.macs_B)

    def predictions(self, batch: GraphBatch) -> Tensor:
        """What each of the K members predicts, in the units of the labels, shape (B, K)."""
        return self._restored([model(batch) for model in self.models], batch)

    def priors(self, batch: GraphBatch) -> Tensor:
        """The same of members that say nothing but their prior, shape (B, K)."""
        return self._restored([model.prior(batch) for model in self.models], batch)

    def _restored(self, scores_KB: Sequence[Tensor], batch: GraphBatch) -> Tensor:
        """Scores of the K members in the units of the labels, shape (B, K)."""
        members = zip(self.config.members, scores_KB, strict=True)
        found = [own.scale.restore(score_B.double(), batch.macs_B) for own, score_B in members]
        return torch.stack(found, dim=1)


AnyModel = PerformanceModel | Ensemble


def model_from_dict(given: dict[str, Any]) -> AnyModel:
    """The model, one or an ensemble, that its `config.to_dict()` describes.

    Raises:
        GennapeError: a name is not registered, or a part does not take the arguments given.
    """
    if "members" in given:
        return Ensemble(EnsembleConfig.from_dict(given))
    return PerformanceModel(ModelConfig(**given))


def kendall_weights(taus: Sequence[float]) -> npt.NDArray[np.float64]:
    """Softmax of Kendall's tau of each member; one that is constant, without a tau, counts as 0."""
    values = np.nan_to_num(np.asarray(taus, np.float64))
    raised = np.exp(values - values.max())
    weights: npt.NDArray[np.float64] = raised / raised.sum()
    return weights
