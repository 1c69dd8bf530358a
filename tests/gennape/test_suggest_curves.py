"""The script that holds suggested networks to random ones, on little work."""

import runpy
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from gennape.acquisition.choosing import NOISE, similarity
from gennape.batch import EncodedGraphs
from gennape.checkpoint import Checkpoint, load
from gennape.features.whole import FEATURES
from gennape.inference import Predictor
from gennape.models.performance import PerformanceModel
from gennape.tuning import TuneSettings
from onnx_bench.benchmarks import read
from onnx_bench.canonical import fuse
from onnx_bench.families import build_spec
from scripts.suggest.ways import WAYS, Pool, by_mean_variance

SCRIPT = Path(__file__).parents[2] / "scripts" / "suggest_curves.py"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT), run_name="script")


@pytest.fixture(scope="module")
def fresh(
    make_model: Callable[..., PerformanceModel], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Folder of a checkpoint of fused graphs that knows nothing."""
    folder = tmp_path_factory.mktemp("fused") / "fresh"
    Checkpoint(make_model("gnn", hidden=8, layers=1), form="fused").save(folder)
    return folder


def run(script: dict[str, Any], monkeypatch: pytest.MonkeyPatch, *flags: object) -> None:
    always = ("--families", "digits:digits-chains", "--networks", 40, "--labels", 8, 90)
    monkeypatch.setattr(sys, "argv", [str(flag) for flag in ("suggest_curves", *always, *flags)])
    script["main"]()


def test_rows_are_measured_once_summed_up_and_drawn(
    script: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    fresh: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = ("--model", fresh, "--out", tmp_path / "curves.csv")
    run(script, monkeypatch, *out, "--ways", "explore", "--seeds", 1)
    first = pd.read_csv(tmp_path / "curves_seeds.csv")
    assert {*first["way"]} == {"random", "explore"}
    run(script, monkeypatch, *out, "--ways", "explore", "explore, find-best", "--seeds", 2)
    rows = pd.read_csv(tmp_path / "curves_seeds.csv")
    assert len(rows) == 6
    assert {*rows["labels"]} == {8}
    old = rows[(rows["seed"] == 0) & rows["way"].isin(["random", "explore"])]
    pd.testing.assert_frame_equal(old.reset_index(drop=True), first)
    summary = pd.read_csv(tmp_path / "curves.csv").set_index(["benchmark", "way"])
    found = rows.pivot(index="seed", columns="way", values="spearman")
    for benchmark in ("mean of families", "digits:digits-chains"):
        row = summary.loc[(benchmark, "explore")]
        assert row["spearman"] == pytest.approx(found["explore"].mean(), abs=1e-4)
        gain = found["explore"] - found["random"]
        assert row["gain"] == pytest.approx(gain.mean(), abs=1e-4)
        assert row["gain_std"] == pytest.approx(gain.std(), abs=1e-4)
    assert (tmp_path / "curves.svg").read_text().startswith("<?xml")
    assert "explore, find-best" in capsys.readouterr().out


def test_labels_that_are_missing_are_named(
    script: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    fresh: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("GENNAPE_DATA", str(tmp_path / "nothing"))
    out = ("--model", fresh, "--out", tmp_path / "curves.csv")
    with pytest.raises(SystemExit):
        run(script, monkeypatch, *out, "--families", "darts", "metaqnn")
    first, second, last = capsys.readouterr().err.splitlines()
    assert first.startswith("darts is left out: ")
    assert second.startswith("metaqnn is left out: ")
    assert "GENNAPE_DATA" in last
    assert not (tmp_path / "curves_seeds.csv").exists()


def test_checkpoints_of_atomic_graphs_are_refused(
    script: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        run(script, monkeypatch, "--model", checkpoint, "--out", tmp_path / "curves.csv")
    assert "expected a checkpoint of fused graphs" in capsys.readouterr().err


def test_what_is_learnt_is_what_fit_learns(script: dict[str, Any], fresh: Path) -> None:
    table = read("digits", subset="digits-cells").take(range(40))
    model = load(fresh)
    networks = script["known"](model, table, most=40)
    graphs = EncodedGraphs([fuse(build_spec(text)) for text in table.networks])
    assert len(networks.label_N) == len(graphs)
    torch.testing.assert_close(networks.whole_ND, graphs.whole_GD)
    seen, asked = np.arange(0, 25), np.arange(25, 40)
    labels = table.values[seen]
    predictor = Predictor(model).fit(graphs.take(seen), labels, TuneSettings(seed=4))
    found = script["learnt"](networks.take(seen), networks.take(asked), 4)
    expected = (predictor.predict(graphs.take(asked)) - labels.mean()) / labels.std()
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_no_way_sees_or_is_judged_on_what_it_must_not(
    script: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    label_N = np.arange(40.0)
    whole_ND = torch.from_numpy(rng.normal(size=(40, len(FEATURES)))).float()
    networks = script["Networks"](whole_ND, whole_ND[:, :1], label_N, label_N)
    assert {field.name for field in fields(Pool)} == {"point_NP", "merit_N", "unit"}
    asked = []

    def learnt(seen: Any, aside: Any, _seed: int) -> Any:
        asked.append((set(seen.label_N), set(aside.label_N)))
        return aside.label_N

    monkeypatch.setitem(script["compared"].__globals__, "learnt", learnt)
    rows = list(script["compared"](networks, 0, [(way, 8) for way in WAYS]))
    assert len({frozenset(aside) for _, aside in asked}) == 1
    assert all(len(seen) == 8 and not seen & aside for seen, aside in asked)
    assert [row["spearman"] for row in rows] == pytest.approx([1] * len(WAYS))
    own = {*label_N} - asked[0][1]
    for row, (seen, _) in zip(rows, asked, strict=True):
        assert row["better"] == pytest.approx(100 * sum(one > max(seen) for one in own) / len(own))


@pytest.mark.parametrize("way", WAYS)
def test_every_way_chooses_as_many_as_are_asked_for(way: str) -> None:
    rng = np.random.default_rng(0)
    pool = Pool(rng.normal(size=(30, 3)), rng.normal(size=30), 2.0)
    chosen = WAYS[way](pool, 12, np.random.default_rng(1))
    assert len({*chosen.tolist()}) == 12
    assert {*chosen.tolist()} <= {*range(30)}
    again = WAYS[way](pool, 12, np.random.default_rng(1))
    np.testing.assert_array_equal(chosen, again)


def test_the_least_mean_variance_is_found_by_trying_all() -> None:
    rng = np.random.default_rng(0)
    pool = Pool(rng.normal(size=(15, 2)), np.zeros(15), 0.9)
    kernel = similarity(pool.point_NP, pool.point_NP, 0.9)

    def left(rows: list[int]) -> float:
        inverse = np.linalg.inv(kernel[np.ix_(rows, rows)] + NOISE * np.eye(len(rows)))
        return float(np.trace(kernel - kernel[:, rows] @ inverse @ kernel[rows]))

    chosen: list[int] = []
    for _ in range(4):
        others = [row for row in range(15) if row not in chosen]
        chosen.append(min(others, key=lambda row: left([*chosen, row])))
    assert by_mean_variance(pool, 4, rng).tolist() == chosen
