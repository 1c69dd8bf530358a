"""The model, its loss and its metrics as a LightningModule."""

import warnings
from typing import Any

import lightning as L
import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor

from gennape.checkpoint import Checkpoint, TargetScale
from gennape.losses import loss_by_name
from gennape.metrics import METRICS, ConstantPredictionError, evaluate
from gennape.models.performance import ModelConfig, PerformanceModel
from gennape.training.data import LabelData, LabelledBatch


def _adam(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=1e-4)


class PredictorModule(L.LightningModule):
    """Trains a PerformanceModel on standardised labels; logs Spearman, Kendall, NDCG@10 and MAE.

    Args:
        encoder: `k-gnn` (the paper's baseline) or `gated-gcn`.
        encoder_args: arguments of the encoder, such as `{hidden: 64, layers: 4}`.
        head: `mlp`.
        head_args: arguments of the head.
        loss: `mse`, `pairwise-hinge` or `pairwise-logistic`.
        optimizer: any torch optimizer; Adam with the paper's learning rate of 1e-4 by default.
    """

    target: Tensor

    def __init__(
        self,
        encoder: str = "k-gnn",
        encoder_args: dict[str, Any] | None = None,
        head: str = "mlp",
        head_args: dict[str, Any] | None = None,
        loss: str = "mse",
        optimizer: OptimizerCallable = _adam,
    ) -> None:
        super().__init__()
        config = ModelConfig(encoder, encoder_args or {}, head, head_args or {})
        self.model = PerformanceModel(config)
        self.loss_name, self.loss = loss, loss_by_name(loss)
        self.optimizer = optimizer
        # mean and deviation of the training labels; a buffer, so that a resumed run keeps them
        self.register_buffer("target", torch.tensor([0.0, 1.0], dtype=torch.float64))
        self._seen: list[tuple[Tensor, Tensor]] = []

    @property
    def scale(self) -> TargetScale:
        """The scale of the training labels."""
        mean, std = self.target.tolist()
        return TargetScale(mean, std)

    def checkpoint(self, metrics: dict[str, float]) -> Checkpoint:
        """The model as it is now, ready to be saved for inference."""
        data = self._data()
        return Checkpoint(self.model, self.scale, data.families, data.source, metrics)

    def on_fit_start(self) -> None:
        scale = self._data().scale
        types, _, kernels, _ = self._data().graphs.features
        self.model.encoder.embed.silence_unseen(types, kernels)
        self.target.copy_(torch.tensor([scale.mean, scale.std], dtype=torch.float64))

    def training_step(self, batch: LabelledBatch) -> Tensor:
        mean, std = self.target.float()
        loss = self.loss(self.model(batch.graphs), (batch.labels - mean) / std)
        self.log(
            "train_loss",
            loss,
            prog_bar=True,
            on_step=False,
            on_epoch=True,
            batch_size=len(batch.labels),
        )
        return loss

    def validation_step(self, batch: LabelledBatch) -> None:
        self._seen.append((self(batch), batch.labels))

    def test_step(self, batch: LabelledBatch) -> None:
        self._seen.append((self(batch), batch.labels))

    def predict_step(self, batch: LabelledBatch) -> Tensor:
        return self(batch)  # type: ignore[no-any-return]

    def forward(self, batch: LabelledBatch) -> Tensor:
        """Predictions in the units of the labels, shape (B,)."""
        mean, std = self.target.float()
        predictions: Tensor = self.model(batch.graphs) * std + mean
        return predictions

    def on_validation_epoch_end(self) -> None:
        self._log_metrics("val")

    def on_test_epoch_end(self) -> None:
        self._log_metrics("test")

    def _log_metrics(self, part: str) -> None:
        predicted, true = (torch.cat(values) for values in zip(*self._seen, strict=True))
        self._seen.clear()
        try:
            values = evaluate(predicted.cpu(), true.cpu())
        except ConstantPredictionError as error:
            # Training may still recover from it; a best checkpoint is never made of it.
            warnings.warn(f"{part}: {error}", stacklevel=2)
            values = dict.fromkeys(METRICS, float("nan"))
        for name, value in values.items():
            shown = part == "val" and name in ("spearman", "mae")
            self.log(f"{part}_{name}", value, prog_bar=shown)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.optimizer(self.parameters())

    def _data(self) -> LabelData:
        data: LabelData = self.trainer.datamodule  # type: ignore[attr-defined]
        return data
