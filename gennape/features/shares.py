"""How much of a network is of each kind of operator."""

import numpy as np

from gennape.features.feature import Feature
from gennape.features.kinds import KINDS, WEIGHTED, WORKING, any_of, kinds
from gennape.features.totals import INFINITE, SHARE, FloatArray, magnitude, ratio, totals
from onnx_bench.collections import GraphCollection
from onnx_bench.cost import macs_N, parameters_N

_COUNT = "the fused form gives an operator of this kind one node in every family"
_EACH = "counted against what works, not against all nodes, of which families leave more unfused"
_PART = "where the budget goes is comparable between networks of any size"

FEATURES = (
    *(
        Feature(f"count_{kind}", f"number of {text}", "log10 of 1 + count", INFINITE, _COUNT)
        for kind, text in KINDS.items()
    ),
    *(
        Feature(
            f"each_{kind}",
            f"{text}, for each operator with MACs",
            "share" if kind in WORKING else "ratio",
            SHARE if kind in WORKING else INFINITE,
            _EACH,
        )
        for kind, text in KINDS.items()
    ),
    *(
        Feature(f"macs_{kind}", f"multiply-accumulates in {KINDS[kind]}", "share", SHARE, _PART)
        for kind in WORKING
    ),
    *(
        Feature(f"parameters_{kind}", f"parameters in {KINDS[kind]}", "share", SHARE, _PART)
        for kind in WEIGHTED
    ),
)


def shares(graphs: GraphCollection) -> FloatArray:
    """Counts and shares of kinds in each graph, shape (G, len(FEATURES)), as in `FEATURES`."""
    found = kinds(graphs.rows_RK)
    macs_R, parameters_R = macs_N(graphs.rows_RK), parameters_N(graphs.rows_RK)
    columns = [
        *found.values(),
        *(macs_R * found[kind] for kind in WORKING),
        *(parameters_R * found[kind] for kind in WEIGHTED),
        any_of(found, WORKING),
        macs_R,
        parameters_R,
    ]
    sums = totals(graphs, np.stack([column.astype(np.float64) for column in columns], axis=1))
    counts, macs, parameters = np.split(
        sums[:, :-3], [len(KINDS), len(KINDS) + len(WORKING)], axis=1
    )
    parts = [
        ratio(part, whole[:, None])
        for part, whole in zip((counts, macs, parameters), sums[:, -3:].T, strict=True)
    ]
    return np.column_stack([magnitude(counts), *parts])
