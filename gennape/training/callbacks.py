"""What a run leaves behind: the best model for inference, and predictions as a table."""

import math
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import lightning as L
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from gennape.assessment import with_uncertainty
from gennape.checkpoint import Checkpoint, load
from gennape.training.data import LabelData
from gennape.training.gather import in_order
from onnx_bench.files import atomic_file


@runtime_checkable
class Saveable(Protocol):
    """A module that can be kept as a checkpoint for inference."""

    def checkpoint(self, metrics: dict[str, float]) -> Checkpoint:
        """The model as it is now, with these figures."""


class SaveBest(Callback):
    """Writes a checkpoint folder each time the validation metric is the best so far.

    Args:
        folder: becomes a checkpoint folder that `Predictor.from_pretrained` reads.
        monitor: a logged metric.
        higher_is_better: whether it is.
    """

    def __init__(self, folder: Path, monitor: str, higher_is_better: bool = True) -> None:
        self.folder, self.monitor, self.best = folder, monitor, -math.inf
        self.sign = 1.0 if higher_is_better else -1.0

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        score = self.sign * float(
            trainer.callback_metrics.get(self.monitor, torch.tensor(math.nan))
        )
        if trainer.sanity_checking or not trainer.is_global_zero or not score > self.best:
            return
        self.best = score
        metrics = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if name.startswith("val_")
        }
        assert isinstance(pl_module, Saveable)
        pl_module.checkpoint(metrics | {"epoch": float(trainer.current_epoch)}).save(self.folder)


class Calibrate(Callback):
    """After `fit`, gives the best model its intervals and the networks that it knows.

    Args:
        folder: the checkpoint folder that `SaveBest` wrote.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        del pl_module
        data: LabelData = trainer.datamodule  # type: ignore[attr-defined]
        # A run whose predictions never ranked anything has no best model.
        if trainer.is_global_zero and self.folder.exists():
            calibrated(load(self.folder), data).save(self.folder)


def calibrated(checkpoint: Checkpoint, data: LabelData) -> Checkpoint:
    """The checkpoint with intervals from the validation rows, and a reference of training rows."""
    assert data.labels is not None
    return with_uncertainty(
        checkpoint,
        data.graphs,
        data.labels.values,
        data.split.train,
        data.split.val,
        data.labels.kinds,
        data.seed,
    )


class WritePredictions(Callback):
    """After `predict`, writes `predictions.csv`: network, label, prediction."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_predict_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        data: LabelData = trainer.datamodule  # type: ignore[attr-defined]
        if data.labels is None:
            return
        own = torch.cat(trainer.predict_loop.predictions).to(pl_module.device)
        predictions = in_order(own, len(data.labels)).cpu().numpy()
        if not trainer.is_global_zero:
            return
        frame = pd.DataFrame(
            {
                "network": data.labels.networks,
                "label": data.labels.values,
                "prediction": predictions,
            }
        )
        with atomic_file(self.path) as temporary:
            frame.to_csv(temporary, index=False)
        print(f"{len(frame):,} predictions written to {self.path}")


def checkpoints(
    run_dir: Path, result: str = "predictor", monitor: str = "val_spearman", mode: str = "max"
) -> list[Callback]:
    """What every run keeps: `last.ckpt` to go on from, `best.ckpt`, the best for inference.

    Args:
        result: the folder of the best, inside `run_dir`.
        monitor, mode: by which metric, and whether `max` or `min` of it is the best.
    """
    folder = run_dir / "checkpoints"
    # Not `save_last=True`: with a monitor, Lightning then skips epochs that are not the best.
    last = ModelCheckpoint(folder, "last", save_top_k=1, enable_version_counter=False)
    best = ModelCheckpoint(folder, "best", monitor=monitor, mode=mode, enable_version_counter=False)
    return [best, last, SaveBest(run_dir / result, monitor, higher_is_better=mode == "max")]
