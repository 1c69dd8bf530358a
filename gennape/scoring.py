"""What models say of many networks, in batches and without gradients."""

from collections.abc import Callable, Iterator
from typing import TypeGuard, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gennape.batch import EncodedGraphs, GraphBatch
from gennape.models.encoder import Encoder
from gennape.models.ensemble import AnyModel, Ensemble
from gennape.models.performance import PerformanceModel
from gennape.models.solved.few import FewLabelsHead
from gennape.targets import TargetScale

Rows = npt.NDArray[np.int64]
Labels = npt.NDArray[np.float64]
Read = Callable[[GraphBatch], Tensor]
BATCH = 128


def embedded(
    model: AnyModel | Encoder,
    graphs: EncodedGraphs,
    rows: Rows | None = None,
    batch_size: int = BATCH,
) -> Tensor:
    """The encoder's embeddings of all graphs, or of some rows, shape (N, F), without gradients."""
    encoder = model if isinstance(model, Encoder) else model.encoder
    return _run(encoder.embedder, graphs, rows, batch_size)


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
