"""What the ablation measures: a row of each variant, and of each way to join the members."""

from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gennape.inference import Predictor
from gennape.models.membership import CollapsedClustersError
from gennape.training.data import LabelData
from gennape.training.quiet import quiet
from gennape.training.recipe import RESULT
from gennape.training.runs import Run
from gennape.training.workers import LOG

from .aggregation import JOINED, ORDERS, Join, Values
from .rows import Row
from .sources import measured, predictions
from .study import Study
from .targets import load, subsets, table
from .variants import Plan, Variant, plan

ENSEMBLE = "ensemble"


def planned_for(study: Study, seed: int) -> Plan:
    """The trainings of a seed."""
    folder = study.work / "ablation" / f"seed{seed}"
    return plan(study.recipe, folder, seed, study.profile.ablation.settings)


def measure(study: Study, planned: Plan, variant: Variant) -> list[Row]:
    """The row of a variant, which is trained unless it has been."""
    run = planned.run_of(variant)
    row: Row = {"factor": variant.factor, "value": variant.value, "seed": planned.seed}
    row["shipped"] = planned.is_shipped(variant)
    try:
        _train(run)
    except CollapsedClustersError as error:
        return [row | {"note": f"collapsed: {error}"}]
    predictor = Predictor.from_pretrained(run.result)
    said = _say(study, predictor, run.data())
    row["partition"] = predictor.checkpoint.metrics.get("partition")
    return [row | said.figures(lambda columns: columns[ENSEMBLE])]


def _train(run: Run) -> None:
    if run.finished:
        return
    run.check()
    quiet()
    run.folder.mkdir(parents=True, exist_ok=True)
    with (run.folder / LOG).open("a") as log, redirect_stdout(log), redirect_stderr(log):
        run.train(lambda _: False)


def measure_joined(study: Study, planned: Plan) -> list[Row]:
    """A row for each way to join the members."""
    predictor = Predictor.from_pretrained(planned.folder / RESULT)
    data = planned.data()
    said = _say(study, predictor, data)
    names = [name for name in said.inside if name != ENSEMBLE]
    rows = data.split.val
    known = predictions({ENSEMBLE: predictor}, data.graphs, rows)
    true = data.values.numpy()[rows]
    tau_K = np.array([measured(known[name], true)["kendall"] for name in names])
    found = []
    for way, join in JOINED.items():
        row: Row = {"factor": ENSEMBLE, "value": way, "seed": planned.seed, "shipped": False}
        row |= said.figures(partial(_joined, join, names, tau_K))
        found.append(row | ({"mae": float("nan")} if way in ORDERS else {}))
    return found


def _joined(join: Join, names: list[str], tau_K: Values, columns: Mapping[str, Values]) -> Values:
    return join(np.stack([columns[name] for name in names], axis=1), tau_K)


class Said(NamedTuple):
    """Predictions by name, inside the source and for the target, and what is true.

    Args:
        parts: rows of each subset of the target.
    """

    inside: dict[str, Values]
    inside_true: Values
    outside: dict[str, Values]
    outside_true: Values
    parts: dict[str, npt.NDArray[np.bool_]]

    def figures(self, join: Callable[[Mapping[str, Values]], Values]) -> Row:
        """What is measured of one prediction made of all."""
        here = measured(join(self.inside), self.inside_true)
        there = join(self.outside)
        row: Row = {name: here[name] for name in ("spearman", "mae")}
        for name, rows in self.parts.items():
            row[name] = measured(there[rows], self.outside_true[rows])["spearman"]
        return row


def _say(study: Study, predictor: Predictor, data: LabelData) -> Said:
    data.setup("test")
    rows, models = data.split.test, {ENSEMBLE: predictor}
    name, most = study.profile.ablation.target, study.profile.ablation.most
    whole, *parts = subsets(name)
    target = load(name, whole, data.fused, most)
    everything = np.arange(len(target.labels))
    base = name.partition("/")[0]
    masks = {f"{base}_{whole}": np.ones(len(everything), bool)}
    for part in parts:
        masks[f"{base}_{part}"] = np.isin(target.labels.networks, table(name, part).networks)
    return Said(
        predictions(models, data.graphs, rows),
        data.values.double().numpy()[rows],
        predictions(models, target.graphs, everything),
        target.labels.values,
        masks,
    )
