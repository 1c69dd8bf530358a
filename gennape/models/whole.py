"""The whole graph beside the embedding: numbers that heads read, and what size and depth foretell.

A graph network is best inside the families that it was trained on and guesses outside of them.
Numbers of the whole graph (`gennape.features.whole`) mean the same in every family, and as plain a
thing as size foretells an order anywhere. So a model may be a *prior* that is not learnt,

    p = w mean(z(log10 macs), z(log10 parameters), z(log10 depth)),

where z standardises over the training networks and depth is the mean number of activations over
all paths from input to output, and a *residual* that is: heads learn the labels less p, from the
embedding and the numbers together.
"""

import torch
from torch import Tensor, nn

from gennape.batch import GraphBatch
from gennape.features.whole import COLUMN, FEATURES
from onnx_bench.errors import GennapeError

SIZES = ("macs", "parameters")
DEPTH = "mean_activation"
TAIL = 0.01
STILL = 1e-6
"""A number that moves less over the training networks says nothing, and is left out."""


class WholeGraph(nn.Module):
    """The prior of each graph, and its numbers as heads read them.

    Numbers are standardised, and kept to the range of 98 % of the training networks: beyond it
    nothing was learnt. While heads learn, a share of them is hidden, so that no head relies on a
    few that another family may turn around.

    Args:
        hidden: that share.
        prior: w, the weight of the prior; 0 for none.

    Raises:
        GennapeError: the share is not from 0 to below 1, or the weight is negative.
    """

    low_D: Tensor
    high_D: Tensor
    mean_D: Tensor
    scale_D: Tensor
    prior_23: Tensor
    columns_3: Tensor

    def __init__(self, hidden: float = 0.2, prior: float = 0.7) -> None:
        super().__init__()
        if not 0 <= hidden < 1 or prior < 0:
            raise GennapeError(
                f"hidden is {hidden}, prior {prior}; expected a share below 1, and 0 or more"
            )
        self.out_features = len(FEATURES)
        self.weight, self.hide = prior, nn.Dropout(hidden)
        for name in ("low_D", "high_D", "mean_D", "scale_D"):
            self.register_buffer(name, torch.zeros(self.out_features))
        self.register_buffer("prior_23", torch.tensor([[0.0], [1.0]]).repeat(1, 3))
        columns = torch.tensor([COLUMN[name] for name in (*SIZES, DEPTH)])
        self.register_buffer("columns_3", columns, persistent=False)

    def prepare(self, whole_ND: Tensor) -> None:
        """Takes the ranges of training networks, (N, D), and how they differ in size and depth."""
        values = whole_ND.double()
        low_D, high_D = (torch.quantile(values, q, dim=0) for q in (TAIL, 1 - TAIL))
        kept = values.clamp(low_D, high_D)
        std_D = kept.std(dim=0, correction=0)
        still = std_D < STILL * (1 + kept.abs().mean(dim=0))
        scale_D = torch.where(still, 0.0, 1 / torch.where(still, 1.0, std_D))
        found = (low_D, high_D, kept.mean(dim=0), scale_D)
        buffers = (self.low_D, self.high_D, self.mean_D, self.scale_D)
        for buffer, value in zip(buffers, found, strict=True):
            buffer.copy_(value)
        self.prior_23.copy_(_moments(self._sizes(values)))

    def forward(self, batch: GraphBatch) -> Tensor:
        """The numbers of each graph as heads read them, shape (B, D)."""
        kept_BD = torch.clamp(batch.whole_BD, self.low_D, self.high_D)
        numbers_BD: Tensor = (kept_BD - self.mean_D) * self.scale_D
        return numbers_BD

    def prior(self, batch: GraphBatch) -> Tensor:
        """p, shape (B,)."""
        mean_3, std_3 = self.prior_23
        sizes_B3 = (self._sizes(batch.whole_BD) - mean_3) / std_3
        prior_B: Tensor = self.weight * sizes_B3.mean(dim=1)
        return prior_B

    def _sizes(self, whole_BD: Tensor) -> Tensor:
        """What the prior is made of, shape (B, 3): sizes are logarithms already."""
        found = whole_BD[:, self.columns_3]
        return torch.cat([found[:, :2], torch.log10(1 + found[:, 2:])], dim=1)


def _moments(values_N3: Tensor) -> Tensor:
    """Mean and deviation of each column, shape (2, 3); 1 for that of one that never moves."""
    std_3 = values_N3.std(dim=0, correction=0)
    return torch.stack([values_N3.mean(dim=0), torch.where(std_3 > STILL, std_3, 1.0)])
