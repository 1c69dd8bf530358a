"""The model, its loss and its metrics as a LightningModule."""

import warnings
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor

from gennape.batch import GraphBatch
from gennape.checkpoint import Checkpoint, CheckpointError, load
from gennape.losses import loss_by_name
from gennape.metrics import METRICS, ConstantPredictionError, evaluate
from gennape.models.performance import ModelConfig, PerformanceModel
from gennape.models.solved import SolvedHead
from gennape.scoring import Rows, priors, represented
from gennape.targets import Flops, TargetScale
from gennape.training.data import LabelData, LabelledBatch
from gennape.training.gather import gathered, in_order
from gennape.training.schedule import Schedule, check, scheduled
from onnx_bench.errors import GennapeError

SHOWN = 2048
"""Training networks that heads look at before training and before each validation."""


def _adam(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=1e-4)


class PredictorModule(L.LightningModule):
    """Trains a PerformanceModel on standardised labels; logs Spearman, Kendall, NDCG@10 and MAE.

    Args:
        encoder: `k-gnn` (the paper's baseline), `gnn`, `gnn-transformer`, `gated-gcn` or `size`.
        encoder_args: arguments of the encoder, such as `{hidden: 64, layers: 4}`.
        head: `mlp`, `fuzzy-mlp`, `pairwise`, `fuzzy-pairwise` or `linear`; `trees`, `ridge` and
            `gaussian-process` are solved at once, on an encoder that stays as it is (`freeze`).
        head_args: arguments of the head.
        loss: `mse`, `pairwise-hinge` or `pairwise-logistic`; pairwise heads have a loss of their
            own.
        pretrained: folder of a checkpoint whose encoder training starts from, as `gennape-train
            pretrain` leaves it; its encoder must be the same.
        freeze: whether the encoder stays as it is; every network is then embedded once.
        whole: arguments of `gennape.models.whole.WholeGraph`, such as `{hidden: 0.3, prior: 0.7}`:
            heads then read numbers of the whole graph beside the embedding, and learn what a prior
            from size and depth leaves. Wants fused graphs.
        flops: `divided` takes size out of the labels before they are learnt, as the paper does
            (`gennape.targets`); `ignored` does not.
        schedule: `constant`, or `cosine`: a short rise to the optimizer's rate and a long fall.
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
        pretrained: str | None = None,
        freeze: bool = False,
        whole: dict[str, Any] | None = None,
        flops: Flops = "ignored",
        schedule: Schedule = "constant",
        optimizer: OptimizerCallable = _adam,
    ) -> None:
        super().__init__()
        config = ModelConfig(encoder, encoder_args or {}, head, head_args or {}, whole)
        self.model = PerformanceModel(config)
        self.pretrained, self.flops = pretrained, TargetScale(flops=flops).flops
        if pretrained is not None:
            self.model.encoder.load_state_dict(_encoder_weights(pretrained, config))
        self.frozen = freeze
        if isinstance(self.model.head, SolvedHead) and not freeze:
            raise GennapeError(
                f"{head} heads are solved on frozen encoders; add --model.freeze true"
            )
        self.model.encoder.requires_grad_(not freeze)
        # What heads read of every network, where the encoder is frozen.
        self._known_GR: Tensor | None = None
        self.figures: dict[str, float] = {}
        self.loss_name, self.loss = loss, loss_by_name(loss)
        check(schedule)
        self.schedule, self.optimizer = schedule, optimizer
        # mean and deviation of the training labels; a buffer, so that a resumed run keeps them
        self.register_buffer("target", torch.tensor([0.0, 1.0], dtype=torch.float64))
        self._seen: list[tuple[Tensor, Tensor]] = []

    @property
    def scale(self) -> TargetScale:
        """The scale of the training labels."""
        mean, std = self.target.tolist()
        return TargetScale(mean, std, self.flops)

    def checkpoint(self, metrics: dict[str, float]) -> Checkpoint:
        """The model as it is now, ready to be saved for inference."""
        data = self._data()
        figures = metrics | self.figures
        return Checkpoint(
            self.model, self.scale, data.families, data.source, figures, form=data.form
        )

    def setup(self, stage: str) -> None:
        """Asks for the numbers of whole graphs where the model reads them.

        Raises:
            GennapeError: graphs are not in the form that the numbers are of.
        """
        del stage
        data = self._data()
        data.whole = self.model.reads_whole
        if data.whole and not data.fused:
            raise GennapeError("numbers of whole graphs are of fused ones; add --data.fused true")

    def on_fit_start(self) -> None:
        """Takes the scale of the labels; what starts anew looks at the training networks once."""
        data = self._data()
        rows = data.split.train
        values, macs = data.values.numpy()[rows], data.graphs.macs_G.numpy()[rows]
        scale = TargetScale.of(values, macs, self.flops)
        self.target.copy_(torch.tensor([scale.mean, scale.std], dtype=torch.float64))
        types, _, kernels, _ = data.graphs.features
        new = self.trainer.ckpt_path is None
        if new and self.pretrained is None:
            self.model.encoder.silence_unseen(types, kernels)
        if new and self.model.whole is not None:
            self.model.whole.prepare(data.graphs.whole_GD[rows])
        if self.frozen:
            self._known_GR = represented(self.model, data.graphs).to(self.device)
        if new:
            self.figures = self.model.head.prepare(self._shown(), data.seed)
        if new and isinstance(self.model.head, SolvedHead) and self._known_GR is not None:
            self.model.head.solve(self._known_GR[rows], self._targets(rows), data.seed)

    def on_train_batch_start(self, batch: LabelledBatch, batch_idx: int) -> None:
        """What a step draws depends on its number alone, so that a run may stop and go on."""
        del batch
        seeds = np.random.SeedSequence([self._data().seed, self.current_epoch, batch_idx])
        torch.manual_seed(int(seeds.generate_state(1)[0]))

    def on_validation_start(self) -> None:
        """Shows the head some training networks as the encoder now sees them."""
        found = self._shown()
        self.figures = self.model.head.figures(found)
        self.model.head.refresh(found, self._targets(self._data().split.train[:SHOWN]))

    def _shown(self) -> Tensor:
        """What heads read of the training networks that they look at, a random draw."""
        rows = self._data().split.train[:SHOWN]
        if self._known_GR is not None:
            return self._known_GR[rows]
        return represented(self.model, self._data().graphs, rows).to(self.device)

    def _targets(self, rows: Rows) -> Tensor:
        """What heads learn of some networks, (N,): standardised labels less the prior."""
        data = self._data()
        whole_N = self.scale.standardise(data.values[rows].double(), data.graphs.macs_G[rows])
        prior_N = torch.from_numpy(priors(self.model, TargetScale(), data.graphs, rows)[:, 0])
        return (whole_N - prior_N).float().to(self.device)

    def _represented(self, batch: LabelledBatch) -> Tensor:
        if self._known_GR is not None:
            return self._known_GR[batch.rows]
        return self.model.represent(batch.graphs)

    def training_step(self, batch: LabelledBatch) -> Tensor | None:
        if isinstance(self.model.head, SolvedHead):
            return None
        found = gathered(self._represented(batch))
        if not self.frozen:
            self.model.head.follow(found.detach())
        target = gathered(self._residuals(batch.labels, batch.graphs))
        loss = self.model.head.loss(self.model.hidden(found), target, self.loss)
        self.log(
            "train_loss",
            loss,
            prog_bar=True,
            on_step=False,
            on_epoch=True,
            batch_size=len(batch.labels),
            sync_dist=True,
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
        scores = self.model.head(self._represented(batch)) + self.model.prior(batch.graphs)
        predictions: Tensor = self.scale.restore(scores, batch.graphs.macs_B)
        return predictions.float()

    def _residuals(self, labels: Tensor, graphs: GraphBatch) -> Tensor:
        """The same of a batch, (B,)."""
        whole_B = self.scale.standardise(labels.double(), graphs.macs_B)
        return whole_B.float() - self.model.prior(graphs)

    def on_validation_epoch_end(self) -> None:
        self._log_metrics("val")

    def on_test_epoch_end(self) -> None:
        self._log_metrics("test")

    def _log_metrics(self, part: str) -> None:
        rows = len(getattr(self._data().split, part))
        predicted, true = (
            in_order(torch.cat(values), rows) for values in zip(*self._seen, strict=True)
        )
        self._seen.clear()
        try:
            values = evaluate(predicted.cpu(), true.cpu())
        except ConstantPredictionError as error:
            # Training may still recover from it; a best checkpoint is never made of it.
            warnings.warn(f"{part}: {error}", stacklevel=2)
            values = dict.fromkeys(METRICS, float("nan"))
        for name, value in values.items():
            shown = part == "val" and name in ("spearman", "mae")
            self.log(f"{part}_{name}", value, prog_bar=shown, sync_dist=True)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        if isinstance(self.model.head, SolvedHead):
            return None
        trained = self.optimizer(p for p in self.parameters() if p.requires_grad)
        return scheduled(trained, self.schedule, self.trainer)

    def _data(self) -> LabelData:
        data: LabelData = self.trainer.datamodule  # type: ignore[attr-defined]
        return data


def _encoder_weights(folder: str, config: ModelConfig) -> dict[str, Tensor]:
    """The weights of a checkpoint's encoder.

    Raises:
        CheckpointError: it has another encoder than `config`, or cannot be read.
    """
    found = load(folder).model
    theirs = found.encoder_config
    if theirs != (config.encoder, config.encoder_args):
        raise CheckpointError(
            f"{folder}: its encoder is {theirs}, expected {(config.encoder, config.encoder_args)}"
        )
    weights: dict[str, Tensor] = found.encoder.state_dict()
    return weights
