"""Fine-tuning a model on the labels of a new family. Nothing of Lightning is imported here."""

from collections.abc import Callable, Iterator
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gennape.batch import EncodedGraphs
from gennape.losses import loss_by_name
from gennape.models.performance import PerformanceModel
from onnx_bench.errors import GennapeError

Freeze = Literal["none", "encoder"]
BATCH = 128


def fine_tune(
    model: PerformanceModel,
    graphs: EncodedGraphs,
    target_N: Tensor,
    *,
    freeze: Freeze = "none",
    epochs: int = 100,
    batch_size: int = 8,
    learning_rate: float = 1e-3,
    loss: str = "mse",
    seed: int = 0,
    progress: Callable[[int, float], None] | None = None,
) -> None:
    """Trains `model` in place on graphs and standardised targets; the seed decides the result.

    Args:
        freeze: `encoder` trains the head alone; `none` everything.
        progress: called with (epoch, mean loss) after each epoch.

    Raises:
        GennapeError: an argument is none of those that there are.
    """
    if freeze not in get_args(Freeze):
        raise GennapeError(f"freeze is {freeze!r}, expected one of {get_args(Freeze)}")
    if loss != "mse" and batch_size < 2:
        raise GennapeError(f"{loss} compares networks: batch_size must be 2 or more")
    criterion = loss_by_name(loss)
    trained = list((model.head if freeze == "encoder" else model).parameters())
    optimizer, rng = torch.optim.Adam(trained, lr=learning_rate), np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):  # dropout draws from torch's own stream
        torch.manual_seed(seed)
        model.train()
        for epoch in range(epochs):
            total = 0.0
            order = rng.permutation(len(graphs))
            for chosen in np.split(order, range(batch_size, len(order), batch_size)):
                embedding = model.encoder(graphs.batch(chosen))
                error = model.head.loss(embedding, target_N[chosen], criterion)
                model.zero_grad()
                error.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(trained, 5.0)
                optimizer.step()
                total += error.item() * len(chosen)
            if progress:
                progress(epoch + 1, total / len(graphs))
    model.eval()
    model.head.refresh(embedded(model, graphs), target_N)


def embedded(
    model: PerformanceModel, graphs: EncodedGraphs, rows: npt.NDArray[np.int64] | None = None
) -> Tensor:
    """The encoder's embeddings of all graphs, or of some rows, shape (N, F), without gradients."""
    chosen = np.arange(len(graphs)) if rows is None else rows
    was_training = model.training
    model.eval()
    with torch.no_grad():
        batches = rows_in_batches(len(chosen))
        parts = [model.encoder(graphs.batch(chosen[batch])) for batch in batches]
    model.train(was_training)
    return torch.cat(parts)


def rows_in_batches(count: int, size: int = BATCH) -> Iterator[range]:
    """All numbers below `count`, some at a time."""
    return (range(start, min(start + size, count)) for start in range(0, count, size))
