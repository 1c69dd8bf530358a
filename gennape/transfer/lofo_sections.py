"""The sections of the page on transfer that hold figures."""

from collections.abc import Iterable, Sequence
from html import escape
from itertools import cycle
from math import nan

from gennape.pages import INK
from gennape.transfer import lofo_tables as tables
from gennape.transfer.goals import GOALS
from gennape.transfer.lofo_charts import BOUND, Line, Mark, forest, legend, sign
from gennape.transfer.lofo_curves import GOAL, Curve, Panel, Point, curves
from gennape.transfer.lofo_summary import NUMBERS, OURS, SINGLE, Found, Work
from gennape.transfer.lofo_words import (
    METRIC_NAMES,
    Drawn,
    drawn,
    number,
    plain,
    printed,
    signed,
    title,
)
from gennape.transfer.published import PUBLISHED, published

PRINTED = Drawn(INK, "diamond", "published")
DOTTED = f'<path d="M-8 0H8" stroke="{INK}" stroke-width="1.5" stroke-dasharray="2 4"/>'
POINTS = {
    method: Drawn(INK, shape, method)
    for method, shape in zip(
        dict.fromkeys(one.method for one in PUBLISHED if one.shots),
        cycle(("diamond", "disc", "up", "square", "down")),
        strict=False,
    )
}
"""How methods of others are told apart beside learning curves."""


def zero_shot(found: Found) -> str:
    """Every estimator on every work, without a label."""
    return (
        "<section><h2>Without a label</h2><p>Spearman's ρ between scores and labels, a line for "
        "each work. The upright stroke is the better of MACs and parameters: whatever lies on the "
        "grey ranks worse than one number that anybody can count. Whiskers are deviations over "
        "seeds. The axis is stretched towards 1 (Fisher's z). On the right the universal model "
        "by single networks, and how far it lies above the stroke.</p>"
        f"{_forest(found, 'spearman')}"
        "<details><summary>The numbers, and which estimator wins where</summary><p>Bold is the "
        "best that sees one network at a time, or level with it to three digits.</p>"
        f"{tables.estimators(found)}</details></section>"
    )


def _forest(found: Found, metric: str) -> str:
    looks = drawn(pair for work in found.works for pair in found.settings(work))
    lines = [_forest_line(found, work, metric, looks) for work in found.works]
    known = [line for line in lines if any(line.lanes)]
    signs = {"the better of MACs and parameters": BOUND}
    if metric == "spearman":
        signs["published"] = sign(PRINTED, True)
    return legend([(look, False) for look in looks.values()], signs) + forest(known, "universal")


def _forest_line(
    found: Found, work: Work, metric: str, looks: dict[tuple[str, str], Drawn]
) -> Line:
    lanes: list[list[Mark]] = []
    told: list[str] = []
    numbers: list[Mark] = []
    for (estimator, mode), look in looks.items():
        figure = found.figure(work, estimator, mode, metric)
        if figure is None:
            continue
        own = Mark(figure.mean, figure.deviation, look)
        if estimator in NUMBERS:
            numbers.append(own)
        else:
            lanes.append([own])
        told.append(f"{look.name} {plain(figure)}")
    others = published(work, 0, metric)
    values = [(one, one.value(metric)) for one in others]
    marks = [Mark(value, nan, PRINTED, hollow=True) for _, value in values if value is not None]
    lanes += [marks_of_one for marks_of_one in (numbers, marks) if marks_of_one]
    told += [printed(one, metric) for one in others]
    mark = found.mark(work, metric)
    name = title(work, found.works)
    return Line(
        escape(name),
        _below(found, work, [printed(one, metric) for one in others]),
        _value(found, work, metric),
        lanes,
        mark[1].mean if mark else nan,
        f"{name}: {', '.join(told)}",
    )


def _below(found: Found, work: Work, others: Sequence[str]) -> str:
    shown = f"<small>{found.networks(work):,} networks, {escape(work.label)}</small>"
    return shown + (f"<small>◇ {escape(', '.join(others))}</small>" if others else "")


def _value(found: Found, work: Work, metric: str) -> str:
    ours, mark = found.figure(work, metric=metric), found.mark(work, metric)
    shown = f"<b>{number(ours.mean if ours else None)}</b>"
    if ours is None or mark is None:
        return shown
    gain = ours.mean - mark[1].mean
    kind = "yes" if gain >= 0 else "no"
    return f'{shown}<small><span class="{kind}">{signed(gain)}</span></small>'


def few_labels(found: Found) -> str:
    """Learning curves of every work that labels were learnt from."""
    learnt = [work for work in found.works if any(shots for _, shots in _learnt(found, work))]
    if not learnt:
        return ""
    in_tau = [work for work in learnt if _in_tau(work)]
    both = (
        ("Beside what others print in Kendall's τ", "kendall", in_tau),
        ("All in Spearman's ρ", "spearman", learnt),
    )
    shown = "".join(
        f"<h3>{name}</h3>{_panels(found, metric, works)}"
        f"<details><summary>The numbers</summary>{tables.few_shots(found, metric, works)}</details>"
        for name, metric, works in both
        if works
    )
    return (
        "<section><h2>With a few labels</h2><p>The universal model after it has learnt from so "
        "many random labels of the target, family and kin silent; 0 is without any. The rest of "
        "the networks is ranked, a random part of it where there are many. Bands are deviations "
        "over seeds. Each panel has an axis of its own; labels are on a logarithmic one, with 0 on "
        "its left.</p>"
        f"{_curve_legend(found)}{shown}</section>"
    )


def _learnt(found: Found, work: Work) -> list[tuple[str, int]]:
    """Pairs of estimator and number of labels."""
    estimators = dict.fromkeys(estimator for estimator, _ in tables.settings_of(found))
    return [(name, shots) for name in estimators for shots in found.shots(work, name)]


def _in_tau(work: Work) -> bool:
    return any(one.shots for one in published(work, None, "kendall"))


def _panels(found: Found, metric: str, works: Iterable[Work]) -> str:
    works = list(works)
    counts = [shots for work in works for _, shots in _learnt(found, work) if shots]
    drawings = []
    for work in works:
        panel = _panel(found, work, metric)
        if panel.curves:
            name = escape(title(work, found.works))
            drawings.append(
                f"<figure><figcaption>{name}</figcaption>"
                f"{curves(panel, min(counts), max(counts))}</figure>"
            )
    return f'<div class="panels">{"".join(drawings)}</div>'


def _panel(found: Found, work: Work, metric: str) -> Panel:
    looks = drawn(tables.settings_of(found))
    drawings = []
    told = []
    for (estimator, mode), look in looks.items():
        figures = {
            shots: figure
            for shots in found.shots(work, estimator, mode)
            if (figure := found.silent(work, estimator, mode, metric, shots)) is not None
        }
        if any(figures):
            drawings.append(Curve(look, figures))
            told += [f"{look.name} at {shots} labels {plain(f)}" for shots, f in figures.items()]
    others = [one for one in published(work, None, metric) if one.shots]
    points = [Point(POINTS[one.method], one.shots, one.value(metric) or nan) for one in others]
    told += [f"{printed(one, metric)} at {one.shots}" for one in others]
    mark = found.mark(work, metric)
    told += [f"best single number, {mark[0]}, {plain(mark[1])}"] if mark else []
    goals = {g.shots: g.goal for g in GOALS if g.work == work and g.metric == metric and g.shots}
    told += [f"goal at {shots} labels {goal:g}" for shots, goal in goals.items()]
    words = f"{title(work, found.works)}, {METRIC_NAMES[metric]}: {', '.join(told)}"
    return Panel(drawings, points, goals, mark[1].mean if mark else nan, words)


def _curve_legend(found: Found) -> str:
    fitted = dict.fromkeys(
        (name, SINGLE) for work in found.works for name, shots in _learnt(found, work) if shots
    )
    looks = [(look, False) for look in drawn(fitted or [(OURS, SINGLE)]).values()]
    others = [(look, True) for look in POINTS.values()]
    more = {"goal": GOAL, "best single number, without labels": DOTTED}
    return legend([*looks, *others], more)


def kin(found: Found) -> str:
    """How much kinship flatters."""
    if not tables.flattered(found):
        return ""
    return (
        "<section><h2>How much kin flatter</h2><p>A family that resembles the target may teach "
        "what is asked of it. So each target is scored twice: with its own specialist silenced, "
        "and with those of its kin as well. Spearman's ρ of the universal model without labels, "
        "single networks.</p>"
        f"{tables.kin(found)}</section>"
    )


def top_tenth(found: Found) -> str:
    """Order among the best, and what a search would find."""
    return (
        "<section><h2>Among the best</h2><p>Who searches wants the order of the best tenth, and "
        "that is harder: their labels lie close together. ρ is taken inside the true top tenth. "
        "Best of ten is the best label among the ten networks that are scored best, bold where it "
        "is the best there is; losses and perplexities are negative, so that more is better.</p>"
        f"{_forest(found, 'spearman_top')}"
        f"<details><summary>The numbers</summary>{tables.top_tenth(found)}</details></section>"
    )


def everything(found: Found) -> str:
    """All figures, by work."""
    parts = (
        f"<details><summary>{escape(title(work, found.works))}</summary>"
        f"{tables.everything(found, work)}</details>"
        for work in found.works
    )
    return (
        "<section><details><summary>Everything that was measured</summary><p>Mean ± deviation over "
        f"seeds. The same is in the summary beside this page, as CSV.</p>{''.join(parts)}"
        "</details></section>"
    )
