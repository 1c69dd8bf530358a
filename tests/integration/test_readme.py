"""What the README shows works, and its figures are those of the results."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gennape.transfer.lofo_words import TITLES
from gennape.transfer.targets import TARGETS
from onnx_bench.families import family
from onnx_bench.onnx_export import save_onnx
from tests.small_families import SELF_CONTAINED

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
INSIDE = {
    "kgnn": "k-GNN",
    "cl": "CL",
    "cl_fcm": "CL+FCM",
    "cl_t": "CL+T",
    "cl_fcm_t": "CL+FCM+T",
    "ensemble": "the ensemble",
}
"""Models of the paper's Table 3 as the README calls them."""


def test_python_blocks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    chains = family("digits-chains")
    rng = np.random.default_rng(0)
    for name in ("net", "a", "b", "c"):
        save_onnx(chains.build(chains.sample(rng)), tmp_path / f"{name}.onnx")
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        exec(block, {})
    assert (tmp_path / "runs" / "mine" / "config.json").is_file()


@pytest.mark.parametrize("metric", ["spearman", "kendall"])
def test_transfer_figures_are_those_of_the_results(metric: str) -> None:
    rows = pd.read_csv(ROOT / "results" / "transfer_kgnn_summary.csv").to_dict("records")
    assert len(rows) == 4
    for row in rows:
        assert f"{row[metric]:.3f} ± {row[f'{metric}_std']:.3f}" in README


def test_every_row_of_every_benchmark_is_verified() -> None:
    checks = pd.read_csv(ROOT / "results" / "verify.csv")
    differing = checks[checks["equal"] < checks["rows"]]
    assert differing["family"].tolist() == ["autoformer"]
    assert set(differing["result"]) == {"differs, listed only"}
    table = re.findall(r"^\| ([a-z0-9-]+) \| ([\d,]+) \| ([^|]+) \|$", README, re.MULTILINE)
    assert len(table) == 13
    for name, rows, figures in table:
        found = checks[checks["family"] == name]
        for figure in figures.split(", "):
            same = found["figure"].str.startswith(figure)
            assert found[same]["rows"].max() == int(rows.replace(",", ""))


def test_every_family_goes_round() -> None:
    rows = pd.read_csv(ROOT / "results" / "families.csv")
    assert set(rows["family"]) == set(SELF_CONTAINED)
    for step in ("networks", "repeats", "neighbour", "runs_and_returns"):
        assert (rows[step] == 30).all()
    assert (rows["graphs_a_second"] >= rows["goal"]).all()


def test_linked_files_exist() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert links
    assert all((ROOT / link).exists() for link in links)


def test_zoo_figures_are_those_of_the_results() -> None:
    rows = pd.read_csv(ROOT / "results" / "zoo_coverage.csv", keep_default_na=False)
    whole = (rows["error"] == "") & (rows["known_macs"] == 1) & (rows["known_parameters"] == 1)
    timm = rows["kind"] == "timm"
    priced = rows[rows["published_macs"] > 0]
    close = (priced["gap"].abs() <= 0.02).sum()
    counted = priced["macs_and_norms"] - priced["published_macs"]
    alike = (counted.abs() <= np.maximum(0.02 * priced["published_macs"], 5e6)).sum()
    agreement = pd.read_csv(ROOT / "results" / "zoo_agreement.csv")
    speed = pd.read_csv(ROOT / "results" / "import_speed.csv")
    times = speed[speed["way"] == "import"]["median_ms"].round().astype(int)
    for figure in (
        f"{whole[timm].sum():,} of {timm.sum():,}",
        f"{whole[~timm].sum()} of {(~timm).sum()}",
        f"{close} of {len(priced)}",
        f"{alike} of {len(priced)}",
        f"{agreement['same'].sum()} of {len(agreement)}",
        f"{', '.join(map(str, times))} ms",
    ):
        assert f"| {figure} |" in README


def figure(row: Any, name: str, digits: int) -> str:
    """Mean and deviation as the README has them."""
    return f"{row[name]:.{digits}f} ± {row[f'{name}_std']:.{digits}f}"


def line(start: str) -> str:
    """The line with deviations that starts with this cell."""
    found = re.findall(rf"^\| {re.escape(start)} \|.*±.*$", README, re.MULTILINE)
    assert len(found) == 1, start
    return str(found[0])


def test_figures_inside_the_source_are_those_of_the_results() -> None:
    rows = pd.read_csv(ROOT / "results" / "paper_table3.csv").set_index("model")
    assert (rows["seeds"].dropna() == 5).all()
    for model, name in INSIDE.items():
        row = rows.loc[model]
        assert f"| {figure(row, 'mae', 2)} |" in line(name)
        assert f"| {figure(row, 'spearman', 3)} |" in line(name)


def test_figures_of_other_families_are_those_of_the_results() -> None:
    rows = pd.read_csv(ROOT / "results" / "paper_table5.csv")
    assert (rows["seeds"] == 5).all()
    for (target, subset), mine in rows.groupby(["target", "subset"]):
        name = target if subset in ("all", "distinct") else f"{target}, {subset}"
        for model, shots in (("ensemble", 0), ("ensemble, numbers", 50)):
            row = mine[(mine["model"] == model) & (mine["shots"] == shots)].iloc[0]
            assert f"| {figure(row, 'spearman', 3)} |" in line(name)


LEFT_OUT = {
    ("nasbench201", "all", "cifar10-test-200"): "NAS-Bench-201, CIFAR-10",
    ("nasbench201", "all", "cifar100-test-200"): "NAS-Bench-201, CIFAR-100",
    ("nasbench201", "all", "imagenet16-test-200"): "NAS-Bench-201, ImageNet16-120",
    ("nasbench201", "no-none", "cifar10-test-200"): "NAS-Bench-201 without `none`",
    ("nasbench201", "reachable", "cifar10-test-200"): "NAS-Bench-201, nothing in vain",
    **{name: title for name, title in TITLES.items() if name not in ("nasbench201", "hwgpt-s")},
    "transnas-micro": "TransNAS micro, scenes",
    "transnas-macro": "TransNAS macro, scenes",
    "ofa-mbv3": "Once-for-All MobileNetV3",
    "bert": "BERT, GLUE",
    "gpt2": "GPT-2, WikiText-103",
    "transformer-xl": "Transformer-XL, WikiText-103",
    "hwgpt": "HW-GPT-Bench s",
    "digits-mbconv": "digits, inverted bottlenecks",
    "nasbench101": "NAS-Bench-101, from NAS-Bench-201",
}
"""Targets of `gennape transfer --lofo` as the README calls them."""


def test_figures_of_families_left_out_are_those_of_the_results() -> None:
    rows = pd.read_csv(ROOT / "results" / "transfer_summary.csv", keep_default_na=False)
    ours = rows[rows["estimator"].isin(["generalist", "universal"]) & (rows["mode"] == "single")]
    assert (ours["seeds"] == 5).all()
    works = ours.groupby(["target", "subset", "label"])
    assert len(works) == len(LEFT_OUT)
    for work, mine in works:
        shown = line(LEFT_OUT[work] if work in LEFT_OUT else LEFT_OUT[work[0]])
        for row in mine.to_dict("records"):
            if (row["left_out"], row["shots"]) in (("family", 0), *(("kin", k) for k in FEW)):
                found = f"{float(row['spearman']):.3f} ± {float(row['spearman_std']):.3f}"
                assert f"| {found} |" in shown


FEW = (16, 50, 128)


def test_means_over_families_left_out_are_those_of_the_results() -> None:
    rows = pd.read_csv(ROOT / "results" / "transfer.csv", keep_default_na=False)
    known = rows[(rows["mode"] == "single") & (rows["shots"] == 0) & (rows["left_out"] != "kin")]
    held_back = known["target"].isin({t.left_out for t in TARGETS if t.held_back})
    for own in (known, known[held_back]):
        spearman = pd.to_numeric(own["spearman"])
        seeds = spearman.groupby([own["estimator"], own["seed"]]).mean().groupby("estimator")
        one, all_of_them = (
            f"{seeds.mean()[name]:.3f} ± {seeds.std()[name]:.3f}"
            for name in ("generalist", "universal")
        )
        said = " ".join(README.split())
        assert f"one source reaches {one} and all together {all_of_them}" in said
    assert f"parameters alone {seeds.mean()['parameters']:.3f}" in said


def test_goals_are_reported_as_they_are() -> None:
    goals = pd.read_csv(ROOT / "results" / "transfer_goals.csv")
    assert len(goals) > 30
    assert {"reached", "missed"} <= set(goals["verdict"])


def test_figures_of_suggestions_are_those_of_the_results() -> None:
    rows = pd.read_csv(ROOT / "results" / "suggest_curves.csv")
    mean = rows[rows["benchmark"] == "mean of families"].set_index(["labels", "way"])
    for labels in (16, 50):
        for way in ("explore", "random"):
            row = mean.loc[(labels, way)]
            assert f"{row['spearman']:.3f} ± {row['spearman_std']:.3f}" in README


def test_a_cold_start_takes_as_long_as_is_said() -> None:
    rows = pd.read_csv(ROOT / "results" / "predict_speed.csv").set_index(["files", "part"])
    assert (rows["model"] == "gennape-universal").all()
    one, many = (rows.loc[(files, "whole"), "wall_s"] for files in (1, 300))
    assert f"one ONNX file in {one:.1f} s" in README
    assert f"{many:.1f} s" in README
    assert one < 2
    assert many < 10
