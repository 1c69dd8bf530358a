"""Leave one family out, small, on the families of the embedded benchmark."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from gennape.checkpoint import CheckpointError
from gennape.cli import main
from gennape.metrics import kendall, spearman
from gennape.scoring import represented
from gennape.transfer.lofo import Plan, Taught, run_seed, taught_model
from gennape.transfer.lofo_run import KEYS, read_rows, run
from gennape.transfer.targets import TARGETS, Target, load
from gennape.universal.sources import Source
from gennape.universal.training import Recipe
from onnx_bench.benchmarks import read
from onnx_bench.cost import cost
from onnx_bench.errors import LabelError

DIGITS = Source("digits")
CHAINS = Target("digits", family="digits-chains", kin=("digits-mbconv",), shots=(16,))
TOKENS = Target("digits", family="digits-tokens", shots=())
PLAN = Plan(
    targets=(CHAINS, TOKENS),
    recipe=Recipe(
        perceptrons=1, rows=100, epochs=2, forest_rows=100, trees=4, specialist_trees=4, place=4
    ),
    wide=DIGITS,
    narrow=(DIGITS,),
)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lofo")


@pytest.fixture(scope="module")
def rows(work: Path) -> pd.DataFrame:
    found = run_seed(PLAN, 0, work, frozenset(), lambda _: None)
    return pd.DataFrame([row for _, own in found for row in own])


def test_there_is_a_row_for_each_way(rows: pd.DataFrame) -> None:
    own = rows[rows["target"] == "digits-chains"]
    assert (own["label"] == "accuracy").all()
    assert set(own["estimator"]) == {
        *("macs", "parameters", "prior", "trees", "perceptrons", "ridge", "Gaussian process"),
        *("generalist", "universal"),
    }
    universal = own[own["estimator"] == "universal"]
    assert set(zip(universal["mode"], universal["left_out"], universal["shots"], strict=True)) == {
        ("single", "family", 0),
        ("single", "kin", 0),
        ("ranked set", "family", 0),
        ("ranked set", "kin", 0),
        ("single", "kin", 16),
    }
    assert not rows.duplicated([*KEYS, "seed"]).any()


def test_sizes_are_ranked_as_by_hand(rows: pd.DataFrame) -> None:
    networks = load(CHAINS)
    macs = [cost(networks.graphs.graphs[i]).macs for i in range(len(networks))]
    row = rows[(rows["target"] == "digits-chains") & (rows["estimator"] == "macs")].iloc[0]
    labels = networks.label_N
    assert row["spearman"] == pytest.approx(spearman(macs, labels), abs=1e-6)
    assert row["kendall"] == pytest.approx(kendall(macs, labels), abs=1e-6)
    best = np.argsort(-np.asarray(macs), kind="stable")[:10]
    assert row["best_of_ten"] == labels[best].max() <= row["best"] == labels.max()
    top = labels >= np.quantile(labels, 0.9)
    expected = spearman(np.asarray(macs)[top], labels[top])
    assert row["spearman_top"] == pytest.approx(expected, abs=1e-6)


def test_labels_of_what_is_left_out_change_nothing(work: Path, rows: pd.DataFrame) -> None:
    """Tokens lie far from all others: with their ranks turned round they are scored the same."""
    taught = taught_model(PLAN, False, 0, work, lambda _: None)
    own = taught.lessons.rows("digits-tokens")
    turned = taught.lessons.rank_N.clone()
    turned[own] *= -1
    read = represented(taught.model, load(TOKENS).graphs)
    scores = []
    for rank_N in (taught.lessons.rank_N, turned):
        other = Taught(taught.checkpoint, taught.lessons._replace(rank_N=rank_N))
        other.leave_out("digits-tokens")
        scores.append(taught.model.head(read))
        other.leave_out()
        assert not torch.equal(taught.model.head(read), scores[-1])
    assert torch.equal(*scores)
    assert "digits-tokens" in set(rows["target"])


def test_models_are_trained_once_and_what_is_done_is_left(work: Path, rows: pd.DataFrame) -> None:
    said: list[str] = []
    again = list(run_seed(PLAN, 0, work, frozenset({CHAINS.key}), said.append))
    assert [target for target, _ in again] == [TOKENS]
    assert not [line for line in said if "specialists" in line]
    first = rows[rows["target"] == "digits-tokens"]["spearman"]
    np.testing.assert_allclose([row["spearman"] for row in again[0][1]], first)


def test_a_stopped_run_goes_on(tmp_path: Path, work: Path) -> None:
    out = tmp_path / "new" / "rows.csv"
    first = run(Plan((TOKENS,), recipe=PLAN.recipe, wide=DIGITS, narrow=(DIGITS,)), 1, out, work)
    text = out.read_text()
    both = run(PLAN, 1, out, work)
    assert set(first["target"]) == {"digits-tokens"}
    assert set(both["target"]) == {"digits-tokens", "digits-chains"}
    assert set(text.splitlines()) <= set(out.read_text().splitlines())
    pd.testing.assert_frame_equal(read_rows(out), run(PLAN, 1, out, work), check_dtype=False)


def test_every_target_is_of_its_own() -> None:
    assert len({target.key for target in TARGETS}) == len(TARGETS)
    assert all(target.left_out not in target.kin for target in TARGETS)


def test_without_any_table_it_says_so(tmp_path: Path) -> None:
    plan = Plan((Target("darts"),), data_root=tmp_path)
    with pytest.raises(LabelError, match="left out: darts"):
        run(plan, 1, tmp_path / "rows.csv", tmp_path)


def test_encoders_that_are_missing_are_named_before_anything_is_trained(tmp_path: Path) -> None:
    plan = replace(PLAN, encoders=tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="nowhere/seed0/cl_t/predictor: no such folder"):
        run(plan, 1, tmp_path / "rows.csv", tmp_path / "work")
    assert not [*tmp_path.iterdir()]


def test_a_family_that_nobody_knows_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["transfer", "--lofo", "--families", "nowhere", "-o", str(tmp_path / "x.csv")])
    assert "no family is called nowhere; there are nasbench201" in capsys.readouterr().err


def test_most_networks_are_the_same_ones_each_time() -> None:
    few = load(CHAINS, most=20)
    again = load(CHAINS, most=20)
    assert len(few) == 20 < len([k for k in read("digits").kinds if k == "digits-chains"])
    np.testing.assert_array_equal(few.label_N, again.label_N)
