"""Tables 4, 5 and 6 stand on these rows: every model on every target, zero-shot and tuned.

Nothing is chosen by looking at a target: the source models are those that predict best on held-out
networks of the source, and no network of a target is seen before, labelled or not. After that, all
models of a seed learn from the same labels, and are measured on all other networks. A network's
size alone is measured beside them, as it ranks many spaces well.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from gennape.inference import Predictor
from gennape.training.recipe import RESULT
from onnx_bench.errors import LabelError

from . import trust
from .display import console
from .rows import Row, Rows
from .sources import by_prior, measured, predictions, predictors, train
from .study import Study
from .targets import Target, load, prepare, subsets, table
from .units import Unit, finished

KEYS = ("target", "subset", "model", "shots", "seed")
BESIDE = "ensemble, numbers"
CHOSEN = "validation Spearman inside the source"


def make(study: Study) -> pd.DataFrame:
    """The rows of all targets and seeds of the study; what is missing is measured first."""
    rows = Rows(study.csv("transfer"), KEYS)
    todo = [
        (seed, name, subset)
        for name, subset in _there(study)
        for seed in study.seeds
        if not rows.has(target=_base(name), subset=subset, seed=seed)
    ]
    if todo:
        train(study, dict.fromkeys(seed for seed, _, _ in todo))
        fused = predictors(study, todo[0][0])[RESULT].checkpoint.form == "fused"
        for name, subset in dict.fromkeys((name, subset) for _, name, subset in todo):
            prepare(name, subset, fused, study.processes)
    units = [
        Unit(f"{name} {subset} seed {seed}", measure, (study, seed, name, subset))
        for seed, name, subset in todo
    ]
    for new in finished(units, study.processes, "transfer", study.failures):
        rows.add(new)
    return trust.with_chosen(_chosen(rows.frame, study))


def _there(study: Study) -> list[tuple[str, str]]:
    """Targets and subsets whose labels are there; a line says which ones are missing."""
    found = []
    for name in study.targets:
        try:
            parts = subsets(name)
            for subset in parts:
                table(name, subset)
            found += [(name, subset) for subset in parts]
        except LabelError as error:
            console.print(f"{name} is left out: {error}", style="yellow", highlight=False)
    return found


def _base(name: str) -> str:
    return name.partition("/")[0]


def _chosen(rows: pd.DataFrame, study: Study) -> pd.DataFrame:
    """The rows of these targets and seeds, those measured elsewhere included, in their order."""
    parts = []
    for name in study.targets:
        base, _, subset = name.partition("/")
        mine = (rows["target"] == base) & (rows["subset"] == subset if subset else True)
        parts.append(rows[mine & rows["seed"].isin(list(study.seeds))])
    return pd.concat(parts, ignore_index=True).drop_duplicates([*KEYS], ignore_index=True)


def measure(study: Study, seed: int, name: str, subset: str) -> list[Row]:
    """A row for each model and number of labels."""
    models = predictors(study, seed)
    fused = models[RESULT].checkpoint.form == "fused"
    target = load(name, subset, fused, study.profile.most_of(_base(name)))
    common = {
        "target": _base(name),
        "subset": subset,
        "seed": seed,
        "label": target.labels.label,
        "unlabelled": "none",
        "chosen_by": CHOSEN,
    }
    order = np.random.default_rng(seed).permutation(len(target.labels))
    found: list[Row] = []
    for shots in study.profile.shots:
        seen, rest = order[:shots], order[shots:]
        tuned = tune(models, target, seen, study, seed) if shots else models
        row = common | {"shots": shots, "networks": len(rest)}
        found += [row | figures for figures in _figures(tuned, target, rest, shares=not shots)]
    return found


def _figures(
    models: dict[str, Predictor], target: Target, rows: np.ndarray, shares: bool
) -> Iterator[Row]:
    true = target.labels.values[rows]
    said = predictions(models, target.graphs, rows)
    if shares:
        said |= trust.shares(said[RESULT], by_prior(models[RESULT], target.graphs, rows))
    for name, values in said.items():
        yield {"model": name, **measured(values, true)}
    sizes = {"macs": target.graphs.macs_G.numpy(), "parameters": target.parameters}
    for name, values in sizes.items():  # an order, and no accuracy
        yield {"model": name, **measured(np.log10(values[rows] + 1), true), "mae": float("nan")}


def tune(
    models: dict[str, Predictor], target: Target, seen: np.ndarray, study: Study, seed: int
) -> dict[str, Predictor]:
    """Copies of the models that have learnt from some labels; an ensemble learns once for all.

    `BESIDE` is the ensemble as it is, and a learner from numbers of whole graphs beside it.
    """
    graphs = target.graphs.take(seen)
    graphs_are_fused = models[RESULT].checkpoint.form == "fused"
    labels = target.labels.values[seen]
    settings = replace(study.profile.tune, seed=seed, learner="network")
    learn = partial(Predictor.fit, networks=graphs, labels=labels)
    tuned = {
        name: learn(Predictor(model.checkpoint), settings=settings)
        for name, model in models.items()
    }
    if graphs_are_fused:
        beside = replace(settings, learner="numbers")
        tuned[BESIDE] = learn(Predictor(models[RESULT].checkpoint), settings=beside)
    return tuned
