"""The paper's tables on little work: the embedded benchmark in the place of NAS-Bench-101."""

import runpy
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gennape.metrics import spearman
from gennape.tuning import TuneSettings
from onnx_bench.benchmarks import LabelTable, read
from onnx_bench.cost import cost
from onnx_bench.errors import GennapeError, LabelError
from onnx_bench.families import build_spec, family
from scripts.paper import (
    ablation,
    aggregation,
    evolution,
    figures,
    rows,
    search,
    sources,
    table3,
    targets,
    transfer,
    transfer_tables,
    trust,
    units,
    variants,
)
from scripts.paper.study import PROFILES, RECIPE, Ablation, Profile, Search, Study
from scripts.paper.variants import Variant

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "configs" / "gennape"
GNN = "model: {encoder_args: {hidden: 8, layers: 2}}"
GNN_T = "model: {encoder_args: {hidden: 8, layers: 2, attention_layers: 1}}"
CONFIGS = {
    "pretrain_cl": GNN,
    "pretrain_cl_t": GNN_T,
    "cl": GNN,
    "cl_fcm": GNN,
    "cl_t": GNN_T,
    "cl_fcm_t": GNN_T,
    "kgnn": "",
}
TINY_RECIPE = """
pretraining: {pretrain_cl: pretrain_cl.yaml, pretrain_cl_t: pretrain_cl_t.yaml}
members:
  cl_fcm_t: {config: cl_fcm_t.yaml, encoder: pretrain_cl_t}
  cl_t: {config: cl_t.yaml, encoder: pretrain_cl_t}
  kgnn: {config: kgnn.yaml}
"""
SETTINGS = {
    "data.benchmark": "digits",
    "data.subset": "not-digits-tokens",
    "data.floor": 20.0,
    "data.limit": 60,
    "pretrain.data.sources": ["digits/not-digits-tokens"],
    "trainer.max_epochs": 1,
}
TARGET = "digits/digits-tokens"
TINY = Profile(
    "tiny",
    "tiny_",
    seeds=1,
    settings=SETTINGS,
    tune=TuneSettings(epochs=1),
    shots=(0, 6),
    most=30,
    search=Search(predictions=15, population=6, sample=3),
    ablation=Ablation(1, SETTINGS, TARGET, most=30),
)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """A tiny study; trainings stay in this process."""
    home = tmp_path_factory.mktemp("paper")
    for name, own in CONFIGS.items():
        (home / f"{name}.yaml").write_text(f"parts: [{SHIPPED / name}.yaml]\n{own}\n")
    (home / "ensemble.yaml").write_text(TINY_RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gennape.training.workers.ProcessPoolExecutor", ThreadPoolExecutor)
        targets = (TARGET,)
        made = Study(
            TINY, range(1), home / "work", home / "out", targets, home / "ensemble.yaml", 1
        )
        sources.train(made, made.seeds, sources.EXTRAS)
        yield made


def test_table3_has_every_model_and_the_papers_figures(study: Study) -> None:
    table3.make(study)
    table = rows.read_csv(study.csv("table3")).set_index("model")
    ours = ["kgnn", "cl", "cl_fcm", "cl_t", "cl_fcm_t", "ensemble"]
    assert table.loc[ours, ["mae", "kendall", "spearman_all"]].notna().all(axis=None)
    assert list(table.loc[ours, "networks"]) == [6] * 6
    assert table.loc["cl_t", "paper_spearman"] == 0.921
    assert table.loc["NPN", ["spearman", "paper_mae"]].tolist() == [
        pytest.approx(np.nan, nan_ok=True),
        1.09,
    ]
    assert table["partition"].notna().sum() == 2
    gains = rows.read_csv(study.csv("table3_gains"))
    gain = gains.set_index(["from", "to"]).loc[("cl_t", "cl_fcm_t")]
    assert gain["mae"] == pytest.approx(
        table.loc["cl_fcm_t", "mae"] - table.loc["cl_t", "mae"], abs=2e-5
    )
    assert gain["paper_spearman"] == pytest.approx(0.009)
    assert study.figure("table3").read_text().count("<svg") == 1


def test_a_finished_row_is_never_computed_again(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    table3.make(study)
    before = study.csv("table3_rows").read_bytes()
    figure = study.figure("table3").read_bytes()

    def never(*_: Any) -> None:
        raise AssertionError("trained or measured again")

    monkeypatch.setattr(table3, "train", never)
    monkeypatch.setattr(table3, "measure", never)
    table3.make(study)
    assert study.csv("table3_rows").read_bytes() == before
    assert study.figure("table3").read_bytes() == figure


def test_failed_networks_are_as_frequent_as_in_the_benchmark(study: Study) -> None:
    data = sources.runs(study, 0)["kgnn"].data()
    data.setup("test")
    whole = read("digits", subset="not-digits-tokens").values
    failed = table3._failed(data)
    assert (failed.values < 20).all()
    share = (whole < 20).mean()
    assert len(failed) / (len(failed) + len(data.split.test)) == pytest.approx(share, abs=0.1)


def test_transfer_tables(study: Study) -> None:
    found = transfer.make(study)
    models = {"ensemble", "cl_fcm_t", "cl_t", "kgnn", "macs", "parameters"}
    assert set(found[found["shots"] == 0]["model"]) == models
    assert set(found[found["shots"] == 6]["model"]) == models | {transfer.BESIDE}
    assert dict(found.groupby("shots")["networks"].first()) == {0: 30, 6: 24}
    assert set(found["unlabelled"]) == {"none"}
    for kind in transfer_tables.KINDS.values():
        transfer_tables.make(study, kind, found)
        table = rows.read_csv(study.csv(f"table{kind.number}"))
        assert set(table["shots"]) == ({0, 6} if kind.zero_shot else {6})
        assert study.figure(f"table{kind.number}").exists()
    assert set(table["model"]) == {"kgnn", "ensemble", transfer.BESIDE, "macs", "parameters"}


def test_how_much_counts_beyond_size_is_chosen_on_other_targets() -> None:
    half, none = f"{trust.TRUSTED} 0.5", f"{trust.TRUSTED} 0"
    spearmans = {  # each target likes one share best, but the others prefer another
        ("a", half): 0.9, ("a", none): 0.1,
        ("b", half): 0.2, ("b", none): 0.3,
        ("c", half): 0.4, ("c", none): 0.6,
    }  # fmt: skip
    frame = pd.DataFrame(
        {"target": t, "model": m, "spearman": value, "shots": 0, "seed": 0, "chosen_by": "inside"}
        for (t, m), value in spearmans.items()
    )
    found = trust.with_chosen(frame).set_index("target")
    assert set(found["model"]) == {trust.TRUSTED}
    assert found["trust"].to_dict() == {"a": 0.0, "b": 0.5, "c": 0.5}
    assert found["spearman"].to_dict() == {"a": 0.1, "b": 0.2, "c": 0.4}
    assert found["chosen_by"]["a"] == "labels of b, c"


def test_shares_lead_from_size_alone_to_the_whole() -> None:
    whole, by_size = np.array([1.0, 5.0]), np.array([3.0, 3.0])
    found = trust.shares(whole, by_size)
    np.testing.assert_array_equal(found[f"{trust.TRUSTED} 0"], by_size)
    np.testing.assert_array_equal(found[f"{trust.TRUSTED} 1"], whole)
    np.testing.assert_allclose(found[f"{trust.TRUSTED} 0.5"], [2.0, 4.0])


def test_macs_are_a_predictor_of_their_own(study: Study) -> None:
    found = transfer.make(study)
    row = found[(found["model"] == "macs") & (found["shots"] == 0)].iloc[0]
    target = targets.load(TARGET, "digits-tokens", fused=True, most=30)
    macs = [cost(build_spec(text)).macs for text in target.labels.networks]
    assert row["spearman"] == pytest.approx(spearman(macs, target.labels.values), abs=1e-5)
    assert np.isnan(row["mae"])


def test_predictions_are_those_of_the_predictors(study: Study) -> None:
    models = sources.predictors(study, 0, sources.EXTRAS)
    target = targets.load(TARGET, "digits-tokens", fused=True, most=30)
    tuned = transfer.tune(models, target, np.arange(6), study, 0)
    for each in (models, tuned):
        said = sources.predictions(each, target.graphs, np.arange(30))
        for name, predictor in each.items():
            assert said[name] == pytest.approx(predictor.predict(target.graphs))
    members = tuned["ensemble"].checkpoint.model.config.members
    mixed = sum(member.weight * said[member.name] for member in members)
    assert said["ensemble"] == pytest.approx(mixed)
    assert not np.allclose(
        said["kgnn"], sources.predictions(models, target.graphs, np.arange(30))["kgnn"]
    )


def test_a_target_without_its_files_is_left_out_with_a_line(
    study: Study,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("GENNAPE_DATA", str(tmp_path))
    found = transfer.make(replace(study, targets=(TARGET, "darts", "gennape")))
    assert set(found["target"]) == {"digits"}
    printed = capsys.readouterr().out
    assert "darts is left out" in printed
    assert "gennape is left out" in printed


def test_what_is_no_target_is_refused_before_anything_is_trained() -> None:
    with pytest.raises(LabelError, match="no benchmark is called 'dart'"):
        targets.check("dart")
    with pytest.raises(LabelError, match="nasbench201 has no subset 'none'"):
        targets.check("nasbench201/none")


def test_each_family_of_the_authors_graphs_is_a_target(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = ("nb101", "hiaml", "nb101", "ofa-pn", "hiaml")
    texts = tuple(f"{place}.npz" for place in range(len(kinds)))
    whole = LabelTable(texts, np.arange(5.0), kinds, "caches", "accuracy")
    monkeypatch.setattr(targets, "read", lambda _: whole)
    assert targets.subsets("gennape") == ["hiaml", "ofa-pn"]
    assert targets.subsets("gennape/inception") == ["inception"]
    assert targets.table("gennape", "hiaml").networks == ("1.npz", "4.npz")
    with pytest.raises(LabelError, match="no network is of 'inception'"):
        targets.table("gennape", "inception")


def test_rows_measured_elsewhere_stay_in_the_tables(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENNAPE_DATA", str(tmp_path))
    elsewhere = replace(study, out=tmp_path, targets=("darts", TARGET))
    found = transfer.make(study)
    rows.write_csv(elsewhere.csv("transfer"), found.assign(target="darts", subset="all"))
    assert list(transfer.make(elsewhere)["target"].unique()) == ["darts", "digits"]


def test_search(study: Study) -> None:
    search.make(study, [search.Space("digits", "accuracy", subset="digits-cells")])
    table = rows.read_csv(study.csv("table7"))
    assert list(table["fitness"]) == ["cl_fcm_t", "ensemble"]
    values = read("digits", subset="digits-cells").values
    assert table["table_best"].tolist() == pytest.approx([values.max()] * 2)
    assert (table["predictions"] == 15).all()
    assert table["best"].isin(values.round(5)).all()
    assert (table["first"] <= table["best"]).all()


class Unknown(search.Space):
    """A space of which a single network has a label, under a key of its own."""

    def lookup(self) -> dict[str, evolution.Found]:
        return {"another": evolution.Found(f"digits-cells:{family('digits-cells').example}", 1.0)}


def test_a_search_that_meets_no_labelled_network_says_so(study: Study) -> None:
    with pytest.raises(GennapeError, match="none of 15 predicted networks has a label"):
        search.search(study, 0, Unknown("digits", "accuracy"))


def test_evolution_finds_the_best_of_a_small_space() -> None:
    space = family("nasbench201")
    asked: list[str] = []

    def fitness(texts: Any) -> list[float]:
        asked.extend(texts)
        return [text.count("nor_conv_3x3") for text in texts]

    seen = evolution.evolve(space, fitness, 300, 20, 5, np.random.default_rng(0))
    assert len(seen) == len(asked) == len(set(asked)) == 300
    assert max(found.score for found in seen.values()) == 6
    again = evolution.evolve(space, fitness, 300, 20, 5, np.random.default_rng(0))
    assert list(again) == list(seen)


def test_evolution_asks_once_for_networks_of_the_same_key() -> None:
    space = family("nasbench101")
    asked: list[str] = []

    def fitness(texts: Any) -> list[float]:
        asked.extend(texts)
        return [float(len(text)) for text in texts]

    rng = np.random.default_rng(0)
    seen = evolution.evolve(space, fitness, 60, 10, 3, rng, search.module_hash)
    assert len({search.module_hash(text) for text in asked}) == len(asked) == len(seen) == 60


def test_evolution_ends_where_a_space_has_no_more_networks() -> None:
    class Two(type(family("nasbench201"))):  # type: ignore[misc]
        choices = (("none", "skip_connect"), *(("none",),) * 5)

    seen = evolution.evolve(
        Two(), lambda texts: [0.0] * len(texts), 9, 4, 2, np.random.default_rng(0)
    )
    assert len(seen) == 2


def test_evolution_stays_in_a_part_of_the_family() -> None:
    space, rng = family("nasbench201"), np.random.default_rng(0)
    seen = evolution.evolve(
        space, lambda texts: map(len, texts), 50, 8, 3, rng, member=search.without_none
    )
    assert len(seen) == 50
    assert not any("none" in found.text for found in seen.values())


ALTERED = (
    Variant("shipped", "CL+FCM+T"),
    Variant("clusters", "8", head={"clusters": 8}),
    Variant("fuzzifier", "99", head={"fuzzifier": 99.0}),
    Variant("temperature", "0.5", pretraining={"model.temperature": 0.5}),
)


def test_ablation(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (ablation, variants):
        monkeypatch.setattr(module, "VARIANTS", ALTERED)
    # here, the ablation's own trainings would be the same
    shutil.copytree(study.work / "seed0", study.work / "ablation" / "seed0")
    ablation.make(study)
    assert not study.failures.lines
    table = rows.read_csv(study.csv("ablation")).set_index(["factor", "value"])
    assert table.index.tolist() == [
        *((variant.factor, variant.value) for variant in ALTERED),
        *(("ensemble", way) for way in aggregation.JOINED),
    ]
    figures = ["spearman", "mae", "digits_digits-tokens"]
    shipped = table.loc[("shipped", "CL+FCM+T"), figures]
    assert table.loc[("clusters", "8"), "shipped"]
    assert table.loc[("clusters", "8"), figures].equals(shipped.rename(("clusters", "8")))
    assert table["collapsed"].to_dict()[("fuzzifier", "99")] == 1
    assert table["collapsed"].sum() == 1
    assert "collapsed" in rows.read_csv(study.csv("ablation_rows"))["note"].dropna().iloc[0]
    encoders = [
        study.work / "ablation" / "seed0" / name / "encoder" / "model.safetensors"
        for name in ("pretrain_cl_t", "pretrain-temperature-0_5")
    ]
    assert encoders[0].read_bytes() != encoders[1].read_bytes()
    assert np.isnan(table.loc[("ensemble", "mean rank"), "mae"])


def test_a_variant_changes_one_thing() -> None:
    planned = variants.plan(RECIPE, Path("runs"), 0, PROFILES["full"].ablation.settings)
    shipped = planned.runs["cl_fcm_t"].settings["model"]
    blurred = planned.runs["fuzzifier-2_0-4-axes"].settings["model"]
    head = {**shipped["head_args"], "fuzzifier": 2.0, "projection": 4}
    assert blurred == {**shipped, "head_args": head}
    far = planned.runs["positives-spectral-far"]
    assert far.settings["model"].keys() == shipped.keys()
    pretraining = planned.runs[str(far.needs)].settings
    assert pretraining["model"]["reading"] == "far"
    assert pretraining["data"]["limit"] == far.settings["data"]["limit"] == 4000
    names = [variant.name for variant in variants.VARIANTS]
    assert len(set(names)) == len(names)


def test_ways_to_join_models() -> None:
    each = np.random.default_rng(0).normal(size=(9, 3))
    tau = np.array([0.1, np.nan, 0.7])
    ways = {name: join(each, tau) for name, join in aggregation.JOINED.items()}
    assert ways["best on validation"] == pytest.approx(each[:, 2])
    weights = np.exp([0.1, 0.0, 0.7])
    assert ways["softmax of validation tau"] == pytest.approx(each @ weights / weights.sum())
    order = (each[:, None, :] > each[None, :, :]).sum(axis=1).mean(axis=1) + 1
    assert ways["mean rank"] == pytest.approx(order)
    constant = np.ones((9, 1))
    assert np.isfinite(aggregation.standardised(constant, tau[:1])).all()


def test_rows_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    kept = rows.Rows(tmp_path / "rows.csv", ("subset", "seed"))
    kept.add(
        [{"subset": "none", "seed": 1, "mae": 1.0}, {"subset": "all", "seed": 0, "mae": np.nan}]
    )
    kept.add([{"subset": "none", "seed": 1, "mae": 2.0}])
    again = rows.Rows(tmp_path / "rows.csv", ("subset", "seed"))
    assert again.has(subset="none", seed=1)
    assert not again.has(subset="none", seed=0)
    assert again.frame["mae"].tolist() == [pytest.approx(np.nan, nan_ok=True), 2.0]
    with pytest.raises(LabelError, match="no column 'model'"):
        rows.Rows(tmp_path / "rows.csv", ("model", "seed"))


def test_means_are_over_seeds() -> None:
    frame = pd.DataFrame({"model": ["a", "a", "b"], "seed": [0, 1, 0], "mae": [1.0, 3.0, 5.0]})
    found = rows.means(frame, ["model"], ["mae"]).set_index("model")
    assert found.loc["a"].tolist() == [2, 2.0, pytest.approx(2**0.5)]
    assert np.isnan(found.loc["b", "mae_std"])


def fails() -> list[rows.Row]:
    raise GennapeError("out of luck")


def succeeds(number: int) -> list[rows.Row]:
    return [{"number": number}]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_unit_that_fails_stops_no_other(processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "ProcessPoolExecutor", ThreadPoolExecutor)
    failures = units.Failures()
    work = [units.Unit("bad", fails, ()), *(units.Unit(f"{n}", succeeds, (n,)) for n in range(4))]
    found = list(units.finished(work, processes, "work", failures))
    assert sorted(row["number"] for unit in found for row in unit) == [0, 1, 2, 3]
    assert failures.lines == ["bad: out of luck"]


def test_a_figure_is_the_same_file_each_time(tmp_path: Path) -> None:
    table = pd.DataFrame({"name": ["a", "b"], "mae": [1.0, np.nan], "paper": [np.nan, 2.0]})
    found = figures.dots(table, "mae", "MAE", table["name"], "ours", "paper")
    for name in ("one.svg", "two.svg"):
        figures.draw(tmp_path / name, found, {"MAE": 1.5})
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def script(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    monkeypatch.setattr(sys, "argv", ["paper_tables.py", *arguments])
    names = runpy.run_path(str(ROOT / "scripts" / "paper_tables.py"), run_name="script")
    return SimpleNamespace(**names)


def test_the_quick_profile_never_writes_over_the_full_one(monkeypatch: pytest.MonkeyPatch) -> None:
    full, quick = (
        (names := script(monkeypatch, "--profile", profile)).of(names.parse())
        for profile in ("full", "quick")
    )
    assert full.csv("table3") == Path("results/paper_table3.csv")
    assert quick.csv("table3") == Path("results/paper_quick_table3.csv")
    assert full.work != quick.work
    assert (list(full.seeds), full.profile.tune.epochs) == ([0, 1, 2, 3, 4], 60)


def test_failures_end_the_command_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = script(monkeypatch, "--table", "3")
    lost = lambda study, tables: study.failures.lines.append(f"{tables}: lost")  # noqa: E731
    monkeypatch.setitem(names.main.__globals__, "make", lost)
    with pytest.raises(SystemExit) as end:
        names.main()
    assert end.value.code == 2
    assert "the same command tries again: ['3']: lost" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [("--seeds", "0"), ("--table", "8"), ("--processes", "two")])
def test_bad_arguments_are_refused(
    arguments: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        script(monkeypatch, *arguments).parse()
    assert end.value.code == 2
    assert arguments[0] in capsys.readouterr().err
