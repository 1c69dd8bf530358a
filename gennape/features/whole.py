"""All numbers of a whole graph in one table: structure, paths, signal propagation, typical sizes.

They are of the part of the graph that carries the input to the output (`living`).
"""

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gennape.features import paths, propagation, structure, typical
from gennape.features.living import living
from gennape.features.store import stored
from gennape.features.waves import Waves
from onnx_bench.collections import GraphCollection

FEATURES = (
    *structure.FEATURES,
    *paths.FEATURES,
    *propagation.FEATURES,
    *typical.FEATURES,
)
"""One record for each column, in order. New ones join at the end: models read the first so many."""
COLUMN = {feature.name: place for place, feature in enumerate(FEATURES)}
"""Where each is."""
PART = 2000
"""Graphs at a time: enough for array arithmetic, few enough for memory."""
STORED = 1000
"""Collections from so many graphs on are kept on disk."""

Table = npt.NDArray[np.float32]


def whole_graph(graphs: GraphCollection) -> Table:
    """Numbers of each graph, shape (G, len(FEATURES)), in the order of `FEATURES`; all finite.

    Large collections are computed once and kept in the cache.

    Args:
        graphs: fused graphs.
    """
    if len(graphs) < STORED:
        return _computed(graphs)
    return stored("whole", _version(), graphs, len(FEATURES), lambda: _computed(graphs))


def _computed(graphs: GraphCollection) -> Table:
    found = np.zeros((len(graphs), len(FEATURES)), np.float32)
    for start in range(0, len(graphs), PART):
        rows = np.arange(start, min(start + PART, len(graphs)))
        part = living(graphs.take(rows))
        waves = Waves.of(part)
        found[rows] = np.column_stack(
            [
                structure.structure(part, waves),
                paths.paths(part, waves),
                propagation.propagation(part, waves),
                typical.typical(part, waves),
            ]
        )
    return found


@cache
def _version() -> str:
    """Changes with the code of the features."""
    code = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        code.update(path.read_bytes())
    return code.hexdigest()
