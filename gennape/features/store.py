"""Numbers of large collections, kept on disk from one run to the next."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from onnx_bench.collections import GraphCollection, cache
from onnx_bench.files import atomic_file

Table = npt.NDArray[np.float32]


def stored(
    kind: str, version: str, graphs: GraphCollection, width: int, compute: Callable[[], Table]
) -> Table:
    """What `compute` gives, shape (G, width), from the cache where it was computed before.

    Args:
        kind: a name, of the folder.
        version: of all that the numbers depend on beside the graphs.
    """
    path = cache.home() / kind / f"{_digest(version, graphs)}.npy"
    with suppress(OSError, ValueError):
        found: Table = np.load(path, allow_pickle=False)
        if found.shape == (len(graphs), width):
            return found
    computed = compute()
    with suppress(OSError), atomic_file(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, computed)
    return computed


def _digest(version: str, graphs: GraphCollection) -> str:
    found = hashlib.sha256(version.encode())
    parts: tuple[npt.NDArray[Any], ...] = (
        graphs.node_ptr,
        graphs.edge_ptr,
        graphs.edges_2E,
        graphs.row_M,
        graphs.rows_RK,
    )
    for part in parts:
        found.update(np.ascontiguousarray(part).tobytes())
    return found.hexdigest()[:32]
