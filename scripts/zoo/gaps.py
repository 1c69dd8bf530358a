"""Why our MACs differ from published ones: what another profiler counts besides, or leaves out.

Ours are the multiply-adds of convolutions, products, attention and recurrent layers. The published
ones (timm's results tables) come from a profiler of traced operators that also counts normalisation
(2 for each value of a batch normalisation, 5 of a layer or group normalisation) and pooling, counts
normalised weights, knows no recurrent layer, no attention that is one call, and no convolution
whose padding is given as "same". A gap is explained where one or two of these rules close it.
"""

from itertools import combinations

import numpy as np

from onnx_bench.cost import activations_N, macs_N
from onnx_bench.graph import GROUPS, IN_SHAPE, PARAMETERS, ComputationGraph
from onnx_bench.operators import GATES, Op

CLOSE = 0.02
ROUNDING = 5e6
"""Published figures are rounded to ten million."""


def gap(macs: float, published: float) -> float:
    """Relative difference, 0 where rounding hides it."""
    return 0.0 if abs(macs - published) <= ROUNDING else macs / published - 1


NAMED = {
    "ghostnetv3": "published after branches are merged",
    "swinv2_cr": "a network of constants counted, which runs once for all inputs",
}
"""What we have seen in the code of architectures that no rule explains."""


def explain(name: str, graph: ComputationGraph, published: float) -> str:
    """The fewest rules that bring our count within 2 % of the published one."""
    for prefix, kind in NAMED.items():
        if name.startswith(prefix):
            return kind
    rules = differences(graph)
    total = float(macs_N(graph.nodes_NK).sum())
    for number in (1, 2, 3):
        best = min(
            combinations([rule for rule, amount in rules.items() if amount], number),
            key=lambda chosen: abs(gap(total + sum(rules[rule] for rule in chosen), published)),
            default=(),
        )
        if best and abs(gap(total + sum(rules[rule] for rule in best), published)) <= CLOSE:
            return " and ".join(best)
    return "unexplained"


def norms_and_pools(graph: ComputationGraph) -> int:
    """What the publisher's profiler counts of normalisation and pooling."""
    nodes, ops = graph.nodes_NK, graph.ops
    values = activations_N(nodes)
    inputs = np.maximum(nodes[:, IN_SHAPE].astype(np.int64), 1).prod(axis=1)
    batch_norm = 2 * values[ops == Op.BATCH_NORM].sum()
    others = np.isin(ops, [Op.LAYER_NORM, Op.GROUP_NORM, Op.INSTANCE_NORM, Op.RMS_NORM])
    pooled = np.isin(ops, [Op.GLOBAL_AVG_POOL, Op.AVG_POOL, Op.REDUCE_MEAN])
    return int(batch_norm + 5 * values[others].sum() + inputs[pooled].sum())


def differences(graph: ComputationGraph) -> dict[str, float]:
    """What each rule would add to our count."""
    nodes, ops = graph.nodes_NK, graph.ops
    values, macs = activations_N(nodes), macs_N(nodes)
    depthwise = (ops == Op.CONV) & (nodes[:, GROUPS] > 1)
    return {
        "normalisation and pooling counted": float(norms_and_pools(graph)),
        "normalised weights counted": 4.0 * float(nodes[ops == Op.CONV, PARAMETERS].sum()),
        "recurrent layers not counted": -float(macs[np.isin(ops, list(GATES))].sum()),
        "attention not counted": -float(macs[ops == Op.ATTENTION].sum()),
        "products of data not counted": -float(macs[ops == Op.MATMUL].sum()),
        "convolutions with same padding not counted": -float(macs[depthwise].sum()),
        "resizing counted": 4.0 * float(values[ops == Op.RESIZE].sum()),
    }
