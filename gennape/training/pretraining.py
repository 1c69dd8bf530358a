"""Contrastive pretraining of an encoder, as a LightningModule."""

from typing import Any, Literal, get_args

import lightning as L
import torch
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor

from gennape.checkpoint import Checkpoint
from gennape.models.contrastive import (
    Projection,
    Reading,
    contrastive_loss,
    group_weights,
    spectral_weights,
)
from gennape.models.performance import ModelConfig, PerformanceModel
from gennape.training.gather import gathered
from gennape.training.graphs import GraphData, UnlabelledBatch
from gennape.training.schedule import Schedule, check, scheduled
from onnx_bench.errors import GennapeError

Positives = Literal["spectral", "family", "self"]


def _adam(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=1e-3)


class PretrainingModule(L.LightningModule):
    """Draws the two views of a graph, and graphs of like spectra, together (GENNAPE, Eq. 1).

    Args:
        encoder: `gnn` (CL), `gnn-transformer` (CL+T), or any other; it must have dropout, which is
            what makes views differ.
        encoder_args: arguments of the encoder.
        projection: width of the sphere that views are compared on.
        temperature: T, of the similarities.
        positives: `spectral`, the paper's: by the distance of spectra; `family`, all networks of
            the same family, as in the sibling paper (SDM 2023); `self`, the other view alone.
        spectral_temperature: what distances of spectra are divided by.
        reading: `near` makes like spectra positives; `far` takes the paper's text by the letter.
        schedule: `constant`, or `cosine`: a short rise to the optimizer's rate and a long fall.
        optimizer: any torch optimizer; Adam with a learning rate of 1e-3 by default.
    """

    def __init__(
        self,
        encoder: str = "gnn",
        encoder_args: dict[str, Any] | None = None,
        projection: int = 64,
        temperature: float = 0.1,
        positives: Positives = "spectral",
        spectral_temperature: float = 0.05,
        reading: Reading = "near",
        schedule: Schedule = "constant",
        optimizer: OptimizerCallable = _adam,
    ) -> None:
        super().__init__()
        if positives not in get_args(Positives):
            raise GennapeError(f"positives is {positives!r}, not in {get_args(Positives)}")
        self.model = PerformanceModel(ModelConfig(encoder, encoder_args or {}, "none"))
        self.projection = Projection(self.model.encoder.out_features, projection)
        self.temperature, self.positives = temperature, positives
        self.spectral_temperature, self.reading = spectral_temperature, reading
        check(schedule)
        self.schedule, self.optimizer = schedule, optimizer

    def on_fit_start(self) -> None:
        types, _, kernels, _ = self._data().graphs.features
        self.model.encoder.silence_unseen(types, kernels)

    def training_step(self, batch: UnlabelledBatch) -> Tensor:
        loss = self.loss(batch)
        size = batch.graphs.num_graphs
        self.log(
            "train_loss",
            loss,
            prog_bar=True,
            on_step=False,
            on_epoch=True,
            batch_size=size,
            sync_dist=True,
        )
        return loss

    def validation_step(self, batch: UnlabelledBatch) -> None:
        # Views differ by dropout only, so it stays on while the loss is watched.
        self.model.train()
        self.log(
            "val_loss",
            self.loss(batch),
            prog_bar=True,
            batch_size=batch.graphs.num_graphs,
            sync_dist=True,
        )
        self.model.eval()

    def loss(self, batch: UnlabelledBatch) -> Tensor:
        """Eq. 1 on both views of every graph of the batch, those of other processes included."""
        views = [gathered(self.projection(self.model.encoder(batch.graphs))) for _ in range(2)]
        return contrastive_loss(torch.cat(views), self._weights(batch), self.temperature)

    def _weights(self, batch: UnlabelledBatch) -> Tensor:
        """alpha of the 2B views."""
        if self.positives == "spectral":
            spectra = gathered(batch.spectra_BQ).repeat(2, 1)
            return spectral_weights(spectra, self.spectral_temperature, self.reading)
        group = gathered(batch.family_B)
        if self.positives == "self":
            group = torch.arange(len(group), device=group.device)
        return group_weights(group.repeat(2))

    def checkpoint(self, metrics: dict[str, float]) -> Checkpoint:
        """The encoder as it is now, without a head."""
        data = self._data()
        return Checkpoint(
            self.model, families=data.families, source=data.source, metrics=metrics, form=data.form
        )

    def configure_optimizers(self) -> OptimizerLRScheduler:
        return scheduled(self.optimizer(self.parameters()), self.schedule, self.trainer)

    def _data(self) -> GraphData:
        data: GraphData = self.trainer.datamodule  # type: ignore[attr-defined]
        return data
