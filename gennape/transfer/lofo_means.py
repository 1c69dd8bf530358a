"""One figure for many works: the mean of Spearman, and how far seeds are apart in it."""

import pandas as pd

from gennape.transfer.lofo_summary import SETTING, WORK, checked
from gennape.transfer.targets import TARGETS

ALL, HELD_BACK = "all", "held back"
"""Every work, and those of families that have chosen nothing (`Target.held_back`)."""
CHOSE_NOTHING = frozenset(target.left_out for target in TARGETS if target.held_back)


def means(rows: pd.DataFrame) -> pd.DataFrame:
    """Spearman over works, then its mean and deviation (of n - 1) over seeds.

    A row for `ALL` and `HELD_BACK`, each estimator, mode, what is left out, and number of labels.
    `count` says how many works it is the mean of: those that have a figure on every seed. Means of
    different counts are of different works.

    Raises:
        RowsError: see `lofo_summary.summary`.
    """
    known = checked(rows)
    held_back = known[known["target"].isin(CHOSE_NOTHING)]
    parts = [
        _means(part).assign(works=name) for name, part in ((ALL, known), (HELD_BACK, held_back))
    ]
    found = pd.concat(parts, ignore_index=True)
    return found[["works", *(name for name in found if name != "works")]]


def _means(known: pd.DataFrame) -> pd.DataFrame:
    table = known.pivot_table("spearman", [*SETTING, *WORK], "seed", sort=False).dropna()
    groups = table.groupby(level=SETTING, sort=False)
    by_seed = groups.mean()
    return pd.DataFrame(
        {
            "count": groups.size(),
            "seeds": by_seed.shape[1],
            "spearman": by_seed.mean(axis=1),
            "spearman_std": by_seed.std(axis=1, ddof=1),
        }
    ).reset_index()
