"""The report on transfer to families left out: summary, goals, page, and tables in a terminal."""

from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gennape.transfer import lofo_page
from gennape.transfer.lofo_means import ALL, HELD_BACK, means
from gennape.transfer.lofo_summary import (
    NUMBERS,
    OURS,
    SETTING,
    SINGLE,
    Figure,
    Found,
    RowsError,
    Work,
    summary,
)
from gennape.transfer.lofo_words import drawn, number, plain, signed, title
from gennape.transfer.outcomes import (
    MISSED,
    WORKS_BELOW,
    Outcome,
    goals_table,
    outcomes,
    reached,
)
from onnx_bench.files import atomic_file

__all__ = ["RowsError", "goals", "page", "show", "summary", "write"]

SHORT = {"spearman": "ρ", "kendall": "τ", "spearman_top": "ρ, top tenth"}
PARTS = ("prior", "trees", "perceptrons")
"""Parts of the universal model, which a terminal has no room for."""


def page(rows: pd.DataFrame) -> str:
    """What the rows say as one page of HTML, well-formed as XML too.

    Raises:
        RowsError: see `summary`.
    """
    return lofo_page.page(Found(summary(rows)))


def goals(rows: pd.DataFrame) -> pd.DataFrame:
    """A row for each goal: published values, floor, goal, ours, and whether it is reached.

    Raises:
        RowsError: see `summary`.
    """
    return goals_table(Found(summary(rows)))


def write(out: Path, rows: pd.DataFrame) -> list[Path]:
    """Writes NAME.html, NAME_summary.csv, NAME_means.csv and NAME_goals.csv beside `out`.

    Each is written whole or not at all.

    Args:
        out: NAME with any suffix, usually the CSV of the rows themselves.

    Raises:
        RowsError: see `summary`; nothing is written then.
    """
    table = summary(rows)
    found = Found(table)
    texts = {
        ".html": lofo_page.page(found),
        "_summary.csv": table.to_csv(index=False, float_format="%.5f"),
        "_means.csv": means(rows).to_csv(index=False, float_format="%.5f"),
        "_goals.csv": goals_table(found).to_csv(index=False, float_format="%.5f"),
    }
    paths = []
    for end, text in texts.items():
        path = out.with_name(f"{out.stem}{end}")
        with atomic_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths


def show(rows: pd.DataFrame) -> None:
    """Prints goals, what estimators reach without labels, and what labels change.

    Raises:
        RowsError: see `summary`.
    """
    found, console = Found(summary(rows)), Console()
    results = outcomes(found)
    console.print(_goals(results))
    for what, there, of in reached(results):
        console.print(f"{there} of {of} {what} reached", highlight=False)
    console.print(_zero_shot(found))
    console.print(_means(means(rows)))
    few = [work for work in found.works if len(found.shots(work, OURS)) > 1]
    if few:
        console.print(_few_shots(found, few))
    seeds = f"mean ± deviation over {found.seeds} seeds" if found.seeds > 1 else "one seed"
    console.print(seeds, markup=False, highlight=False)


def _goals(results: list[Outcome]) -> Table:
    table = _table("goals", "work", "", "labels", "floor", "goal", "ours", "to it")
    for outcome in results:
        goal = outcome.goal
        digits = {"best_of_ten": 2, WORKS_BELOW: 0}.get(goal.metric, 3)
        table.add_row(
            escape(goal.name),
            SHORT.get(goal.metric, ""),
            f"{goal.shots:,}" if goal.shots else "",
            number(goal.floor, digits),
            number(goal.goal, digits),
            plain(outcome.ours, digits),
            _verdict(outcome, digits),
        )
    return table


def _verdict(outcome: Outcome, digits: int) -> str:
    if outcome.ours is None:
        return ""
    short = signed(outcome.ours.mean - outcome.goal.goal, digits)
    return f"[dark_orange]{short}[/]" if outcome.verdict == MISSED else "[blue]reached[/]"


def _zero_shot(found: Found) -> Table:
    """Means alone: deviations are in the summary and on the page."""
    known = drawn(pair for work in found.works for pair in found.settings(work))
    looks = {pair: look.name for pair, look in known.items() if pair[0] not in (*PARTS, *NUMBERS)}
    heads = [escape(name).replace(", ", "\n") for name in looks.values()]
    table = _table("Spearman without labels", "work", *heads, "best single\nnumber", "over it")
    for work in found.works:
        figures = [found.figure(work, *pair) for pair in looks]
        ours, mark = found.figure(work), found.mark(work)
        gain = signed(ours.mean - mark[1].mean) if ours and mark else ""
        means = [number(figure.mean) if figure else "" for figure in figures]
        best = number(mark[1].mean) if mark else ""
        table.add_row(escape(title(work, found.works)), *means, best, gain)
    return table


def _means(known: pd.DataFrame) -> Table:
    table = _table(
        "mean Spearman of works, without labels", "estimator", "left out", "works", ALL, HELD_BACK
    )
    zero_shot = known[known["shots"] == 0]
    for (estimator, mode, left_out), own in zero_shot.groupby(SETTING[:3], sort=False):
        by_works = own.set_index("works")
        table.add_row(
            escape(f"{estimator}" if mode == SINGLE else f"{estimator}, {mode}"),
            escape(str(left_out)),
            " + ".join(str(count) for count in own["count"]),
            *(
                plain(Figure(*by_works.loc[name, ["spearman", "spearman_std", "seeds"]]))
                if name in by_works.index
                else ""
                for name in (ALL, HELD_BACK)
            ),
        )
    return table


def _few_shots(found: Found, works: list[Work]) -> Table:
    shots = sorted({count for work in works for count in found.shots(work, OURS)})
    heads = [f"{count:,}" for count in shots]
    table = _table("Spearman after so many labels, kin silent", "work", *heads)
    for work in works:
        figures = [found.silent(work, shots=count) for count in shots]
        means = (number(figure.mean) if figure else "" for figure in figures)
        table.add_row(escape(title(work, found.works)), *means)
    return table


def _table(name: str, *heads: str) -> Table:
    """The first column holds names, the others numbers."""
    narrow: Any = {"box": box.SIMPLE_HEAD, "pad_edge": False, "padding": (0, 1, 0, 0)}
    table = Table(title=name, title_justify="left", **narrow)
    for place, head in enumerate(heads):
        justify: Any = "left" if place == 0 else "right"
        table.add_column(head, justify=justify, min_width=16 if place == 0 else None)
    return table
