"""One batch over several processes: what each gets of it, and how all see the whole."""

from collections.abc import Sequence
from typing import Any

import lightning as L
import torch
from torch import Tensor, distributed
from torch.utils.data import DistributedSampler


def share(
    rows: Sequence[int], trainer: L.Trainer | None, seed: int = 0, shuffle: bool = False
) -> DistributedSampler[int]:
    """What this process is given of some rows: every n-th one of n processes.

    Rows that are shuffled come in an order that the seed and the epoch decide, so that the batches
    of all processes together are those of a single one, and a run that goes on sees what it would
    have seen. Some rows come twice where processes could not have equally many; a single process,
    which is given all, has no such rows.
    """
    processes, rank = (trainer.world_size, trainer.global_rank) if trainer else (1, 0)
    return DistributedSampler(rows, processes, rank, shuffle, seed)  # type: ignore[arg-type]


def gathered(values: Tensor) -> Tensor:
    """The values of all processes along the first axis, gradients included.

    Every process computes the loss of the whole batch. Each then gets the gradients that its own
    values have in all processes, and their sum is the number of processes times the right one; the
    mean over processes that DDP takes of the weights' gradients makes it right. All must hold
    equally many.
    """
    if _processes() == 1:
        return values
    together: Tensor = _Gather.apply(values)  # type: ignore[no-untyped-call]
    return together


def in_order(values_N: Tensor, count: int) -> Tensor:
    """The values of all processes in the order of the rows that were shared out, unshuffled.

    Args:
        values_N: one for each row of this process.
        count: how many rows there are in all, without those that came twice.
    """
    return gathered(values_N.detach()).view(_processes(), -1).T.flatten()[:count]


def _processes() -> int:
    ready = distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if ready else 1


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        del ctx
        parts = [torch.empty_like(values) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, values.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        del ctx
        summed = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(summed)
        return summed.chunk(distributed.get_world_size())[distributed.get_rank()]
