"""Training: splits, what a run leaves behind, stopping and going on, and how bad input ends."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch

from gennape.checkpoint import Checkpoint
from gennape.inference import Predictor
from gennape.metrics import spearman
from gennape.models.performance import ModelConfig, PerformanceModel
from gennape.targets import TargetScale
from gennape.training.cli import main
from gennape.training.data import LabelData, split
from gennape.training.fit import fit
from gennape.training.module import PredictorModule
from onnx_bench.errors import GennapeError, LabelError
from onnx_bench.graph import ComputationGraph

Labels = npt.NDArray[np.float64]
SMALL = {"hidden": 8, "layers": 2}


def data_of(table: Path, **arguments: Any) -> LabelData:
    given = {"label": "accuracy", "fractions": (0.2, 0.2), "batch_size": 8} | arguments
    return LabelData(table=table, **given)


def module(rate: float = 2e-2, **more: Any) -> PredictorModule:
    return PredictorModule(encoder_args=SMALL, optimizer=partial(torch.optim.Adam, lr=rate), **more)


# splits


@pytest.mark.parametrize("rows", [10, 11, 57, 1000])
@pytest.mark.parametrize("fractions", [(0.2, 0.2), (0.2, 0.3), (0.45, 0.3)])
def test_a_split_is_disjoint_and_covers_every_row(
    rows: int, fractions: tuple[float, float]
) -> None:
    parts = split(rows, fractions, np.random.default_rng(0), "table")
    assert sorted(np.concatenate(parts)) == list(range(rows))
    assert [len(parts.val), len(parts.test)] == [round(rows * share) for share in fractions]


@pytest.mark.parametrize("fractions", [(-0.1, 0.2), (0.2, -0.1), (0.5, 0.5), (0.9, 0.3), (1, 0)])
def test_shares_that_are_none_are_refused(fractions: tuple[float, float]) -> None:
    with pytest.raises(LabelError, match="fractions"):
        split(100, fractions, np.random.default_rng(0), "table")


@pytest.mark.parametrize(
    ("rows", "fractions"),
    [(0, (0.1, 0.1)), (9, (0.1, 0.1)), (100, (0.0, 0.1)), (100, (0.98, 0.01))],
)
def test_too_few_rows_in_a_part_are_refused(rows: int, fractions: tuple[float, float]) -> None:
    with pytest.raises(LabelError, match=f"mine.csv: {rows} rows"):
        split(rows, fractions, np.random.default_rng(0), "mine.csv")


# LabelData


def test_the_data_of_a_seed_are_the_same_each_time(table: Path) -> None:
    first, again, other = (data_of(table, seed=seed) for seed in (3, 3, 4))
    for data in (first, again, other):
        data.setup("fit")
    assert [a.tolist() for a in first.split] == [b.tolist() for b in again.split]
    assert [a.tolist() for a in first.split] != [b.tolist() for b in other.split]


def test_loaders_give_their_part_of_the_rows(table: Path, labels: Labels) -> None:
    data = data_of(table)
    data.setup("fit")
    loaders = (data.train_dataloader(), data.val_dataloader(), data.test_dataloader())
    for rows, loader in zip(data.split, loaders, strict=True):
        seen = torch.cat([batch.labels for batch in loader]).tolist()
        assert sorted(seen) == pytest.approx(sorted(labels[rows]))


def test_training_rows_come_in_another_order_each_epoch(table: Path) -> None:
    data = data_of(table)
    data.setup("fit")
    orders = []
    for epoch in (0, 1, 0):
        loader = data.train_dataloader()
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]  # as Lightning does
        orders.append([batch.labels.tolist() for batch in loader])
    assert orders[0] != orders[1]
    assert orders[0] == orders[2]


def test_predictions_are_of_every_row_in_order(table: Path, labels: Labels) -> None:
    data = data_of(table)
    data.setup("predict")
    seen = torch.cat([batch.labels for batch in data.predict_dataloader()])
    assert seen.tolist() == pytest.approx(labels.tolist())


def test_a_limit_draws_that_many_rows(table: Path) -> None:
    data, other = data_of(table, limit=20), data_of(table, limit=20, seed=1)
    for drawn in (data, other):
        drawn.setup("fit")
    assert len(data.graphs) == len(data.values) == sum(map(len, data.split)) == 20
    assert data.values.tolist() != other.values.tolist()


@pytest.mark.parametrize("limit", [0, -5, 3])
def test_a_limit_that_leaves_too_few_rows_is_refused(table: Path, limit: int) -> None:
    with pytest.raises(LabelError):
        data_of(table, limit=limit).setup("fit")


def test_a_table_needs_the_name_of_its_labels(table: Path) -> None:
    with pytest.raises(LabelError, match=r"labels\.csv: say which column"):
        data_of(table, label=None).setup("fit")


def test_labels_without_a_difference_are_refused(table: Path) -> None:
    pd.read_csv(table).assign(accuracy=91.3).to_csv(table, index=False)
    with pytest.raises(LabelError, match=r"labels\.csv"):
        data_of(table).setup("fit")


# fit from Python


class Run(NamedTuple):
    """A finished run of four epochs."""

    folder: Path
    data: LabelData
    predictor: Predictor
    epochs: list[int]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, rows: Path) -> Run:
    folder, data, epochs = tmp_path_factory.mktemp("runs"), data_of(rows), list[int]()
    predictor = fit(module, data, folder, epochs=4, report=epochs.append)
    return Run(folder, data, predictor, epochs)


def test_a_run_reports_every_epoch_and_leaves_a_predictor(
    finished: Run, graphs: list[ComputationGraph]
) -> None:
    assert finished.epochs == [1, 2, 3, 4]
    found = Predictor.from_pretrained(finished.folder / "predictor")
    np.testing.assert_array_equal(found.predict(graphs), finished.predictor.predict(graphs))


def test_the_predictor_knows_its_families_and_the_source_of_its_labels(finished: Run) -> None:
    assert finished.predictor.families == ("digits-chains", "digits-cells")
    assert "labels.csv" in finished.predictor.checkpoint.source


def test_the_recorded_figures_are_those_of_the_saved_weights(
    finished: Run, graphs: list[ComputationGraph], labels: Labels
) -> None:
    validation, predictor = finished.data.split.val, finished.predictor
    truth = labels[validation]
    predicted = predictor.predict([graphs[i] for i in validation])
    metrics, error = predictor.checkpoint.metrics, np.abs(predicted - truth).mean()
    assert np.diff(np.sort(predicted)).min() > 2e-5  # rounding makes no order here
    assert metrics["val_spearman"] == pytest.approx(spearman(predicted, truth))
    assert metrics["val_mae"] == pytest.approx(error, rel=1e-5)


def test_training_fits_the_training_rows(
    tmp_path: Path, rows: Path, graphs: list[ComputationGraph], labels: Labels
) -> None:
    made: list[PredictorModule] = []

    def make() -> PredictorModule:
        made.append(module(rate=1e-2))
        return made[-1]

    data = data_of(rows)
    fit(make, data, tmp_path, epochs=120)
    last = Predictor(Checkpoint(made[0].model.eval(), made[0].scale))
    chosen = data.split.train
    assert made[0].scale == TargetScale.of(data.values.numpy()[chosen])
    assert spearman(last.predict([graphs[i] for i in chosen]), labels[chosen]) > 0.6


def test_the_same_seed_gives_the_same_predictor(
    finished: Run, tmp_path: Path, rows: Path, graphs: list[ComputationGraph]
) -> None:
    again = fit(module, data_of(rows), tmp_path / "again", epochs=4)
    other = fit(module, data_of(rows), tmp_path / "other", epochs=4, seed=1)
    expected = finished.predictor.predict(graphs)
    np.testing.assert_array_equal(again.predict(graphs), expected)
    assert not np.array_equal(other.predict(graphs), expected)


def test_the_best_epoch_is_kept_not_the_last(tmp_path: Path, rows: Path) -> None:
    class BestAtOne(PredictorModule):
        def log(self, name: str, value: Any, **how: Any) -> None:
            best = 1.0 if self.current_epoch == 1 else 0.1
            super().log(name, best if name == "val_spearman" else value, **how)

    found = fit(lambda: BestAtOne(encoder_args=SMALL), data_of(rows), tmp_path, epochs=4)
    assert found.checkpoint.metrics["epoch"] == 1


def test_a_finished_run_is_only_loaded(
    finished: Run, rows: Path, graphs: list[ComputationGraph]
) -> None:
    epochs: list[int] = []
    again = fit(module, data_of(rows), finished.folder, epochs=4, report=epochs.append)
    assert epochs == []
    np.testing.assert_array_equal(again.predict(graphs), finished.predictor.predict(graphs))


def test_a_stopped_run_goes_on_from_the_last_finished_epoch(tmp_path: Path, rows: Path) -> None:
    epochs: list[int] = []

    def stop_at_three(epoch: int) -> None:
        epochs.append(epoch)
        if epoch == 3:
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        fit(module, data_of(rows), tmp_path, epochs=5, report=stop_at_three)
    fit(module, data_of(rows), tmp_path, epochs=5, report=epochs.append)
    assert epochs in ([1, 2, 3, 4, 5], [1, 2, 3, 3, 4, 5])


def test_a_model_that_predicts_a_constant_is_never_kept(tmp_path: Path, rows: Path) -> None:
    class Constant(PredictorModule):
        def forward(self, batch: Any) -> torch.Tensor:
            return super().forward(batch) * 0 + 90

    with (
        pytest.warns(UserWarning, match="all 8 predictions are 90"),
        pytest.raises(GennapeError, match="predictor"),
    ):
        fit(lambda: Constant(encoder_args=SMALL), data_of(rows), tmp_path, epochs=1)
    assert not (tmp_path / "predictor").exists()


# gennape-train


class Killed(NamedTuple):
    """A run that was killed after its first epochs, and a copy of what it left."""

    config: Path
    folder: Path
    copy: Path
    epoch: int
    """The epoch in `last.ckpt`, counted from zero."""


def train(*arguments: object) -> None:
    """gennape-train with these arguments, in this process."""
    with patch.object(sys, "argv", ["gennape-train", *map(str, arguments)]):
        main()


CONFIG = """
trainer: {{max_epochs: {epochs}, accelerator: cpu}}
model:
  encoder_args: {{hidden: 8, layers: 2}}
  optimizer: {{class_path: torch.optim.Adam, init_args: {{lr: {rate}}}}}
data: {{table: {table}, label: accuracy, fractions: [0.2, 0.2], batch_size: 4}}
run_dir: {run_dir}
"""


def write_config(
    folder: Path, table: Path, run_dir: Path, epochs: int = 2, rate: float = 5e-3
) -> Path:
    path = folder / "config.yaml"
    path.write_text(CONFIG.format(epochs=epochs, rate=rate, table=table, run_dir=run_dir))
    return path


def saved(path: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def run_until(path: Path, *arguments: object) -> None:
    """Runs gennape-train in a process of its own and kills it once `path` is there."""
    code = "from gennape.training.cli import main; main()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 90
        while not path.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, rows: Path) -> Killed:
    root = tmp_path_factory.mktemp("killed")
    folder, copy = root / "run", root / "copy"
    config = write_config(root, rows, folder, epochs=100_000)
    run_until(folder / "checkpoints" / "last.ckpt", "fit", "--config", config)
    shutil.copytree(folder, copy)
    return Killed(config, folder, copy, saved(copy / "checkpoints" / "last.ckpt")["epoch"])


@pytest.fixture(scope="module")
def resumed(killed: Killed) -> Killed:
    """The killed run, gone on for three more epochs."""
    more = ("--trainer.max_epochs", killed.epoch + 4)
    train("fit", "--config", killed.config, "--ckpt_path", "last", *more)
    return killed


def logged(run_dir: Path, version: int) -> pd.DataFrame:
    return pd.read_csv(run_dir / "csv" / f"version_{version}" / "metrics.csv")


def test_a_killed_run_leaves_nothing_half_written_under_a_final_name(killed: Killed) -> None:
    for path in (killed.copy / "checkpoints").iterdir():
        assert path.name in ("best.ckpt", "last.ckpt")
        assert saved(path)["state_dict"]
    Predictor.from_pretrained(killed.copy / "predictor")
    visible = {path.name for path in killed.copy.iterdir() if not path.name.startswith(".")}
    assert visible == {"checkpoints", "csv", "predictor", "tensorboard"}


def test_a_killed_run_goes_on_with_the_epoch_after_the_last_saved(resumed: Killed) -> None:
    epochs = logged(resumed.folder, version=1)["epoch"].unique()
    assert epochs.tolist() == [resumed.epoch + 1, resumed.epoch + 2, resumed.epoch + 3]


def last_predictor(folder: Path) -> Predictor:
    """The model in `last.ckpt`, without Lightning."""
    state = saved(folder / "checkpoints" / "last.ckpt")["state_dict"]
    model = PerformanceModel(ModelConfig(encoder_args=SMALL))
    model.load_state_dict(
        {k.removeprefix("model."): v for k, v in state.items() if k.startswith("model.")}
    )
    return Predictor(Checkpoint(model.eval(), TargetScale(*state["target"][:2].tolist())))


def test_predict_writes_a_row_a_network_from_the_checkpoint(
    resumed: Killed, networks: tuple[str, ...], labels: Labels, capsys: pytest.CaptureFixture[str]
) -> None:
    train("predict", "--config", resumed.config, "--ckpt_path", "last")
    found = pd.read_csv(resumed.folder / "predictions.csv")
    assert found.columns.tolist() == ["network", "label", "prediction"]
    assert tuple(found["network"]) == networks
    assert found["label"].to_numpy() == pytest.approx(labels)
    expected = last_predictor(resumed.folder).predict(networks)
    assert found["prediction"].to_numpy() == pytest.approx(expected, abs=1e-3)
    assert "40 predictions written to" in capsys.readouterr().out


@pytest.mark.parametrize(("command", "prefix"), [("validate", "val"), ("test", "test")])
def test_figures_of_a_part_are_those_of_the_checkpoint(
    command: str,
    prefix: str,
    resumed: Killed,
    rows: Path,
    graphs: list[ComputationGraph],
    labels: Labels,
    capsys: pytest.CaptureFixture[str],
) -> None:
    train(command, "--config", resumed.config, "--ckpt_path", "last")
    shown = capsys.readouterr().out
    data = data_of(rows)
    data.setup("test")
    part = data.split.val if prefix == "val" else data.split.test
    predicted = last_predictor(resumed.folder).predict([graphs[i] for i in part])
    figure = next(line for line in shown.splitlines() if f"{prefix}_spearman" in line)
    assert float(figure.split("│")[2]) == pytest.approx(spearman(predicted, labels[part]), abs=1e-6)


def test_the_last_checkpoint_is_of_the_last_epoch_even_without_progress(
    tmp_path: Path, rows: Path
) -> None:
    config = write_config(tmp_path, rows, tmp_path / "run", epochs=3, rate=0.0)
    train("fit", "--config", config)
    assert saved(tmp_path / "run" / "checkpoints" / "last.ckpt")["epoch"] == 2


def refused(
    arguments: tuple[object, ...], run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> str:
    """The last line of a command that ends with exit code 2 and writes nothing."""
    with pytest.raises(SystemExit) as caught:
        train(*arguments)
    assert caught.value.code == 2
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    assert list(run_dir.rglob("*")) == []
    return shown.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("model:", "modle:"), ("batch_size:", "batchsize:"), ("max_epochs:", "max_epoch:")],
)
def test_a_mistyped_key_is_refused_by_name(
    right: str, wrong: str, tmp_path: Path, rows: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path, rows, tmp_path / "run")
    config.write_text(config.read_text().replace(right, wrong))
    line = refused(("fit", "--config", config), tmp_path / "run", capsys)
    assert wrong.rstrip(":") in line


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [
        ("--model.encoder", "gin", "error: no encoder is called 'gin'; there are gated-gcn, gnn"),
        ("--model.loss", "huber", "error: no loss is called 'huber'; there are mse,"),
        ("--model.encoder_args", "{width: 3}", "error: model configuration"),
        ("--model.encoder_args", "{hidden: -3}", "error: model configuration"),
        ("--ckpt_path", "missing.ckpt", "error: missing.ckpt"),
        ("--ckpt_path", "last", "error: "),
    ],
)
def test_a_value_that_cannot_be_is_refused(
    flag: str,
    value: str,
    message: str,
    tmp_path: Path,
    rows: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = write_config(tmp_path, rows, tmp_path / "run")
    command = "predict" if value == "last" else "fit"
    line = refused((command, "--config", config, flag, value), tmp_path / "run", capsys)
    assert line.startswith(message)


Mend = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.mark.parametrize(
    ("mend", "message"),
    [
        (lambda frame: frame.rename(columns={"accuracy": "acc"}), "no column 'accuracy'"),
        (lambda frame: frame.drop(columns="network"), "no column 'network'"),
        (lambda frame: frame.assign(accuracy=frame["accuracy"].where(frame.index != 4)), "row 5"),
        (lambda frame: frame.head(0), "no rows"),
        (lambda frame: frame.head(4), "4 rows"),
        (lambda frame: frame.assign(network="digits-chains:no"), "row 1"),
    ],
    ids=["label column", "network column", "nan", "empty", "few rows", "network"],
)
def test_a_bad_table_is_one_line_that_names_it_and_nothing_is_written(
    mend: Mend, message: str, tmp_path: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mend(pd.read_csv(table)).to_csv(table, index=False)
    config = write_config(tmp_path, table, tmp_path / "run")
    line = refused(("fit", "--config", config), tmp_path / "run", capsys)
    assert line.startswith(f"error: {table}")
    assert message in line


def test_the_progress_bar_may_be_switched_off(tmp_path: Path, rows: Path) -> None:
    config = write_config(tmp_path, rows, tmp_path / "run", epochs=1)
    train("fit", "--config", config, "--trainer.enable_progress_bar", "false")
    assert (tmp_path / "run" / "predictor").is_dir()


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        train("--help")
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert all(command in shown for command in ("fit", "validate", "test", "predict"))


@pytest.mark.parametrize("name", ["digits", "kgnn_nb101"])
def test_shipped_configurations_are_understood(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = Path(__file__).parents[2] / "configs" / f"{name}.yaml"
    with pytest.raises(SystemExit) as caught:
        train("fit", "--config", config, "--print_config")
    assert caught.value.code == 0
    assert "class_path: torch.optim.Adam" in capsys.readouterr().out
