"""Which networks of a collection are one: the keys that splits and merging go by.

Two keys of a graph, 16 bytes each. `hash` tells apart whatever is written differently: a `none`
edge, the order of normalisation. The network's `key`, the hash of its fused form, is blind to
spelling, and is what must not lie on both sides of a split: of the 15,625 cells of NAS-Bench-201
13,625 differ by hash and 6,430 by key. (Of their published 6,466 groups, some are one network by
key, and others hold several, as a convolution of nothing still adds the shift behind it; `groups`
takes both kinds together where nothing of either may be shared.)
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from onnx_bench.collections.build import in_order
from onnx_bench.collections.graphs import GraphCollection, Int64Array
from onnx_bench.errors import CollectionError

Keys = npt.NDArray[np.uint8]
"""Shape (G, 16)."""


class Keyed(NamedTuple):
    """Both keys of some graphs."""

    hash_G16: Keys
    key_G16: Keys


def keys(
    graphs: GraphCollection,
    fused: bool = False,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Keyed:
    """Both keys of every graph; some 8 ms a graph of 200 nodes, nearly all of it for fusing.

    Args:
        fused: whether the graphs are in the fused form already, so that both keys are one.
        workers: processes that share the work.
        progress: called with how many more are done.
    """
    work = key_fused if fused else key_atomic
    found = []
    for part in in_order(work, _parts(graphs), workers):
        found.append(part)
        if progress:
            progress(len(part.hash_G16))
    empty = np.zeros((0, 16), np.uint8)
    return Keyed(
        np.concatenate([empty, *(part.hash_G16 for part in found)]),
        np.concatenate([empty, *(part.key_G16 for part in found)]),
    )


def key_atomic(graphs: GraphCollection) -> Keyed:
    """Both keys of graphs in the atomic form."""
    from onnx_bench.canonical import fuse

    known: dict[str, str] = {}
    hashes = []
    for graph in graphs:
        hashes.append(graph.hash)
        if graph.hash not in known:
            known[graph.hash] = fuse(graph).hash
    return Keyed(_packed(hashes), _packed([known[text] for text in hashes]))


def key_fused(graphs: GraphCollection) -> Keyed:
    """Both keys of graphs in the fused form."""
    hashes = _packed([graph.hash for graph in graphs])
    return Keyed(hashes, hashes)


def groups(*keys_G16: Keys) -> Int64Array:
    """The number of each graph's group, shape (G,): 0 for the first graph's, and so on.

    Several kinds of keys make larger groups: graphs are together that any of them puts together.

    Raises:
        CollectionError: the keys are not one for each graph.
    """
    if len({len(keys) for keys in keys_G16}) != 1:
        raise CollectionError(
            f"keys of {[len(keys) for keys in keys_G16]} graphs do not go together"
        )
    found = _numbered(_as_one(keys_G16[0]))
    for other in keys_G16[1:]:
        found = _joined(found, _numbered(_as_one(other)))
    return found


def _joined(one: Int64Array, other: Int64Array) -> Int64Array:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(one):
        return one
    size = int(one.max()) + 1
    total = size + int(other.max()) + 1
    links = coo_array((np.ones(len(one)), (one, other + size)), shape=(total, total))
    _, component = connected_components(links, directed=False)
    return _numbered(component[one])


def _numbered(values: npt.NDArray[np.generic]) -> Int64Array:
    """Equal numbers for equal values, in the order of their first appearance."""
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    numbered: Int64Array = rank[inverse]
    return numbered


def _as_one(keys: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Each row of bytes as one value that can be compared."""
    if keys.ndim == 1:
        return keys
    return np.ascontiguousarray(keys).view(np.dtype((np.void, keys.shape[1])))[:, 0]


def _parts(graphs: GraphCollection, size: int = 128) -> Iterator[GraphCollection]:
    for start in range(0, len(graphs), size):
        yield graphs.take(range(start, min(start + size, len(graphs))))


def _packed(hashes: list[str]) -> Keys:
    return np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(-1, 16)


def hexes(keys_G16: Keys) -> list[str]:
    """The keys as texts of 32 hex digits."""
    text = np.ascontiguousarray(keys_G16).tobytes().hex()
    return [text[i : i + 32] for i in range(0, len(text), 32)]


def packed(hashes: list[str]) -> Keys:
    """The keys that texts of 32 hex digits stand for.

    Raises:
        CollectionError: a text is no such key.
    """
    if any(len(text) != 32 for text in hashes):
        raise CollectionError("a key does not have 32 hex digits")
    try:
        return _packed(hashes)
    except ValueError as error:
        raise CollectionError(f"a key is not hexadecimal ({error})") from None
