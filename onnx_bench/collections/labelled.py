"""Networks with what was measured on them: several labels each, and gaps where there is none."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from onnx_bench.benchmarks.base import LONG, Label
from onnx_bench.benchmarks.labels import LabelTable
from onnx_bench.collections.graphs import GraphCollection, Indices, Int64Array
from onnx_bench.collections.isomorphism import Keyed, groups
from onnx_bench.errors import CollectionError, LabelError
from onnx_bench.families import family_of

COLUMNS = ("graph", *LONG)
"""Of the labels: the graph's place in the collection, then the long table's own columns."""


@dataclass(frozen=True)
class Measured:
    """What a label of a collection is; `Label` of a benchmark has the same names."""

    name: str
    task: str
    metric: str
    split: str
    epochs: int | None
    higher_is_better: bool
    ships: bool
    licence: str

    @classmethod
    def of(cls, label: Label, licence: str) -> "Measured":
        """A benchmark's label."""
        named = (label.name, label.task, label.metric, label.split, label.epochs)
        return cls(*named, label.higher_is_better, label.ships, licence)

    def joined(self, other: "Measured") -> "Measured":
        """The label that both are, with the stricter terms.

        Raises:
            CollectionError: they have the same name and are not the same.
        """
        if (self.metric, self.higher_is_better) != (other.metric, other.higher_is_better):
            raise CollectionError(
                f"two sources have a label {self.name!r}, {self.metric} and {other.metric}, that "
                "do not go together; collect them apart, or choose others with --label"
            )
        licences = dict.fromkeys([*self.licence.split("; "), *other.licence.split("; ")])
        return replace(self, ships=self.ships and other.ships, licence="; ".join(licences))


@dataclass(frozen=True)
class Origin:
    """A source of a collection, as its datasheet names it."""

    name: str
    title: str = ""
    source: str = ""
    licence: str = ""
    networks: int = 0
    skipped: tuple[str, ...] = ()
    """A line for each network that was left out."""


@dataclass(frozen=True, eq=False)
class LabelledCollection:
    """G graphs and the measurements on them.

    Args:
        graphs: the networks.
        networks: the text of each, as its source names it: what the labels call it by.
        labels: a row for each measurement, with the columns `COLUMNS`, in the metric's own
            direction.
        measured: what each label is.
        origins: where networks and labels come from.
        fused: whether the graphs are in the fused form.
        keys: which graphs are one network; None where nobody has looked.
    """

    graphs: GraphCollection
    networks: Sequence[str]
    labels: pd.DataFrame
    measured: tuple[Measured, ...]
    origins: tuple[Origin, ...] = ()
    fused: bool = False
    keys: Keyed | None = None

    def __len__(self) -> int:
        return len(self.graphs)

    @property
    def families(self) -> tuple[str, ...]:
        """The family of each graph, `onnx` where it comes from a file."""
        return tuple(family_of(text) for text in self.networks)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The labels by name, in the order of their sources."""
        return tuple(label.name for label in self.measured)

    def label(self, name: str | None = None) -> Measured:
        """The label of that name, or the only one of a task of that name; else the first.

        Raises:
            LabelError: there is none, or a task has several.
        """
        if not self.measured:
            raise LabelError("this collection has no labels")
        found = [label for label in self.measured if name in (None, label.name)]
        found = found or [label for label in self.measured if label.task == name]
        if len(found) == 1 or (found and name is None):
            return found[0]
        known = ", ".join(label.name for label in found or self.measured)
        raise LabelError(f"{name!r} is {'several labels' if found else 'no label'}: choose {known}")

    def values(self, name: str | None = None) -> npt.NDArray[np.float64]:
        """The mean over the measurements of a label, shape (G,), NaN for graphs without any.

        In the metric's own direction: a loss is lower where it is better.

        Raises:
            LabelError: there is no such label.
        """
        rows = self.labels[self.labels["label"] == self.label(name).name]
        graph, value = rows["graph"].to_numpy(np.int64), rows["value"].to_numpy(np.float64)
        count = np.bincount(graph, minlength=len(self))
        total = np.bincount(graph, value, minlength=len(self))
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    def table(self, name: str | None = None) -> LabelTable:
        """The networks that have a label, as training takes them: higher is better.

        Raises:
            LabelError: there is no such label, or no network has it.
        """
        label, values = self.label(name), self.values(name)
        chosen = np.flatnonzero(np.isfinite(values))
        if not len(chosen):
            raise LabelError(f"no network of the collection has the label {label.name!r}")
        families = self.families
        return LabelTable(
            tuple(self.networks[int(i)] for i in chosen),
            values[chosen] * (1.0 if label.higher_is_better else -1.0),
            tuple(families[int(i)] for i in chosen),
            ", ".join(origin.name for origin in self.origins) or "collection",
            label.name,
        )

    def take(self, indices: Indices) -> "LabelledCollection":
        """The graphs at `indices`, each once, with their labels.

        Raises:
            CollectionError: an index occurs twice.
        """
        chosen = np.asarray(indices, np.int64)
        if len(np.unique(chosen)) != len(chosen):
            raise CollectionError("a graph is taken twice, and would get its labels twice")
        place = np.full(len(self), -1)
        place[chosen] = np.arange(len(chosen))
        moved = place[self.labels["graph"].to_numpy(np.int64)]
        labels = self.labels[moved >= 0].assign(graph=moved[moved >= 0].astype(np.int32))
        return replace(
            self,
            graphs=self.graphs.take(chosen),
            networks=tuple(self.networks[int(i)] for i in chosen),
            labels=labels.sort_values("graph", kind="stable", ignore_index=True),
            keys=None if self.keys is None else Keyed(*(part[chosen] for part in self.keys)),
        )

    def groups(self) -> Int64Array:
        """The number of each graph's group of equal networks, for splits, shape (G,).

        Raises:
            CollectionError: nobody has computed the keys.
        """
        if self.keys is None:
            raise CollectionError(
                "which of these graphs are one network is not known; compute it with "
                "onnx_bench.collections.isomorphism.keys"
            )
        return groups(self.keys.key_G16)


def labels_of(rows: Sequence[dict[str, Any]] | pd.DataFrame) -> pd.DataFrame:
    """A table of labels in the types that are written and read: `COLUMNS`, in this order."""
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    kinds: dict[str, Any] = {
        "graph": np.int32,
        "epochs": "Int64",
        "seed": "Int64",
        "value": np.float64,
    }
    texts = [name for name in COLUMNS if name not in kinds]
    return frame.astype({**kinds, **dict.fromkeys(texts, "str")}).reset_index(drop=True)
