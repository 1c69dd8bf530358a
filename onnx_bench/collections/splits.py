"""Splits that never put one network on both sides, however it is spelt.

What is split are groups of graphs (`isomorphism.groups`), not graphs. Every part's size differs
from its share by no more than the largest group, in each stratum.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from onnx_bench.collections.graphs import Int64Array
from onnx_bench.errors import CollectionError

Shares = Mapping[str, float]


def split(
    groups_G: npt.NDArray[np.integer],
    shares: Shares,
    seed: int = 0,
    strata: Sequence[str] | None = None,
) -> dict[str, Int64Array]:
    """Parts of a collection, as ascending indices; groups stay together.

    Args:
        groups_G: the group of each graph.
        shares: of each part by its name, in sum 1: `{"train": 0.8, "val": 0.1, "test": 0.1}`.
        seed: decides which groups go where.
        strata: of each graph, as a rule its family: each is split by these shares by itself. A
            group belongs to the stratum of its first graph.

    Raises:
        CollectionError: the shares are none, or there is not a stratum for each graph.
    """
    if not shares or min(shares.values()) < 0 or abs(sum(shares.values()) - 1) > 1e-9:
        raise CollectionError(f"shares {dict(shares)} must be 0 or more and 1 in sum")
    if strata is not None and len(strata) != len(groups_G):
        raise CollectionError(f"{len(strata)} strata for {len(groups_G)} graphs; one for each")
    found, first, group_G = np.unique(groups_G, return_index=True, return_inverse=True)
    size = np.bincount(group_G, minlength=len(found))
    rng = np.random.default_rng(seed)
    part = np.zeros(len(found), np.int64)
    names = np.asarray(strata if strata is not None else [""] * len(groups_G), dtype=object)[first]
    for stratum in sorted(set(names)):
        members = np.flatnonzero(names == stratum)
        members = members[rng.permutation(len(members))]
        part[members] = _parts(size[members], list(shares.values()))
    return {name: np.flatnonzero(part[group_G] == i) for i, name in enumerate(shares)}


def _parts(sizes: npt.NDArray[np.integer], shares: Sequence[float]) -> npt.NDArray[np.integer]:
    """The part of each group, when they are laid in a row that is cut where the shares say.

    A group that a cut goes through lies on the side of its middle.
    """
    ends = np.cumsum(sizes)
    cuts = np.cumsum(shares)[:-1] * (ends[-1] if len(ends) else 0)
    return np.searchsorted(cuts, ends - sizes / 2, side="right")


class LeftOut(NamedTuple):
    """One family to test on, the others to train on."""

    family: str
    train: Int64Array
    test: Int64Array
    shared: int
    """Graphs of other families that are left out, for they are networks of this one too."""


def leave_one_out(groups_G: npt.NDArray[np.integer], families: Sequence[str]) -> Iterator[LeftOut]:
    """A split for each family: its graphs against those of all others.

    Raises:
        CollectionError: there is not a family for each graph, or there is but one.
    """
    names = np.asarray(families, dtype=object)
    if len(names) != len(groups_G):
        raise CollectionError(f"{len(names)} families for {len(groups_G)} graphs; one for each")
    different = list(dict.fromkeys(families))
    if len(different) < 2:
        raise CollectionError(f"only the family {', '.join(different)}: none is left to train on")
    for family in different:
        tested = names == family
        known = np.isin(groups_G, groups_G[tested])
        train = np.flatnonzero(~tested & ~known)
        yield LeftOut(family, train, np.flatnonzero(tested), int((~tested).sum() - len(train)))


def overlap(groups_G: npt.NDArray[np.integer], parts: Mapping[str, Int64Array]) -> int:
    """How many groups lie in more than one part; 0 is what a split is for."""
    seen = [np.unique(groups_G[part]) for part in parts.values()]
    return int(sum(np.unique(np.concatenate(seen), return_counts=True)[1] > 1)) if seen else 0
