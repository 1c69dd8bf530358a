"""What a collection holds, in figures: families, labels, licences, sizes, noise."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from onnx_bench.collections.labelled import LabelledCollection, Measured, Origin
from onnx_bench.cost import macs_N, parameters_N

ENDS = ("min", "median", "max")
FEW = 20
"""Fewer networks with two runs say nothing of a rank correlation."""


def datasheet(collection: LabelledCollection) -> dict[str, Any]:
    """The figures of a collection as plain values, ready for JSON.

    Returns:
        `networks` and `distinct` (networks that are not one; None where nobody has looked);
        `families`, a row each with `networks`, `distinct`, and the ends of `nodes`, `parameters`
        and `macs`; `labels`, a row each with how many networks and measurements there are, their
        ends, and the noise: `runs` (most seeds of a network), `std_between_runs` (pooled over the
        networks), `spearman_between_runs` (mean over the pairs of seeds) and
        `std_between_twins` (pooled over spellings of one network); `sources`, with their licences.
    """
    distinct = None if collection.keys is None else len(np.unique(collection.groups()))
    return {
        "networks": len(collection),
        "distinct": distinct,
        "families": list(_families(collection)),
        "labels": [_label(collection, label) for label in collection.measured],
        "sources": [_source(origin) for origin in collection.origins],
    }


def _families(collection: LabelledCollection) -> Iterator[dict[str, Any]]:
    graphs = collection.graphs
    columns = {
        "nodes": graphs.sizes,
        "parameters": graphs.totals(parameters_N(graphs.rows_RK)),
        "macs": graphs.totals(macs_N(graphs.rows_RK)),
    }
    groups = None if collection.keys is None else collection.groups()
    family_G = np.array(collection.families, dtype=object)
    for family in dict.fromkeys(family_G):
        members = family_G == family
        yield {
            "family": family,
            "networks": int(members.sum()),
            "distinct": None if groups is None else len(np.unique(groups[members])),
            **{name: _ends(values[members], int) for name, values in columns.items()},
        }


def _label(collection: LabelledCollection, label: Measured) -> dict[str, Any]:
    rows = collection.labels[collection.labels["label"] == label.name]
    values = collection.values(label.name)
    return {
        "label": label.name,
        "task": label.task,
        "metric": label.metric,
        "split": label.split,
        "epochs": label.epochs,
        "better": "higher" if label.higher_is_better else "lower",
        "networks": int(np.isfinite(values).sum()),
        "measurements": len(rows),
        **_ends(values[np.isfinite(values)], float),
        **_between_runs(rows),
        "std_between_twins": _between_twins(collection, values),
        "ships": label.ships,
        "licence": label.licence,
    }


def _between_runs(rows: pd.DataFrame) -> dict[str, Any]:
    """How far runs of one network lie apart, and how alike they order the networks."""
    seeded = rows[rows["seed"].notna()]
    runs = seeded.pivot_table(index="graph", columns="seed", values="value", aggfunc="mean")
    found: dict[str, Any] = {"runs": max(1, runs.shape[1]), "std_between_runs": None}
    found["std_between_runs"] = _pooled(runs.var(axis=1, ddof=1), runs.count(axis=1))
    pairs = [runs[[a, b]].dropna() for a, b in combinations(runs.columns, 2)]
    rhos = [_spearman(pair.to_numpy(np.float64)) for pair in pairs if len(pair) >= FEW]
    found["spearman_between_runs"] = round(float(np.mean(rhos)), 4) if rhos else None
    return found


def _between_twins(collection: LabelledCollection, values: npt.NDArray[np.float64]) -> float | None:
    if collection.keys is None:
        return None
    grouped = pd.Series(values).groupby(collection.groups())
    return _pooled(grouped.var(ddof=1), grouped.count())


def _pooled(variances: "pd.Series[float]", counts: "pd.Series[int]") -> float | None:
    """The standard deviation within groups, each weighing by its degrees of freedom."""
    several = counts > 1
    if not several.any():
        return None
    freedom = counts[several] - 1
    return round(float(np.sqrt((variances[several] * freedom).sum() / freedom.sum())), 4)


def _spearman(pairs_N2: npt.NDArray[np.float64]) -> float:
    ranks = pd.DataFrame(pairs_N2).rank()
    return float(ranks[0].corr(ranks[1]))


def _source(origin: Origin) -> dict[str, Any]:
    return {
        "name": origin.name,
        "title": origin.title,
        "source": origin.source,
        "licence": origin.licence,
        "networks": origin.networks,
        "skipped": len(origin.skipped),
    }


def _ends(values: npt.NDArray[Any], kind: type[int] | type[float]) -> dict[str, Any]:
    if not len(values):
        return dict.fromkeys(ENDS)
    numbers = (values.min(), np.median(values), values.max())
    return dict(zip(ENDS, (kind(round(float(n), 6)) for n in numbers), strict=True))
