"""What a network is, in numbers that mean the same in every family: size, make-up and wiring.

Computed on the fused computation graph alone: no weights, no data, no training.
"""

import numpy as np

from gennape.features import costs, shares, stages, wiring
from gennape.features.totals import FloatArray
from gennape.features.waves import Waves
from onnx_bench.collections import GraphCollection

FEATURES = (*costs.FEATURES, *shares.FEATURES, *stages.FEATURES, *wiring.FEATURES)
"""One record for each column, in order."""


def structure(graphs: GraphCollection, waves: Waves | None = None) -> FloatArray:
    """Numbers of each graph, shape (G, len(FEATURES)), in the order of `FEATURES`.

    Finite for every graph: what there is none of counts 0. Neither the order of independent nodes
    nor the other graphs of the collection matter.

    Args:
        graphs: fused graphs.
        waves: their order of flow, where it is known.
    """
    flow = waves if waves is not None else Waves.of(graphs)
    return np.column_stack(
        [
            costs.costs(graphs),
            shares.shares(graphs),
            stages.stage_profile(graphs, flow),
            wiring.wiring(graphs, flow),
        ]
    )
