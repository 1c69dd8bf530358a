"""Where a collection's networks and labels come from: one reader for each kind of source.

A source is a benchmark's name; a CSV or parquet table with a column `network` (or `path`, or
`spec`; else the first one) and columns of numbers; an ONNX file, or a folder of them; or the folder
that `onnx-bench import` wrote.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from onnx_bench.benchmarks import BENCHMARKS, benchmark
from onnx_bench.benchmarks.base import LONG
from onnx_bench.benchmarks.labels import read_frame
from onnx_bench.collections.labelled import Measured, Origin
from onnx_bench.errors import CollectionError, LabelError
from onnx_bench.families import is_spec
from onnx_bench.import_files import GRAPHS, INDEX

NETWORK_COLUMNS = ("network", "path", "spec")
TABLES = (".csv", ".parquet")


@dataclass(frozen=True)
class Source:
    """Networks of one origin, and the measurements on them.

    Args:
        networks: a text for each: a specification or a path.
        labels: the long table: the columns `LONG`.
        measured: what each label is.
        origin: for the datasheet.
    """

    networks: tuple[str, ...]
    labels: pd.DataFrame
    measured: tuple[Measured, ...]
    origin: Origin

    def limited(self, number: int, seed: int = 0) -> "Source":
        """`number` of its networks, drawn at random and in their order, with their labels."""
        if number >= len(self.networks):
            return self
        drawn = np.random.default_rng(seed).permutation(len(self.networks))[:number]
        return self._of(tuple(self.networks[int(i)] for i in np.sort(drawn)))

    def _of(self, networks: tuple[str, ...]) -> "Source":
        kept = self.labels["network"].isin(set(networks))
        return replace(
            self,
            networks=networks,
            labels=self.labels[kept].reset_index(drop=True),
            origin=replace(self.origin, networks=len(networks)),
        )


def read_source(
    name: str,
    labels: Sequence[str] = (),
    subset: str | None = None,
    root: Path | None = None,
) -> Source:
    """The networks and labels that a source's name or path stands for.

    Args:
        labels: those to take, of those that it has; all by default.
        subset: of a benchmark; its default one where none is named.
        root: folder of the public tables; GENNAPE_DATA by default.

    Raises:
        CollectionError: it is none of the kinds of sources.
        LabelError: its table cannot be read.
    """
    path = Path(name)
    if name in BENCHMARKS:
        return _benchmark(name, labels, subset, root)
    if subset is not None:
        raise CollectionError(f"{name} has no subsets; only benchmarks have")
    if path.suffix in TABLES:
        return _table(path, labels)
    if (path / INDEX).is_file():
        return _imported(path)
    if path.is_dir():
        return _folder(path)
    if path.suffix == ".onnx" and path.is_file():
        return _unlabelled((name,), Origin(name, "an ONNX file", networks=1))
    raise CollectionError(
        f"{name}: neither a table, a folder, an ONNX file nor a benchmark; benchmarks are "
        f"{', '.join(BENCHMARKS)}"
    )


def _benchmark(name: str, labels: Sequence[str], subset: str | None, root: Path | None) -> Source:
    found = benchmark(name)
    names = [label.name for label in found.labels if not labels or label.name in labels]
    part = found.subset(subset)
    frame = found.frame(root)
    networks = tuple(dict.fromkeys(found.networks(frame[found.subsets[part](frame)])))
    if names:
        long = found.long(root, names)
        long = long[long["value"].map(np.isfinite)].reset_index(drop=True)
    else:
        long = _no_labels()
    there = set(long["label"])
    measured = [Measured.of(label, found.licence) for label in found.labels if label.name in there]
    title = found.title if part == "all" else f"{found.title} (subset {part})"
    origin = Origin(name, title, found.source, found.licence, len(networks))
    return Source((), long, tuple(measured), origin)._of(networks)


def _table(path: Path, labels: Sequence[str]) -> Source:
    frame = read_frame(path)
    named = [column for column in NETWORK_COLUMNS if column in frame.columns]
    if not len(frame.columns) or frame.empty:
        raise LabelError(f"{path}: the table has no rows")
    column = named[0] if named else str(frame.columns[0])
    values = [
        str(other)
        for other in frame.columns
        if other != column
        and (other in labels or (not labels and pd.api.types.is_numeric_dtype(frame[other])))
    ]
    texts = [_located(text, path) for text in frame[column]]
    skipped, parts = [], []
    for row in np.flatnonzero([not text for text in texts]):
        skipped.append(f"{path}, row {row + 1}: the column {column!r} is empty")
    for label in values:
        numbers = pd.to_numeric(frame[label], errors="coerce").to_numpy(np.float64)
        for row in np.flatnonzero(~np.isfinite(numbers) & frame[label].notna()):
            skipped.append(f"{path}, row {row + 1}: {label!r} is {frame[label][row]!r}, no number")
        part = pd.DataFrame({"network": texts, "value": numbers})
        for field in ("label", "task", "metric"):
            part[field] = label
        part["split"], part["provenance"] = "", path.name
        parts.append(part[np.isfinite(numbers) & (part["network"] != "")])
    long = pd.concat(parts, ignore_index=True) if parts else _no_labels()
    long = long.assign(epochs=_missing(len(long)), seed=_missing(len(long)))[list(LONG)]
    measured = tuple(Measured(v, v, v, "", None, True, True, "the user's own") for v in values)
    networks = tuple(dict.fromkeys(text for text in texts if text))
    title = "a table of one's own"
    origin = Origin(str(path), title, "", "", len(networks), tuple(skipped))
    return Source(networks, long, measured, origin)


def _located(text: object, table: Path) -> str:
    """A network of a table; paths are relative to the table's own folder."""
    if not isinstance(text, str) or not text.strip():
        return ""
    return text if is_spec(text) else str(table.parent / text)


def _imported(folder: Path) -> Source:
    """The graphs of `onnx-bench import`, each different network once."""
    with (folder / INDEX).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    if rows and not {"file", "hash", "error"} <= set(rows[0]):
        raise CollectionError(f"{folder / INDEX}: no index of onnx-bench import")
    networks = [str(folder / GRAPHS / f"{row['hash']}.npz") for row in rows if row["hash"]]
    skipped = tuple(row["error"] for row in rows if row["error"])
    different = tuple(dict.fromkeys(networks))
    title = "graphs that onnx-bench import read"
    return _unlabelled(different, Origin(str(folder), title, "", "", len(different), skipped))


def _folder(folder: Path) -> Source:
    networks = tuple(str(path) for path in sorted(folder.rglob("*.onnx")))
    if not networks:
        raise CollectionError(f"{folder}: no ONNX file in it, and no {INDEX} of onnx-bench import")
    return _unlabelled(networks, Origin(str(folder), "ONNX files", networks=len(networks)))


def _unlabelled(networks: tuple[str, ...], origin: Origin) -> Source:
    return Source(networks, _no_labels(), (), origin)


def _no_labels() -> pd.DataFrame:
    return pd.DataFrame(columns=list(LONG))


def _missing(count: int) -> "pd.Series[int]":
    return pd.Series(pd.array([None] * count, dtype="Int64"))


def joined(sources: Sequence[Source]) -> tuple[tuple[str, ...], tuple[Measured, ...]]:
    """The different networks of several sources, in order, and what their labels are.

    Raises:
        CollectionError: labels of one name do not go together.
    """
    networks = tuple(dict.fromkeys(text for source in sources for text in source.networks))
    measured: dict[str, Measured] = {}
    for source in sources:
        for label in source.measured:
            known = measured.get(label.name)
            measured[label.name] = known.joined(label) if known else label
    return networks, tuple(measured.values())


def subset_of(name: str, options: Mapping[str, str]) -> str | None:
    """What `--subset NAME` and `--subset SOURCE=NAME` say of a source."""
    return options.get(name, options.get("") if name in BENCHMARKS else None)
