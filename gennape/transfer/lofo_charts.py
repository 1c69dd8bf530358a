"""Marks on one line for each work, as HTML and SVG that grow with the page.

Places are in percent and nothing but them, so that a phone shows the same with letters as large.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from math import atanh, isfinite, nan
from typing import NamedTuple

from gennape.pages import FAINT, INK, RULE
from gennape.transfer.lofo_words import Drawn

LANE, EDGE = 6.5, 6.0
"""Pixels of a mark's line, and above and below all of them."""
TICKS = (-0.9, -0.8, -0.6, -0.3, 0.0, 0.3, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
MARGIN = 3.0
"""Percent of the width on either side."""
SIZE = 4.0
LIMIT = 0.9995
_PATHS = {
    "square": "M-3.4-3.4H3.4V3.4H-3.4Z",
    "up": "M0-4.4L4.2 3.2H-4.2Z",
    "down": "M0 4.4L4.2-3.2H-4.2Z",
    "left": "M-4.4 0L3.2-4.2V4.2Z",
    "right": "M4.4 0L-3.2-4.2V4.2Z",
    "diamond": "M0-4.8L4.8 0L0 4.8L-4.8 0Z",
}
_STROKES = {
    "cross": "M-3.4-3.4L3.4 3.4M-3.4 3.4L3.4-3.4",
    "plus": "M-4.4 0H4.4M0-4.4V4.4",
    "bar": "M0-4.4V4.4",
    "dash": "M-2.4-4.4V4.4M2.4-4.4V4.4",
}


class Mark(NamedTuple):
    """A value on its lane; the spread is a deviation on either side, nan for none."""

    value: float
    spread: float
    look: Drawn
    hollow: bool = False


class Line(NamedTuple):
    """What is drawn of one work.

    Args:
        name, below: as HTML; the words on its left.
        figure: as HTML; the words on its right.
        lanes: marks, one lane after the other.
        bound: a value that is to be beaten, or nan.
        told: all of it in words, plain text.
    """

    name: str
    below: str
    figure: str
    lanes: Sequence[Sequence[Mark]]
    bound: float
    told: str


class Axis:
    """Correlations, stretched towards 1 by Fisher's z so that errors of sampling are even."""

    def __init__(self, values: Iterable[float]) -> None:
        known = [z(value) for value in values if isfinite(value)] or [0.0, 1.0]
        low, high = min(known), max(known)
        pad = 0.04 * ((high - low) or 1.0)
        self.low, self.high = low - pad, high + pad
        self.ticks = [tick for tick in TICKS if self.low <= z(tick) <= self.high]

    def place(self, value: float) -> float:
        """Percent of the width."""
        share = (z(value) - self.low) / (self.high - self.low)
        return MARGIN + (100 - 2 * MARGIN) * share


def z(correlation: float) -> float:
    """Fisher's z, finite at 1, too."""
    return atanh(min(max(correlation, -LIMIT), LIMIT))


def forest(lines: Sequence[Line], head: str) -> str:
    """A line for each work on one axis.

    Args:
        head: what the figures on the right are, as HTML.
    """
    axis = Axis(value for line in lines for value in _values(line))
    scale = _scale(axis)
    rows = (
        f'<div class="line"><div class="name"><b>{line.name}</b>{line.below}</div>'
        f'{_strip(line, axis)}<div class="value">{line.figure}</div></div>'
        for line in lines
    )
    top = f'<div class="line axis"><div class="name"></div>{scale}<div class="value">{head}</div>'
    end = f'<div class="line axis"><div class="name"></div>{scale}<div class="value"></div></div>'
    return f'<div class="forest">{top}</div>{"".join(rows)}{end}</div>'


def _values(line: Line) -> Iterable[float]:
    yield line.bound
    for marks in line.lanes:
        for mark in marks:
            yield mark.value
            if isfinite(mark.spread):
                yield from (mark.value - mark.spread, mark.value + mark.spread)


def _strip(line: Line, axis: Axis) -> str:
    height = 2 * EDGE + LANE * max(len(line.lanes), 3)
    parts = [
        f'<line x1="{x:.2f}%" x2="{x:.2f}%" y2="100%" stroke="{RULE}"/>'
        for x in map(axis.place, axis.ticks)
    ]
    if isfinite(line.bound):
        x = axis.place(line.bound)
        parts.append(
            f'<rect width="{x:.2f}%" height="100%" fill="{RULE}" opacity=".35"/>'
            f'<line x1="{x:.2f}%" x2="{x:.2f}%" y2="100%" stroke="{INK}" stroke-width="1.5"/>'
        )
    for lane, marks in enumerate(line.lanes):
        y = EDGE + LANE * (lane + 0.5)
        parts += [_spread(mark, axis, y) for mark in marks if isfinite(mark.spread)]
        parts += [_at(mark, axis.place(mark.value), y) for mark in marks]
    return _svg(height, parts, line.told)


def _spread(mark: Mark, axis: Axis, y: float) -> str:
    ends = (axis.place(mark.value + way * mark.spread) for way in (-1, 1))
    low, high = (f"{end:.2f}%" for end in ends)
    return (
        f'<line x1="{low}" x2="{high}" y1="{y:g}" y2="{y:g}" stroke="{mark.look.colour}"'
        ' stroke-width="1.5"/>'
    )


def _at(mark: Mark, x: float, y: float) -> str:
    return f'<svg x="{x:.2f}%" y="{y:g}" overflow="visible">{sign(mark.look, mark.hollow)}</svg>'


def _scale(axis: Axis) -> str:
    parts = []
    last = nan
    for tick in axis.ticks:
        x = axis.place(tick)
        if x - last < 5:
            continue
        last = x
        said = f"{tick:g}".replace("-", "−").replace("0.", ".")
        parts.append(f'<text x="{x:.2f}%" y="13" text-anchor="middle">{said}</text>')
    return _svg(18, parts, "")


def _svg(height: float, parts: Iterable[str], told: str) -> str:
    named = f' role="img"><title>{escape(told)}</title>' if told else ' aria-hidden="true">'
    return (
        f'<div class="plot" style="min-height:{height:g}px"><svg width="100%" height="100%"'
        f' xmlns="http://www.w3.org/2000/svg" font-size="11.5" fill="{FAINT}"{named}'
        f"{''.join(parts)}</svg></div>"
    )


def sign(look: Drawn, hollow: bool = False) -> str:
    """The shape of an estimator around 0, 0."""
    colour = look.colour
    if look.shape in ("disc", "ring"):
        fill = "#fff" if hollow or look.shape == "ring" else colour
        return f'<circle r="{SIZE:g}" fill="{fill}" stroke="{colour}" stroke-width="1.6"/>'
    if look.shape in _STROKES:
        return f'<path d="{_STROKES[look.shape]}" fill="none" stroke="{colour}" stroke-width="2"/>'
    fill = "#fff" if hollow else colour
    return f'<path d="{_PATHS[look.shape]}" fill="{fill}" stroke="{colour}" stroke-width="1.2"/>'


def legend(looks: Iterable[tuple[Drawn, bool]], more: Mapping[str, str] | None = None) -> str:
    """What the shapes mean.

    Args:
        looks: with whether each is hollow.
        more: other signs as SVG around 0, 0, by what they mean.
    """
    signs = [(look.name, sign(look, hollow)) for look, hollow in looks]
    signs += list((more or {}).items())
    shown = (
        '<span><svg xmlns="http://www.w3.org/2000/svg" width="18" height="14"'
        f' viewBox="-9 -7 18 14" aria-hidden="true">{drawing}</svg>{escape(name)}</span>'
        for name, drawing in signs
    )
    return f'<p class="legend">{"".join(shown)}</p>'


BOUND = f'<path d="M0-7V7" stroke="{INK}" stroke-width="1.5"/>'
"""The sign of the value that is to be beaten."""
FOREST_STYLE = f"""
.line {{ display: grid; grid-template-columns: minmax(180px, 235px) 1fr 108px; column-gap: 14px;
  align-items: center; border-bottom: 1px solid {RULE}; }}
.line:last-child, .axis {{ border-bottom: 0; }}
.line .name {{ padding: 5px 0; line-height: 1.3; font-size: 14px; overflow-wrap: anywhere; }}
.line .name small {{ display: block; font-size: 12px; }}
.line .value {{ text-align: right; font-variant-numeric: tabular-nums; line-height: 1.3; }}
.line .value small {{ display: block; font-size: 12px; white-space: nowrap; }}
.plot {{ position: relative; align-self: stretch; }}
.plot > svg {{ position: absolute; inset: 0; }}
.legend {{ display: flex; flex-wrap: wrap; gap: 2px 18px; font-size: 13px; max-width: none; }}
.legend span {{ white-space: nowrap; }}
.legend svg {{ vertical-align: -2px; margin-right: 4px; }}
@media (max-width: 640px) {{
  .line {{ grid-template-columns: 1fr auto; }}
  .plot {{ grid-column: 1 / 3; grid-row: 2; }}
  .axis .name {{ display: none; }} .axis .value {{ grid-column: 1 / 3; }}
}}
"""
