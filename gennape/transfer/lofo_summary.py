"""Means over seeds of what `transfer.lofo` measures, and where to look them up."""

from collections.abc import Hashable, Mapping
from math import isfinite, nan
from typing import Any, NamedTuple

import pandas as pd

from gennape.transfer.targets import TARGETS
from onnx_bench.errors import GennapeError

WORK = ["target", "subset", "label"]
SETTING = ["estimator", "mode", "left_out", "shots"]
KEYS = [*WORK, *SETTING]
COUNTS = ("seed", "shots", "networks")
METRICS = ("spearman", "kendall", "spearman_top", "best_of_ten")
NUMBERS = ("macs", "parameters")
"""Estimators that are one number of the network: the mark that all others have to beat."""
OURS = "universal"
SINGLE, SET = "single", "ranked set"
CLOSE = ("nasbench201",)
"""Targets whose kin are so near that they are left out in all that is said of them."""


class RowsError(GennapeError):
    """Rows of results that no report can be made of."""


class Work(NamedTuple):
    """What is ranked: networks of a target by a label."""

    target: str
    subset: str
    label: str


class Figure(NamedTuple):
    """A mean over seeds; its deviation is nan where there is one seed."""

    mean: float
    deviation: float
    seeds: int


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean and deviation (of n - 1) over seeds of every metric, a row for each of `KEYS`.

    What ranked nothing on a seed is left out of its mean. `best` is the mean of the best labels.

    Raises:
        RowsError: no rows, no such column, no numbers, or a seed that is there twice.
    """
    known = checked(rows)
    groups = known.groupby(KEYS, sort=False)
    found = groups.agg(networks=("networks", "first"), seeds=("seed", "nunique"))
    for metric in METRICS:
        found[metric] = groups[metric].mean()
        found[f"{metric}_std"] = groups[metric].std(ddof=1)
    found["best"] = groups["best"].mean()
    return found.reset_index()


def checked(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with all columns, of their kinds.

    Raises:
        RowsError: see `summary`.
    """
    if rows.empty:
        raise RowsError("there are no rows of transfer to report: measure at least one target")
    expected = list(dict.fromkeys([*KEYS, *COUNTS, "spearman"]))
    if lacking := [name for name in expected if name not in rows]:
        raise RowsError(
            f"rows of transfer lack {', '.join(lacking)}; expected the columns "
            f"{', '.join(expected)}: measure them anew"
        )
    # Where nothing could be ranked there are no such columns.
    absent = {name: nan for name in (*METRICS, "best") if name not in rows}
    known = rows.assign(**absent)
    for name in (*WORK, "estimator", "mode", "left_out"):
        known[name] = known[name].fillna("").astype(str)
    for name in (*COUNTS, *METRICS, "best"):
        known[name] = _numbers(known[name])
    known = known.astype(dict.fromkeys(COUNTS, int))
    again = known.duplicated([*KEYS, "seed"])
    if again.any():
        first = known[again].iloc[0]
        where = ", ".join(f"{name} {first[name]!s}" for name in [*KEYS, "seed"])
        raise RowsError(f"a row is there twice: {where}; expected one for each seed, drop the old")
    return known


def _numbers(column: pd.Series) -> pd.Series:
    whole = column.name in COUNTS
    numbers = pd.to_numeric(column, errors="coerce")
    wrong = numbers.isna() & (column.notna() | whole)
    if wrong.any():
        raise RowsError(
            f"column {column.name} of the rows of transfer holds {column[wrong].iloc[0]!r}; "
            "expected a number"
        )
    return numbers


def _place(work: Work) -> int:
    """Where a work stands among the targets; unknown ones behind them."""
    for place, target in enumerate(TARGETS):
        named = (target.left_out, target.subset or work.subset, target.label or work.label)
        if named == work:
            return place
    return len(TARGETS)


class Found:
    """A summary to look figures up in.

    Args:
        table: of `summary`.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table
        self._rows: dict[tuple[Any, ...], Mapping[Hashable, Any]] = {
            tuple(row[name] for name in KEYS): row for row in table.to_dict("records")
        }
        self.works = sorted(dict.fromkeys(Work(*key[:3]) for key in self._rows), key=_place)

    @property
    def seeds(self) -> int:
        """The most seeds that any figure has."""
        return int(self.table["seeds"].max())

    def networks(self, work: Work) -> int:
        """How many are ranked without labels; 0 where none are."""
        return max((int(row["networks"]) for row in self.of(work, shots=0)), default=0)

    def best(self, work: Work) -> float:
        """The best label of all networks; nan if not known."""
        known = [float(row["best"]) for row in self.of(work)]
        return max((value for value in known if isfinite(value)), default=nan)

    def settings(self, work: Work) -> list[tuple[str, str]]:
        """Pairs of estimator and mode that there are without labels."""
        return list(
            dict.fromkeys((row["estimator"], row["mode"]) for row in self.of(work, shots=0))
        )

    def shots(self, work: Work, estimator: str, mode: str = SINGLE) -> list[int]:
        """Numbers of labels that an estimator has learnt from, ascending."""
        rows = self.of(work, estimator=estimator, mode=mode)
        return sorted({int(row["shots"]) for row in rows})

    def figure(
        self,
        work: Work,
        estimator: str = OURS,
        mode: str = SINGLE,
        metric: str = "spearman",
        shots: int = 0,
        left_out: str | None = None,
    ) -> Figure | None:
        """A figure, or None if it was not measured.

        Args:
            left_out: `family` or `kin`; by default kin for few labels and for targets in `CLOSE`,
                the family alone for others, and what there is where that was not measured.
        """
        kin_too = shots > 0 or work.target in CLOSE
        usual = ("kin", "family", "") if kin_too else ("family", "kin", "")
        for name in usual if left_out is None else (left_out,):
            row = self._rows.get((*work, estimator, mode, name, shots))
            if row is not None and isfinite(row[metric]):
                return Figure(row[metric], row[f"{metric}_std"], int(row["seeds"]))
        return None

    def silent(
        self,
        work: Work,
        estimator: str = OURS,
        mode: str = SINGLE,
        metric: str = "spearman",
        shots: int = 0,
    ) -> Figure | None:
        """The figure with kin silent, as few labels are learnt, or the usual one where none is."""
        known = self.figure(work, estimator, mode, metric, shots, "kin")
        return known or self.figure(work, estimator, mode, metric, shots)

    def mark(self, work: Work, metric: str = "spearman") -> tuple[str, Figure] | None:
        """The best single number of the network, and what it reaches without labels."""
        known = [(name, self.figure(work, name, metric=metric)) for name in NUMBERS]
        there = [(name, figure) for name, figure in known if figure is not None]
        return max(there, key=lambda pair: pair[1].mean, default=None)

    def of(self, work: Work, **setting: Any) -> list[Mapping[Hashable, Any]]:
        """Rows of a work that have these settings."""
        places = {KEYS.index(name): value for name, value in setting.items()}
        return [
            row
            for key, row in self._rows.items()
            if key[:3] == work and all(key[place] == value for place, value in places.items())
        ]
