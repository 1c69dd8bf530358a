"""Regularised evolution (Real et al., AAAI 2019): the best of some has a child, the oldest dies."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from onnx_bench.families import Family

Fitness = Callable[[list[str]], Iterable[float]]
Key = Callable[[str], str]
Member = Callable[[str], bool]
PATIENCE = 20
"""How many children a prediction may cost: a small space is soon known."""


def anything(text: str) -> bool:
    """A whole family is searched."""
    del text
    return True


class Found(NamedTuple):
    """A network that was predicted: its text `FAMILY:SPEC`, and what was predicted."""

    text: str
    score: float


def evolve(
    family: Family[Any],
    fitness: Fitness,
    predictions: int,
    population: int,
    sample: int,
    rng: np.random.Generator,
    key: Key = str,
    member: Member = anything,
) -> dict[str, Found]:
    """Every network that was predicted, by its key, in the order in which they were met.

    Args:
        fitness: scores of texts, higher is better; asked once for each key.
        predictions: how many it may give.
        population: networks alive.
        sample: networks drawn for a parent.
        rng: of draws and mutations.
        key: the same for texts of the same network.
        member: whether a text is of the part of the family that is searched.
    """
    seen: dict[str, Found] = {}

    def text(spec: Any) -> str:
        return f"{family.name}:{family.format(spec)}"

    def drawn() -> Any:
        return next(spec for spec in iter(lambda: family.sample(rng), None) if member(text(spec)))

    def score(specs: list[Any]) -> list[float]:
        texts = [text(spec) for spec in specs]
        new = {key(text): text for text in texts}
        new = {name: text for name, text in new.items() if name not in seen}
        new = dict(list(new.items())[: predictions - len(seen)])
        values = fitness(list(new.values())) if new else []
        pairs = zip(new.items(), values, strict=True)
        seen.update({name: Found(text, float(value)) for (name, text), value in pairs})
        return [seen[key(text)].score if key(text) in seen else -np.inf for text in texts]

    first = [drawn() for _ in range(population)]
    alive = deque(zip(first, score(first), strict=True))
    for _ in range(PATIENCE * predictions):
        if len(seen) >= predictions:
            break
        some = rng.choice(len(alive), min(sample, len(alive)), replace=False)
        parent, _ = max((alive[i] for i in some), key=lambda pair: pair[1])
        neighbours = [spec for spec in family.neighbours(parent) if member(text(spec))]
        child = neighbours[rng.integers(len(neighbours))] if neighbours else drawn()
        alive.append((child, score([child])[0]))
        alive.popleft()
    return seen
