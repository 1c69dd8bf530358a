"""The source models: for each seed the ensemble, and the models of Table 3 that are no members."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jsonargparse.typing import Path_fr

from gennape.batch import EncodedGraphs
from gennape.inference import Predictor
from gennape.metrics import METRICS, ConstantPredictionError, evaluate
from gennape.models.ensemble import Ensemble
from gennape.scoring import BATCH, priors, rows_in_batches
from gennape.training.ensemble import train_ensemble
from gennape.training.recipe import RESULT, MemberRecipe, Recipe
from gennape.training.runs import Run
from gennape.training.workers import train_all

from .study import Study

EXTRAS = {"cl": "pretrain_cl", "cl_fcm": "pretrain_cl"}
"""Models of the paper's tables that are no members, and the pretraining that each stands on."""

Values = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


def folder(study: Study, seed: int) -> Path:
    """Where the models of a seed are."""
    return study.work / f"seed{seed}"


def with_extras(recipe: Path, names: Iterable[str]) -> Recipe:
    """The recipe of the ensemble, and models that are no members as if they were."""
    found = Recipe.read(recipe)
    extras = {
        name: MemberRecipe(Path_fr(str(recipe.parent / f"{name}.yaml")), EXTRAS[name])
        for name in names
        if name not in found.members
    }
    return replace(found, members={**found.members, **extras})


def runs(study: Study, seed: int, extras: Iterable[str] = ()) -> dict[str, Run]:
    """The trainings of a seed by name, those of models that are no members included."""
    recipe = with_extras(study.recipe, extras)
    found = recipe.runs(folder(study, seed), seed, study.profile.settings)
    return {run.name: run for run in found}


def train(study: Study, seeds: Iterable[int], extras: Iterable[str] = ()) -> None:
    """Trains what is not finished, of all seeds side by side."""
    of_seed = {seed: runs(study, seed, extras) for seed in seeds}
    new = [
        seed
        for seed, found in of_seed.items()
        if not (folder(study, seed) / RESULT).exists() or not _finished(found.values())
    ]
    train_all([apart(run, seed) for seed in new for run in of_seed[seed].values()], study.processes)
    for seed in new:
        train_ensemble(study.recipe, folder(study, seed), seed, study.profile.settings)


def _finished(found: Iterable[Run]) -> bool:
    return all(run.finished for run in found)


def apart(run: Run, seed: int) -> Run:
    """The run under a name of its seed."""
    needs = f"seed {seed}: {run.needs}" if run.needs else None
    return replace(run, name=f"seed {seed}: {run.name}", needs=needs)


def predictors(study: Study, seed: int, extras: Iterable[str] = ()) -> dict[str, Predictor]:
    """The models of a seed: `ensemble`, and those that are no members by their names."""
    found = runs(study, seed, extras)
    places = {RESULT: folder(study, seed) / RESULT} | {name: found[name].result for name in extras}
    return {name: Predictor.from_pretrained(place) for name, place in places.items()}


def predictions(
    models: Mapping[str, Predictor], graphs: EncodedGraphs, rows: Indices
) -> dict[str, Values]:
    """What models say of some networks, and each member of those that are ensembles."""
    parts: dict[str, list[Values]] = {}
    whole = any(predictor.checkpoint.model.reads_whole for predictor in models.values())
    with torch.no_grad():
        for some in rows_in_batches(len(rows), BATCH):
            batch = graphs.batch(rows[some], whole)
            for name, predictor in models.items():
                for column, values in _columns(name, predictor, batch).items():
                    parts.setdefault(column, []).append(values)
    return {name: np.concatenate(values) for name, values in parts.items()}


def _columns(name: str, predictor: Predictor, batch: Any) -> dict[str, Values]:
    model, scale = predictor.checkpoint.model, predictor.checkpoint.scale
    if not isinstance(model, Ensemble):
        return {name: scale.restore(model(batch).double(), batch.macs_B).numpy()}
    each_BK = model.predictions(batch).numpy()
    members = model.config.members
    columns = {member.name: each_BK[:, place] for place, member in enumerate(members)}
    return {name: each_BK @ model.weights_K.numpy(), **columns}


def by_prior(predictor: Predictor, graphs: EncodedGraphs, rows: Indices) -> Values:
    """What an ensemble would say if none of its members had learnt anything."""
    model, scale = predictor.checkpoint.model, predictor.checkpoint.scale
    weights = model.weights_K.numpy() if isinstance(model, Ensemble) else np.ones(1)
    found: Values = priors(model, scale, graphs, rows) @ weights
    return found


def measured(predicted: Sequence[float] | Values, true: Values) -> dict[str, float]:
    """Every metric; what ranks nothing has none."""
    try:
        return evaluate(predicted, true)
    except ConstantPredictionError:
        return dict.fromkeys(METRICS, float("nan"))
