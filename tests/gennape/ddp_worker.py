"""Trains small models, alone or as one of two processes: `python ddp_worker.py FOLDER PROCESSES`.

Nothing is dropped out and SGD does not magnify rounding, so that both ways must give the same.
"""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import lightning as L
import torch
from lightning.pytorch.loggers import CSVLogger

from gennape.training.callbacks import WritePredictions, checkpoints
from gennape.training.data import LabelData
from gennape.training.figures import EmbeddingFigure
from gennape.training.graphs import GraphData
from gennape.training.module import PredictorModule
from gennape.training.pretraining import PretrainingModule
from gennape.training.quiet import quiet

SGD = partial(torch.optim.SGD, lr=0.05)
GNN = {"hidden": 8, "layers": 2, "dropout": 0.0}


class Task(NamedTuple):
    """What is trained, and how its best is known."""

    module: Callable[[], L.LightningModule]
    data: Callable[[], L.LightningDataModule]
    monitor: str
    mode: str


def labelled(rows: int) -> LabelData:
    return LabelData(limit=rows, fused=True, batch_size=8, fractions=(0.15, 0.15))


def unlabelled() -> GraphData:
    return GraphData(("digits/digits-chains",), limit=22, batch_size=8, validation=0.2)


def predictor(**given: object) -> Callable[[], L.LightningModule]:
    return partial(PredictorModule, "gnn", GNN, optimizer=SGD, **given)


BY_RANK = ("val_spearman", "max")
TASKS = {
    "spectral": Task(
        partial(PretrainingModule, "gnn", GNN, optimizer=SGD), unlabelled, "val_loss", "min"
    ),
    "family": Task(
        partial(PretrainingModule, "gnn", GNN, positives="family", optimizer=SGD),
        unlabelled,
        "val_loss",
        "min",
    ),
    # 34 rows to train, 7 to validate and 7 to test: not as many for each of two processes
    "pairwise": Task(predictor(head="pairwise"), partial(labelled, 48), *BY_RANK),
    "logistic": Task(predictor(loss="pairwise-logistic"), partial(labelled, 48), *BY_RANK),
    # 37 rows to train: two processes need one of them twice
    "uneven": Task(predictor(head="fuzzy-mlp"), partial(labelled, 53), *BY_RANK),
}


def train(name: str, folder: Path, processes: int) -> None:
    """Runs a task; leaves what it learnt and measured, and which rows it saw, in one file a rank.

    A run has a folder of its own on each rank, so that what other ranks than the first write shows.
    """
    L.seed_everything(0, verbose=False)
    task, rank = TASKS[name], os.environ.get("LOCAL_RANK", "0")
    module, data, seen = task.module(), task.data(), Seen()
    run_dir = folder / name / f"rank{rank}"
    trainer = L.Trainer(
        max_epochs=2,
        accelerator="cpu",
        strategy="ddp" if processes > 1 else "auto",
        devices=processes,
        default_root_dir=run_dir,
        logger=CSVLogger(run_dir, name="csv"),
        callbacks=[
            seen,
            EmbeddingFigure(every=2),
            WritePredictions(run_dir / "predictions.csv"),
            *checkpoints(run_dir, "best", task.monitor, task.mode),
        ],
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
        num_sanity_val_steps=0,
    )
    trainer.fit(module, datamodule=data)
    metrics = dict(trainer.callback_metrics)
    if isinstance(module, PredictorModule):
        metrics |= trainer.test(module, datamodule=data, verbose=False)[0]
        trainer.predict(module, datamodule=data)
    found = {"weights": module.state_dict(), "metrics": metrics, "sizes": seen.sizes}
    torch.save(found, folder / f"{name}-{rank}.pt")


class Seen(L.Callback):
    """How many networks each batch of training held."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def on_train_batch_start(self, _trainer, _module, batch, _number) -> None:  # type: ignore[no-untyped-def]
        self.sizes.append(batch.graphs.num_graphs)


if __name__ == "__main__":
    quiet()
    for name in TASKS:
        train(name, Path(sys.argv[1]), int(sys.argv[2]))
