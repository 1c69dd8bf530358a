"""Losses on the scores of a batch: regression and pairwise ranking.

All take scores and targets of shape (B,), higher is better, and return a scalar.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from onnx_bench.errors import GennapeError

Loss = Callable[[Tensor, Tensor], Tensor]


def mse(scores: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error."""
    return F.mse_loss(scores, targets)


def pairwise_hinge(scores: Tensor, targets: Tensor, margin: float = 0.1) -> Tensor:
    """Mean of max(0, margin - (s_i - s_j)) over the pairs with t_i > t_j.

    The ranking loss of FLAN. Zero, with zero gradients, for a batch without such a pair.
    """
    return _mean_over_pairs(F.relu(margin - _differences(scores)), targets)


def pairwise_logistic(scores: Tensor, targets: Tensor) -> Tensor:
    """Mean of log(1 + exp(-(s_i - s_j))) over the pairs with t_i > t_j.

    RankNet (Burges et al., ICML 2005) with certain labels. Zero for a batch without such a pair.
    """
    return _mean_over_pairs(F.softplus(-_differences(scores)), targets)


def _differences(scores: Tensor) -> Tensor:
    return scores[:, None] - scores[None, :]


def _mean_over_pairs(penalty_BB: Tensor, targets: Tensor) -> Tensor:
    ordered = (_differences(targets) > 0).to(penalty_BB.dtype)
    return (penalty_BB * ordered).sum() / torch.clamp(ordered.sum(), min=1.0)


LOSSES: dict[str, Loss] = {
    "mse": mse,
    "pairwise-hinge": pairwise_hinge,
    "pairwise-logistic": pairwise_logistic,
}


def loss_by_name(name: str) -> Loss:
    """The loss of that name.

    Raises:
        GennapeError: there is none; the message lists those that there are.
    """
    if name not in LOSSES:
        raise GennapeError(f"no loss is called {name!r}; there are {', '.join(LOSSES)}")
    return LOSSES[name]
