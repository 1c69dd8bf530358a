"""Trains the universal model: a generalist on one family, specialists beside it on the others.

The generalist learns what a prior of even sizes (`models.whole`) leaves of the ranks of its family,
as trees and as perceptrons, on numbers of the whole graph alone. They err in different ways where
networks are unlike those learnt from, and their mean is taken. The specialists learn what it leaves
of the ranks inside their own families, and one linear map what it leaves in all of them alike
(`models.specialists`, `models.common`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch

from gennape.checkpoint import seeded_model
from gennape.features.whole import FEATURES
from gennape.models.ensemble import Ensemble, EnsembleConfig, Member
from gennape.models.performance import ModelConfig, PerformanceModel
from gennape.models.scored import ScoredEncoder
from gennape.models.specialists import Lessons, SpecialistsHead
from gennape.models.whole import WholeGraph
from gennape.scoring import priors, represented
from gennape.targets import TargetScale
from gennape.tuning import TuneSettings, fine_tune
from gennape.universal.sources import Family

Rows = npt.NDArray[np.int64]
NUMBERS = len(FEATURES)
DRAWN = 512
"""Networks of each family that the space of places is made from."""


@dataclass(frozen=True)
class Recipe:
    """How the universal model is trained.

    A forest and perceptrons that have each seen a few thousand networks transfer better than ones
    that have seen all: what they learn less well is what holds of their own family alone.

    Args:
        perceptrons: how many; together they count twice as much as the forest.
        rows, epochs: of each; networks are drawn anew for every one.
        hidden: share of the numbers that are hidden while they learn.
        forest_rows, trees, leaf: of the forest.
        prior: weight of the prior.
        size: what the prior is made of.
        specialist_rows: networks of a family that its specialist learns from at most.
        specialist_trees, specialist_leaf: of its forest.
        place, reach: of the specialists' space; see `SpecialistsHead`.
        trust, ridge: of what all families say together; see `CommonResidual`.
    """

    perceptrons: int = 6
    rows: int = 2000
    epochs: int = 20
    hidden: float = 0.2
    forest_rows: int = 4096
    trees: int = 40
    leaf: int = 5
    prior: float = 0.7
    size: str = "even"
    specialist_rows: int = 1500
    specialist_trees: int = 25
    specialist_leaf: int = 4
    place: int = 25
    reach: float = 1.25
    trust: float = 4.0
    ridge: float = 4.0

    @property
    def whole(self) -> dict[str, Any]:
        """Arguments of the members' `WholeGraph`."""
        return {
            "hidden": self.hidden,
            "prior": self.prior,
            "size": self.size,
            "numbers": NUMBERS,
        }


class Split(NamedTuple):
    """Rows of a family."""

    train: Rows
    held_out: Rows

    @classmethod
    def of(cls, count: int, seed: int, share: float = 0.15) -> "Split":
        """A drawn split."""
        order = np.random.default_rng([seed, count]).permutation(count)
        held_out = round(count * share)
        return cls(np.sort(order[held_out:]), np.sort(order[:held_out]))


def trained_on(families: Iterable[Family], seed: int) -> list[Rows]:
    """Rows of each family that a model of this seed learns from."""
    return [Split.of(len(family), seed).train for family in families]


class Part(NamedTuple):
    """A member of an ensemble: its head, of how many networks it learns at most, and its say."""

    head: str
    arguments: dict[str, Any]
    rows: int
    weight: float


def generalist(
    family: Family,
    rows: Rows,
    recipe: Recipe,
    seed: int,
    embedding: PerformanceModel | None = None,
) -> Ensemble:
    """A forest and perceptrons on the prior, taught by these rows of the family.

    Args:
        embedding: a model whose encoder is there already; there is no forest then, and perceptrons
            read what it says of a graph beside the numbers.
    """
    forest = Part("trees", {"trees": recipe.trees, "leaf": recipe.leaf}, recipe.forest_rows, 1 / 3)
    share = 2 / 3 / recipe.perceptrons
    perceptron = Part("mlp", {"hidden": 128, "layers": 4}, recipe.rows, share)
    parts = [*([] if embedding else [forest]), *[perceptron] * recipe.perceptrons]
    return _ensemble(family, rows, parts, recipe, seed, embedding)


def alternatives(family: Family, rows: Rows, recipe: Recipe, seed: int) -> Ensemble:
    """Ridge regression and a Gaussian process in their place, each to be read by itself."""
    ridge = Part("ridge", {}, recipe.forest_rows, 0.5)
    process = Part("gaussian-process", {}, recipe.rows, 0.5)
    return _ensemble(family, rows, [ridge, process], recipe, seed)


def _ensemble(
    family: Family,
    rows: Rows,
    parts: Sequence[Part],
    recipe: Recipe,
    seed: int,
    embedding: PerformanceModel | None = None,
) -> Ensemble:
    encoder = embedding.encoder_config if embedding else ("none", {})
    members, models = [], []
    for place, part in enumerate(parts):
        config = ModelConfig(*encoder, part.head, part.arguments, recipe.whole)
        own_seed = 100 * seed + place
        model = seeded_model(config, own_seed).eval()
        if embedding:
            model.encoder.load_state_dict(embedding.encoder.state_dict())
        _teach(model, family, rows, part.rows, recipe.epochs, own_seed)
        models.append(model)
        members.append(Member(f"{part.head}{place}", config, TargetScale(), part.weight))
    return Ensemble.of(EnsembleConfig(tuple(members)), models)


def _teach(
    model: PerformanceModel, family: Family, rows: Rows, most: int, epochs: int, seed: int
) -> None:
    cast(WholeGraph, model.whole).prepare(family.graphs.whole_GD[rows])
    drawn = some(rows, most, seed)
    graphs = family.graphs.take(drawn)
    known_N = priors(model, TargetScale(), graphs)[:, 0]
    target_N = torch.from_numpy(family.rank_N[drawn] - known_N).float()
    settings = TuneSettings("encoder", epochs, 64, seed=seed, learner="network")
    own = np.arange(len(drawn))
    fine_tune(model, graphs, target_N, settings, own, own[:0])


def universal(
    start: Ensemble,
    families: Sequence[Family],
    rows: Sequence[Rows],
    recipe: Recipe,
    seed: int,
) -> PerformanceModel:
    """The generalist with a specialist for each family, taught by these rows of it."""
    place = {"components": recipe.place, "numbers": NUMBERS}
    scored = {"model": start.config.to_dict(), "place": place}
    head = {
        "families": [family.name for family in families],
        "place": recipe.place,
        "reach": recipe.reach,
        "trees": recipe.specialist_trees,
        "leaf": recipe.specialist_leaf,
        "trust": recipe.trust,
        "ridge": recipe.ridge,
    }
    whole = {**recipe.whole, "hidden": 0.0, "prior": 0.0}
    model = PerformanceModel(ModelConfig("scored", scored, "specialists", head, whole)).eval()
    encoder = cast(ScoredEncoder, model.encoder)
    encoder.model.load_state_dict(start.state_dict())
    table_ND = torch.cat(
        [
            family.graphs.whole_GD[some(own, DRAWN, seed)]
            for family, own in zip(families, rows, strict=True)
        ]
    )
    cast(WholeGraph, model.whole).prepare(table_ND)
    if encoder.place:
        encoder.place.prepare(table_ND)
    head_of(model).learn(lessons(model, families, rows, recipe, seed), seed)
    return model


def lessons(
    model: PerformanceModel,
    families: Sequence[Family],
    rows: Sequence[Rows],
    recipe: Recipe,
    seed: int,
) -> Lessons:
    """What the head of a universal model learns from; the same again of a model that has learnt."""
    drawn = [some(own, recipe.specialist_rows, seed) for own in rows]
    read = [represented(model, f.graphs, own) for f, own in zip(families, drawn, strict=True)]
    rank = [f.rank_N[own] for f, own in zip(families, drawn, strict=True)]
    names = [f.name for f, own in zip(families, drawn, strict=True) for _ in own]
    return Lessons(torch.cat(read), torch.from_numpy(np.concatenate(rank)), names)


def head_of(model: PerformanceModel) -> SpecialistsHead:
    """The head of a universal model."""
    return cast(SpecialistsHead, model.head)


def some(rows: Rows, most: int, seed: int) -> Rows:
    """At most so many of the rows, drawn by the seed."""
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).permutation(rows)[:most])
