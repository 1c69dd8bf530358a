"""Tables 4, 5 and 6: error, rank correlation and NDCG@10 on families that were not trained on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from . import published
from .display import mean, number, show, text
from .figures import dots, draw
from .published import FAMILIES, NAMES, OTHER_NETWORKS
from .rows import Row, means, records, write_csv
from .study import Study
from .transfer import BESIDE
from .trust import TRUSTED

KEYS = ["target", "subset", "label", "model", "shots", "networks", "unlabelled", "chosen_by"]
SIZES = ("macs", "parameters")
NOTES = (
    "in brackets: the paper's; *: its networks are others of the same space",
    "the source model is chosen inside the source; nothing is learnt from unlabelled targets",
    f"{TRUSTED}: how much counts beyond the prior is chosen on the labels of the other targets",
    f"{BESIDE}: the ensemble stays, and a small learner beside it takes the labels",
)


@dataclass(frozen=True)
class Kind:
    """One of the tables.

    Args:
        number: in the paper.
        metric: that it holds.
        title: in words.
        digits: that are shown.
        models: its own, those of the paper first.
        zero_shot: whether it has figures without labels, too.
        paper: its figures by family, model and number of labels.
    """

    number: int
    metric: str
    title: str
    digits: int
    models: tuple[str, ...]
    zero_shot: bool
    paper: Mapping[tuple[str, str, int], float]


def _by_key(table: Mapping[str, Mapping[Any, float]], shots: int = 50) -> dict[Any, float]:
    """Figures by (family, model, shots)."""
    return {
        (family, *(key if isinstance(key, tuple) else (key, shots))): value
        for family, row in table.items()
        for key, value in row.items()
    }


PARTS = ("kgnn", "cl_t", "cl_fcm_t", "ensemble")
WHOLE = ("kgnn", "ensemble", TRUSTED, BESIDE, *SIZES)
KINDS = {
    kind.number: kind
    for kind in (
        Kind(4, "mae", "mean absolute error", 2, PARTS, False, _by_key(published.TABLE4)),
        Kind(5, "spearman", "Spearman", 3, WHOLE, True, _by_key(published.TABLE5)),
        Kind(6, "ndcg10", "NDCG@10", 3, WHOLE, True, _by_key(published.TABLE6)),
    )
}


def make(study: Study, kind: Kind, rows: pd.DataFrame) -> None:
    """Writes, prints and draws one table of the rows of `transfer`."""
    shots = rows["shots"] >= (0 if kind.zero_shot else 1)
    mine = rows[rows["model"].isin(kind.models) & shots]
    if mine.empty:
        return
    table = means(mine, KEYS, [kind.metric])
    targets = list(dict.fromkeys(_pairs(mine)))
    table["place"] = [targets.index(pair) for pair in _pairs(table)]
    table["order"] = table["model"].map(kind.models.index)
    table = table.sort_values(["place", "shots", "order"], ignore_index=True)
    table = table.drop(columns=["place", "order"])
    table["paper"] = [_paper(kind, row) for row in records(table)]
    table["same_networks"] = [name not in OTHER_NETWORKS for name in table["target"]]
    write_csv(study.csv(f"table{kind.number}"), table)
    _show(kind, table)
    _draw(study, kind, table)


def _pairs(table: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(table["target"], table["subset"], strict=True))


def _paper(kind: Kind, row: Row) -> float:
    family = FAMILIES.get((row["target"], row["subset"]), "")
    return kind.paper.get((family, row["model"], row["shots"]), float("nan"))


def _named(table: pd.DataFrame) -> pd.Series:
    """Target and subset, with a star where the paper's networks are others."""
    star = (~table["same_networks"] & table["paper"].notna()).map({True: "*", False: ""})
    starred = star.groupby([table["target"], table["subset"]]).transform("max")
    subset = table["subset"].where(table["subset"] != "all", "")
    return (table["target"] + " " + subset).str.strip() + starred


def _show(kind: Kind, table: pd.DataFrame) -> None:
    """A line for each target and number of labels, a column for each model."""
    cell, paper = mean(kind.metric, kind.digits), number("paper", kind.digits)
    keys = ["name", "networks", "shots"]
    lines = []
    for key, group in table.assign(name=_named(table)).groupby(keys, sort=False):
        found = {row["model"]: (cell(row), paper(row)) for row in records(group)}
        words = {model: f"{own} ({his})" if his else own for model, (own, his) in found.items()}
        lines.append(dict(zip(keys, key, strict=True)) | words)
    columns = {"target": text("name"), "networks": text("networks"), "labels": text("shots")}
    there = [model for model in kind.models if (table["model"] == model).any()]
    columns |= {NAMES[model]: text(model) for model in there}
    show(f"Table {kind.number}: {kind.title}", pd.DataFrame(lines), columns, *NOTES)


def _draw(study: Study, kind: Kind, table: pd.DataFrame) -> None:
    when = table["shots"].map(lambda shots: f"{shots} labels" if shots else "zero-shot")
    panel = kind.title + ", " + when
    found = dots(table, kind.metric, panel, _named(table), table["model"].map(NAMES), "paper")
    draw(study.figure(f"table{kind.number}"), found)
