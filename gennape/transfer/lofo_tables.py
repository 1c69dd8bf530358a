"""The tables of the page on transfer, as HTML."""

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from math import isclose, isfinite, nan

from gennape.explanation.charts import bar
from gennape.pages import table
from gennape.transfer.lofo_summary import NUMBERS, OURS, SET, SINGLE, Figure, Found, Work
from gennape.transfer.lofo_words import (
    DRAWN,
    METRIC_NAMES,
    NOTHING,
    cell,
    drawn,
    number,
    plain,
    printed,
    signed,
    title,
)
from gennape.transfer.outcomes import MISSED, REACHED, WORKS_BELOW, Outcome, source
from gennape.transfer.targets import TARGETS

LEVEL = 5e-4
"""Estimators nearer than that to the best are level with it: three digits are shown."""
UNDER = "<br/>"
KIN = {target.left_out: target.kin for target in TARGETS}


def goals(outcomes: Iterable[Outcome]) -> str:
    """Ours, goal, floor, single number and published, a row for each goal."""
    heads = ["work", "ours", "goal", "to the goal", "floor", "single number", "published"]
    return wide(heads, [_goal(outcome) for outcome in outcomes], kind="goals")


def _goal(outcome: Outcome) -> list[str]:
    goal = outcome.goal
    digits = {"best_of_ten": 2, WORKS_BELOW: 0}.get(goal.metric, 3)
    labels = f", {goal.shots:,} labels" if goal.shots else ""
    others = "<br/>".join(
        f'<span title="{escape(source(one))}">{escape(printed(one, goal.metric))}</span>'
        f" <small>{escape(one.differs)}</small>"
        for one in outcome.published
    )
    return [
        f"{escape(goal.name)}<br/><small>{METRIC_NAMES[goal.metric]}{labels}</small>",
        (cell(outcome.ours, digits, strong=True) or NOTHING) + _other_round(outcome, digits),
        f"<b>{number(goal.goal, digits)}</b>",
        _verdict(outcome, digits),
        number(goal.floor, digits),
        _single_number(outcome, digits),
        f'<div class="published">{others}</div>',
    ]


def _single_number(outcome: Outcome, digits: int) -> str:
    others = [outcome.goal.beside] if outcome.goal.beside else []
    if outcome.mark is None:
        return ""
    name, figure = outcome.mark
    known = "<br/>".join(escape(word) for word in (DRAWN[name, SINGLE].name, *others))
    return f"{number(figure.mean, digits)}<br/><small>{known}</small>"


def _other_round(outcome: Outcome, digits: int) -> str:
    """The figure with kin known where they are silent, and the other way round."""
    if outcome.ours is None or outcome.family is None or outcome.kin is None:
        return ""
    kin_too = outcome.ours == outcome.kin
    other = number((outcome.family if kin_too else outcome.kin).mean, digits)
    if other == number(outcome.ours.mean, digits):
        return ""
    return f"<br/><small>{other} with kin {'known' if kin_too else 'silent'}</small>"


def _verdict(outcome: Outcome, digits: int) -> str:
    if outcome.ours is None or outcome.verdict not in (REACHED, MISSED):
        return f"<small>{outcome.verdict}</small>"
    if outcome.verdict == REACHED:
        return '<span class="yes">✓ reached</span>'
    return f'<span class="no">{signed(outcome.ours.mean - outcome.goal.goal, digits)}</span>'


def estimators(found: Found) -> str:
    """Spearman without labels of every estimator, the best in bold; and on how many works."""
    looks = drawn(pair for work in found.works for pair in found.settings(work))
    wins: Counter[tuple[str, str]] = Counter()
    rows = []
    for work in found.works:
        known = {pair: found.figure(work, *pair) for pair in looks}
        best = winners(known)
        wins.update(best)
        cells = [cell(f, 3, pair in best, UNDER) for pair, f in known.items()]
        rows.append([escape(title(work, found.works)), *cells])
    counted = [str(wins[pair]) if pair[1] == SINGLE else NOTHING for pair in looks]
    rows.append(["<b>best, or level with it, on</b>", *counted])
    return wide(["work", *(escape(look.name) for look in looks.values())], rows)


def winners(known: dict[tuple[str, str], Figure | None]) -> set[tuple[str, str]]:
    """The best estimators that see one network at a time: sets of networks tell more."""
    means = {pair: f.mean for pair, f in known.items() if f is not None and pair[1] == SINGLE}
    best = max(means.values(), default=nan)
    return {pair for pair, mean in means.items() if mean >= best - LEVEL}


def few_shots(found: Found, metric: str, works: Sequence[Work]) -> str:
    """The universal model's figures by number of labels."""
    shots = sorted({n for work in works for n in found.shots(work, OURS)})
    rows = (
        [
            escape(title(work, found.works)),
            *(cell(found.silent(work, metric=metric, shots=n), space=UNDER) for n in shots),
        ]
        for work in works
    )
    return wide(["work", *(f"{n:,}" for n in shots)], rows)


def kin(found: Found) -> str:
    """What is gained where kin are known, a row for each work that has some."""
    pairs = flattered(found)
    limit = max((abs(a.mean - b.mean) for a, b in pairs.values()), default=1.0)
    rows = (
        [
            escape(title(work, found.works)),
            escape(", ".join(KIN.get(work.target, ())) or NOTHING),
            bar(family.mean - alone.mean, limit, family.mean >= alone.mean),
            cell(family),
            cell(alone),
            f"<b>{signed(family.mean - alone.mean)}</b>",
        ]
        for work, (family, alone) in pairs.items()
    )
    heads = ["work", "kin", "", "kin known", "kin silent", "flatters by"]
    return wide(heads, rows, first=3)


def flattered(found: Found) -> dict[Work, tuple[Figure, Figure]]:
    """Spearman with kin known and with kin silent, of works that have kin."""
    pairs = {}
    for work in found.works:
        family, alone = (found.figure(work, left_out=name) for name in ("family", "kin"))
        if family is not None and alone is not None and KIN.get(work.target, ("",)):
            pairs[work] = family, alone
    return pairs


def top_tenth(found: Found) -> str:
    """Order inside the true top tenth, and the best of the ten that are scored best."""
    rows = (_top(found, work) for work in found.works)
    heads = [
        "work",
        "ρ, universal",
        "ranked set",
        "best single number",
        "best of ten, universal",
        "ranked set",
        "the best there is",
    ]
    return wide(heads, [row for row in rows if row])


def _top(found: Found, work: Work) -> list[str]:
    inside = [found.figure(work, mode=mode, metric="spearman_top") for mode in (SINGLE, SET)]
    chosen = [found.figure(work, mode=mode, metric="best_of_ten") for mode in (SINGLE, SET)]
    mark = found.mark(work, "spearman_top")
    if not any((*inside, *chosen)):
        return []
    best = found.best(work)
    hits = [figure is not None and isclose(figure.mean, best) for figure in chosen]
    return [
        escape(title(work, found.works)),
        *(cell(figure, space=UNDER) for figure in inside),
        f"{number(mark[1].mean)}{UNDER}<small>{DRAWN[mark[0], SINGLE].name}</small>"
        if mark
        else NOTHING,
        *(cell(figure, 2, hit, UNDER) for figure, hit in zip(chosen, hits, strict=True)),
        number(best, 2),
    ]


def everything(found: Found, work: Work) -> str:
    """All figures of a work."""
    heads = ["estimator", "mode", "left out", "labels", "networks", "seeds"]
    heads += ["ρ", "τ", "ρ, top tenth", "best of ten"]
    rows = []
    for row in found.of(work):
        figures = [
            Figure(row[metric], row[f"{metric}_std"], row["seeds"])
            for metric in ("spearman", "kendall", "spearman_top", "best_of_ten")
        ]
        words = [escape(row[name] or NOTHING) for name in ("estimator", "mode", "left_out")]
        counts = [f"{row[name]:,}" for name in ("shots", "networks", "seeds")]
        digits = (3, 3, 3, 2)
        shown = [
            plain(figure if isfinite(figure.mean) else None, places)
            for figure, places in zip(figures, digits, strict=True)
        ]
        rows.append([*words, *counts, *shown])
    return wide(heads, rows, first=3)


def wide(
    heads: Iterable[str], rows: Iterable[Iterable[str]], first: int = 1, kind: str = ""
) -> str:
    """A table that scrolls by itself where the page is narrow."""
    return f'<div class="wide {kind}">{table(heads, rows, first)}</div>'


def settings_of(found: Found) -> list[tuple[str, str]]:
    """Pairs of estimator and mode of all works, but for single numbers of the network."""
    pairs = dict.fromkeys(pair for work in found.works for pair in found.settings(work))
    return [pair for pair in pairs if pair[0] not in NUMBERS]


TABLES_STYLE = """
table { font-size: 14px; line-height: 1.35; } th { vertical-align: bottom; }
.wide th:first-child, .wide td:first-child { position: sticky; left: 0; background: #fff;
  min-width: 118px; }
.published { white-space: nowrap; text-align: left; }
.goals th:last-child { text-align: left; }
@media (min-width: 641px) { .goals td:first-child { min-width: 220px; } }
.yes { color: #1f66a8; font-weight: 600; } .no { color: #b9550f; }
details { margin: 10px 0; } details details { margin: 6px 0 6px 14px; }
"""
