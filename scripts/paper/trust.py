"""How much of what was learnt beyond the prior counts on families that were not trained on.

A model says much of a network that is unlike all that it has seen, and not all of it is right. How
much should count cannot be told inside the source. It is chosen on the labels of other families
than the target, by the mean Spearman over them, and never on the target's own.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

TRUSTS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
TRUSTED = "ensemble, trust"
"""Its models in the rows: with each of the shares, and with the one that was chosen."""

Values = npt.NDArray[np.float64]


def shares(whole_N: Values, prior_N: Values) -> dict[str, Values]:
    """What each share makes of predictions, from those of the prior alone; by the names of rows."""
    return {f"{TRUSTED} {share:g}": prior_N + share * (whole_N - prior_N) for share in TRUSTS}


def with_chosen(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows, those of all shares replaced by those of the chosen one.

    The column `trust` says which it is, and `chosen_by` on what.
    """
    of_shares = rows["model"].str.startswith(f"{TRUSTED} ")
    found = [rows[~of_shares]]
    offered = rows[of_shares & (rows["shots"] == 0)]
    for (target, seed), mine in offered.groupby(["target", "seed"], sort=False):
        others = offered[(offered["target"] != target) & (offered["seed"] == seed)]
        if others.empty:
            continue
        best = chosen(others)
        row = mine[mine["model"] == f"{TRUSTED} {best:g}"]
        names = ", ".join(dict.fromkeys(others["target"]))
        found.append(row.assign(model=TRUSTED, trust=best, chosen_by=f"labels of {names}"))
    return pd.concat(found, ignore_index=True)


def chosen(rows: pd.DataFrame) -> float:
    """The share of the best mean Spearman over targets, each target counting once."""
    of_target = rows.groupby(["target", "model"])["spearman"].mean()
    means = of_target.groupby("model").mean()
    return max(TRUSTS, key=lambda share: (means.get(f"{TRUSTED} {share:g}", -np.inf), -share))
