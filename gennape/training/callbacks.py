"""What a run leaves behind: the best model for inference, and predictions as a table."""

import math
from pathlib import Path
from typing import Any

import lightning as L
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from gennape.training.data import LabelData
from gennape.training.module import PredictorModule
from onnx_bench.files import atomic_file


class SavePredictor(Callback):
    """Writes the predictor folder each time the validation metric is the best so far.

    Args:
        folder: becomes a checkpoint folder that `Predictor.from_pretrained` reads.
        monitor: a logged metric; higher is better.
    """

    def __init__(self, folder: Path, monitor: str = "val_spearman") -> None:
        self.folder, self.monitor, self.best = folder, monitor, -math.inf

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        score = float(trainer.callback_metrics.get(self.monitor, torch.tensor(math.nan)))
        if trainer.sanity_checking or not trainer.is_global_zero or not score > self.best:
            return
        self.best = score
        metrics = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if name.startswith("val_")
        }
        assert isinstance(pl_module, PredictorModule)
        pl_module.checkpoint(metrics | {"epoch": float(trainer.current_epoch)}).save(self.folder)


class WritePredictions(Callback):
    """After `predict`, writes `predictions.csv`: network, label, prediction."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_predict_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        del pl_module
        data: LabelData = trainer.datamodule  # type: ignore[attr-defined]
        if data.labels is None or not trainer.is_global_zero:
            return
        predictions = torch.cat(trainer.predict_loop.predictions).numpy()
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


def checkpoints(run_dir: Path) -> list[Callback]:
    """What every run keeps: `last.ckpt` to go on from, `best.ckpt`, the best as a predictor."""
    folder = run_dir / "checkpoints"
    # Not `save_last=True`: with a monitor, Lightning then skips epochs that are not the best.
    last = ModelCheckpoint(folder, "last", save_top_k=1, enable_version_counter=False)
    best = ModelCheckpoint(
        folder, "best", monitor="val_spearman", mode="max", enable_version_counter=False
    )
    return [best, last, SavePredictor(run_dir / "predictor")]
