"""What a network costs as a whole, and how its costs compare."""

import numpy as np

from gennape.features.extents import CONVOLUTIONS, places, widths
from gennape.features.feature import Feature
from gennape.features.kinds import WORKING, any_of, kinds
from gennape.features.totals import INFINITE, FloatArray, largest, magnitude, totals
from onnx_bench.collections import GraphCollection
from onnx_bench.cost import activations_N, macs_N, parameters_N
from onnx_bench.graph import OP

_ANY = (-float("inf"), float("inf"))
_WORK = "an amount of work or memory is the same thing whatever the operators are"
_RATIO = "how a budget is spent does not depend on how large the budget is"

_SIZES = {
    "macs": ("multiply-accumulates for one input", _WORK),
    "parameters": ("trainable parameters", _WORK),
    "activations": ("values in all outputs of all nodes", _WORK),
    "rectified": ("values that pass an activation", "each may split the input space once more"),
    "nodes": ("nodes of the fused graph", "the fused form is blind to how a network is spelled"),
    "edges": ("edges of the fused graph", "the fused form is blind to how a network is spelled"),
    "convolutions": ("convolutions of any kind", "layers with weights are counted alike anywhere"),
    "operators": (
        "operators that multiply and accumulate: convolutions, linear maps, products",
        "convolution nets and transformers have these in common",
    ),
}
_PAIRS = (
    ("macs", "parameters", "how often a weight is used: the mean resolution, in effect"),
    ("macs", "operators", "the size of a typical layer"),
    ("parameters", "operators", "the size of a typical layer's weights"),
    ("macs", "activations", "work for each value in memory: what is cheap to run is low in it"),
)

FEATURES = (
    *(
        Feature(name, f"size of the network: {meaning}", "log10 of 1 + count", INFINITE, why)
        for name, (meaning, why) in _SIZES.items()
    ),
    Feature(
        "widest",
        "most channels that an operator with MACs reads",
        "log2 of channels",
        INFINITE,
        "width is capacity in every family; read, so that the number of classes does not count",
    ),
    Feature(
        "places",
        "most places (pixels, tokens) that an operator with MACs writes",
        "log2 of places",
        INFINITE,
        "pixels and tokens are both what weights are shared over",
    ),
    *(
        Feature(
            f"{part}_per_{whole}",
            f"(1 + {part}) / (1 + {whole}): {meaning}",
            "log10 of the ratio",
            _ANY,
            _RATIO,
        )
        for part, whole, meaning in _PAIRS
    ),
)


def costs(graphs: GraphCollection) -> FloatArray:
    """Costs of each graph, shape (G, len(FEATURES)), in the order of `FEATURES`."""
    rows = graphs.rows_RK
    found = kinds(rows)
    works_R, outputs_R = any_of(found, WORKING), activations_N(rows)
    summed = {
        "macs": macs_N(rows),
        "parameters": parameters_N(rows),
        "activations": outputs_R,
        "rectified": outputs_R * found["activation"],
        "convolutions": np.isin(rows[:, OP], CONVOLUTIONS),
        "operators": works_R,
    }
    table = np.stack([column.astype(np.float64) for column in summed.values()], axis=1)
    sums = dict(zip(summed, totals(graphs, table).T, strict=True))
    sums["nodes"] = np.diff(graphs.node_ptr).astype(np.float64)
    sums["edges"] = np.diff(graphs.edge_ptr).astype(np.float64)
    sizes = {name: magnitude(sums[name]) for name in _SIZES}
    extremes = [
        largest(graphs, np.log2(np.where(works_R, of_row, 1))[graphs.row_M])
        for of_row in (widths(rows), places(rows))
    ]
    pairs = [sizes[part] - sizes[whole] for part, whole, _ in _PAIRS]
    return np.column_stack([*sizes.values(), *extremes, *pairs])
