"""The script that measures how often intervals hold, on little work."""

import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gennape.assessment import Assessment

SCRIPT = Path(__file__).parents[2] / "scripts" / "interval_coverage.py"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT), run_name="script")


def run(
    script: dict[str, Any], monkeypatch: pytest.MonkeyPatch, checkpoint: Path, out: Path, seeds: int
) -> None:
    flags = ["--model", checkpoint, "--families", "digits:digits-chains", "--out", out]
    flags += ["--seeds", seeds, "--labels", 15, 25, "--networks", 20, "--epochs", 1]
    flags += ["--coverage", 0.7]
    monkeypatch.setattr(sys, "argv", ["interval_coverage", *map(str, flags)])
    script["main"]()


def test_rows_are_measured_once_and_summed_up(
    script: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "coverage.csv"
    run(script, monkeypatch, checkpoint, out, seeds=1)
    first = pd.read_csv(tmp_path / "coverage_seeds.csv")
    run(script, monkeypatch, checkpoint, out, seeds=2)
    rows = pd.read_csv(tmp_path / "coverage_seeds.csv")
    assert sorted(zip(rows["labels"], rows["seed"], strict=True)) == [
        (0, 0),
        (0, 1),
        (15, 0),
        (15, 1),
        (25, 0),
        (25, 1),
    ]
    pd.testing.assert_frame_equal(rows[rows["seed"] == 0].reset_index(drop=True), first)
    summary = pd.read_csv(out).set_index("labels")
    after = rows[rows["labels"] == 25]
    assert summary.loc[25, "covered"] == pytest.approx(after["covered"].mean(), abs=1e-4)
    assert summary.loc[25, "covered_std"] == pytest.approx(after["covered"].std(), abs=1e-4)
    assert np.isnan(summary.loc[15, "covered"])  # none of so few is held out
    assert np.isnan(summary.loc[0, "covered"])
    assert summary.loc[0, "nearest"] in ("digits-chains", "digits-cells")
    assert "digits:digits-chains" in capsys.readouterr().out


def test_figures_are_those_of_the_assessment(script: dict[str, Any]) -> None:
    true = np.array([1.0, 2.0, 3.0, 4.0])
    score = np.array([1.5, 2.0, 2.0, 7.0])
    distance = np.array([0.5, 0.7, 2.0, 0.1])
    names = np.array(["a", "b", "b", "b"])
    said = Assessment(score, score - 1, score + 1, 0 * score, names, distance, distance > 1)
    found = script["figures"](said, true)
    assert found["covered"] == 0.75
    assert found["width"] == pytest.approx(2 / true.std())
    assert (found["strange"], found["distance"], found["nearest"]) == (0.25, 0.6, "b")
