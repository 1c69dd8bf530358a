"""The whole graph beside the embedding: numbers that heads read, and what size and depth foretell.

A graph network is best inside the families that it was trained on and guesses outside of them.
Numbers of the whole graph (`gennape.features.whole`) mean the same in every family, and as plain a
thing as size foretells an order anywhere. So a model may be a *prior* that is not learnt,

    p = w mean of z(size) over a few sizes,

where z standardises over the training networks, and a *residual* that is: heads learn the labels
less p, from the embedding and the numbers together.
"""

import torch
from torch import Tensor, nn

from gennape.batch import GraphBatch
from gennape.features.whole import COLUMN, FEATURES
from onnx_bench.errors import GennapeError

COUNTS = frozenset({"mean_activation"})
"""Sizes that are counted, and of which the prior takes the logarithm; others are logarithms."""
SIZES = {
    "total": ("macs", "parameters", "mean_activation"),
    "even": ("even_macs", "longest_even_macs", "walk_even_macs", "mean_even_macs"),
}
"""What the prior is made of. `total`: costs of the whole network, and its depth as the mean number
of activations on all paths. `even`: MACs if all operators were like the typical one, of the whole
network and of its paths (`features.typical`), which order families by channels, too."""
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
        size: what the prior is made of, one of `SIZES`.
        numbers: how many columns of the table heads read, the first ones; those that were there
            when a model was trained stay in front.

    Raises:
        GennapeError: the share is not from 0 to below 1, the weight is negative, there is no such
            size, or there are fewer columns.
    """

    low_D: Tensor
    high_D: Tensor
    mean_D: Tensor
    scale_D: Tensor
    prior_2S: Tensor
    column_S: Tensor
    counted_S: Tensor

    def __init__(
        self, hidden: float = 0.2, prior: float = 0.7, size: str = "total", numbers: int = 189
    ) -> None:
        super().__init__()
        if not 0 <= hidden < 1 or prior < 0:
            raise GennapeError(
                f"hidden is {hidden}, prior {prior}; expected a share below 1, and 0 or more"
            )
        if size not in SIZES or not 0 < numbers <= len(FEATURES):
            raise GennapeError(
                f"size is {size!r}, numbers {numbers}; expected one of {', '.join(SIZES)}, and up "
                f"to {len(FEATURES)}"
            )
        self.out_features = numbers
        self.weight, self.hide = prior, nn.Dropout(hidden)
        for name in ("low_D", "high_D", "mean_D", "scale_D"):
            self.register_buffer(name, torch.zeros(numbers))
        names = SIZES[size]
        self.register_buffer("prior_2S", torch.tensor([[0.0], [1.0]]).repeat(1, len(names)))
        columns = torch.tensor([COLUMN[name] for name in names])
        self.register_buffer("column_S", columns, persistent=False)
        counted = torch.tensor([name in COUNTS for name in names])
        self.register_buffer("counted_S", counted, persistent=False)

    def prepare(self, whole_ND: Tensor) -> None:
        """Takes the ranges of training networks, (N, D), and how they differ in size and depth."""
        values = whole_ND[:, : self.out_features].double()
        low_D, high_D = (torch.quantile(values, q, dim=0) for q in (TAIL, 1 - TAIL))
        kept = values.clamp(low_D, high_D)
        std_D = kept.std(dim=0, correction=0)
        still = std_D < STILL * (1 + kept.abs().mean(dim=0))
        scale_D = torch.where(still, 0.0, 1 / torch.where(still, 1.0, std_D))
        found = (low_D, high_D, kept.mean(dim=0), scale_D)
        buffers = (self.low_D, self.high_D, self.mean_D, self.scale_D)
        for buffer, value in zip(buffers, found, strict=True):
            buffer.copy_(value)
        self.prior_2S.copy_(_moments(self._sizes(whole_ND.double())))

    def forward(self, batch: GraphBatch) -> Tensor:
        """The numbers of each graph as heads read them, shape (B, D)."""
        return self.standardised(batch.whole_BD)

    def standardised(self, whole_BD: Tensor) -> Tensor:
        """The same of a table itself, shape (B, D), from all its columns."""
        kept_BD = torch.clamp(whole_BD[:, : self.out_features], self.low_D, self.high_D)
        numbers_BD: Tensor = (kept_BD - self.mean_D) * self.scale_D
        return numbers_BD

    def prior(self, batch: GraphBatch) -> Tensor:
        """p, shape (B,)."""
        mean_S, std_S = self.prior_2S
        sizes_BS = (self._sizes(batch.whole_BD) - mean_S) / std_S
        prior_B: Tensor = self.weight * sizes_BS.mean(dim=1)
        return prior_B

    def _sizes(self, whole_BD: Tensor) -> Tensor:
        """What the prior is made of, as logarithms, shape (B, S)."""
        found_BS = whole_BD[:, self.column_S]
        return torch.where(self.counted_S, torch.log10(1 + found_BS.clamp(min=0)), found_BS)


def _moments(values_NS: Tensor) -> Tensor:
    """Mean and deviation of each column, shape (2, S); 1 for that of one that never moves."""
    std_S = values_NS.std(dim=0, correction=0)
    return torch.stack([values_NS.mean(dim=0), torch.where(std_S > STILL, std_S, 1.0)])
