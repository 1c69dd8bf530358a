"""Collections as files to pass on: parquet tables that plain pandas reads, and a datasheet.

    graphs.parquet  a row for each graph: `graph` (its number), `network` (as its source names it),
                    `name` (the graph's own), `family`, `hash` and `key` (32 hex digits; networks
                    that are one, however they are spelt, have one key), `nodes`, `edges`,
                    `parameters`, `macs`; then the graph itself: `rows`, the row of rows.parquet for
                    each node in topological order, and `producers` and `readers`, which node each
                    edge leaves and which one reads it, in the order of the reader's arguments.
    rows.parquet    a row for each different node: `row`, `operator` (its label), and the fields of
                    the node table, a column for each integer: `op`, `in_shape_0`, ... Shapes leave
                    the batch out and end in zeros.
    labels.parquet  a row for each measurement: `graph`, `network`, `label`, `task`, `metric`,
                    `split`, `epochs`, `seed`, `value` (in the metric's own direction) and
                    `provenance`.
    datasheet.json  versions, what the labels are, licences, and what `datasheet` says in figures;
                    datasheet.md is the same for people.

All are compressed by zstd. Written and read back, every array is the same bit for bit.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from onnx_bench.collections import cache, storage
from onnx_bench.collections.datasheet import datasheet
from onnx_bench.collections.datasheet_tables import markdown
from onnx_bench.collections.fingerprint import digest_of_files
from onnx_bench.collections.graphs import GraphCollection, pointers
from onnx_bench.collections.isomorphism import Keyed, hexes, packed
from onnx_bench.collections.labelled import (
    LabelledCollection,
    Measured,
    Origin,
    labels_of,
)
from onnx_bench.cost import macs_N, parameters_N
from onnx_bench.errors import CollectionError
from onnx_bench.families import family_of
from onnx_bench.files import atomic_folder
from onnx_bench.graph import GRAPH_FORMAT, OP, WIDTH
from onnx_bench.operators import VOCABULARY_VERSION, Op

GRAPHS, ROWS, LABELS = "graphs.parquet", "rows.parquet", "labels.parquet"
DATASHEET, FOR_PEOPLE = "datasheet.json", "datasheet.md"
BLOCK = 2048
"""Graphs in a row group: what is held at once."""
_FIELDS = (
    ("op", 1),
    ("in_shape", 8),
    ("out_shape", 8),
    ("kernel", 2),
    ("stride", 2),
    ("dilation", 2),
    ("padding", 4),
    ("groups", 1),
    ("bias", 1),
    ("parameters", 1),
    ("activation", 1),
    ("attribute", 8),
)
FIELDS = tuple(
    name if count == 1 else f"{name}_{i}" for name, count in _FIELDS for i in range(count)
)
"""The columns of rows.parquet that are the node table, in its order."""
_INTS = pa.list_(pa.int32())
_SCHEMA = pa.schema(
    [
        ("graph", pa.int32()),
        *((name, pa.string()) for name in ("network", "name", "family", "hash", "key")),
        *((name, pa.int64()) for name in ("nodes", "edges", "parameters", "macs")),
        *((name, _INTS) for name in ("rows", "producers", "readers")),
    ]
)


def write(collection: LabelledCollection, folder: Path) -> dict[str, Any]:
    """Writes a collection; a folder of one that is there is replaced when all is written.

    Returns:
        its datasheet.

    Raises:
        CollectionError: the folder holds something else, or which graphs are one is not known.
    """
    check_place(folder)
    if collection.keys is None:
        raise CollectionError("compute the keys of a collection before it is written")
    with atomic_folder(folder) as temporary:
        _write_graphs(collection, collection.keys, temporary / GRAPHS)
        pq.write_table(_rows(collection.graphs), temporary / ROWS, compression="zstd")
        labels = pa.Table.from_pandas(labels_of(collection.labels), preserve_index=False)
        pq.write_table(labels, temporary / LABELS, compression="zstd")
        sheet = {**_about(collection), **datasheet(collection)}
        (temporary / DATASHEET).write_text(json.dumps(sheet, indent=2, ensure_ascii=False) + "\n")
        (temporary / FOR_PEOPLE).write_text(markdown(sheet))
    return sheet


def check_place(folder: Path) -> None:
    """Refuses to replace what is no collection.

    Raises:
        CollectionError: a file, or a folder of something else.
    """
    if folder.is_dir() and not is_collection(folder) and any(folder.iterdir()):
        raise CollectionError(f"{folder}: not empty, and no collection; choose another folder")
    if folder.exists() and not folder.is_dir():
        raise CollectionError(f"{folder}: is a file, expected a folder")


def _about(collection: LabelledCollection) -> dict[str, Any]:
    return {
        "graph_format": GRAPH_FORMAT,
        "vocabulary_version": VOCABULARY_VERSION,
        "form": "fused" if collection.fused else "atomic",
        "measured": [asdict(label) for label in collection.measured],
        "origins": [asdict(origin) for origin in collection.origins],
    }


def _write_graphs(collection: LabelledCollection, keys: Keyed, path: Path) -> None:
    graphs, networks = collection.graphs, collection.networks
    parameters = graphs.totals(parameters_N(graphs.rows_RK))
    macs = graphs.totals(macs_N(graphs.rows_RK))
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
        for start in range(0, len(graphs), BLOCK):
            part = slice(start, min(start + BLOCK, len(graphs)))
            texts = networks[part]
            edge_ptr = graphs.edge_ptr[part.start : part.stop + 1]
            sources, readers = graphs.edges_2E[:, edge_ptr[0] : edge_ptr[-1]]
            node_ptr = graphs.node_ptr[part.start : part.stop + 1]
            columns = {
                "graph": np.arange(part.start, part.stop, dtype=np.int32),
                "network": list(texts),
                "name": list(graphs.names[part]),
                "family": [family_of(text) for text in texts],
                "hash": hexes(keys.hash_G16[part]),
                "key": hexes(keys.key_G16[part]),
                "nodes": np.diff(node_ptr),
                "edges": np.diff(edge_ptr),
                "parameters": parameters[part],
                "macs": macs[part],
                "rows": _lists(node_ptr, graphs.row_M[node_ptr[0] : node_ptr[-1]]),
                "producers": _lists(edge_ptr, sources),
                "readers": _lists(edge_ptr, readers),
            }
            writer.write_table(pa.table(columns, schema=_SCHEMA))


def _lists(ptr: npt.NDArray[np.int64], values: npt.NDArray[np.int32]) -> pa.ListArray:
    offsets = pa.array((ptr - ptr[0]).astype(np.int32))
    return pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(values)))


def _rows(graphs: GraphCollection) -> pa.Table:
    columns: dict[str, Any] = {"row": np.arange(len(graphs.rows_RK), dtype=np.int32)}
    columns["operator"] = [Op(int(op)).label for op in graphs.rows_RK[:, OP]]
    columns |= {name: np.ascontiguousarray(graphs.rows_RK[:, i]) for i, name in enumerate(FIELDS)}
    return pa.table(columns)


def read(folder: Path) -> LabelledCollection:
    """A collection that `write` wrote; its graphs are unpacked into the cache once, and mapped.

    Raises:
        CollectionError: a file is missing or damaged, or of another version.
    """
    sheet = datasheet_of(folder)
    paths = [folder / name for name in (GRAPHS, ROWS)]
    try:
        rows_RK = _read_rows(paths[1])
        key = digest_of_files(paths)

        def fill(writer: storage.Writer) -> None:
            for part in _read_graphs(paths[0], rows_RK):
                writer.add(part)

        graphs = cache.kept(key, fill)
        texts = pq.read_table(paths[0], columns=["network", "hash", "key"])
        labels = labels_of(pd.read_parquet(folder / LABELS))
        measured = tuple(Measured(**label) for label in sheet["measured"])
        origins = tuple(Origin(**{**o, "skipped": tuple(o["skipped"])}) for o in sheet["origins"])
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise CollectionError(f"{folder}: not a readable collection ({reason})") from None
    if not labels["graph"].between(0, len(graphs) - 1).all():
        raise CollectionError(f"{folder / LABELS}: measurements of graphs that are not there")
    keys = Keyed(packed(texts["hash"].to_pylist()), packed(texts["key"].to_pylist()))
    networks = tuple(texts["network"].to_pylist())
    fused = sheet["form"] == "fused"
    return LabelledCollection(graphs, networks, labels, measured, origins, fused, keys)


def datasheet_of(folder: Path) -> dict[str, Any]:
    """What `datasheet.json` says, if this version of the package reads the folder.

    Raises:
        CollectionError: it is missing, damaged, or of another version.
    """
    try:
        sheet = json.loads((folder / DATASHEET).read_text())
    except FileNotFoundError:
        raise CollectionError(f"{folder}: no collection (it has no {DATASHEET})") from None
    except (OSError, ValueError) as error:
        raise CollectionError(f"{folder / DATASHEET}: not readable ({error})") from None
    if not isinstance(sheet, dict) or not {"measured", "origins", "form"} <= set(sheet):
        raise CollectionError(f"{folder / DATASHEET}: no datasheet of a collection")
    storage.check_versions(folder, sheet)
    return sheet


def _read_rows(path: Path) -> npt.NDArray[np.int32]:
    table = pq.read_table(path, columns=["row", *FIELDS])
    if not np.array_equal(table["row"].to_numpy(), np.arange(len(table))):
        raise CollectionError(f"{path}: its rows are not numbered from 0 on")
    if not len(table):
        return np.zeros((0, WIDTH), np.int32)
    return np.stack([table[name].to_numpy().astype(np.int32) for name in FIELDS], axis=1)


def _read_graphs(path: Path, rows_RK: npt.NDArray[np.int32]) -> Iterator[GraphCollection]:
    columns = ["name", "rows", "producers", "readers"]
    known: GraphCollection | None = None
    for batch in pq.ParquetFile(path).iter_batches(BLOCK, columns=columns):
        rows, producers, readers = (batch[name] for name in columns[1:])
        part = GraphCollection(
            rows_RK,
            _flat(rows),
            pointers(_lengths(rows)),
            np.stack([_flat(producers), _flat(readers)]),
            pointers(_lengths(readers)),
            tuple(batch["name"].to_pylist()),
        )
        known = part.validate()
        yield known
    if known is None:
        yield GraphCollection.from_graphs([])


def _flat(lists: pa.ListArray) -> npt.NDArray[np.int32]:
    values: npt.NDArray[np.int32] = lists.flatten().to_numpy(zero_copy_only=False)
    return values.astype(np.int32, copy=False)


def _lengths(lists: pa.ListArray) -> npt.NDArray[np.int64]:
    return np.asarray(lists.value_lengths().to_numpy(zero_copy_only=False), np.int64)


def is_collection(path: Path) -> bool:
    """Whether a folder looks like one that `write` wrote."""
    return (path / DATASHEET).is_file()
