"""Spearman over labels, of all families together and of each; and how good the best found are."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from onnx_bench.collections.figure import COLOURS, GREY, INK
from onnx_bench.files import atomic_file

from .ways import BOTH, EXPLORE, FIND_BEST, RANDOM, WAYS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACROSS = 5
SIZE = (2.7, 2.4)
"""Inches of a panel."""
SEARCHING = (RANDOM, EXPLORE, FIND_BEST, BOTH)
"""Ways that are shown in the search for the best. `FIND_BEST` is only shown there: far below the
others in Spearman, which it is not for, it would leave no room to tell them apart."""
OURS = (EXPLORE, FIND_BEST, BOTH)
_OTHERS = [way for way in WAYS if way != RANDOM and way not in OURS]
_COLOURS = {RANDOM: INK} | dict(zip((*OURS, *_OTHERS), (*COLOURS, GREY, "#B0A000"), strict=False))
_STYLE: Any = {"font.family": "DejaVu Sans", "font.size": 9, "svg.hashsalt": "gennape"}
_BELOW: Any = {"loc": "outside lower center", "frameon": False, "fontsize": 8, "labelcolor": INK}


def draw(path: Path, summary: pd.DataFrame) -> None:
    """Draws a panel for each benchmark, and one of the search.

    Args:
        path: `.svg`; the same figures give the same file.
        summary: means by benchmark, labels and way; the first benchmark is the mean of all.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    names = list(summary["benchmark"].unique())
    panels = [*((name, "spearman") for name in names), (names[0], "better")]
    down = -(-len(panels) // ACROSS)
    with mpl.rc_context(_STYLE), atomic_file(path) as temporary:
        figure = Figure((SIZE[0] * ACROSS, SIZE[1] * down + 0.6), layout="constrained")
        axes = figure.subplots(down, ACROSS, squeeze=False).ravel()
        for ax, (name, value) in zip(axes, panels, strict=False):
            own = summary[summary["benchmark"] == name]
            _lines(ax, own, value)
            _frame(ax, name, value, sorted(own["labels"].unique()))
        for ax in axes[len(panels) :]:
            ax.set_visible(False)
        figure.supylabel("Spearman of networks set aside", color=INK, fontsize=9)
        signs = {line.get_label(): line for ax in axes for line in ax.get_lines()}
        figure.legend(handles=list(signs.values()), ncols=len(signs), **_BELOW)
        figure.savefig(temporary, format="svg", metadata={"Date": None})


def _lines(ax: "Axes", found: pd.DataFrame, value: str) -> None:
    for way, own in found.groupby("way", sort=False, observed=True):
        shown = way in SEARCHING if value == "better" else way != FIND_BEST
        if shown:
            bold: Any = {"lw": 2.0, "zorder": 5} if way in OURS else {"lw": 1.0, "zorder": 3}
            dashed: Any = {"ls": (0, (4, 2)), "zorder": 4, "lw": 1.6} if way == RANDOM else {}
            how = {"color": _COLOURS[str(way)], "marker": "o", "ms": 3, **bold, **dashed}
            ax.plot(own["labels"], own[value], label=str(way), **how)


def _frame(ax: "Axes", title: str, value: str, ticks: list[int]) -> None:
    from matplotlib.ticker import NullLocator

    if value == "better":
        title += ", the best found:\nper cent of the pool that are better"
    ax.set_title(title, loc="left", color=INK, fontsize=9)
    ax.set_xscale("log")
    ax.set_xticks(ticks, list(map(str, ticks)))
    ax.set_xlabel("labels", color=INK, fontsize=8)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.grid(color="#E3E3E3", lw=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(length=0, colors=INK, labelsize=8)
    for side in ax.spines.values():
        side.set_visible(False)
