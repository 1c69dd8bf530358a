"""A datasheet for people: as a page of markdown, and as tables in a terminal."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from onnx_bench.collections.datasheet import ENDS

if TYPE_CHECKING:
    from rich.table import Table

FAMILY_COLUMNS = ("family", "networks", "distinct", "nodes", "parameters", "MACs")
LABEL_COLUMNS = (
    "label",
    "metric",
    "networks",
    "lowest",
    "median",
    "highest",
    "runs",
    "std",
    "rho",
    "ships",
)
SOURCE_COLUMNS = ("source", "networks", "skipped", "what", "licence")


def _family_cells(row: dict[str, Any]) -> tuple[str, ...]:
    counts = (f"{row['networks']:,}", _count(row["distinct"]))
    ranges = (_range(row[name]) for name in ("nodes", "parameters", "macs"))
    return row["family"], *counts, *ranges


def _label_cells(row: dict[str, Any]) -> tuple[str, ...]:
    metric = row["metric"] if row["better"] == "higher" else f"{row['metric']} (lower is better)"
    ends = (_number(row[name]) for name in ENDS)
    noise = (_number(row["std_between_runs"]), _number(row["spearman_between_runs"]))
    ships = "yes" if row["ships"] else "no"
    runs = str(row["runs"])
    return row["label"], metric, f"{row['networks']:,}", *ends, runs, *noise, ships


def _source_cells(row: dict[str, Any]) -> tuple[str, ...]:
    what = ": ".join(part for part in (row["title"], row["source"]) if part)
    return row["name"], f"{row['networks']:,}", f"{row['skipped']:,}", what, row["licence"] or "-"


def _parts(sheet: dict[str, Any]) -> Iterator[tuple[str, Sequence[str], list[tuple[str, ...]]]]:
    """Title, columns and rows of each table that has any rows."""
    parts = (
        ("Families", FAMILY_COLUMNS, _family_cells, sheet["families"]),
        ("Labels", LABEL_COLUMNS, _label_cells, sheet["labels"]),
        ("Sources", SOURCE_COLUMNS, _source_cells, sheet["sources"]),
    )
    for title, columns, cells, rows in parts:
        if rows:
            yield title, columns, [cells(row) for row in rows]


NOTE = (
    "`distinct` counts networks that are not one under another spelling. `std` is the standard "
    "deviation between runs of one network, `rho` the Spearman correlation between two runs; "
    "`ships` says whether the licence lets a label train a checkpoint that is passed on."
)


def headline(sheet: dict[str, Any]) -> str:
    """The collection in a line."""
    different = "" if sheet["distinct"] is None else f", {sheet['distinct']:,} of them different"
    of = (
        f"{sheet['networks']:,} networks of {_plural(len(sheet['families']), 'family', 'families')}"
    )
    return f"{of}{different}; {_plural(len(sheet['labels']), 'label', 'labels')}"


def _plural(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"


def markdown(sheet: dict[str, Any]) -> str:
    """The datasheet as a page."""
    lines = ["# Datasheet", "", f"{headline(sheet)}.", ""]
    for title, columns, rows in _parts(sheet):
        lines += [f"## {title}", "", _line(columns), _line(["---"] * len(columns))]
        lines += [*(_line(row) for row in rows), ""]
    return "\n".join([*lines, NOTE, ""])


def tables(sheet: dict[str, Any]) -> "Iterator[Table]":
    """The datasheet as tables for a terminal."""
    from rich import box
    from rich.table import Table

    for title, columns, rows in _parts(sheet):
        table = Table(title=title, title_justify="left", box=box.SIMPLE)
        for i, column in enumerate(columns):
            wide = column in ("what", "licence")
            number = i > 0 and not wide and column not in ("metric", "ships")
            table.add_column(column, justify="right" if number else "left", overflow="fold")
        for row in rows:
            table.add_row(*(cell.replace("[", r"\[") for cell in row))
        yield table


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _count(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def _range(ends: dict[str, Any]) -> str:
    low, high = _short(ends["min"]), _short(ends["max"])
    return low if low == high else f"{low} to {high}"


def _short(value: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:g}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
