"""A collection at a glance: what its families score, and how large their networks are."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from onnx_bench.collections.labelled import LabelledCollection, Measured
from onnx_bench.cost import parameters_N
from onnx_bench.errors import CollectionError
from onnx_bench.files import atomic_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".svg", ".png", ".pdf")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's, told apart by people who see red and green alike; families take turns."""
INK, GREY = "#222222", "#8A8A8A"
_MIDDLE: dict[str, Any] = {"ha": "center", "va": "center", "color": GREY, "fontsize": 8}
UNITS = {"accuracy": "%", "latency": "ms"}
Values = npt.NDArray[np.float64]


def save(collection: LabelledCollection, path: Path, label: str | None = None) -> None:
    """Draws a row for each family: the distribution of a label, and of the parameters.

    Args:
        path: `.svg`, `.png` or `.pdf`.
        label: by default each family's own first one, of the metric of the very first.

    Raises:
        CollectionError: another kind of file is asked for.
        LabelError: there is no such label.
    """
    if path.suffix not in FORMATS:
        raise CollectionError(f"{path}: expected one of {', '.join(FORMATS)}")
    import matplotlib as mpl

    style: Any = {"font.family": "DejaVu Sans", "font.size": 9, "svg.hashsalt": "onnx-bench"}
    with mpl.rc_context(style), atomic_file(path) as temporary:
        figure = draw(collection, label)
        # A figure of the same collection is the same file.
        metadata = {_DATE[path.suffix]: None} if path.suffix in _DATE else None
        figure.savefig(temporary, format=path.suffix[1:], dpi=160, metadata=metadata)


_DATE = {".svg": "Date", ".pdf": "CreationDate"}


def draw(collection: LabelledCollection, label: str | None = None) -> "Figure":
    """The figure itself; without labels, sizes alone are drawn."""
    from matplotlib.figure import Figure

    family_G = np.array(collection.families, dtype=object)
    members = {family: family_G == family for family in dict.fromkeys(family_G)}
    graphs = collection.graphs
    parameters = np.log10(np.maximum(graphs.totals(parameters_N(graphs.rows_RK)), 1))
    panels = [("parameters", [parameters[chosen] for chosen in members.values()])]
    names = [f"{family}\n{int(chosen.sum()):,} networks" for family, chosen in members.items()]
    if collection.measured or label:
        title, values, shown = _labels(collection, list(members.values()), label)
        panels.insert(0, (title, values))
        names = [f"{name}\n{own}" if own else name for name, own in zip(names, shown, strict=True)]
    size = (2.6 + 3.6 * len(panels), 1.1 + 0.55 * len(members))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for ax, (title, columns) in zip(axes, panels, strict=True):
        for row, found in enumerate(columns):
            _distribution(ax, row, found, COLOURS[row % len(COLOURS)])
        _frame(ax, title)
    axes[0].set_yticks(range(len(members)), names, fontsize=8)
    axes[0].set_ylim(len(members) - 0.45, -0.55)
    _logarithmic(axes[-1])
    return figure


def _labels(
    collection: LabelledCollection, members: list[npt.NDArray[np.bool_]], name: str | None
) -> tuple[str, list[Values], list[str]]:
    """A title; then for each family the values of its label, and the label's name if they differ.

    Families have labels of their own where none is named: these go together if the metric does.
    """
    first = collection.label(name)
    choice = [first] if name else [m for m in collection.measured if m.metric == first.metric]
    values = {label.name: collection.values(label.name) for label in choice}
    found, shown = [], []
    for chosen in members:
        known = [own for own, column in values.items() if np.isfinite(column[chosen]).any()]
        shown.append(known[0] if known else "")
        found.append(_finite(values[known[0]][chosen]) if known else np.zeros(0))
    if len(set(filter(None, shown))) == 1:
        return _title(first, next(filter(None, shown))), found, [""] * len(members)
    return _title(first, first.metric), found, shown


def _title(label: Measured, name: str) -> str:
    metric = [label.metric] if label.metric not in name else []
    unit = [UNITS[label.metric]] if label.metric in UNITS else []
    better = [] if label.higher_is_better else ["lower is better"]
    return ", ".join([name, *metric, *unit, *better])


def _finite(values: Values) -> Values:
    return values[np.isfinite(values)]


def _distribution(ax: "Axes", row: int, values: Values, colour: str) -> None:
    """The middle half as a bar, the median as a dot, the density above and below as a shape."""
    if not len(values):
        ax.annotate("no such label", (0.5, row), xycoords=ax.get_yaxis_transform(), **_MIDDLE)
        return
    low, first, middle, third, high = np.percentile(values, (0, 25, 50, 75, 100))
    if high > low and len(values) > 4:
        grid, density = _density(values)
        ax.fill_between(grid, row - density, row + density, color=colour, alpha=0.35, lw=0)
    ax.plot([low, high], [row, row], color=colour, lw=1, solid_capstyle="butt")
    ax.plot([first, third], [row, row], color=colour, lw=4.5, solid_capstyle="round")
    ax.plot([middle], [row], "o", ms=4.5, mfc="white", mec=INK, mew=1)


def _density(values: Values) -> tuple[Values, Values]:
    """A smoothed histogram, .4 high, in bins narrow enough for the middle half to show."""
    low, high = values.min(), values.max()
    bins = 160
    counts, edges = np.histogram(values, bins, (low, high))
    spread = min(float(values.std()), float(np.subtract(*np.percentile(values, (75, 25)))) / 1.34)
    step = (high - low) / bins
    sigma = max(0.9 * (spread or float(values.std())) * len(values) ** -0.2 / step, 1.0)
    reach = int(4 * sigma) + 1
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    smooth = np.convolve(counts, kernel, "same" if len(kernel) <= bins else "full")
    smooth = smooth[(len(smooth) - bins) // 2 :][:bins]
    return (edges[:-1] + edges[1:]) / 2, 0.4 * smooth / smooth.max()


def _frame(ax: "Axes", title: str) -> None:
    ax.set_title(title, loc="left", color=INK, fontsize=10)
    ax.grid(axis="x", color="#E3E3E3", lw=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(length=0, colors=INK)
    for side in ax.spines.values():
        side.set_visible(False)


def _logarithmic(ax: "Axes") -> None:
    """Round numbers as the ticks of values that are logarithms already."""
    low, high = ax.get_xlim()
    steps = (1, 2, 5) if high - low < 2 else (1,)
    powers = range(int(np.floor(low)), int(np.ceil(high)) + 1)
    ticks = np.array([step * 10.0**power for power in powers for step in steps])
    ax.set_xticks(np.log10(ticks), [_short(tick) for tick in ticks])
    ax.set_xlim(low, high)


def _short(value: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
