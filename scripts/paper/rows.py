"""Rows of results: kept in a CSV file after every unit of work, and their means over seeds."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from onnx_bench.errors import LabelError
from onnx_bench.files import atomic_file

Row = dict[str, Any]


class Rows:
    """A CSV file of rows, each named by its keys; what is there is never computed again.

    Raises:
        LabelError: the file holds other rows.
    """

    def __init__(self, path: Path, keys: Sequence[str]) -> None:
        self.path, self.keys = path, list(keys)
        self.frame = read_csv(path) if path.exists() else pd.DataFrame(columns=self.keys)
        lacking = [key for key in self.keys if key not in self.frame]
        if lacking:
            raise LabelError(
                f"{path}: no column {lacking[0]!r}, these are other rows; take another --out"
            )

    def has(self, **keys: Any) -> bool:
        """Whether there is a row of these keys."""
        there = pd.Series(True, self.frame.index)
        for name, value in keys.items():
            there &= self.frame[name] == value
        return bool(there.any())

    def add(self, rows: Iterable[Row]) -> None:
        """Joins rows, in the place of those of the same keys, and writes all."""
        new = pd.DataFrame(list(rows))
        if new.empty:
            return
        frame = new if self.frame.empty else pd.concat([self.frame, new], ignore_index=True)
        frame = frame.drop_duplicates(self.keys, keep="last")
        write_csv(self.path, frame.sort_values(self.keys, ignore_index=True, kind="stable"))
        # Rounded as in the file: a table is the same whether its rows are new or not.
        self.frame = read_csv(self.path)


def read_csv(path: Path) -> pd.DataFrame:
    """A CSV file; only what is empty is missing, a subset may well be called `none`."""
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Writes a table, whole or not at all."""
    with atomic_file(path) as temporary:
        frame.to_csv(temporary, index=False, float_format="%.5f")


def records(table: pd.DataFrame) -> list[Row]:
    """The rows of a table, by the names of its columns."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def means(rows: pd.DataFrame, by: Sequence[str], values: Sequence[str]) -> pd.DataFrame:
    """Mean of each value, its deviation over seeds as VALUE_std, and how many seeds there are."""
    groups = rows.groupby(list(by), sort=False, dropna=False)
    spread = groups[list(values)].std(ddof=1).add_suffix("_std")
    seeds = groups["seed"].nunique().rename("seeds")
    table = pd.concat([seeds, groups[list(values)].mean(), spread], axis=1)
    order = [name for value in values for name in (value, f"{value}_std")]
    return table[["seeds", *order]].reset_index()
