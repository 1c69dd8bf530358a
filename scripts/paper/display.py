"""Tables for people."""

from collections.abc import Callable, Mapping

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from .rows import Row, records

Cell = Callable[[Row], str]
console = Console(width=160)
"""A narrow terminal wraps lines; rich itself would cut figures."""


def show(title: str, table: pd.DataFrame, columns: Mapping[str, Cell], *notes: str) -> None:
    """Prints a table: what each column shows of a row; then notes, a line each."""
    printed = Table(title=title, box=box.SIMPLE, title_justify="left")
    for place, name in enumerate(columns):
        printed.add_column(name, justify="right" if place else "left", no_wrap=True)
    for row in records(table):
        printed.add_row(*(cell(row) for cell in columns.values()))
    console.print(printed)
    for note in notes:
        console.print(note, style="dim", highlight=False)


def text(name: str) -> Cell:
    """A column as it is."""
    return lambda row: "" if pd.isna(row[name]) else str(row[name])


def number(name: str, digits: int = 3) -> Cell:
    """A number, empty where there is none."""
    return lambda row: "" if pd.isna(row[name]) else f"{row[name]:.{digits}f}"


def mean(name: str, digits: int = 3) -> Cell:
    """A mean and its deviation over seeds."""

    def cell(row: Row) -> str:
        if pd.isna(row[name]):
            return ""
        spread = row[f"{name}_std"]
        return f"{row[name]:.{digits}f}" + ("" if pd.isna(spread) else f" ±{spread:.{digits}f}")

    return cell
