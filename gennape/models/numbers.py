"""Encoders without a graph network: networks as points among their whole-graph numbers."""

import numpy as np
import torch
from torch import Tensor

from gennape.batch import GraphBatch
from gennape.models.encoder import ENCODERS, Encoder
from gennape.models.solved.gaussian_process import principal
from gennape.models.whole import WholeGraph
from onnx_bench.errors import GennapeError


@ENCODERS.register("none")
class NoEncoder(Encoder):
    """h = (): a head that reads numbers of the whole graph alone."""

    def __init__(self) -> None:
        super().__init__()
        self.out_features = 0

    def forward(self, batch: GraphBatch) -> Tensor:
        return torch.zeros(batch.num_graphs, 0, device=batch.macs_B.device)


@ENCODERS.register("numbers")
class NumbersEncoder(Encoder):
    """h = principal components of standardised numbers of the whole graph, for comparisons.

    Args:
        components: how many; distances in all of them are the same but for the directions left out.
        numbers: columns that are read, as of `WholeGraph`.
    """

    axes_DP: Tensor

    def __init__(self, components: int = 25, numbers: int = 189) -> None:
        super().__init__()
        if not 0 < components <= numbers:
            raise GennapeError(f"{components} components of {numbers} numbers")
        self.table = WholeGraph(hidden=0.0, prior=0.0, numbers=numbers)
        self.out_features = components
        self.register_buffer("axes_DP", torch.zeros(numbers, components))

    @property
    def reads_whole(self) -> bool:
        """Whether batches must have the numbers of whole graphs: yes."""
        return True

    def prepare(self, whole_ND: Tensor) -> None:
        """Takes the ranges and the components of networks, those of all families alike."""
        self.table.prepare(whole_ND)
        kept_ND = self.table.standardised(whole_ND).double().numpy()
        _, axes_DP = principal(kept_ND, self.out_features)
        self.axes_DP.zero_()
        self.axes_DP[:, : axes_DP.shape[1]] = torch.from_numpy(np.ascontiguousarray(axes_DP))

    def forward(self, batch: GraphBatch) -> Tensor:
        points_BP: Tensor = self.table(batch) @ self.axes_DP
        return points_BP
