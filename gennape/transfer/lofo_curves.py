"""Learning curves: what an estimator reaches with more and more labels, a panel for each work."""

from collections.abc import Sequence
from html import escape
from math import ceil, floor, isfinite, log2
from typing import NamedTuple

from gennape.pages import FAINT, INK, RULE
from gennape.transfer.lofo_charts import sign
from gennape.transfer.lofo_summary import Figure
from gennape.transfer.lofo_words import Drawn

WIDTH, HEIGHT = 330.0, 214.0
LEFT, RIGHT, TOP, BOTTOM = 38.0, 10.0, 12.0, 26.0
DIGIT, GAP = 6.5, 4.0
"""Pixels of a tick's digit, and between two names."""
BREAK = 34.0
"""Pixels between no labels and the fewest: no logarithm has a place for none."""
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
GOAL = f'<path d="M-7 0H7" stroke="{INK}" stroke-width="2.4"/>'
"""The sign of a goal."""


class Curve(NamedTuple):
    """Figures of one estimator by the number of labels."""

    look: Drawn
    figures: dict[int, Figure]


class Point(NamedTuple):
    """A value that others print."""

    look: Drawn
    shots: int
    value: float


class Panel(NamedTuple):
    """What is drawn of one work.

    Args:
        bound: the best single number, or nan.
        goals: by number of labels.
        told: all of it in words, plain text.
    """

    curves: Sequence[Curve]
    points: Sequence[Point]
    goals: dict[int, float]
    bound: float
    told: str


class Frame:
    """Where labels and values lie in a panel."""

    def __init__(self, panel: Panel, fewest: int, most: int) -> None:
        self.fewest, self.most = fewest, max(most, fewest + 1)
        values = [point.value for point in panel.points] + list(panel.goals.values())
        for curve in panel.curves:
            for mean, deviation, _ in curve.figures.values():
                values += [mean - deviation, mean + deviation] if isfinite(deviation) else [mean]
        if isfinite(panel.bound):
            values.append(panel.bound)
        span = max(values) - min(values)
        self.step = next((step for step in STEPS if span / step <= 4), 1.0)
        self.low = floor(min(values) / self.step) * self.step
        self.high = min(max(ceil(max(values) / self.step) * self.step, self.low + self.step), 1.0)

    def x(self, shots: int) -> float:
        """Pixels; no labels stand on the left, before a gap."""
        if shots < self.fewest:
            return LEFT + 8
        span = WIDTH - RIGHT - 8 - LEFT - 8 - BREAK
        share = log2(shots / self.fewest) / log2(self.most / self.fewest)
        return LEFT + 8 + BREAK + span * share

    def y(self, value: float) -> float:
        """Pixels; what lies outside is on the edge."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * min(max(share, 0.0), 1.0)


def curves(panel: Panel, fewest: int, most: int) -> str:
    """A panel as SVG; well-formed as XML, too.

    Args:
        fewest, most: labels of all panels, so that they can be compared.
    """
    frame = Frame(panel, fewest, most)
    parts = [*_axes(panel, frame)]
    if isfinite(panel.bound):
        y = frame.y(panel.bound)
        parts.append(
            f'<path d="M{LEFT:g} {y:.1f}H{WIDTH - RIGHT:g}" stroke="{FAINT}" stroke-width="1.5"'
            ' stroke-dasharray="2 4"/>'
        )
    for curve in panel.curves:
        parts += [_band(curve, frame), _line(curve, frame)]
    parts += [_moved(GOAL, frame, shots, goal) for shots, goal in panel.goals.items()]
    parts += [_moved(sign(p.look, True), frame, p.shots, p.value) for p in panel.points]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" width="100%"'
        f' role="img" font-size="11.5" fill="{FAINT}"><title>{escape(panel.told)}</title>'
        f"{''.join(parts)}</svg>"
    )


def _axes(panel: Panel, frame: Frame) -> list[str]:
    parts = []
    for place in range(round((frame.high - frame.low) / frame.step) + 1):
        value = frame.low + place * frame.step
        y, said = frame.y(value), f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")
        parts.append(
            f'<path d="M{LEFT:g} {y:.1f}H{WIDTH - RIGHT:g}" stroke="{RULE}"/>'
            f'<text x="{LEFT - 6:g}" y="{y + 4:.1f}" text-anchor="end">{said}</text>'
        )
    known = {shots for curve in panel.curves for shots in curve.figures}
    end = -GAP
    for shots in sorted(known):
        x, half = frame.x(shots), DIGIT * len(str(shots)) / 2
        if x - half < end + GAP:
            continue
        end = x + half
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 8:g}" text-anchor="middle">{shots}</text>')
    return parts


def _band(curve: Curve, frame: Frame) -> str:
    """The deviation over seeds on either side, where there is one."""
    known = [(s, f) for s, f in sorted(curve.figures.items()) if isfinite(f.deviation)]
    if len(known) < 2:
        return ""
    above = [_point(frame, shots, f.mean + f.deviation) for shots, f in known]
    below = [_point(frame, shots, f.mean - f.deviation) for shots, f in reversed(known)]
    return f'<path d="M{"L".join(above + below)}Z" fill="{curve.look.colour}" opacity=".18"/>'


def _line(curve: Curve, frame: Frame) -> str:
    known = sorted(curve.figures.items())
    path = "L".join(_point(frame, shots, figure.mean) for shots, figure in known)
    dots = "".join(_moved(sign(curve.look), frame, shots, f.mean) for shots, f in known)
    return f'<path d="M{path}" fill="none" stroke="{curve.look.colour}" stroke-width="2"/>{dots}'


def _point(frame: Frame, shots: int, value: float) -> str:
    return f"{frame.x(shots):.1f} {frame.y(value):.1f}"


def _moved(drawing: str, frame: Frame, shots: int, value: float) -> str:
    place = f"{frame.x(shots):.1f} {frame.y(value):.1f}"
    return f'<g transform="translate({place})">{drawing}</g>'


CURVES_STYLE = """
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(290px, 1fr));
  gap: 18px 22px; margin: 12px 0; }
.panels figure { margin: 0; min-width: 0; }
.panels figcaption { font-weight: 600; overflow-wrap: anywhere; }
.panels figcaption small { font-weight: 400; }
.panels svg { display: block; }
"""
