"""The transfer protocol on two tiny benchmarks, its figures worked out again by hand."""

import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy import stats

from gennape.inference import Predictor
from gennape.metrics import METRICS, ndcg_at_10
from gennape.models.performance import ModelConfig
from gennape.transfer import report
from gennape.transfer.protocol import Protocol, run_seed, steps
from gennape.transfer.run import run
from gennape.tuning import TuneSettings
from onnx_bench.benchmarks import Benchmark, Label
from onnx_bench.benchmarks.base import everything
from onnx_bench.graph import ComputationGraph

Labels = npt.NDArray[np.float64]
Row = dict[str, Any]
SUBSETS = ("all", "half")
SHOTS = (0, 4)


def written(root: Path, name: str, networks: tuple[str, ...], values: Labels) -> Benchmark:
    """A benchmark under `root` with the subsets `all` and `half`."""
    (root / name).mkdir()
    frame = pd.DataFrame({"network": networks, "top1": values})
    frame.to_parquet(root / name / "labels.parquet")
    return Benchmark(
        name=name,
        folder=name,
        title="",
        source="",
        licence="",
        families=tuple({text.partition(":")[0] for text in networks}),
        networks=lambda frame: frame["network"],
        labels=(Label("top1", ("top1",), "tiny"),),
        subsets={"all": everything, "half": lambda frame: frame.index < len(networks) // 2},
    )


@pytest.fixture(scope="module")
def benchmarks(
    networks: tuple[str, ...], labels: Labels, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, tuple[tuple[str, ...], Labels]]]:
    """Twenty chains as `tiny-source`, twenty cells as `tiny-target`."""
    tables = {
        "tiny-source": (networks[0::2], labels[0::2]),
        "tiny-target": (networks[1::2], labels[1::2]),
    }
    root = tmp_path_factory.mktemp("tables")
    made = {name: written(root, name, texts, values) for name, (texts, values) in tables.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENNAPE_DATA", str(root))
        patch.setattr("onnx_bench.benchmarks.benchmark", made.__getitem__)
        yield tables


def tiny(**changes: Any) -> Protocol:
    given = {
        "source": "tiny-source",
        "target": "tiny-target",
        "target_subsets": SUBSETS,
        "shots": SHOTS,
        "model": ModelConfig(encoder_args={"hidden": 8, "layers": 2}),
        "epochs": 2,
        "batch_size": 8,
        "learning_rate": 5e-3,
        "tune_epochs": 3,
        "tune_learning_rate": 1e-2,
    }
    return Protocol(**(given | changes))


class Finished:
    """One seed of the tiny protocol, with every fine-tuning that it did."""

    def __init__(self, work: Path, benchmarks: dict[str, tuple[tuple[str, ...], Labels]]) -> None:
        self.texts, self.values = benchmarks["tiny-target"]
        self.work = work
        self.reports: list[int] = []
        self.tuned: list[tuple[tuple[str, ...], Labels, Predictor]] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Predictor, "fit", self.spy(Predictor.fit))
            self.rows = run_seed(tiny(), 0, work, self.reports.append)

    def spy(self, fit: Callable[..., Predictor]) -> Callable[..., Predictor]:
        def recorded(self_: Predictor, graphs: Any, values: Labels, *how: Any) -> Predictor:
            tuned = fit(self_, graphs, values, *how)
            self.tuned.append((graphs.graphs.names, values, tuned))
            return tuned

        return recorded

    @property
    def source_model(self) -> Predictor:
        return Predictor.from_pretrained(self.work / tiny().key / "seed0" / "predictor")

    def row(self, subset: str, shots: int) -> Row:
        (row,) = [r for r in self.rows if (r["subset"], r["shots"]) == (subset, shots)]
        return row


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory,
    benchmarks: dict[str, tuple[tuple[str, ...], Labels]],
) -> Finished:
    return Finished(tmp_path_factory.mktemp("work"), benchmarks)


def by_hand(predicted: Labels, true: Labels) -> dict[str, float]:
    return {
        "spearman": stats.spearmanr(predicted, true).statistic,
        "kendall": stats.kendalltau(predicted, true).statistic,
        "ndcg10": ndcg_at_10(predicted, true),
        "mae": np.abs(predicted - true).mean(),
    }


def figures(row: Row) -> dict[str, float]:
    return {name: row[name] for name in METRICS}


# one seed


def test_there_is_a_row_for_each_subset_and_number_of_labels(finished: Finished) -> None:
    found = [(row["subset"], row["shots"]) for row in finished.rows]
    assert found == [("all", 0), ("all", 4), ("half", 0), ("half", 4)]


def test_rows_say_what_was_measured(finished: Finished) -> None:
    row = finished.row("half", 4)
    expected = {
        "source": "tiny-source",
        "target": "tiny-target",
        "label": "top1",
        "encoder": "k-gnn",
        "source_model": tiny().key,
        "seed": 0,
        "networks": 6,
    }
    assert {name: row[name] for name in expected} == expected


@pytest.mark.parametrize(("subset", "count"), [("all", 20), ("half", 10)])
def test_zero_shot_figures_are_of_all_rows_by_the_source_model(
    subset: str, count: int, finished: Finished
) -> None:
    predicted = finished.source_model.predict(finished.texts[:count])
    row = finished.row(subset, 0)
    assert figures(row) == pytest.approx(by_hand(predicted, finished.values[:count]), abs=1e-6)
    assert row["networks"] == count


@pytest.mark.parametrize(("subset", "count"), [("all", 20), ("half", 10)])
def test_few_shot_figures_are_of_the_rows_whose_labels_were_not_shown(
    subset: str, count: int, finished: Finished
) -> None:
    names, shown, tuned = finished.tuned[SUBSETS.index(subset)]
    places = [finished.texts.index(name) for name in names]
    assert len(set(places)) == SHOTS[1]
    assert shown.tolist() == finished.values[places].tolist()
    rest = [i for i in range(count) if i not in places]
    predicted = tuned.predict([finished.texts[i] for i in rest])
    expected = by_hand(predicted, finished.values[rest])
    assert figures(finished.row(subset, 4)) == pytest.approx(expected, abs=1e-5)


def test_every_fine_tuning_starts_from_the_untouched_source_model(finished: Finished) -> None:
    last = Predictor.fit(
        finished.source_model,
        finished.tuned[-1][0],
        finished.tuned[-1][1],
        TuneSettings(epochs=3, batch_size=tiny().tune_batch_size, learning_rate=1e-2),
    )
    expected = finished.tuned[-1][2].predict(finished.texts)
    assert last.predict(finished.texts) == pytest.approx(expected, abs=1e-4)


def test_fine_tuning_first_leaves_the_zero_shot_row(finished: Finished) -> None:
    other = run_seed(tiny(shots=(4, 0)), 0, finished.work, lambda _: None)
    zero = next(row for row in other if (row["subset"], row["shots"]) == ("all", 0))
    assert zero == finished.row("all", 0)


def test_the_report_counts_up_to_the_steps(finished: Finished) -> None:
    assert sum(finished.reports) == steps(tiny()) == 2 + 2 * 2


def test_the_same_seed_gives_the_same_rows(finished: Finished, tmp_path: Path) -> None:
    assert run_seed(tiny(), 0, tmp_path, lambda _: None) == finished.rows


def test_another_seed_trains_splits_and_draws_anew(finished: Finished, tmp_path: Path) -> None:
    other = run_seed(tiny(), 1, tmp_path, lambda _: None)
    assert [figures(row) for row in other] != [figures(row) for row in finished.rows]
    assert {row["seed"] for row in other} == {1}


def test_a_source_model_that_is_there_is_not_trained_again(finished: Finished) -> None:
    reports: list[int] = []
    rows = run_seed(tiny(), 0, finished.work, reports.append)
    assert rows == finished.rows
    assert sum(reports) == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"source": "other"},
        {"source_subset": "half"},
        {"limit": 15},
        {"loss": "pairwise-hinge"},
        {"epochs": 3},
        {"batch_size": 4},
        {"learning_rate": 1e-3},
        {"model": ModelConfig("gated-gcn")},
        {"model": ModelConfig(encoder_args={"hidden": 16, "layers": 2})},
        {"model": ModelConfig(encoder_args={"hidden": 8, "layers": 2}, head_args={"hidden": 8})},
    ],
    ids=lambda changes: str(next(iter(changes.values()))),
)
def test_protocols_that_train_another_source_model_never_share_it(changes: Row) -> None:
    assert tiny(**changes).key != tiny().key


# several seeds


@pytest.fixture
def seeds_run(monkeypatch: pytest.MonkeyPatch, one_process: None) -> list[int]:
    """The seeds that `run` really runs, in order; each gives made-up rows at once."""
    del one_process
    ran: list[int] = []

    def fake(
        protocol: Protocol, seed: int, _work: Path, report: Callable[[int], None]
    ) -> list[Row]:
        ran.append(seed)
        report(1)
        return [
            made_up(seed, shots, subset or "all", source_model=protocol.key)
            for subset in protocol.target_subsets
            for shots in protocol.shots
        ]

    monkeypatch.setattr("gennape.transfer.run.run_seed", fake)
    return ran


def made_up(seed: int, shots: int = 0, subset: str = "all", **changes: Any) -> Row:
    """A row with figures that depend on the seed and the number of labels."""
    value = 0.5 + 0.01 * seed**2 + 0.001 * shots
    row = {
        "source": "tiny-source",
        "target": "tiny-target",
        "subset": subset,
        "label": "top1",
        "encoder": "k-gnn",
        "source_model": "model",
        "shots": shots,
        "seed": seed,
        "networks": 20 - shots,
        "spearman": value,
        "kendall": value / 2,
        "ndcg10": value + 0.2,
        "mae": 2 - value,
    }
    return row | changes


def places(rows: pd.DataFrame) -> list[tuple[int, str, int]]:
    """Seed, subset and labels of every row."""
    return sorted(zip(rows["seed"], rows["subset"], rows["shots"], strict=True))


def expected_places(seeds: range) -> list[tuple[int, str, int]]:
    return sorted((seed, subset, shots) for seed in seeds for subset in SUBSETS for shots in SHOTS)


def test_every_seed_is_run_and_written(seeds_run: list[int], tmp_path: Path) -> None:
    out = tmp_path / "results" / "rows.csv"
    rows = run(tiny(), 3, out, tmp_path)
    assert sorted(seeds_run) == [0, 1, 2]
    assert places(rows) == places(report.read_rows(out)) == expected_places(range(3))
    assert [path.name for path in out.parent.iterdir()] == ["rows.csv"]


def test_finished_seeds_are_not_run_again(seeds_run: list[int], tmp_path: Path) -> None:
    run(tiny(), 2, tmp_path / "rows.csv", tmp_path)
    rows = run(tiny(), 4, tmp_path / "rows.csv", tmp_path)
    assert sorted(seeds_run) == [0, 1, 2, 3]
    assert places(rows) == expected_places(range(4))
    run(tiny(), 4, tmp_path / "rows.csv", tmp_path)
    assert len(seeds_run) == 4


def test_more_numbers_of_labels_add_rows_and_double_none(
    seeds_run: list[int], tmp_path: Path
) -> None:
    run(tiny(shots=(0,)), 2, tmp_path / "rows.csv", tmp_path)
    rows = run(tiny(), 2, tmp_path / "rows.csv", tmp_path)
    assert places(rows) == expected_places(range(2))
    assert len(seeds_run) == 4


def test_another_subset_is_run_too(seeds_run: list[int], tmp_path: Path) -> None:
    for subset in SUBSETS:
        rows = run(tiny(target_subsets=(subset,)), 1, tmp_path / "rows.csv", tmp_path)
    assert places(rows) == expected_places(range(1))
    assert len(seeds_run) == 2


def test_rows_of_other_source_models_stay(seeds_run: list[int], tmp_path: Path) -> None:
    run(tiny(), 1, tmp_path / "rows.csv", tmp_path)
    rows = run(tiny(epochs=9), 1, tmp_path / "rows.csv", tmp_path)
    assert set(rows["source_model"]) == {tiny().key, tiny(epochs=9).key}
    assert len(rows) == 8
    assert seeds_run == [0, 0]


@pytest.mark.usefixtures("benchmarks", "one_process")
def test_the_rows_of_a_run_are_those_of_its_seeds(finished: Finished, tmp_path: Path) -> None:
    rows = run(tiny(), 1, tmp_path / "rows.csv", finished.work)
    for row in finished.rows:
        found = rows[(rows["subset"] == row["subset"]) & (rows["shots"] == row["shots"])]
        assert found["spearman"].tolist() == pytest.approx([row["spearman"]], abs=1e-5)


# the report


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    rows = pd.DataFrame([made_up(seed, shots) for shots in (4, 0) for seed in (1, 0)])
    written = report.write_rows(tmp_path / "rows.csv", rows)
    assert written[["shots", "seed"]].to_numpy().tolist() == [[0, 0], [0, 1], [4, 0], [4, 1]]
    pd.testing.assert_frame_equal(report.read_rows(tmp_path / "rows.csv"), written)


def test_no_rows_are_there_before_the_first_run(tmp_path: Path) -> None:
    assert len(report.read_rows(tmp_path / "rows.csv")) == 0


def test_the_summary_has_means_and_deviations_over_seeds() -> None:
    rows = pd.DataFrame([made_up(seed, shots) for seed in range(5) for shots in SHOTS])
    found = report.summary(rows)
    assert found[["shots", "seeds", "networks"]].to_numpy().tolist() == [[0, 5, 20], [4, 5, 16]]
    for shots in SHOTS:
        mine, line = rows[rows["shots"] == shots], found[found["shots"] == shots].iloc[0]
        for metric in METRICS:
            values = mine[metric].tolist()
            mean = sum(values) / 5
            deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / 4)
            assert line[metric] == pytest.approx(mean)
            assert line[f"{metric}_std"] == pytest.approx(deviation)


def test_one_seed_has_no_deviation() -> None:
    assert np.isnan(report.summary(pd.DataFrame([made_up(0)]))["spearman_std"].iloc[0])


@pytest.mark.parametrize(("shots", "spearman", "ndcg"), [(0, 0.4930, 0.9270), (50, 0.8606, 0.9751)])
def test_published_figures_stand_beside_ours(shots: int, spearman: float, ndcg: float) -> None:
    names = {"source": "nasbench101", "target": "nasbench201"}
    line = report.summary(pd.DataFrame([made_up(0, shots, "no-none", **names)])).iloc[0]
    assert (line["published_spearman"], line["published_ndcg10"]) == (spearman, ndcg)


@pytest.mark.parametrize(
    "changes",
    [{"subset": "all"}, {"encoder": "gated-gcn"}, {"source": "digits"}, {"shots": 10}],
)
def test_other_experiments_have_no_published_figure(changes: Row) -> None:
    names = {"source": "nasbench101", "target": "nasbench201", "subset": "no-none"}
    line = report.summary(pd.DataFrame([made_up(0, **(names | changes))])).iloc[0]
    assert np.isnan(line["published_spearman"])
    assert np.isnan(line["published_ndcg10"])


def test_the_summary_is_written_beside_the_rows(tmp_path: Path) -> None:
    lines = report.summary(pd.DataFrame([made_up(0), made_up(1)]))
    path = report.write_summary(tmp_path / "rows.csv", lines)
    assert path == tmp_path / "rows_summary.csv"
    assert pd.read_csv(path)["spearman"].tolist() == pytest.approx([0.505])


def test_the_summary_is_shown_with_the_published_figure(capsys: pytest.CaptureFixture[str]) -> None:
    names = {"source": "nasbench101", "target": "nasbench201"}
    rows = [made_up(seed, 50, "no-none", **names) for seed in range(3)]
    report.show(report.summary(pd.DataFrame(rows)))
    shown = capsys.readouterr().out
    assert "no-none" in shown
    assert "0.861" in shown
    assert "0.567±0.021" in shown


def test_results_from_before_labels_had_names_are_gone_on_with(
    seeds_run: list[int], tmp_path: Path
) -> None:
    results = Path(__file__).parents[2] / "results" / "transfer_kgnn.csv"
    out = tmp_path / "rows.csv"
    shutil.copy(results, out)
    protocol = Protocol(target_subsets=("all", "no-none"))
    rows = run(protocol, 5, out, tmp_path)
    assert seeds_run == []
    assert set(rows["label"]) == {"cifar10-test-200"}
    assert len(report.summary(rows)) == 4
    assert out.read_bytes() == results.read_bytes()


def test_scores_of_the_target_do_not_depend_on_its_labels(
    benchmarks: dict[str, tuple[tuple[str, ...], Labels]],
    finished: Finished,
    graphs: list[ComputationGraph],
    tmp_path: Path,
) -> None:
    texts, values = benchmarks["tiny-target"]
    written(tmp_path, "tiny-source", *benchmarks["tiny-source"])
    written(tmp_path, "tiny-target", texts, values[::-1] * 3)
    run_seed(tiny(shots=(0,), data_root=tmp_path), 0, tmp_path, lambda _: None)
    other = Predictor.from_pretrained(tmp_path / tiny().key / "seed0" / "predictor")
    np.testing.assert_array_equal(other.predict(graphs), finished.source_model.predict(graphs))
