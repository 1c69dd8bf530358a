"""The goals beside what was found: reached or not, as data."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import pandas as pd

from gennape.transfer.goals import FLOOR_BELOW, GOALS, STUDIED, Goal
from gennape.transfer.lofo_summary import Figure, Found, Work
from gennape.transfer.published import SOURCES, Published, published

REACHED, MISSED, UNKNOWN = "reached", "missed", "not measured"
WORKS_BELOW = "works below"


@dataclass(frozen=True)
class Outcome:
    """A goal beside what was found.

    Args:
        family, kin: without labels, with the target's specialist silenced, and with those of its
            kin as well.
        mark: the best single number of the network, without labels.
        verdict: reached where the mean over seeds, not rounded, is as good as the goal.
    """

    goal: Goal
    ours: Figure | None
    verdict: str
    family: Figure | None = None
    kin: Figure | None = None
    mark: tuple[str, Figure] | None = None
    published: tuple[Published, ...] = ()

    @property
    def above_floor(self) -> bool | None:
        """Whether the floor is reached; None where there is none, or nothing was measured."""
        if self.goal.floor is None or self.ours is None:
            return None
        less = self.goal.metric == WORKS_BELOW
        found = self.ours.mean <= self.goal.floor if less else self.ours.mean >= self.goal.floor
        return bool(found)


def reached(results: Sequence[Outcome]) -> tuple[tuple[str, int, int], ...]:
    """How many goals are, and of how many that were measured; then the same of floors."""
    verdicts = [outcome.verdict for outcome in results if outcome.verdict != UNKNOWN]
    floors = [outcome.above_floor for outcome in results if outcome.above_floor is not None]
    return (
        ("goals", verdicts.count(REACHED), len(verdicts)),
        ("floors", sum(floors), len(floors)),
    )


def outcomes(found: Found) -> list[Outcome]:
    """What became of every goal, in their order; of families together last."""
    return [
        *(_outcome(goal, found) for goal in GOALS),
        _never_below("Families of the first study", found, STUDIED, FLOOR_BELOW),
        _never_below("Every family", found, found.works, None),
    ]


def _outcome(goal: Goal, found: Found) -> Outcome:
    ours = found.figure(goal.work, goal.estimator, metric=goal.metric, shots=goal.shots)
    verdict = UNKNOWN if ours is None else REACHED if ours.mean >= goal.goal else MISSED
    printed = published(goal.work, goal.shots, goal.metric)
    beside = tuple(one for one in printed if not goal.against or one.method in goal.against)
    if goal.shots:
        return Outcome(goal, ours, verdict, published=beside)
    family, kin = (
        found.figure(goal.work, goal.estimator, metric=goal.metric, left_out=left_out)
        for left_out in ("family", "kin")
    )
    mark = found.mark(goal.work, goal.metric)
    return Outcome(goal, ours, verdict, family, kin, mark, beside)


def compared(found: Found) -> dict[Work, float]:
    """How far the universal model lies above the best single number, where both were measured."""
    gains = {}
    for work in found.works:
        ours, mark = found.figure(work), found.mark(work)
        if ours is not None and mark is not None:
            gains[work] = ours.mean - mark[1].mean
    return gains


def _never_below(whose: str, found: Found, works: Sequence[Work], floor: float | None) -> Outcome:
    everywhere = Work("", "", "")
    name = f"{whose}: works below the best single number"
    goal = Goal(name, everywhere, 0, floor, WORKS_BELOW)
    gains = [gain for work, gain in compared(found).items() if work in works]
    if not gains:
        return Outcome(goal, None, UNKNOWN)
    below = sum(gain < 0 for gain in gains)
    return Outcome(goal, Figure(below, nan, found.seeds), MISSED if below else REACHED)


def goals_table(found: Found) -> pd.DataFrame:
    """A row for each goal: what is published and where, floor, goal, ours, reached or not."""
    return pd.DataFrame([_row(outcome) for outcome in outcomes(found)])


def _row(outcome: Outcome) -> dict[str, object]:
    goal, metric = outcome.goal, outcome.goal.metric
    values = [one.value(metric) for one in outcome.published]
    return {
        "work": goal.name,
        "metric": metric,
        "shots": goal.shots,
        "estimator": goal.estimator,
        "published": "; ".join(
            f"{one.method} {value:g}" for one, value in zip(outcome.published, values, strict=True)
        ),
        "published_source": "; ".join(source(one) for one in outcome.published),
        "one_number": outcome.mark[0] if outcome.mark else "",
        "one_number_value": outcome.mark[1].mean if outcome.mark else nan,
        "floor": nan if goal.floor is None else goal.floor,
        "goal": goal.goal,
        "ours": outcome.ours.mean if outcome.ours else nan,
        "ours_std": outcome.ours.deviation if outcome.ours else nan,
        "seeds": outcome.ours.seeds if outcome.ours else 0,
        "family_left_out": outcome.family.mean if outcome.family else nan,
        "kin_left_out": outcome.kin.mean if outcome.kin else nan,
        "verdict": outcome.verdict,
        "above_floor": outcome.above_floor,
    }


def source(one: Published) -> str:
    """Where a value is printed, and what is not as with us."""
    where = SOURCES[one.method]
    return f"{where}, {one.differs}" if one.differs else where
