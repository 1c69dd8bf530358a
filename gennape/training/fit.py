"""Training from Python: what `gennape-train fit` does, for protocols and demonstrations."""

from collections.abc import Callable
from pathlib import Path

import lightning as L
from lightning.pytorch.callbacks import Callback

from gennape.inference import Predictor
from gennape.training.callbacks import Calibrate, checkpoints
from gennape.training.data import LabelData
from gennape.training.module import PredictorModule
from gennape.training.quiet import quiet


class _Report(Callback):
    def __init__(self, report: Callable[[int], None]) -> None:
        self.report = report

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        del pl_module
        self.report(trainer.current_epoch + 1)


def fit(
    make_module: Callable[[], PredictorModule],
    data: LabelData,
    run_dir: Path,
    epochs: int,
    seed: int = 0,
    report: Callable[[int], None] | None = None,
) -> Predictor:
    """Trains on one process and gives the best model by validation Spearman.

    A run that was stopped goes on from the last finished epoch in `run_dir`; one that is finished
    is only loaded.

    Args:
        make_module: called once the seed is set, so that it decides the initial weights.
        run_dir: receives `checkpoints` and `predictor`.
        report: called with the number of finished epochs after each one.
    """
    quiet()
    L.seed_everything(seed, verbose=False)
    module = make_module()
    trainer = L.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        devices=1,
        gradient_clip_val=5.0,
        num_sanity_val_steps=0,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=run_dir,
        callbacks=[
            *checkpoints(run_dir),
            Calibrate(run_dir / "predictor"),
            *([_Report(report)] if report else []),
        ],
    )
    last = run_dir / "checkpoints" / "last.ckpt"
    trainer.fit(module, datamodule=data, ckpt_path=last if last.exists() else None)
    return Predictor.from_pretrained(run_dir / "predictor")
