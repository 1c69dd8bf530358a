"""How far networks lie from those of a sample: what families are told apart by."""

import torch
from torch import Tensor

PART = 4096
"""Points at a time: a table of all their distances may be larger than memory."""


def nearness(point_BP: Tensor, sample_KP: Tensor, nearest: int, itself: bool = False) -> Tensor:
    """Mean distance to so many nearest of the sample, shape (B,).

    Args:
        itself: whether the points are the sample, and the nearest one is each itself.
    """
    # Distances by differences: those by products lose half of the digits.
    exact = "donot_use_mm_for_euclid_dist"
    parts = [
        torch.cdist(part_BP, sample_KP, compute_mode=exact)
        .topk(nearest + itself, dim=1, largest=False)
        .values[:, int(itself) :]
        .mean(dim=1)
        for part_BP in torch.split(point_BP, PART)
    ]
    return torch.cat(parts)
