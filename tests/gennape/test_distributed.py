"""Two processes under DDP do what one does: the same batches, weights, metrics and files."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch
from ddp_worker import TASKS, train

import gennape
from gennape.batch import EncodedGraphs
from gennape.inference import Predictor
from gennape.losses import loss_by_name
from gennape.models.performance import ModelConfig, PerformanceModel
from gennape.training.cli import main
from gennape.training.data import LabelData
from gennape.training.fit import fit
from gennape.training.gather import gathered, in_order, share
from gennape.training.module import PredictorModule
from gennape.training.quiet import quiet
from onnx_bench.graph import ComputationGraph

WORKER = Path(__file__).with_name("ddp_worker.py")
SECONDS = 150


def trainer(processes: int, rank: int) -> Any:
    return SimpleNamespace(world_size=processes, global_rank=rank)


def orders(rows: int, processes: int, epoch: int = 0, **given: Any) -> list[list[int]]:
    """The places of the rows of each process."""
    samplers = [share(range(rows), trainer(processes, rank), **given) for rank in range(processes)]
    for sampler in samplers:
        sampler.set_epoch(epoch)
    return [list(sampler) for sampler in samplers]


# how rows are shared out


@pytest.mark.parametrize("processes", [1, 2, 4])
@pytest.mark.parametrize("epoch", [0, 3])
def test_batches_of_all_processes_are_those_of_one(processes: int, epoch: int) -> None:
    whole = orders(48, 1, epoch, seed=5, shuffle=True)[0]
    parts = orders(48, processes, epoch, seed=5, shuffle=True)
    each = 8 // processes
    for batch in range(6):
        together = [row for part in parts for row in part[batch * each : (batch + 1) * each]]
        assert sorted(together) == sorted(whole[batch * 8 : (batch + 1) * 8])


def test_an_epoch_has_an_order_of_its_own_that_the_seed_decides() -> None:
    first, again, later, other = (
        orders(30, 1, epoch, seed=seed, shuffle=True)[0]
        for epoch, seed in ((0, 1), (0, 1), (1, 1), (0, 7))
    )
    assert first == again
    assert sorted(first) == sorted(later) == sorted(other) == list(range(30))
    assert first != later
    assert first != other


@pytest.mark.parametrize("rows", [1, 7, 8, 9])
def test_every_process_is_given_equally_many_and_every_row_comes(rows: int) -> None:
    parts = orders(rows, 3, shuffle=True)
    assert len({len(part) for part in parts}) == 1
    assert {row for part in parts for row in part} == set(range(rows))


def test_a_single_process_is_given_every_row_once_and_in_order() -> None:
    assert list(share(range(7), None)) == list(range(7))


def test_one_process_gathers_what_it_has() -> None:
    values = torch.arange(5.0, requires_grad=True)
    assert gathered(values) is values
    assert in_order(values, 4).tolist() == [0, 1, 2, 3]


def test_a_run_that_goes_on_learns_what_it_would_have_learnt(tmp_path: Path, table: Path) -> None:
    modules: list[PredictorModule] = []

    def make() -> PredictorModule:
        modules.append(PredictorModule("gnn", {"hidden": 8, "layers": 1, "dropout": 0.0}))
        return modules[-1]

    for folder, epochs in (("whole", 4), ("parts", 2), ("parts", 4)):
        data = LabelData(table=table, label="accuracy", fractions=(0.2, 0.2), batch_size=8)
        fit(make, data, tmp_path / folder, epochs)
    same(modules[2].state_dict(), modules[0].state_dict(), 0.0, "goes on")


# what DDP asks for


@pytest.mark.parametrize("head", ["mlp", "fuzzy-mlp", "pairwise", "fuzzy-pairwise", "linear"])
@pytest.mark.parametrize("encoder", ["k-gnn", "gnn", "gnn-transformer", "gated-gcn"])
@pytest.mark.parametrize("target", [[1.0, 2.0, 3.0], [5.0, 5.0, 5.0]])
def test_every_batch_gives_every_weight_a_gradient(
    encoder: str, head: str, target: list[float], graphs: list[ComputationGraph]
) -> None:
    model = PerformanceModel(ModelConfig(encoder, {"hidden": 8}, head))
    embedding = model.encoder(EncodedGraphs(graphs[:3]).batch(range(3)))
    model.head.loss(embedding, torch.tensor(target), loss_by_name("pairwise-logistic")).backward()
    without = [name for name, weight in model.named_parameters() if weight.grad is None]
    assert not without


def test_other_processes_are_started_with_the_command_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["gennape-train", "pretrain", "--run_dir", str(tmp_path), "--figure.every", "0"]
    command += ["--data.sources", "[digits-chains:8]", "--trainer.max_epochs", "1"]
    command += ["--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false"]
    monkeypatch.setattr(sys, "argv", list(command))
    main()
    assert sys.argv == command
    assert (tmp_path / "encoder").exists()


# two processes


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """What every task left behind: of one process, and of two."""
    quiet()
    alone, together = (tmp_path_factory.mktemp(name) for name in ("alone", "together"))
    workers = launch(together)
    try:
        for name in TASKS:
            train(name, alone, 1)
        for worker in workers:
            _, complaint = worker.communicate(timeout=SECONDS)
            assert worker.returncode == 0, complaint
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    return alone, together


def launch(folder: Path) -> list["subprocess.Popen[str]"]:
    """Two processes that find each other through the environment, as under torchrun or SLURM."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    found = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "NODE_RANK": "0"}
    root = str(Path(gennape.__file__).parents[1])
    command = [sys.executable, str(WORKER), str(folder), "2"]
    return [
        subprocess.Popen(
            command,
            env=os.environ | found | {"LOCAL_RANK": str(rank), "PYTHONPATH": root},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]


def test_two_processes_learn_and_measure_what_one_does(folders: tuple[Path, Path]) -> None:
    """One test for all of it, as starting the processes is what takes time."""
    alone, together = folders
    for name in TASKS:
        one = torch.load(alone / f"{name}-0.pt")
        ranks = [torch.load(together / f"{name}-{rank}.pt") for rank in range(2)]
        assert ranks[0]["sizes"] == ranks[1]["sizes"], name
        assert len(ranks[0]["sizes"]) == len(one["sizes"]), name
        # 37 rows are 38 for two processes: the last batch has one more
        extra = 1 if name == "uneven" else 0
        assert 2 * sum(ranks[0]["sizes"]) == sum(one["sizes"]) + 2 * extra, name
        for rank in ranks:
            same(rank["metrics"], ranks[0]["metrics"], 1e-6, name)
            same(rank["weights"], ranks[0]["weights"], 1e-6, name)
        if not extra:
            same(ranks[0]["weights"], one["weights"], 1e-5, name)
            same(ranks[0]["metrics"], one["metrics"], 1e-4, name)
        assert not (together / name / "rank1").exists()
        files(alone / name / "rank0", together / name / "rank0", exact=not extra)


def same(found: dict[str, Any], expected: dict[str, Any], error: float, name: str) -> None:
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(
            torch.as_tensor(found[key]),
            torch.as_tensor(value),
            rtol=error,
            atol=error,
            msg=lambda text, key=key: f"{name}, {key}: {text}",
        )


def files(alone: Path, together: Path, exact: bool) -> None:
    """The same files; the best model and the predictions are those of one process."""
    names = [
        sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
        for root in (alone, together)
    ]
    assert names[0] == names[1]
    assert "embedding.png" in names[0]
    best = [Predictor.from_pretrained(root / "best").checkpoint for root in (alone, together)]
    if (alone / "predictions.csv").exists():
        tables = [pd.read_csv(root / "predictions.csv") for root in (alone, together)]
        assert tables[0]["network"].tolist() == tables[1]["network"].tolist()
        if exact:
            pd.testing.assert_frame_equal(*tables, rtol=1e-5)
    if exact:
        assert best[0].metrics == pytest.approx(best[1].metrics, rel=1e-4)
