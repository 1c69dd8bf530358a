"""Means over works: against a naive loop."""

import numpy as np
import pytest

from gennape.transfer.lofo_means import means
from gennape.transfer.lofo_summary import SETTING, WORK
from gennape.transfer.targets import TARGETS
from tests.gennape.lofo_rows import measured, works


def test_means_are_those_of_a_naive_loop() -> None:
    rows = measured()
    spoilt = rows.index[(rows["estimator"] == "universal") & (rows["target"] == "darts")]
    rows = rows.drop(spoilt[0])  # on one seed: the work counts on none
    found = means(rows).set_index(["works", *SETTING])
    fresh = {target.left_out for target in TARGETS if target.held_back}
    for name, part in (("all", rows), ("held back", rows[rows["target"].isin(fresh)])):
        for setting in ("macs", "single", "", 0), ("universal", "single", "family", 0):
            own = part[part[SETTING].apply(tuple, axis=1) == setting]
            whole = [work for work, one in own.groupby(WORK) if one["seed"].nunique() == 2]
            kept = own[[key in whole for key in zip(*own[WORK].to_numpy().T, strict=True)]]
            by_seed = [one["spearman"].mean() for _, one in kept.groupby("seed")]
            assert found.loc[(name, *setting), "count"] == len(whole)
            assert found.loc[(name, *setting), "spearman"] == pytest.approx(np.mean(by_seed))
            spread = np.std(by_seed, ddof=1)
            assert found.loc[(name, *setting), "spearman_std"] == pytest.approx(spread)
    counts = found["count"].unstack("works").loc[("universal", "single", "family", 0)]
    assert counts.to_dict() == {"all": len(works()) - 1, "held back": 9}
