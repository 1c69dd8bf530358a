"""Graphs that are built once: `graphs_of(texts)` opens them the next time.

The cache lies in the folder GENNAPE_CACHE, `~/.cache/gennape` by default. An entry is named by a
digest of the texts, of the files that they name, of the graph format and the vocabulary, and of the
code that builds them, so that none can be out of date. It is written beside its place and moved
there when it is whole: what an interrupt stops is removed at once; what a killed process left
behind, the next one that builds removes, as nobody holds its lock any more. Entries that nobody has
opened for `DAYS` days go at the same time.
"""

import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import numpy as np

from onnx_bench.collections import storage
from onnx_bench.collections.build import Built, build, in_order, pieces
from onnx_bench.collections.fingerprint import code_of, key_of
from onnx_bench.collections.graphs import GraphCollection
from onnx_bench.collections.isomorphism import Keyed, keys
from onnx_bench.errors import CollectionError, LabelError
from onnx_bench.files import atomic_file

if sys.platform != "win32":
    import fcntl

DAYS = 60
_LOCK = ".lock"
Fill = Callable[[storage.Writer], None]


def graphs_of(
    texts: Sequence[str],
    fused: bool = False,
    progress: Callable[[int], None] | None = None,
    workers: int = 1,
    source: str = "",
) -> GraphCollection:
    """The graphs of these texts in order, from the cache or built and kept there.

    Args:
        texts: `FAMILY:SPECIFICATION`, or paths of ONNX files or saved graphs.
        fused: whether graphs are brought to the fused form.
        progress: called with how many more are done, where they have to be built.
        workers: processes that build, if it takes longer than a moment.
        source: where the texts come from, for messages.

    Raises:
        LabelError: a text names no network; the message says its row.
    """

    def parts() -> Iterator[GraphCollection]:
        done = 0
        for built in in_order(build, pieces(texts, fused), workers):
            _all_built(built, done, source)
            done += len(built.graphs)
            if progress:
                progress(len(built.graphs))
            yield built.graphs

    def fill(writer: storage.Writer) -> None:
        for part in parts():
            writer.add(part)

    return kept(key_of(texts, fused), fill)


def keys_of(
    texts: Sequence[str],
    fused: bool = False,
    progress: Callable[[int], None] | None = None,
    workers: int = 1,
    source: str = "",
) -> Keyed:
    """Which of these texts' networks are one, for splits: computed once, kept with the graphs.

    Takes what `graphs_of` takes, and some 8 ms a network the first time.

    Raises:
        LabelError: as `graphs_of`.
    """
    graphs = graphs_of(texts, fused, None, workers, source)
    entry = home() / "graphs" / key_of(texts, fused)
    path = entry / f"keys-{code_of(texts, True)}.npy"
    with suppress(OSError, ValueError, EOFError):
        found = np.load(path, allow_pickle=False)
        if found.shape == (2, len(texts), 16):
            return Keyed(found[0], found[1])
    both = keys(graphs, fused, workers, progress)
    with suppress(OSError), atomic_file(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, np.stack(both))
    return both


def _all_built(built: Built, done: int, source: str) -> None:
    for position, reason in built.failures:
        place = f"{source}, row" if source else "row"
        raise LabelError(f"{place} {done + position + 1}: {reason}")


def home() -> Path:
    """The folder of the cache."""
    value = os.environ.get("GENNAPE_CACHE")
    return Path(value) if value else Path.home() / ".cache" / "gennape"


def kept(key: str, fill: Fill) -> GraphCollection:
    """The collection of that key; `fill` writes it where there is none, or a damaged one.

    Where the cache's folder cannot be written, the collection lasts as long as it is used.
    """
    root = home() / "graphs"
    entry = root / key
    try:
        return _opened(entry)
    except CollectionError as error:
        if (entry / storage.ABOUT).exists():
            warnings.warn(f"built again: {error}", stacklevel=3)
    try:
        root.mkdir(parents=True, exist_ok=True)
        writable = os.access(root, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        warnings.warn(
            f"{root} cannot be written: graphs are not kept; set GENNAPE_CACHE to another folder",
            stacklevel=3,
        )
        return _passing(fill)
    with _workplace(root) as folder:
        _fill(folder, fill)
        _publish(folder, entry)
    return _opened(entry)


def _opened(entry: Path) -> GraphCollection:
    found = storage.load(entry)
    with suppress(OSError):  # of a cache that others made, and we may only read
        os.utime(entry / storage.ABOUT)
    return found


def _passing(fill: Fill) -> GraphCollection:
    """A collection whose folder is gone before it is used: what is mapped stays until then."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        _fill(Path(folder), fill)
        return storage.load(Path(folder))


def _fill(folder: Path, fill: Fill) -> None:
    writer = storage.Writer(folder)
    try:
        fill(writer)
        writer.close()
    finally:
        writer.abandon()


def _publish(folder: Path, entry: Path) -> None:
    """Moves a finished folder to its place, unless another process was faster."""
    for _ in range(2):
        try:
            folder.rename(entry)
        except OSError:
            try:
                storage.load(entry)
            except CollectionError:  # damaged: out of the way, and once more
                entry.rename(folder.with_suffix(".old"))
                shutil.rmtree(folder.with_suffix(".old"), ignore_errors=True)
                continue
        return


@contextmanager
def _workplace(root: Path) -> Iterator[Path]:
    """A folder to build in, beside its place: locked as long as this process lives."""
    with (root / _LOCK).open("a") as door:
        _wait_for(door)
        _sweep(root)
        folder = Path(tempfile.mkdtemp(prefix=".", suffix=".tmp", dir=root))
        lock = folder.with_suffix(".lock").open("a")
        _try(lock)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        Path(lock.name).unlink(missing_ok=True)
        lock.close()


def _sweep(root: Path) -> None:
    """Removes what dead processes left, and what nobody has opened for long."""
    for folder in [*root.glob(".*.tmp"), *root.glob(".*.old")]:
        with folder.with_suffix(".lock").open("a") as lock:
            if _try(lock):
                shutil.rmtree(folder, ignore_errors=True)
                Path(lock.name).unlink(missing_ok=True)
    for about in root.glob(f"*/{storage.ABOUT}"):
        try:
            if time.time() - about.stat().st_mtime > DAYS * 86400:
                shutil.rmtree(about.parent, ignore_errors=True)
        except OSError:
            continue


def _wait_for(stream: IO[str]) -> None:
    if sys.platform != "win32":
        fcntl.flock(stream, fcntl.LOCK_EX)


def _try(stream: IO[str]) -> bool:
    """Whether the lock was free; without locks, nothing is ever taken for left behind."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
