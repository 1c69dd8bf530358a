"""Small drawings inside the page: bars and ranges, as SVG."""

from html import escape
from math import isfinite

from gennape.explanation.node_map import BETTER, WORSE
from gennape.explanation.quantities import Amounts
from gennape.explanation.records import Explanation, FeatureContribution
from gennape.pages import FAINT, INK, RULE

ROW, LABEL, FIGURE, WIDTH = 30.0, 150.0, 90.0, 860.0
STRIP_WIDTH, BAR_WIDTH, HEIGHT = 150.0, 120.0, 16.0


def waterfall(explanation: Explanation) -> str:
    """From the score of the mean network to that of this one, a bar for each group."""
    amounts = Amounts(explanation)
    start, rows = explanation.reference, []
    steps = [(group.name, group.amount, group.meaning) for group in explanation.groups]
    levels = [start]
    for _, amount, _ in steps:
        levels.append(levels[-1] + amount)
    low, high = min(levels), max(levels)
    scale = (WIDTH - LABEL - FIGURE) / ((high - low) or 1.0)

    def place(score: float) -> float:
        return LABEL + (score - low) * scale

    rows.append(_end(0, "mean network", place(start), amounts.plain(start)))
    for row, (name, amount, meaning) in enumerate(steps, 1):
        ends = sorted((place(levels[row - 1]), place(levels[row])))
        colour = BETTER if explanation.is_better(amount) else WORSE
        y = row * ROW
        rows.append(
            f"<g><title>{escape(f'{name}: {meaning}')}</title>"
            f'<text x="{LABEL - 12:g}" y="{y + 20:g}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{ends[0]:.1f}" y="{y + 6:g}" width="{max(ends[1] - ends[0], 1):.1f}"'
            f' height="{ROW - 12:g}" rx="3" fill="{colour}"/>'
            f'<path d="M{place(levels[row]):.1f} {y + 6:g}V{y + ROW + 6:g}" stroke="{FAINT}"'
            ' stroke-width="1" stroke-dasharray="2 2"/>'
            f'<text x="{WIDTH:g}" y="{y + 20:g}" text-anchor="end" fill="{colour}"'
            f' font-weight="600">{amounts.signed(amount)}</text></g>'
        )
    last = len(steps) + 1
    score = amounts.plain(explanation.score)
    rows.append(_end(last, "this network", place(levels[-1]), score))
    return _svg(WIDTH, (last + 1) * ROW, rows, "What each group of features moves the score by")


def _end(row: int, name: str, x: float, score: str) -> str:
    y = row * ROW
    return (
        f'<text x="{LABEL - 12:g}" y="{y + 20:g}" text-anchor="end" font-weight="600">{name}</text>'
        f'<circle cx="{x:.1f}" cy="{y + ROW / 2:g}" r="5" fill="{INK}"/>'
        f'<text x="{WIDTH:g}" y="{y + 20:g}" text-anchor="end" font-weight="600">{score}</text>'
    )


def bar(amount: float, limit: float, is_better: bool) -> str:
    """An amount as a bar to the left or to the right."""
    middle = BAR_WIDTH / 2
    length = middle * min(abs(amount) / (limit or 1.0), 1.0)
    x = middle if amount > 0 else middle - length
    parts = [
        f'<rect x="{x:.1f}" y="3" width="{max(length, 0.8):.1f}" height="10" rx="2"'
        f' fill="{BETTER if is_better else WORSE}"/>',
        f'<path d="M{middle:g} 0V{HEIGHT:g}" stroke="{FAINT}"/>',
    ]
    return _svg(BAR_WIDTH, HEIGHT, parts, "")


def strip(feature: FeatureContribution) -> str:
    """Where a value lies beside the range of the networks trained on, if known, and their mean."""
    low, high, value = feature.low, feature.high, feature.value
    if not isfinite(high - low):
        return ""
    span = (high - low) or 1.0
    inner, left = STRIP_WIDTH * 0.6, STRIP_WIDTH * 0.2

    def place(number: float) -> float:
        return min(max(left + (number - low) / span * inner, 6.0), STRIP_WIDTH - 6.0)

    x, outside = place(value), not low <= value <= high
    dot = f'<circle cx="{x:.1f}" cy="8" r="4.5" fill="{INK}"/>'
    if outside:
        dot = (
            f'<circle cx="{x:.1f}" cy="8" r="4.5" fill="#ffffff" stroke="{INK}" stroke-width="2"/>'
        )
    parts = [
        f'<path d="M0 8H{STRIP_WIDTH:g}" stroke="{RULE}"/>',
        f'<rect x="{left:g}" y="5" width="{inner:g}" height="6" rx="3" fill="{RULE}"/>',
        f'<path d="M{place(feature.mean):.1f} 2V14" stroke="{FAINT}" stroke-width="1.5"/>',
        dot,
    ]
    return _svg(STRIP_WIDTH, HEIGHT, parts, "outside the usual range" if outside else "")


def _svg(width: float, height: float, parts: list[str], title: str) -> str:
    named = f"<title>{escape(title)}</title>" if title else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}"'
        f' width="{width:g}" height="{height:g}" font-size="13.5" fill="{INK}">'
        f"{named}{''.join(parts)}</svg>"
    )
