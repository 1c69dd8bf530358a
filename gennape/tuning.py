"""How a model is trained on some labels by gradient, or solved. Nothing here imports Lightning."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gennape.batch import EncodedGraphs
from gennape.losses import Loss, loss_by_name
from gennape.models.performance import PerformanceModel
from gennape.models.solved import SolvedHead
from gennape.scoring import represented
from onnx_bench.errors import GennapeError

Freeze = Literal["none", "encoder"]
Learner = Literal["auto", "network", "numbers"]
Progress = Callable[[int, float], None]
Rows = npt.NDArray[np.int64]
Labels = npt.NDArray[np.float64]


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
            from numbers of the whole graph and its patterns beside its score (`models.solved.few`),
            in a moment, of networks in the fused form; of many labels a graph network learns, too
            (`beside`). Of the settings above `validation` and `seed` are for it. It leaves out
            labels in turn, to know its errors: none need be held out. `auto` is numbers where they
            can be had.

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
