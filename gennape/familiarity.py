"""How near a network lies to those that a predictor was trained on, told without labels.

Of each training family a sample of embeddings is kept (`assessment` joins to what the encoder says
of a network what the network is made of). A network's distance to the family is the mean distance
to the k nearest of them, each feature divided by its deviation. The nearest family is told, and how
far it is in units of a limit: the distance below which 95 % of the family's own networks lie. More
than 1 is out of distribution (the k-nearest-neighbour detector of Sun et al., ICML 2022, with a
limit a family).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gennape.models.nearness import nearness
from onnx_bench.errors import GennapeError

SAMPLE = 256
"""Embeddings that are kept of each family."""
OTHERS = 1024
"""Further networks of each family that its limit is taken from."""
ENOUGH = 64
"""With fewer of those, the sample's own distances, each without itself, count as well."""
NEIGHBOURS = 5
QUANTILE = 0.95
SMALLEST, STILL = 1e-6, 1e-4

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


class Familiarity(NamedTuple):
    """Of N networks: the nearest family, and how far it is; above 1 is strange."""

    family_N: npt.NDArray[np.str_]
    distance_N: Values


@dataclass(frozen=True, eq=False)
class Known:
    """What is kept of a family: R embeddings, and the distance within which its own ones lie."""

    family: str
    embedding_RF: Values
    limit: float


@dataclass(frozen=True, eq=False)
class Reference:
    """The networks that a predictor knows, by samples of their embeddings.

    Args:
        known: a sample of each family; a family may come more than once.
        deviation_F: of each feature.

    Raises:
        GennapeError: the numbers are none of a reference.
    """

    known: tuple[Known, ...]
    deviation_F: Values

    def __post_init__(self) -> None:
        width = self.deviation_F.shape
        if not self.known or len(width) != 1 or not _positive(self.deviation_F):
            raise GennapeError("a reference needs a family or more, and a deviation a feature")
        for own in self.known:
            shape = own.embedding_RF.shape
            small = len(shape) != 2 or shape[1:] != width or shape[0] <= NEIGHBOURS
            if small or not np.isfinite(own.embedding_RF).all() or not _positive(own.limit):
                raise GennapeError(
                    f"the reference of {own.family!r} has embeddings of shape {shape} and a limit "
                    f"of {own.limit}; expected finite ones of (more than {NEIGHBOURS}, {width[0]})"
                )

    @classmethod
    def of(
        cls,
        embedding_NF: npt.ArrayLike,
        families: Sequence[str],
        deviation_F: Values | None = None,
        seed: int = 0,
    ) -> "Reference | None":
        """The reference of N training networks; families of `NEIGHBOURS` or fewer are left out.

        Args:
            embedding_NF: their embeddings.
            families: of each network.
            deviation_F: of each feature; by default that of the samples.
            seed: of the samples.

        Returns:
            None if no family is large enough.
        """
        embedding = np.asarray(embedding_NF, np.float64)
        own = {family: embedding[rows] for family, rows in drawn(families, seed=seed).items()}
        own = {family: found for family, found in own.items() if len(found) > NEIGHBOURS}
        if not own:
            return None
        if deviation_F is None:
            deviation_F = _deviation(np.concatenate([found[:SAMPLE] for found in own.values()]))
        known = (
            Known(family, found[:SAMPLE], _limit(found / deviation_F))
            for family, found in own.items()
        )
        return cls(tuple(known), deviation_F)

    def judge(self, embedding_NF: npt.ArrayLike) -> Familiarity:
        """The nearest family of each network, and how far it is.

        Raises:
            GennapeError: embeddings have another width.
        """
        embedding = np.asarray(embedding_NF, np.float64)
        if embedding.ndim != 2 or embedding.shape[1] != len(self.deviation_F):
            raise GennapeError(
                f"got embeddings of shape {embedding.shape}, expected (N, {len(self.deviation_F)})"
            )
        point_NF = embedding / self.deviation_F
        distance_CN = np.stack(
            [_distance(own.embedding_RF / self.deviation_F, point_NF) for own in self.known]
        )
        # Plainly the nearest: in units of its limit a family of which no two are alike is near all.
        nearest_N = distance_CN.argmin(axis=0)
        names = np.array([own.family for own in self.known])
        limits = np.array([own.limit for own in self.known])
        return Familiarity(names[nearest_N], distance_CN.min(axis=0) / limits[nearest_N])

    def joined(self, embedding_NF: npt.ArrayLike, families: Sequence[str]) -> "Reference":
        """This reference and that of networks whose embeddings the same encoder made."""
        more = Reference.of(embedding_NF, families, deviation_F=self.deviation_F)
        return Reference(self.known + more.known, self.deviation_F) if more else self

    def tensors(self) -> dict[str, Tensor]:
        """Its large parts, to be kept with a model's weights."""
        rows = np.concatenate([own.embedding_RF for own in self.known])
        return {
            "embedding": torch.from_numpy(rows).float(),  # as the encoder made them
            "deviation": torch.from_numpy(self.deviation_F),
        }

    def to_dict(self) -> dict[str, Any]:
        """Its small parts as JSON can hold them."""
        return {
            "families": [own.family for own in self.known],
            "networks": [len(own.embedding_RF) for own in self.known],
            "limits": [own.limit for own in self.known],
        }

    @classmethod
    def from_parts(cls, given: dict[str, Any], tensors: Mapping[str, Tensor]) -> "Reference":
        """The reference that `to_dict` and `tensors` wrote.

        Raises:
            GennapeError, KeyError, TypeError, ValueError: the parts do not go together.
        """
        if missing := {"embedding", "deviation"} - tensors.keys():
            raise ValueError(f"the weights lack the reference's {' and '.join(sorted(missing))}")
        rows, counts = tensors["embedding"].double().numpy(), given["networks"]
        if sum(counts) != len(rows):
            raise ValueError(f"a reference of {counts} networks has {len(rows)} embeddings")
        parts = np.split(rows, np.cumsum(counts)[:-1])
        known = (
            Known(str(family), part, float(limit))
            for family, part, limit in zip(given["families"], parts, given["limits"], strict=True)
        )
        return cls(tuple(known), tensors["deviation"].double().numpy())


def drawn(families: Sequence[str], rows: Rows | None = None, seed: int = 0) -> dict[str, Rows]:
    """Of each family, the places (or those of `rows`) that a reference is made from, at random."""
    rng, names = np.random.default_rng(seed), np.asarray(families)
    chosen = np.arange(len(names)) if rows is None else rows
    found = {}
    for family in dict.fromkeys(names[chosen].tolist()):
        own = chosen[names[chosen] == family]
        found[family] = own[rng.permutation(len(own))[: SAMPLE + OTHERS]]
    return found


def _limit(point_NF: Values) -> float:
    """The distance that 95 % of a family's own networks keep; the first `SAMPLE` are the sample."""
    sample, others = point_NF[:SAMPLE], point_NF[SAMPLE:]
    distance = _distance(sample, others)
    if len(others) < ENOUGH:
        distance = np.concatenate([distance, _distance(sample, sample, itself=True)])
    # As in conformal prediction: so few that they do not tell have the largest as their limit.
    place = min(math.ceil((len(distance) + 1) * QUANTILE), len(distance))
    return max(float(np.sort(distance)[place - 1]), SMALLEST)


def _distance(sample_RF: Values, point_NF: Values, itself: bool = False) -> Values:
    """Mean distance to the nearest of the sample; `itself`: the first found one is the point."""
    points, sample = torch.from_numpy(point_NF), torch.from_numpy(sample_RF)
    found: Values = nearness(points, sample, NEIGHBOURS, itself).numpy()
    return found


def _deviation(embedding_NF: Values) -> Values:
    """Of each feature; one that never moves is not divided by the noise of its rounding."""
    deviation = embedding_NF.std(axis=0)
    typical = float(np.sqrt(np.mean(deviation**2))) or 1.0
    return np.asarray(np.maximum(deviation, STILL * typical), np.float64)


def _positive(values: Values | float) -> bool:
    return bool(np.isfinite(values).all() and np.greater(values, 0).all())
