"""Compressed files, read up to a size: a bomb of a few kilobytes is refused, not unpacked."""

import bz2
import gzip
from pathlib import Path
from typing import IO, cast
from zlib import error as ZlibError

from onnx_bench.formats.errors import FormatError

MAX_BYTES = 8 << 30
"""Most bytes of one file after it is unpacked, where a reader says nothing else."""
_CHUNK = 16 << 20


def unpacked(path: Path, limit: int = MAX_BYTES) -> bytes:
    """The contents of a file, without the bzip2 or gzip around them if there is one.

    Raises:
        FormatError: it unpacks to more than `limit` bytes, or is cut short.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return unpacked_stream(file, limit)


def unpacked_stream(file: IO[bytes], limit: int = MAX_BYTES) -> bytes:
    """As `unpacked`, of an open file that is read from its start."""
    start = file.read(3)
    file.seek(0)
    stream: IO[bytes] = file
    if start == b"BZh":
        stream = bz2.BZ2File(file)
    elif start[:2] == b"\x1f\x8b":
        stream = cast(IO[bytes], gzip.GzipFile(fileobj=file))
    chunks, size = list[bytes](), 0
    while chunk := _read(stream, file):
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            raise FormatError(f"unpacks to more than {limit >> 20} MB; no benchmark's file does")
    return b"".join(chunks)


def _read(stream: IO[bytes], file: IO[bytes]) -> bytes:
    try:
        return stream.read(_CHUNK)
    except (EOFError, ValueError, OSError, ZlibError) as error:
        if stream is file:
            raise
        raise FormatError(f"cut short or damaged ({error})") from None
