"""Message passing once for all nodes that cannot be told apart.

After L rounds of message passing a node's vector depends on nothing but what lies within L steps
before it (Xu et al., ICLR 2019). Networks repeat cells, and networks of a family share most of
their parts, so most nodes of a batch are copies of another one in that sense. Finding them costs L
rounds of integer hashing (`colours`) and spares most of the floating-point work: the result is the
same but for rounding.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from gennape.batch import GraphBatch
from gennape.models.colours import mixed, refined


class Merged(NamedTuple):
    """A batch whose indistinguishable nodes are one; `class_N` leads back to the N nodes."""

    batch: GraphBatch
    """C nodes, one for each class, and the edges that these read."""
    class_N: Tensor


def merge(batch: GraphBatch, hops: int) -> Merged:
    """Merges nodes that `hops` rounds of messages along the data flow leave equal.

    For encoders whose messages go from producer to reader only, and whose layers draw nothing at
    random. Each class keeps the incoming edges of one of its nodes.
    """
    colour = mixed(batch.row_N + 1)
    for _ in range(hops):
        colour = refined(colour, batch.edges_2E)
    _, class_N = torch.unique(colour, return_inverse=True)
    count = int(class_N.max()) + 1
    nodes = torch.arange(len(class_N), device=class_N.device)
    chosen = torch.empty_like(nodes[:count]).scatter_(0, class_N, nodes)
    readers = batch.edges_2E[1]
    read = chosen[class_N[readers]] == readers
    edges = class_N[batch.edges_2E[:, read]]
    return Merged(
        batch._replace(
            row_N=batch.row_N[chosen],
            type_N=batch.type_N[chosen],
            resolution_N6=batch.resolution_N6[chosen],
            kernel_N2=batch.kernel_N2[chosen],
            bias_N=batch.bias_N[chosen],
            depth_N=batch.depth_N[chosen],
            edges_2E=edges,
            graph_N=batch.graph_N[chosen],
        ),
        class_N,
    )
