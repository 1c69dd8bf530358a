"""TFRecord files without TensorFlow: records, each with its length and two checksums.

A record is its length (8 bytes), the masked CRC-32C of these, the data, and the masked CRC-32C of
the data, all little-endian. See tensorflow.org/tutorials/load_data/tfrecord for the format.

The checksums of thousands of records are computed side by side, two bytes of each at a time: Python
alone would need minutes for what this does in seconds.
"""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from onnx_bench.formats.errors import FormatError

MAX_RECORD = 1 << 16
"""Most bytes of a record; as many as `BATCH` of them lie in memory."""
BATCH = 8192
"""Records that are checked together."""
_POLYNOMIAL = 0x82F63B78
_MASK = 0xA282EAD8
_HEAD = struct.Struct("<QI")
_FOOT = struct.Struct("<I")
Checksums = npt.NDArray[np.uint32]


def records(path: Path) -> Iterator[bytes]:
    """The records of a file, one after another; the file is never in memory as a whole.

    Raises:
        FormatError: a checksum is wrong, the file is cut short, or a record is too long.
        OSError: it cannot be read.
    """
    seen = 0
    with path.open("rb") as file:
        while batch := _batch(file, seen):
            lengths, data, sums = zip(*batch, strict=True)
            heads = [length[:8] for length in lengths]
            given = np.array([_HEAD.unpack(length)[1] for length in lengths], np.uint32)
            wrong = (masked(crc32c(heads)) != given) | (masked(crc32c(data)) != np.array(sums))
            if wrong.any():
                where = seen + int(wrong.argmax()) + 1
                raise FormatError(f"record {where}: the checksum is wrong; fetch the file again")
            yield from data
            seen += len(data)


def _batch(file: BinaryIO, seen: int) -> list[tuple[bytes, bytes, int]]:
    """Head, data and checksum of the next records."""
    found = []
    for index in range(seen + 1, seen + BATCH + 1):
        head = file.read(_HEAD.size)
        if not head:
            break
        if len(head) < _HEAD.size:
            raise FormatError(f"record {index}: cut short")
        length = _HEAD.unpack(head)[0]
        if length > MAX_RECORD:
            raise FormatError(f"record {index}: {length} bytes long; not a TFRecord file")
        data = file.read(length + _FOOT.size)
        if len(data) < length + _FOOT.size:
            raise FormatError(f"record {index}: cut short")
        found.append((head, data[:length], _FOOT.unpack_from(data, length)[0]))
    return found


def crc32c(messages: Sequence[bytes]) -> Checksums:
    """The CRC-32C (Castagnoli) of each message."""
    sums = np.zeros(len(messages), np.uint32)
    order = sorted(range(len(messages)), key=lambda i: len(messages[i]))
    for start in range(0, len(order), 1024):  # of about one length, so that little is padded
        some = order[start : start + 1024]
        sums[some] = _of_batch([messages[i] for i in some])
    return sums


def masked(sums: Checksums) -> Checksums:
    """As TFRecord stores them: rotated and shifted, so that no checksum is one of checksums."""
    return (sums >> np.uint32(15) | sums << np.uint32(17)) + np.uint32(_MASK)


def _of_batch(messages: list[bytes]) -> Checksums:
    """Side by side, aligned at their ends.

    A register that starts with zeros stays so over leading zeros; that it ought to start with ones
    comes to the same as to invert the first four bytes.
    """
    width = len(messages[-1]) + 5 & ~1
    rows = np.zeros((len(messages), width), np.uint8)
    for row, message in zip(rows, messages, strict=True):
        start = width - len(message)
        row[start:] = np.frombuffer(message, np.uint8)
        row[start : start + 4] ^= 255
    sums = np.zeros(len(messages), np.uint32)
    for column in np.ascontiguousarray(rows.view("<u2").T):
        sums = _PAIRS[(sums ^ column) & np.uint32(0xFFFF)] ^ (sums >> np.uint32(16))
    short = [(i, message) for i, message in enumerate(messages) if len(message) < 4]
    for i, message in short:  # the inverted bytes reach beyond the message
        register = 0xFFFFFFFF
        for byte in message:
            register = int(_TABLE[(register ^ byte) & 255]) ^ register >> 8
        sums[i] = register
    return ~sums


def _table(bits: int) -> Checksums:
    """What each value of the lowest bits does to a register when it is shifted out."""
    table = np.arange(1 << bits, dtype=np.uint32)
    for _ in range(bits):
        table = table >> np.uint32(1) ^ (table & np.uint32(1)) * np.uint32(_POLYNOMIAL)
    return table


_TABLE, _PAIRS = _table(8), _table(16)
