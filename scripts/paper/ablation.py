"""The ablation: one thing of the shipped CL+FCM+T is changed at a time.

Each variant is trained on a sample of NAS-Bench-101 for a few epochs, and measured on test rows
and, zero-shot, on another benchmark. Clusters that collapse are a row that says so. The ways to
join the six members are measured on an ensemble of the same small trainings.
"""

from collections.abc import Mapping

import pandas as pd

from gennape.training.ensemble import train_ensemble
from gennape.training.workers import train_all

from .ablation_units import ENSEMBLE, measure, measure_joined, planned_for
from .aggregation import JOINED
from .display import mean, number, show, text
from .figures import dots, draw
from .rows import Rows, means, write_csv
from .sources import apart
from .study import Study
from .targets import prepare, subsets
from .units import Unit, finished
from .variants import VARIANTS, Plan

KEYS = ("factor", "value", "seed")
INSIDE = ["spearman", "mae", "partition"]


def make(study: Study) -> None:
    """Trains and measures what is missing; writes, prints and draws the table."""
    rows = Rows(study.csv("ablation_rows"), KEYS)
    seeds = study.seeds[: study.profile.ablation.seeds]
    todo = [
        (seed, variant)
        for seed in seeds
        for variant in VARIANTS
        if not rows.has(factor=variant.factor, value=variant.value, seed=seed)
    ]
    unjoined = [seed for seed in seeds if not rows.has(factor=ENSEMBLE, seed=seed)]
    new = [seed for seed in seeds if seed in {*unjoined, *(seed for seed, _ in todo)}]
    plans = {seed: planned_for(study, seed) for seed in new}
    if plans:
        _train_first(study, plans)
    units = [
        Unit(
            f"seed {seed}: {variant.factor} {variant.value}", measure, (study, plans[seed], variant)
        )
        for seed, variant in todo
    ]
    units += [
        Unit(f"seed {seed}: ensemble", measure_joined, (study, plans[seed])) for seed in unjoined
    ]
    for found in finished(units, study.processes, "ablation", study.failures):
        rows.add(found)
    mine = rows.frame[rows.frame["seed"].isin(list(seeds))]
    if not mine.empty:
        _report(study, mine)


def _train_first(study: Study, plans: Mapping[int, Plan]) -> None:
    """All pretrainings, and the members of the ensemble, on which the variants stand."""
    train_all(
        [apart(run, seed) for seed, planned in plans.items() for run in planned.stands_alone],
        study.processes,
    )
    for seed, planned in plans.items():
        train_ensemble(study.recipe, planned.folder, seed, study.profile.ablation.settings)
    target, first = study.profile.ablation.target, next(iter(plans.values()))
    prepare(target, subsets(target)[0], first.data().fused, study.processes)


def _report(study: Study, rows: pd.DataFrame) -> None:
    target = study.profile.ablation.target.partition("/")[0]
    outside = [name for name in map(str, rows) if name.startswith(f"{target}_")]
    table = means(rows, ["factor", "value", "shipped"], [*INSIDE, *outside])
    collapsed = rows["note"].notna() if "note" in rows else pd.Series(False, rows.index)
    counts = collapsed.groupby([rows["factor"], rows["value"]]).sum().rename("collapsed")
    table = table.merge(counts.reset_index(), "left")
    order = [(v.factor, v.value) for v in VARIANTS] + [(ENSEMBLE, way) for way in JOINED]
    table = table.set_index(["factor", "value"])
    table = table.loc[[key for key in order if key in table.index]].reset_index()
    write_csv(study.csv("ablation"), table)
    _show(table, outside)
    _draw(study, table, outside)


def _show(table: pd.DataFrame, outside: list[str]) -> None:
    columns = {
        "factor": text("factor"),
        "value": text("value"),
        "MAE": mean("mae", 2),
        "Spearman": mean("spearman"),
        **{name.replace("_", ", "): mean(name) for name in outside},
        "partition": number("partition", 2),
        "collapsed": lambda row: (
            f"{row['collapsed']} of {row['seeds']}" if row["collapsed"] else ""
        ),
    }
    starred = table["value"] + table["shipped"].map({True: " *", False: ""})
    note = "*: as shipped; Spearman and MAE inside the source, zero-shot Spearman outside"
    show("Ablation of CL+FCM+T", table.assign(value=starred), columns, note)


def _draw(study: Study, table: pd.DataFrame, outside: list[str]) -> None:
    named = table["factor"] + ": " + table["value"]
    named += table["collapsed"].map(lambda seeds: " (collapsed)" if seeds else "")
    panels = {"spearman": "Spearman, test rows"}
    panels |= {name: "zero-shot, " + name.replace("_", ", ") for name in outside}
    parts = [dots(table, name, panel, named) for name, panel in panels.items()]
    shipped = table[table["factor"] == "shipped"]
    lines = {panel: float(shipped[name].iloc[0]) for name, panel in panels.items() if len(shipped)}
    draw(study.figure("ablation"), pd.concat(parts), lines)
