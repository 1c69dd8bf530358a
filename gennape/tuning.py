"""Fine-tuning a model on the labels of a new family. Nothing of Lightning is imported here."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeGuard, cast, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gennape.batch import EncodedGraphs, GraphBatch
from gennape.features.whole import FEATURES
from gennape.losses import Loss, loss_by_name
from gennape.models.encoder import Encoder
from gennape.models.ensemble import AnyModel, Ensemble, EnsembleConfig, Member, kendall_weights
from gennape.models.performance import ModelConfig, PerformanceModel
from gennape.models.scored import ScoredEncoder
from gennape.models.solved import SolvedHead
from gennape.models.solved.few import FewLabelsHead
from gennape.models.whole import WholeGraph
from gennape.targets import TargetScale
from onnx_bench.errors import GennapeError

Freeze = Literal["none", "encoder"]
Learner = Literal["auto", "network", "numbers"]
Progress = Callable[[int, float], None]
Rows = npt.NDArray[np.int64]
Labels = npt.NDArray[np.float64]
BATCH = 128


@dataclass(frozen=True)
class TuneSettings:
    """How a model learns from a few labels; the same settings and labels give the same weights.

    Args:
        freeze: `encoder` trains the head alone, in moments; `none` everything.
        epochs: passes over the labels; the paper takes 100 for 50 labels.
        batch_size: networks a step.
        learning_rate: of Adam; gradients are clipped to a norm of 5.
        loss: `mse`, `pairwise-hinge` or `pairwise-logistic`; pairwise heads have their own.
        validation: share of the labels that is held out: of all epochs the one stays that predicts
            these best.
        patience: with `validation`, how many epochs in a row may bring nothing better.
        seed: of the order, of dropout and of what is held out.
        learner: `network` goes on training what is there; `numbers` leaves it as it is and learns
            from numbers of the whole graph beside its score (`models.solved.few`), in a moment, of
            networks in the fused form; of the settings above `validation` and `seed` are for it. It
            leaves out labels in turn, to know its errors: none need be held out. `auto` is numbers
            where they can be had.

    Raises:
        GennapeError: a value is none of those that there are.
    """

    freeze: Freeze = "none"
    epochs: int = 100
    batch_size: int = 8
    learning_rate: float = 1e-3
    loss: str = "mse"
    validation: float = 0.0
    patience: int = 20
    seed: int = 0
    learner: Learner = "auto"

    def __post_init__(self) -> None:
        if self.learner not in get_args(Learner):
            raise GennapeError(f"learner is {self.learner!r}, expected one of {get_args(Learner)}")
        if self.freeze not in get_args(Freeze):
            raise GennapeError(f"freeze is {self.freeze!r}, expected one of {get_args(Freeze)}")
        if not 0 <= self.validation < 1:
            raise GennapeError(f"validation is {self.validation}, expected a share from 0 up to 1")
        if min(self.epochs, self.batch_size, self.patience) < 1 or not self.learning_rate > 0:
            raise GennapeError(
                f"epochs is {self.epochs}, batch_size {self.batch_size}, patience {self.patience}, "
                f"learning_rate {self.learning_rate:g}; expected 1 or more, and a rate above 0"
            )
        loss_by_name(self.loss)
        if self.loss != "mse" and self.batch_size < 2:
            raise GennapeError(f"{self.loss} compares networks: batch_size must be 2 or more")

    def split(self, count: int) -> tuple[Rows, Rows]:
        """Which of `count` labels are learnt from, and which are held out."""
        order = np.random.default_rng([self.seed, count]).permutation(count)
        held_out = round(count * self.validation)
        return np.sort(order[held_out:]), np.sort(order[:held_out])


def tune(
    model: AnyModel,
    scale: TargetScale,
    graphs: EncodedGraphs,
    labels: Labels,
    settings: TuneSettings,
    progress: Progress | None = None,
) -> tuple[AnyModel, TargetScale]:
    """A copy of the model that has learnt from the labels, and the scale of its scores.

    Each member of an ensemble learns by itself; their weights become the softmax of Kendall's tau
    on the networks learnt from (Mills et al., AAAI 2023).

    Args:
        labels: shape (N,), higher is better, in any unit; the scale is taken from them. Where a
            prior foretells an order (`models.whole`), learning starts from what the model says.
        progress: called with (epochs done of `steps`, mean loss) after each epoch.
    """
    if settings.learner == "numbers":
        return _beside(model, graphs, labels, settings, progress)
    if isinstance(model, PerformanceModel):
        return _tuned(model, scale, graphs, labels, settings, progress)
    from scipy import stats  # half as long to import as torch, and nothing that scoring needs

    learnt, _ = settings.split(len(labels))
    members: list[Member] = []
    models: list[PerformanceModel] = []
    taus = []
    for place, (member, own) in enumerate(zip(model.config.members, model.models, strict=True)):
        report = _shifted(progress, place * settings.epochs)
        tuned, own_scale = _tuned(own, member.scale, graphs, labels, settings, report)
        own_scores = scores(tuned, graphs, learnt)
        predicted = own_scale.restore(own_scores, graphs.macs_G.numpy()[learnt])
        taus.append(float(stats.kendalltau(predicted, labels[learnt]).statistic))
        models.append(tuned)
        members.append(replace(member, scale=own_scale))
    weighted = (
        replace(member, weight=float(weight))
        for member, weight in zip(members, kendall_weights(taus), strict=True)
    )
    return Ensemble.of(EnsembleConfig(tuple(weighted)), models), scale


def steps(model: AnyModel, settings: TuneSettings) -> int:
    """How many epochs `tune` counts; early stopping may leave some out."""
    if settings.learner == "numbers":
        return 1
    return settings.epochs * (len(model.models) if isinstance(model, Ensemble) else 1)


def _shifted(progress: Progress | None, before: int) -> Progress | None:
    return (lambda epoch, loss: progress(before + epoch, loss)) if progress else None


def _tuned(
    model: PerformanceModel,
    scale: TargetScale,
    graphs: EncodedGraphs,
    labels: Labels,
    settings: TuneSettings,
    progress: Progress | None,
) -> tuple[PerformanceModel, TargetScale]:
    learnt, held_out = settings.split(len(labels))
    macs = graphs.macs_G.numpy()
    # A copy learns, so that a fit that is stopped changes nothing.
    model = copy.deepcopy(model)
    new = TargetScale.of(labels[learnt], macs[learnt], scale.flops)
    if model.reads_whole:
        new = new.around(scores(model, graphs, learnt))
    whole_N = new.standardise(labels, macs)
    target_N = torch.from_numpy(whole_N - priors(model, TargetScale(), graphs)[:, 0]).float()
    fine_tune(model, graphs, target_N, settings, learnt, held_out, progress)
    return model, new


def _beside(
    model: AnyModel,
    graphs: EncodedGraphs,
    labels: Labels,
    settings: TuneSettings,
    progress: Progress | None,
) -> tuple[PerformanceModel, TargetScale]:
    """A head for few labels on what the model says; one that the model has already is replaced."""
    learnt, _ = settings.split(len(labels))
    start = cast(ScoredEncoder, model.encoder).model if learns_few(model) else model
    whole = {"hidden": 0.0, "prior": 0.0, "numbers": len(FEATURES)}
    scored = {"model": start.config.to_dict()}
    new = PerformanceModel(ModelConfig("scored", scored, "few-labels", whole=whole)).eval()
    cast(ScoredEncoder, new.encoder).model.load_state_dict(start.state_dict())
    cast(WholeGraph, new.whole).prepare(graphs.whole_GD[learnt])
    scale = TargetScale.of(labels[learnt])
    target_N = torch.from_numpy(scale.standardise(labels, np.zeros(len(labels)))).float()
    fine_tune(new, graphs, target_N, settings, learnt, learnt[:0])
    if progress:
        progress(1, 0.0)
    return new, scale


def fine_tune(
    model: PerformanceModel,
    graphs: EncodedGraphs,
    target_N: Tensor,
    settings: TuneSettings,
    learnt: Rows,
    held_out: Rows,
    progress: Progress | None = None,
) -> None:
    """Trains `model` in place on standardised targets of some rows, and keeps the best epoch."""
    if isinstance(model.head, SolvedHead):
        model.head.solve(represented(model, graphs, learnt), target_N[learnt], settings.seed)
        return
    frozen = settings.freeze == "encoder"
    embed = _looked_up(represented(model, graphs)) if frozen else _encoded(model, graphs)
    trained = list((model.head if frozen else model).parameters())
    criterion = loss_by_name(settings.loss)
    optimizer = torch.optim.Adam(trained, lr=settings.learning_rate)
    rng = np.random.default_rng(settings.seed)
    best = _Best(model, settings.patience)
    with torch.random.fork_rng(devices=[]):  # dropout draws from torch's own stream
        torch.manual_seed(settings.seed)
        for epoch in range(settings.epochs):
            model.train()
            total = 0.0
            order = rng.permutation(learnt)
            for rows in np.split(
                order, range(settings.batch_size, len(order), settings.batch_size)
            ):
                seen = model.hidden(embed(rows))
                error = model.head.loss(seen, target_N[rows], criterion)
                model.zero_grad()
                error.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(trained, 5.0)
                optimizer.step()
                total += error.item() * len(rows)
            if progress:
                progress(epoch + 1, total / len(learnt))
            if len(held_out) and best.seen(_error(model, embed, target_N, held_out, criterion)):
                break
    if len(held_out):
        best.restore()
    model.eval()
    model.head.refresh(represented(model, graphs, learnt), target_N[learnt])


Embed = Callable[[Rows], Tensor]
Read = Callable[[GraphBatch], Tensor]


def _encoded(model: PerformanceModel, graphs: EncodedGraphs) -> Embed:
    return lambda rows: model.represent(graphs.batch(rows, model.reads_whole))


def _looked_up(embedding_NF: Tensor) -> Embed:
    return lambda rows: embedding_NF[rows]


def _error(
    model: PerformanceModel, embed: Embed, target_N: Tensor, rows: Rows, criterion: Loss
) -> float:
    """What training makes small, on rows that it has not seen."""
    model.eval()
    with torch.no_grad():
        return float(model.head.loss(embed(rows), target_N[rows], criterion))


class _Best:
    """The weights of the epoch with the smallest error so far."""

    def __init__(self, model: PerformanceModel, patience: int) -> None:
        self.model, self.patience = model, patience
        self.error, self.waited = float("inf"), 0
        self.weights = copy.deepcopy(model.state_dict())

    def seen(self, error: float) -> bool:
        """Takes note of an epoch; whether it is time to stop."""
        if error < self.error:
            self.error, self.waited = error, 0
            self.weights = copy.deepcopy(self.model.state_dict())
        else:
            self.waited += 1
        return self.waited >= self.patience

    def restore(self) -> None:
        self.model.load_state_dict(self.weights)


def embedded(
    model: AnyModel, graphs: EncodedGraphs, rows: Rows | None = None, batch_size: int = BATCH
) -> Tensor:
    """The encoder's embeddings of all graphs, or of some rows, shape (N, F), without gradients."""
    return _run(model.encoder.embedder, graphs, rows, batch_size)


def represented(
    model: PerformanceModel,
    graphs: EncodedGraphs,
    rows: Rows | None = None,
    batch_size: int = BATCH,
) -> Tensor:
    """What the model's head reads of all graphs, or of some rows, shape (N, R), likewise."""
    return _run(model, graphs, rows, batch_size, model.represent)


def scores(
    model: AnyModel, graphs: EncodedGraphs, rows: Rows | None = None, batch_size: int = BATCH
) -> Labels:
    """What the model itself says of all graphs, or of some rows, shape (N,)."""
    found: Labels = _run(model, graphs, rows, batch_size).double().numpy()
    return found


def predictions(
    model: AnyModel,
    scale: TargetScale,
    graphs: EncodedGraphs,
    rows: Rows | None = None,
    batch_size: int = BATCH,
) -> Labels:
    """What each of K members predicts, in the units of the labels, shape (N, K); K is 1 for one."""
    whole = model.predictions if isinstance(model, Ensemble) else _restored(model, scale)
    found: Labels = _run(model, graphs, rows, batch_size, whole).double().numpy()
    return found


def judged(
    model: PerformanceModel,
    scale: TargetScale,
    graphs: EncodedGraphs,
    rows: Rows | None = None,
    batch_size: int = BATCH,
) -> tuple[Labels, Labels]:
    """What a learner of few labels predicts, and how far off it expects to be, shape (N,) each.

    Both in the units of the labels; of the latter, one deviation.
    """
    head = cast(FewLabelsHead, model.head)

    def read(batch: GraphBatch) -> Tensor:
        score_B, off_B = (part_B.double() for part_B in head.judge(model.represent(batch)))
        score_B = score_B + model.prior(batch)
        said_B = scale.restore(score_B, batch.macs_B)
        return torch.stack([said_B, scale.restore(score_B + off_B, batch.macs_B) - said_B], dim=1)

    said_N, off_N = _run(model, graphs, rows, batch_size, read).numpy().T
    return said_N, off_N


def learns_few(model: AnyModel) -> TypeGuard[PerformanceModel]:
    """Whether a model is a learner of few labels beside another one."""
    return isinstance(model, PerformanceModel) and isinstance(model.head, FewLabelsHead)


def priors(
    model: AnyModel,
    scale: TargetScale,
    graphs: EncodedGraphs,
    rows: Rows | None = None,
    batch_size: int = BATCH,
) -> Labels:
    """The same of models that say nothing but their prior (`models.whole`), shape (N, K)."""
    prior = model.priors if isinstance(model, Ensemble) else _restored(model.prior, scale)
    found: Labels = _run(model, graphs, rows, batch_size, prior).double().numpy()
    return found


def _restored(score: Read, scale: TargetScale) -> Read:
    """What reads a batch as predictions of shape (B, 1), from what reads it as scores."""
    return lambda batch: scale.restore(score(batch).double(), batch.macs_B)[:, None]


def _run(
    module: torch.nn.Module,
    graphs: EncodedGraphs,
    rows: Rows | None,
    batch_size: int,
    read: Read | None = None,
) -> Tensor:
    read = read or module
    whole = isinstance(module, AnyModel | Encoder) and module.reads_whole
    chosen = np.arange(len(graphs)) if rows is None else rows
    was_training = module.training
    module.eval()
    with torch.no_grad():
        parts = rows_in_batches(len(chosen), batch_size)
        device = next(module.parameters(), torch.empty(0)).device
        found = [read(graphs.batch(chosen[part], whole).to(device)).cpu() for part in parts]
    module.train(was_training)
    return torch.cat(found)


def rows_in_batches(count: int, size: int) -> Iterator[range]:
    """All numbers below `count`, some at a time."""
    return (range(start, min(start + size, count)) for start in range(0, count, size))
