"""A collection as a folder of `.npy` arrays that are mapped, not read: it opens at once.

The folder holds each array of a `GraphCollection` under its own name, the names of the graphs as
one text (`names`, UTF-8) with `name_ptr`, and `collection.json`: versions, counts, and a digest of
the content, which `verify` compares.
"""

import hashlib
import io
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, overload

import numpy as np
import numpy.typing as npt

from onnx_bench.collections.graphs import GraphCollection, Int64Array, pointers
from onnx_bench.errors import CollectionError
from onnx_bench.files import atomic_folder
from onnx_bench.graph import GRAPH_FORMAT, WIDTH, ComputationGraph
from onnx_bench.operators import VOCABULARY_VERSION

ABOUT = "collection.json"
PART = 512
"""Graphs that are held at once while a collection is written."""
_HEADER = 128
_STREAMS = {"row_M": "<i4", "edges_2E": "<i4", "readers": "<i4", "names": "|u1"}


def save(graphs: GraphCollection | Iterable[ComputationGraph], folder: Path) -> None:
    """Writes graphs to a folder; those of a generator are held a few at a time.

    A folder of that name is replaced once everything is written.
    """
    with atomic_folder(folder) as temporary:
        writer = Writer(temporary)
        for part in _parts(graphs):
            writer.add(part)
        writer.close()


def _parts(graphs: GraphCollection | Iterable[ComputationGraph]) -> Iterator[GraphCollection]:
    if isinstance(graphs, GraphCollection):
        for start in range(0, len(graphs), PART):
            yield graphs.take(range(start, min(start + PART, len(graphs))))
        return
    waiting = iter(graphs)
    while part := list(islice(waiting, PART)):
        yield GraphCollection.from_graphs(part)


class Writer:
    """Writes a collection part by part; memory holds the distinct rows and a number a graph.

    Args:
        folder: an empty one; it is a collection once `close` has been called.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._rows: dict[bytes, int] = {}
        self._lengths: dict[str, list[npt.NDArray[np.integer]]] = {
            "node_ptr": [],
            "edge_ptr": [],
            "name_ptr": [],
        }
        self._stack = ExitStack()
        self._files = {name: self._open(name) for name in _STREAMS}

    def _open(self, name: str) -> BinaryIO:
        stream = self._stack.enter_context((self.folder / f"{name}.npy").open("w+b"))
        stream.write(bytes(_HEADER))
        return stream

    def add(self, part: GraphCollection) -> None:
        """Writes the graphs of another collection behind those that are there."""
        numbers = [self._rows.setdefault(row.tobytes(), len(self._rows)) for row in part.rows_RK]
        names = [name.encode() for name in part.names]
        sources, readers = part.edges_2E
        self._files["row_M"].write(np.array(numbers, np.int32)[part.row_M].tobytes())
        self._files["edges_2E"].write(sources.astype(np.int32).tobytes())
        self._files["readers"].write(readers.astype(np.int32).tobytes())
        self._files["names"].write(b"".join(names))
        self._lengths["node_ptr"].append(part.sizes)
        self._lengths["edge_ptr"].append(np.diff(part.edge_ptr))
        self._lengths["name_ptr"].append(np.array([len(name) for name in names], np.int64))

    def close(self) -> None:
        """Finishes the folder."""
        counts = {name: f.tell() - _HEADER for name, f in self._files.items()}
        edges, readers = self._files["edges_2E"], self._files["readers"]
        readers.seek(_HEADER)
        shutil.copyfileobj(readers, edges, 1 << 20)
        shapes = {
            "row_M": (counts["row_M"] // 4,),
            "edges_2E": (2, counts["readers"] // 4),
            "names": (counts["names"],),
        }
        for name, shape in shapes.items():
            self._files[name].seek(0)
            self._files[name].write(_header(_STREAMS[name], shape))
        self._stack.close()
        (self.folder / "readers.npy").unlink()
        for name, parts in self._lengths.items():
            lengths = np.concatenate(parts) if parts else np.zeros(0, np.int64)
            np.save(self.folder / f"{name}.npy", pointers(lengths))
        rows_RK = np.frombuffer(b"".join(self._rows), np.int32).reshape(-1, WIDTH)
        np.save(self.folder / "rows_RK.npy", rows_RK)
        about = {
            "graph_format": GRAPH_FORMAT,
            "vocabulary_version": VOCABULARY_VERSION,
            "graphs": sum(map(len, self._lengths["node_ptr"])),
            "nodes": shapes["row_M"][0],
            "edges": shapes["edges_2E"][1],
            "rows": len(rows_RK),
            "digest": _digest(self.folder),
        }
        (self.folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n")

    def abandon(self) -> None:
        """Closes the files of a folder that will not be finished."""
        self._stack.close()


_ARRAYS = ("rows_RK", "row_M", "node_ptr", "edges_2E", "edge_ptr", "names", "name_ptr")


class Names(Sequence[str]):
    """The graphs' names, each read when it is asked for."""

    def __init__(self, text: npt.NDArray[np.uint8], ptr: Int64Array) -> None:
        self._text, self._ptr = text, ptr

    def __len__(self) -> int:
        return len(self._ptr) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        return self._text[self._ptr[index] : self._ptr[index + 1]].tobytes().decode()


def load(folder: Path) -> GraphCollection:
    """Opens a folder that `save` wrote; arrays are mapped, and read from disk where they are used.

    Rows of an older vocabulary are still valid, for operators are only ever appended.

    Raises:
        CollectionError: the folder is no collection, cut short, or of another version.
    """
    about = _about(folder)
    check_versions(folder, about)
    arrays = {name: _array(folder / f"{name}.npy") for name in _ARRAYS}
    found = {
        "graphs": len(arrays["node_ptr"]) - 1,
        "nodes": len(arrays["row_M"]),
        "edges": arrays["edges_2E"].shape[-1],
        "rows": len(arrays["rows_RK"]),
    }
    expected = {name: about.get(name) for name in found}
    names = Names(arrays.pop("names"), arrays.pop("name_ptr"))
    ends = (arrays["node_ptr"][-1], arrays["edge_ptr"][-1], len(names))
    whole = ends == (found["nodes"], found["edges"], found["graphs"])
    if found != expected or not whole:
        raise CollectionError(f"{folder}: holds {found}, expected {expected}; {_MEND}")
    return GraphCollection(**arrays, names=names)


_MEND = "it is damaged: delete it and build it again"


def verify(folder: Path) -> None:
    """Reads everything once and compares it with the digest from when it was written.

    Raises:
        CollectionError: something has changed.
    """
    if _about(folder).get("digest") != _digest(folder):
        raise CollectionError(f"{folder}: its content is not what was written; {_MEND}")


def check_versions(place: Path, about: dict[str, Any]) -> None:
    """Refuses what another version of the package wrote, and says how to mend it.

    Raises:
        CollectionError: another graph format, or a newer vocabulary.
    """
    form, vocabulary = about.get("graph_format"), about.get("vocabulary_version")
    if form != GRAPH_FORMAT or not isinstance(vocabulary, int):
        raise CollectionError(
            f"{place}: graph format {form}, this version reads {GRAPH_FORMAT}; build the "
            "collection again from its sources"
        )
    if vocabulary > VOCABULARY_VERSION:
        raise CollectionError(
            f"{place}: vocabulary {vocabulary}, this version knows {VOCABULARY_VERSION} and older "
            "ones; update the package, or build the collection again from its sources"
        )


def _about(folder: Path) -> dict[str, Any]:
    try:
        about = json.loads((folder / ABOUT).read_text())
    except FileNotFoundError:
        raise CollectionError(f"{folder}: no collection (it has no {ABOUT})") from None
    except (ValueError, OSError) as error:
        raise CollectionError(f"{folder / ABOUT}: not readable ({error}); {_MEND}") from None
    if not isinstance(about, dict):
        raise CollectionError(f"{folder / ABOUT}: not readable; {_MEND}")
    return about


def _array(path: Path) -> npt.NDArray[Any]:
    """A mapped array without the overhead that numpy's own class adds to every slice."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise CollectionError(f"{path}: not readable ({error}); {_MEND}") from None
    return np.asarray(array)


def _header(kind: str, shape: tuple[int, ...]) -> bytes:
    """The head of an `.npy` file, always of the same length, so that it can be written last."""
    stream = io.BytesIO()
    description = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, description)
    return stream.getvalue()


def _digest(folder: Path) -> str:
    found = hashlib.blake2b(digest_size=16)
    for name in _ARRAYS:
        with (folder / f"{name}.npy").open("rb") as stream:
            while chunk := stream.read(1 << 20):
                found.update(chunk)
    return found.hexdigest()
