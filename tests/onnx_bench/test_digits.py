"""The embedded benchmark `digits`: its labels, and the protocol that they come from."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import spearmanr

from onnx_bench import benchmarks
from onnx_bench.benchmarks import digits, digits_training
from onnx_bench.errors import LabelError
from onnx_bench.families import FAMILIES, build_spec, family
from onnx_bench.graph import ComputationGraph

CHAIN = "digits-chains:plain-w4-d1-k1-w4-d1-k1-w4-d1-k1"


def test_digits_holds_four_kinds_of_at_least_a_thousand_networks() -> None:
    table = benchmarks.read("digits")
    assert len(table) >= 1000
    assert set(table.kinds) == set(digits.KINDS)
    assert set(digits.KINDS) <= set(FAMILIES)


def test_the_file_of_digits_is_small() -> None:
    assert digits.FILE.stat().st_size < 1_000_000


@pytest.mark.parametrize("kind", digits.KINDS)
def test_a_kind_and_all_the_others_part_digits(kind: str) -> None:
    whole = benchmarks.read("digits")
    part = benchmarks.read("digits", subset=kind)
    rest = benchmarks.read("digits", subset=f"not-{kind}")
    assert set(part.kinds) == {kind}
    assert set(rest.kinds) == set(digits.KINDS) - {kind}
    assert sorted(part.networks + rest.networks) == sorted(whole.networks)
    assert part.subset == kind


@pytest.mark.parametrize("kind", digits.KINDS)
def test_seeds_agree_on_the_ranks_of_each_kind(kind: str) -> None:
    rows = digits.frame()
    rows = rows[rows["kind"] == kind]
    runs = [rows[f"accuracy_{seed}"] for seed in range(digits.SEEDS)]
    rhos = [spearmanr(a, b).statistic for a, b in combinations(runs, 2)]
    assert np.mean(rhos) >= 0.75


def test_no_two_networks_of_digits_are_the_same() -> None:
    hashes = {graph.hash for graph in benchmarks.read("digits").graphs()}
    assert len(hashes) == len(benchmarks.read("digits"))


def test_the_label_of_digits_is_the_mean_of_its_runs() -> None:
    rows, table = digits.frame(), benchmarks.read("digits")
    mean = sum(rows[f"accuracy_{seed}"].astype(float) for seed in range(3)) / 3
    np.testing.assert_allclose(table.values, mean)
    assert table.networks == tuple(rows["kind"] + ":" + rows["spec"])
    assert 0 <= table.values.min() < table.values.max() <= 100


def test_one_run_of_digits_is_a_label_too() -> None:
    table = benchmarks.read("digits", label="accuracy_1")
    np.testing.assert_array_equal(table.values, digits.frame()["accuracy_1"].astype(float))


def test_curves_of_digits_have_a_value_for_each_epoch() -> None:
    rows = digits.frame()
    for seed in range(digits.SEEDS):
        curves = np.stack(rows[f"curve_{seed}"].to_list())
        assert curves.shape == (len(rows), digits_training.EPOCHS)
        assert (curves >= 0).all()
        assert (curves <= 100).all()


def test_an_unknown_subset_or_label_of_digits_is_refused() -> None:
    with pytest.raises(LabelError, match=r"digits has no subset 'half'.*not-digits-cells"):
        benchmarks.read("digits", subset="half")
    with pytest.raises(LabelError, match="digits has no label 'beauty'; there are accuracy, "):
        benchmarks.read("digits", label="beauty")


# the protocol behind digits


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two epochs instead of all."""
    monkeypatch.setattr(digits_training, "EPOCHS", 2)


def blind() -> ComputationGraph:
    """A network whose answer does not depend on the image."""
    return family("digits-cells").build(("none",) * 6)


@pytest.mark.usefixtures("short")
def test_the_same_seed_gives_the_same_run_and_another_a_different_one() -> None:
    graph = build_spec(CHAIN)
    run = digits_training.train(graph, 0)
    assert digits_training.train(graph, 0) == run
    assert digits_training.train(graph, 1) != run


@pytest.mark.usefixtures("short")
def test_a_curve_has_a_value_for_each_epoch() -> None:
    assert len(digits_training.train(build_spec(CHAIN), 0).curve) == 2


def test_a_good_small_network_learns_the_digits() -> None:
    run = digits_training.train(build_spec("digits-chains:plain-w8-d1-k3-w16-d1-k3-w16-d1-k3"), 0)
    assert 50 < run.accuracy < 90
    assert len(run.curve) == digits_training.EPOCHS
    assert run.curve[-1] > run.curve[0]
    assert run.curve[-1] == pytest.approx(run.accuracy, abs=8)


@pytest.mark.usefixtures("short")
def test_a_network_that_cannot_see_the_image_stays_at_chance() -> None:
    assert 5 < digits_training.train(blind(), 0).accuracy < 15


def test_the_shipped_labels_are_those_of_the_protocol() -> None:
    """Other machines round otherwise, so up to what another seed would change."""
    rows = digits.frame().query("kind == 'digits-chains'").sort_values("accuracy_0")
    row = rows.iloc[len(rows) // 2]
    run = digits_training.train(build_spec(f"{row['kind']}:{row['spec']}"), 0)
    assert run.accuracy == pytest.approx(row["accuracy_0"], abs=5)
