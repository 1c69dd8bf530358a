"""Networks that are one, however they are spelt, become one with the labels of all."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from onnx_bench.collections.labelled import LabelledCollection, labels_of


class Merged(NamedTuple):
    """A collection without doubles, and what merging did."""

    collection: LabelledCollection
    """The first graph of each group; a label's value is the mean over the measurements of all."""
    spread: pd.DataFrame
    """A row for each graph and label: `graph`, `label`, `value` (the mean), `count` (measurements),
    `spread` (their standard deviation, NaN of one alone), `networks` (how many had one)."""
    doubles: int
    """Graphs that are gone, for another is the same network."""

    def __str__(self) -> str:
        before = len(self.collection) + self.doubles
        return f"{before} networks, {len(self.collection)} different: {self.doubles} merged"


def merged(collection: LabelledCollection) -> Merged:
    """Merges isomorphic networks and their labels.

    Raises:
        CollectionError: the keys of the graphs are not known.
    """
    groups_G = collection.groups()
    _, first = np.unique(groups_G, return_index=True)
    labels = collection.labels.assign(
        place=groups_G[collection.labels["graph"].to_numpy(np.int64)],
    )
    grouped = labels.groupby(["place", "label"], sort=False)
    spread = grouped.agg(
        value=("value", "mean"),
        count=("value", "size"),
        spread=("value", "std"),
        networks=("graph", "nunique"),
    ).reset_index()
    spread = spread.rename(columns={"place": "graph"}).astype({"graph": np.int32})
    one = grouped.first().reset_index()
    one["graph"], one["value"] = one["place"], spread["value"]
    one["seed"] = pd.array([None] * len(one), dtype="Int64")
    one["network"] = [collection.networks[first[place]] for place in one["place"]]
    kept = collection.take(first)
    return Merged(replace(kept, labels=labels_of(one)), spread, len(collection) - len(kept))
