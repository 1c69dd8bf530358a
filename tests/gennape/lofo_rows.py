"""Rows as `gennape transfer --lofo` writes them, with figures that are drawn."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from gennape.transfer import published as p
from gennape.transfer.lofo_summary import METRICS, Work
from gennape.transfer.targets import TARGETS

FREE = ("macs", "parameters", "prior")
LEARNT = ("trees", "perceptrons", "generalist", "graph network")


def row(work: Work = p.DARTS, **changes: Any) -> dict[str, Any]:
    made = {
        **work._asdict(),
        "seed": 0,
        "estimator": "universal",
        "mode": "single",
        "left_out": "family",
        "shots": 0,
        "networks": 500,
        "spearman": 0.5,
        "kendall": 0.4,
        "spearman_top": 0.1,
        "best_of_ten": 93.0,
        "best": 94.37,
    }
    return {**made, **changes}


def settings(shots: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    yield from ({"estimator": name, "left_out": ""} for name in FREE)
    yield from ({"estimator": name} for name in LEARNT)
    for left_out in ("family", "kin"):
        yield from ({"left_out": left_out, "mode": mode} for mode in ("single", "ranked set"))
    yield from ({"left_out": "kin", "shots": count} for count in shots)


def works() -> list[tuple[Work, tuple[int, ...]]]:
    known = {work.target: work for work in (p.ALL, p.NASBENCH101, p.OFA, p.TRANSNAS_MICRO)}
    found = []
    for target in TARGETS:
        usual = known.get(target.left_out, Work(target.left_out, "all", "accuracy"))
        subset, label = target.subset or usual.subset, target.label or usual.label
        found.append((Work(target.left_out, subset, label), target.shots))
    return found


def measured(seeds: int = 2) -> pd.DataFrame:
    """Rows as of a whole run, with figures that are drawn."""
    rng = np.random.default_rng(0)
    rows = []
    for work, shots in works():
        for setting in settings(shots):
            for seed in range(seeds):
                figures = dict(zip(METRICS, rng.uniform(0.2, 0.99, len(METRICS)), strict=True))
                rows.append(row(work, seed=seed, **setting, **figures))
    return pd.DataFrame(rows)


def frame(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(list(rows))
