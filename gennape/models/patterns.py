"""Which small patterns a network is made of, and how often: for learners inside one family."""

import torch
from torch import Tensor

from gennape.batch import GraphBatch
from gennape.models.colours import joined, mixed, refined
from gennape.models.encoder import ENCODERS, Encoder
from onnx_bench.errors import GennapeError


@ENCODERS.register("patterns")
class PatternsEncoder(Encoder):
    """h = hashed log(1 + counts) of the surroundings that nodes have. Nothing in it is learnt.

    A pattern is an operator with what lies within a few steps before it, or after it: types, kernel
    sizes, and where the image shrinks, but no widths (Weisfeiler-Lehman subtrees: Shervashidze et
    al., JMLR 2011). Products of such vectors are the kernel by which NAS-BOWL learns from few
    labels (Ru et al., ICLR 2021). As no list of all patterns could be kept, each is added to, or
    taken from, one of the columns by its hash, which leaves products as they are in the mean
    (Weinberger et al., ICML 2009).

    Args:
        hops: steps, 0 or more.
        buckets: columns.

    Raises:
        GennapeError: there are no columns, or the number of steps is negative.
    """

    def __init__(self, hops: int = 2, buckets: int = 1024) -> None:
        super().__init__()
        if hops < 0 or buckets < 1:
            raise GennapeError(
                f"{hops} hops and {buckets} buckets; expected 0 or more, and 1 or more"
            )
        self.hops, self.out_features = hops, buckets

    def forward(self, batch: GraphBatch) -> Tensor:
        colours = [*_rounds(batch, self.hops)]
        # Patterns of other sizes, or before and after a node, are told apart by their place.
        colour_M = torch.cat([mixed(colour_N + place) for place, colour_N in enumerate(colours)])
        graph_M = batch.graph_N.repeat(len(colours))
        _, pair_M, count_P = torch.unique(
            joined(colour_M, graph_M), return_inverse=True, return_counts=True
        )
        colour_P, graph_P = (
            part_M.new_empty(len(count_P)).scatter_(0, pair_M, part_M)
            for part_M in (colour_M, graph_M)
        )
        # The lowest bit is the sign, the others choose the column.
        value_P = torch.log1p(count_P.double()) * (1 - 2 * (colour_P & 1))
        table = value_P.new_zeros(batch.num_graphs * self.out_features)
        cell_P = graph_P * self.out_features + (colour_P >> 1) % self.out_features
        table.index_add_(0, cell_P, value_P)
        return table.view(batch.num_graphs, self.out_features).float()


def _rounds(batch: GraphBatch, hops: int) -> list[Tensor]:
    """Colours of all nodes: their own, after each step along the data, and against it."""
    shrinks_N = batch.resolution_N6[:, 0] != batch.resolution_N6[:, 1]
    start_N = mixed(batch.type_N.long() + 1)
    for part_N in (*batch.kernel_N2.T, shrinks_N):
        start_N = joined(start_N, part_N.long())
    found = [start_N]
    for edges_2E in (batch.edges_2E, batch.edges_2E.flip(0)):
        colour_N = start_N
        for _ in range(hops):
            colour_N = refined(colour_N, edges_2E)
            found.append(colour_N)
    return found
