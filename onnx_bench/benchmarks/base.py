"""What every benchmark offers: networks, labels and where they come from, as plain declarations."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from onnx_bench.benchmarks.converted import converted
from onnx_bench.benchmarks.labels import LabelTable, from_frame, read_frame
from onnx_bench.errors import LabelError
from onnx_bench.families import family_of

LONG = (
    "network",
    "label",
    "task",
    "metric",
    "split",
    "epochs",
    "seed",
    "value",
    "provenance",
)
"""Columns of the long table, a row for each measurement."""


@dataclass(frozen=True)
class Label:
    """One quantity that was measured on the networks of a benchmark.

    Args:
        name: short and unique in its benchmark, `TASK-SPLIT-EPOCHS` as a rule: `cifar10-test-200`.
        columns: of the wide table: one for each run (seeds 0, 1, ...), or one that holds the mean.
        task: the data set or problem, `cifar10`.
        metric: `accuracy` (percent), `ssim`, `perplexity`, `loss`, `latency` (ms), ...
        split: `train`, `val` or `test`; empty where nothing was held out, as for latencies.
        epochs: after how many it was measured; None where that is not known or makes no sense.
        higher_is_better: a LabelTable holds the negated values where it is not.
        scale: what the column is multiplied by; 100 turns fractions into percent.
        provenance: which file and run of the benchmark, where there are several.
        ships: whether its licence lets it train a checkpoint that we ship.
        missing: the number that stands for a missing one in the columns, before scaling.
    """

    name: str
    columns: tuple[str, ...]
    task: str
    metric: str = "accuracy"
    split: str = "test"
    epochs: int | None = None
    higher_is_better: bool = True
    scale: float = 1.0
    provenance: str = ""
    ships: bool = True
    missing: float | None = None


@dataclass(frozen=True)
class Download:
    """A file that a benchmark's authors publish.

    Args:
        path: where it goes, inside the benchmark's folder.
        urls: the address, then its mirrors.
        sha256: None where no sum could be obtained: the first download's is kept beside the file.
        megabytes: about how large it is.
        note: what else a person has to know (a page to click through, an archive to unpack).
        by_hand: whether the addresses are pages on which a person has to click.
    """

    path: str
    urls: tuple[str, ...]
    sha256: str | None = None
    megabytes: float | None = None
    note: str = ""
    by_hand: bool = False


Frame = pd.DataFrame
Mask = Callable[[Frame], "pd.Series[bool]"]


def everything(frame: Frame) -> "pd.Series[bool]":
    """The subset of all rows."""
    return pd.Series(True, frame.index)


@dataclass(frozen=True)
class Benchmark:
    """Trained networks of one or several families, and what they scored.

    The wide table, one row a network, lies in `ROOT/FOLDER/TABLE`; where it does not, the files
    that the authors publish are read in its place (`original`), with the same columns.

    Args:
        name: in the registry.
        folder: under the data root.
        title: what was trained on what, in one line.
        source: the paper: authors, venue, year.
        licence: of the labels.
        families: that its networks are members of.
        networks: FAMILY:SPEC for each row of the wide table.
        labels: the first is the default one.
        subsets: parts of the rows by name; the first is the default one.
        needs: columns that `networks` and `subsets` read.
        rows: which rows of a table that it shares with other benchmarks are its own.
        table: the file of the wide table.
        downloads: what `fetch` gets; where there are none, what `downloads.py` has for the folder.
        original: reads the authors' own files in the benchmark's folder as the wide table; None
            where there are none to read, LabelError where they are not there.
    """

    name: str
    folder: str
    title: str
    source: str
    licence: str
    families: tuple[str, ...]
    networks: Callable[[Frame], "pd.Series[str]"]
    labels: tuple[Label, ...]
    subsets: Mapping[str, Mask] = field(default_factory=lambda: {"all": everything})
    needs: tuple[str, ...] = ()
    rows: Mask = everything
    table: str = "labels.parquet"
    downloads: tuple[Download, ...] = ()
    original: Callable[[Path], Frame] | None = None

    def home(self, root: Path | None = None) -> Path:
        """The folder of the benchmark's files under `root`, GENNAPE_DATA by default.

        Raises:
            LabelError: neither is given.
        """
        return data_folder(self.name, f"{self.folder}/{self.table}", root) / self.folder

    def frame(self, root: Path | None = None) -> Frame:
        """The wide table, one row a network, as it lies on disk.

        Raises:
            LabelError: neither the table nor the authors' own files are there, or a column lacks.
        """
        path = self.home(root) / self.table
        if path.is_file():
            frame = read_frame(path, self.needs)
        elif self.original is None:
            raise _no_table(path)
        else:
            try:
                frame = converted(self.name, path.parent, self.original)
            except LabelError as error:
                raise _no_table(path, f", and {error}", self.name) from None
        return frame[self.rows(frame)].reset_index(drop=True)

    def read(
        self, root: Path | None = None, label: str | None = None, subset: str | None = None
    ) -> LabelTable:
        """Networks and one label: the mean over the runs that there are.

        Rows without this label are left out.

        Raises:
            LabelError: there is no such label or subset, or the table cannot be read.
        """
        chosen = self.label(label)
        part = self.subset(subset)
        frame = self.frame(root)
        frame = frame[self._mask(frame, part)]
        values = self.values(frame, chosen)
        known = values.notna()
        table = pd.DataFrame({"network": self.networks(frame[known]), chosen.name: values[known]})
        path = self.home(root) / self.table
        found = from_frame(table, path, "network", chosen.name, subset=part)
        sign = 1.0 if chosen.higher_is_better else -1.0
        kinds = tuple(map(family_of, found.networks))
        return replace(found, values=sign * found.values, kinds=kinds)

    def _mask(self, frame: Frame, subset: str) -> "pd.Series[bool]":
        try:
            return self.subsets[subset](frame)
        except KeyError as error:
            raise LabelError(
                f"{self.name}: the table has no column {error}, which the subset {subset!r} reads"
            ) from None

    def values(self, frame: Frame, label: Label) -> "pd.Series[float]":
        """The mean over the runs of a label, NaN where there is none.

        Raises:
            LabelError: the table has none of the label's columns.
        """
        columns = [column for column in label.columns if column in frame.columns]
        if not columns:
            raise LabelError(
                f"{self.name}: the table has no column {' or '.join(label.columns)} for the label "
                f"{label.name!r}"
            )
        runs = pd.concat([_numbers(frame[column], label) for column in columns], axis=1)
        mean: pd.Series[float] = runs.mean(axis=1)
        return mean

    def long(self, root: Path | None = None, labels: Sequence[str] = ()) -> Frame:
        """Every measurement as a row with the columns `LONG`; `seed` is missing for means.

        Values are in the metric's own direction, unlike those of `read`.

        Raises:
            LabelError: as `read`.
        """
        frame = self.frame(root)
        networks = self.networks(frame)
        parts = []
        for label in [self.label(name) for name in labels] or self.labels:
            for seed, column in enumerate(label.columns):
                if column not in frame.columns:
                    continue
                part = pd.DataFrame({"network": networks})
                part["label"], part["task"], part["metric"] = label.name, label.task, label.metric
                part["split"], part["epochs"] = label.split, label.epochs
                part["seed"] = seed if len(label.columns) > 1 else None
                part["value"] = _numbers(frame[column], label)
                part["provenance"] = label.provenance or f"{self.folder}/{self.table}"
                part = part.astype({"epochs": "Int64", "seed": "Int64"})
                parts.append(part[part["value"].notna()])
        if not parts:
            raise LabelError(f"{self.name}: the table has none of the columns of its labels")
        return pd.concat(parts, ignore_index=True)[list(LONG)]

    def label(self, name: str | None) -> Label:
        """The label of that name, the first one by default.

        Raises:
            LabelError: there is none; the message lists those that there are.
        """
        if name is None:
            return self.labels[0]
        for label in self.labels:
            if label.name == name:
                return label
        known = ", ".join(label.name for label in self.labels)
        raise LabelError(f"{self.name} has no label {name!r}; there are {known}")

    def subset(self, name: str | None) -> str:
        """The name of the subset, of the first one by default.

        Raises:
            LabelError: there is none of that name.
        """
        chosen = name or next(iter(self.subsets))
        if chosen not in self.subsets:
            raise LabelError(
                f"{self.name} has no subset {chosen!r}; there are {', '.join(self.subsets)}"
            )
        return chosen


def _no_table(path: Path, why: str = "", name: str = "") -> LabelError:
    get = f", or get it: onnx-bench fetch {name}" if name else ""
    return LabelError(
        f"{path}: no such file{why}; point GENNAPE_DATA (or --data-root) to its folder{get}"
    )


def data_folder(name: str, holds: str, root: Path | None = None) -> Path:
    """The folder of all public tables: `root`, or what GENNAPE_DATA names.

    Raises:
        LabelError: neither is given; the message says what the folder has to hold.
    """
    if root is not None:
        return root
    if value := os.environ.get("GENNAPE_DATA"):
        return Path(value)
    raise LabelError(
        f"{name}: its labels are not part of the package; set GENNAPE_DATA (or --data-root) to the "
        f"folder that holds {holds}"
    )


def _numbers(column: "pd.Series[float]", label: Label) -> "pd.Series[float]":
    """The scaled numbers of a column, NaN where they are missing."""
    numbers = column.astype(np.float64)
    if label.missing is not None:
        numbers = numbers.mask(numbers == label.missing)
    return numbers * label.scale
