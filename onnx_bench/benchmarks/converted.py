"""The authors' own files as a table that is made once: they take seconds to many minutes to read.

The table is kept in the cache's folder (GENNAPE_CACHE), named by the names, sizes and times of the
files it was made from, so that a file that changes is read again.
"""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pandas as pd

from onnx_bench.collections.cache import home
from onnx_bench.files import atomic_file

READERS = 1
"""Rises when a reader gives another table for the same files."""


def converted(name: str, folder: Path, read: Callable[[Path], pd.DataFrame]) -> pd.DataFrame:
    """`read(folder)`, or what it gave for the same files before.

    Args:
        name: of the benchmark.
        folder: that holds the authors' files.
        read: the reader; what it raises is raised, and nothing is kept.
    """
    path = home() / "tables" / f"{name}-{_state(folder)}.parquet"
    with suppress(OSError, ValueError):  # none yet, or one that was damaged
        return pd.read_parquet(path)
    frame = read(folder)
    with suppress(OSError), atomic_file(path) as temporary:
        frame.to_parquet(temporary, compression="zstd")
    return frame


def _state(folder: Path) -> str:
    """A digest of the names, sizes and times of all files of a folder."""
    digest = hashlib.sha256(f"{READERS}".encode())
    for path in sorted(folder.rglob("*")):
        stat = path.stat()
        digest.update(f"{path.relative_to(folder)} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]
