"""What `transfer.lofo` found as one page of HTML that needs no other file and no script."""

from collections.abc import Callable, Sequence
from html import escape
from statistics import mean, median

from gennape.pages import document, figure
from gennape.transfer import lofo_sections as sections
from gennape.transfer import lofo_tables as tables
from gennape.transfer.lofo_charts import FOREST_STYLE
from gennape.transfer.lofo_curves import CURVES_STYLE
from gennape.transfer.lofo_summary import SET, Figure, Found, Work
from gennape.transfer.lofo_words import TITLES, count, listed, signed, title
from gennape.transfer.outcomes import (
    MISSED,
    UNKNOWN,
    Outcome,
    compared,
    outcomes,
    reached,
)
from gennape.transfer.published import PUBLISHED, SOURCES
from gennape.universal.sources import GENERALIST, SPECIALISTS

STYLE = (
    f"{FOREST_STYLE}{CURVES_STYLE}{tables.TABLES_STYLE}h3 {{ font-size: 15px; margin: 14px 0 0; }}"
)
HEADLINE = "Transfer to families that a model has not seen"
FEW = 50
GRAPHS = (
    "<p>A <b>graph network</b> by itself, perceptrons on an encoder of graphs and the same numbers "
    "without trees, is measured beside, on fewer networks where there are many.</p>"
)
Look = Callable[[Work], Figure | None]


def page(found: Found) -> str:
    """The page; well-formed as XML too."""
    results = outcomes(found)
    parts = [
        _head(found, results),
        _done(found),
        _goals(results),
        sections.zero_shot(found),
        sections.few_labels(found),
        sections.kin(found),
        sections.top_tenth(found),
        sections.everything(found),
    ]
    return document(HEADLINE, parts, STYLE)


def _head(found: Found, results: Sequence[Outcome]) -> str:
    gains = compared(found)
    above = sum(gain >= 0 for gain in gains.values())
    figures = [
        figure(f"{above} of {len(gains)}", "works not below the best single number", "score"),
        *(figure(f"{there} of {of}", f"{what} reached") for what, there, of in reached(results)),
    ]
    if gains:
        figures.append(figure(signed(median(gains.values())), "median gain in Spearman’s ρ"))
    figures.append(figure(str(found.seeds), "seed" if found.seeds == 1 else "seeds"))
    items = "".join(f"<li>{line}</li>" for line in _seen(found, results))
    return (
        f"<header><h1>{HEADLINE}</h1><small>The universal model against single numbers, its own "
        f'parts and what is published</small><div class="figures">{"".join(figures)}</div>'
        f"<h3>What was seen</h3><ul>{items}</ul></header>"
    )


def _seen(found: Found, results: Sequence[Outcome]) -> list[str]:
    """The findings, counted from the figures."""
    lines = [*_below(found), *_beside(found), *_gains(found)]
    missed = [outcome for outcome in results if outcome.verdict == MISSED]
    unknown = sum(outcome.verdict == UNKNOWN for outcome in results)
    said = f"{count(len(missed), 'goal')} missed"
    if missed:
        # Shares, because goals are in different units.
        near = [o for o in missed if o.ours and o.goal.goal and _short(o) < 0.02]
        said += f", {len(near)} of them by less than 2 % of the goal"
    lines.append(f"{said}; {count(unknown, 'goal')} not measured." if unknown else f"{said}.")
    return lines


def _short(outcome: Outcome) -> float:
    """The share of the goal that is lacking."""
    reached = outcome.ours.mean if outcome.ours else 0.0
    return abs(outcome.goal.goal - reached) / abs(outcome.goal.goal)


def _below(found: Found) -> list[str]:
    gains = compared(found)
    if not gains:
        return ["MACs and parameters were not measured beside the universal model."]
    below = sorted((gain, work) for work, gain in gains.items() if gain < 0)
    if not below:
        return ["Nowhere does the universal model rank worse than the best single number."]
    names = listed(f"{title(work, found.works)} ({_fine(gain)})" for gain, work in below)
    return [f"Below the best single number on {count(len(below), 'work')}: {names}."]


def _fine(gain: float) -> str:
    """A difference that is never shown as none."""
    return signed(gain) if abs(gain) >= tables.LEVEL else "by less than 0.001"


def _beside(found: Found) -> list[str]:
    """How often ours is above what others print of the same work, labels and metric."""
    above, below = 0, []
    for one in PUBLISHED:
        for metric in ("spearman", "kendall"):
            value = one.value(metric)
            ours = found.figure(one.work, metric=metric, shots=one.shots)
            if value is None or ours is None:
                continue
            if ours.mean > value:
                above += 1
            else:
                labels = f", {one.shots} labels" if one.shots else ""
                below.append(f"{one.method} on {title(one.work, found.works)}{labels}")
    if not above + len(below):
        return []
    said = f"Above {above} of {count(above + len(below), 'published value')}"
    return [f"{said}; not above {listed(dict.fromkeys(below))}." if below else f"{said}."]


def _gains(found: Found) -> list[str]:
    """What sets, labels, kin and specialists change."""
    lines = []
    sets = _differences(found, lambda work: found.figure(work, mode=SET), found.figure)
    if sets:
        lines.append(f"The ranked set changes ρ by {_usual(sets)}.")
    few = _differences(found, lambda work: found.silent(work, shots=FEW), found.silent)
    if few:
        lines.append(f"{FEW} labels of the target change ρ by {_usual(few)}.")
    flattered = tables.flattered(found)
    if flattered:
        kin = {work: family.mean - alone.mean for work, (family, alone) in flattered.items()}
        lines.append(f"Kin that are known change ρ by {_usual(kin)}.")
    others = _differences(found, found.figure, lambda work: found.figure(work, "generalist"))
    same = sum(abs(change) < tables.LEVEL for change in others.values())
    if others:
        lines.append(
            f"Specialists of other families leave the generalist’s ρ as it is on {same} of "
            f"{count(len(others), 'work')}: they speak only where a network is like theirs."
        )
    return lines


def _differences(found: Found, this: Look, that: Look) -> dict[Work, float]:
    """How much more Spearman there is by one way to look it up than by another."""
    pairs = {work: (this(work), that(work)) for work in found.works}
    return {work: a.mean - b.mean for work, (a, b) in pairs.items() if a and b}


def _usual(changes: dict[Work, float]) -> str:
    low, high = min(changes.values()), max(changes.values())
    middle = signed(mean(changes.values()))
    return (
        f"{middle} on average over {count(len(changes), 'work')} ({signed(low)} to {signed(high)})"
    )


def _done(found: Found) -> str:
    names = listed(TITLES.get(source.benchmark, source.benchmark) for source in SPECIALISTS)
    wide = escape(TITLES.get(GENERALIST.benchmark, GENERALIST.benchmark))
    seeds = f"each of {found.seeds} seeds" if found.seeds > 1 else "a single seed"
    kin = sum(bool(tables.KIN.get(target)) for target in {work.target for work in found.works})
    return (
        "<section><h2>What was done</h2>"
        f"<p>On {seeds} one <b>generalist</b> learns on {wide} alone: "
        "a forest of <b>trees</b> and <b>perceptrons</b> on what a <b>prior</b> of even sizes "
        f"leaves. A specialist learns on each of {names}, for networks that lie among those of its "
        "family; strangers hear what all these families say together. That is the "
        "<b>universal</b> model. All sources are public tables whose licence lets a checkpoint "
        "ship, so that what is measured here is what ships.</p>"
        "<p>A family is scored by a model that has not seen it: its own specialist is silenced, "
        "and what all say is solved for without it "
        f"(<b>family</b> left out) and, for {count(kin, 'target')} with relatives among the "
        "sources, without the relatives in a second round (<b>kin</b> left out). NAS-Bench-101 is "
        "scored by a model whose generalist learnt on NAS-Bench-201. What is said of NAS-Bench-201 "
        "and of few labels is with kin left out, of others without labels with the family alone "
        "left out.</p><p><b>Single</b>: every network is scored by itself. <b>Ranked set</b>: "
        "scores are smoothed over the most alike networks of the whole set, still without a label. "
        "After few labels the model has learnt from that many random networks of the target. A "
        "<b>work</b> is a family with the networks that are ranked and the label.</p>"
        f"{GRAPHS if _there(found, 'graph network') else ''}</section>"
    )


def _there(found: Found, estimator: str) -> bool:
    return any(estimator == name for work in found.works for name, _ in found.settings(work))


def _goals(results: Sequence[Outcome]) -> str:
    methods = dict.fromkeys(one.method for outcome in results for one in outcome.published)
    sources = "; ".join(f"{escape(method)}: {escape(SOURCES[method])}" for method in methods)
    return (
        "<section><h2>Goals</h2><p>Floors are what a first study found, on one seed or two. A goal "
        "is reached where the mean over seeds is, not rounded. Nobody measures quite what we do: "
        "what differs stands beside.</p>"
        f'{tables.goals(results)}<p class="faint"><small>{sources}.</small></p></section>'
    )
