"""One kind of figure for all tables: dots for our means, a bar for each deviation over seeds.

What the paper prints is hollow, on the line of our own.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from onnx_bench.collections.figure import COLOURS, GREY, INK
from onnx_bench.files import atomic_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEIGHT, BAND = 0.17, 0.72
"""Inches of a dot's line, and how much of a row's height its dots take."""
SIGN = 1.9
"""Inches of a sign in the legend."""
_STYLE: Any = {"font.family": "DejaVu Sans", "font.size": 9, "svg.hashsalt": "gennape"}
_BELOW: Any = {"loc": "outside lower center", "frameon": False, "fontsize": 8, "labelcolor": INK}

Words = str | pd.Series


def dots(
    table: pd.DataFrame,
    value: str,
    panel: Words,
    row: Words,
    series: Words = "",
    paper: str = "",
) -> pd.DataFrame:
    """What `draw` takes: a dot for each row of a table.

    Args:
        value: column of the means; their deviations are in VALUE_std, if there.
        panel, row, series: where a dot goes, for each row of the table or for all.
        paper: column of what the paper prints.
    """
    empty = pd.Series(np.nan, table.index)
    columns = {
        "panel": panel,
        "row": row,
        "series": series,
        "value": table[value],
        "spread": table.get(f"{value}_std", empty),
        "paper": table[paper] if paper else empty,
    }
    return pd.DataFrame(columns, table.index)


def draw(path: Path, found: pd.DataFrame, lines: Mapping[str, float] | None = None) -> None:
    """Draws a panel beside another, with the same rows.

    Args:
        path: `.svg`; the same dots give the same file.
        found: of `dots`, joined; panels, rows and series in the order of their first dots.
        lines: a value for a panel, shown as a vertical line.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    panels, rows, series = (list(found[name].unique()) for name in ("panel", "row", "series"))
    size = (1.9 + 3.1 * len(panels), 1.2 + len(rows) * max(HEIGHT * len(series), 0.24))
    with mpl.rc_context(_STYLE), atomic_file(path) as temporary:
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for ax, panel in zip(axes, panels, strict=True):
            _panel(ax, found[found["panel"] == panel], rows, series)
            _frame(ax, panel, len(rows), (lines or {}).get(panel))
        axes[0].set_yticks(range(len(rows)), rows, fontsize=8)
        axes[0].set_ylim(len(rows) - 0.4, -0.6)
        if signs := _signs(series, bool(found["paper"].notna().any())):
            figure.legend(handles=signs, ncols=min(len(signs), int(size[0] / SIGN)), **_BELOW)
        figure.savefig(temporary, format="svg", metadata={"Date": None})


def _panel(ax: "Axes", found: pd.DataFrame, rows: list[str], series: list[str]) -> None:
    for place, name in enumerate(series):
        mine = found[found["series"] == name]
        shift = BAND * ((place + 0.5) / len(series) - 0.5)
        y = mine["row"].map(rows.index).to_numpy(float) + shift
        colour = COLOURS[place % len(COLOURS)]
        spread = mine["spread"].fillna(0.0)
        ax.errorbar(mine["value"], y, xerr=spread, fmt="o", ms=4.5, lw=1.6, color=colour)
        ax.plot(mine["paper"], y, "D", ms=4.5, mfc="white", mec=colour, mew=1.1)


def _frame(ax: "Axes", title: str, rows: int, line: float | None) -> None:
    ax.set_title(title, loc="left", color=INK, fontsize=10)
    if line is not None:
        ax.axvline(line, color=GREY, lw=1, ls=(0, (4, 3)), zorder=0)
    for row in range(1, rows, 2):
        ax.axhspan(row - 0.5, row + 0.5, color="#F6F6F6", lw=0, zorder=-1)
    ax.locator_params(axis="x", nbins=6)
    ax.grid(axis="x", color="#E3E3E3", lw=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(length=0, colors=INK)
    for side in ax.spines.values():
        side.set_visible(False)


def _signs(series: list[str], paper: bool) -> list[Any]:
    """What the legend explains."""
    from matplotlib.lines import Line2D

    signs = [
        Line2D([], [], ls="", marker="o", ms=5, color=COLOURS[place % len(COLOURS)], label=name)
        for place, name in enumerate(series)
        if name
    ]
    if paper:
        how: Any = {"mfc": "white", "mec": GREY, "mew": 1.1, "label": "the paper's"}
        signs.append(Line2D([], [], ls="", marker="D", ms=5, **how))
    return signs
