"""One batch over several processes: losses that compare networks have to see all of them."""

import torch
from torch import Tensor
from torch.distributed.nn.functional import all_gather


def gathered(values: Tensor) -> Tensor:
    """The values of all processes along the first axis, gradients included.

    Every process computes the loss of the whole batch. Each then sends every other the gradient of
    what it got, so that their sum is the number of processes times the right one; the mean over
    processes that DDP takes of the weights' gradients makes it right. All must hold equally many.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return values
    if torch.distributed.get_world_size() == 1:
        return values
    return torch.cat(all_gather(values.contiguous()))  # type: ignore[no-untyped-call]
