"""What of an ONNX file is structure: a walk over its bytes that steps over the weights.

An ONNX file is a protobuf message: fields one behind the other, each a tag (number and wire type)
and a value; messages within messages carry their length in front. So the walk knows where a weight
ends before it has read any of it, and the pages of a mapped file that hold weights stay on disk.
See https://protobuf.dev/programming-guides/encoding for the format, and onnx.proto for the numbers.
"""

import mmap
import re
from collections.abc import Iterator
from enum import Enum, auto
from pathlib import Path
from stat import S_ISDIR, S_ISREG

MAX_VALUES = 256
"""Largest tensor whose values are kept."""
MAX_PAYLOAD = 16 * MAX_VALUES
"""Most bytes of values that are kept; only long texts need more."""
MAX_STRUCTURE = 64 << 20
"""Most bytes of structure; protobuf may take thirty times as much for hostile ones."""
MAX_FIELDS = 2_000_000
"""Most fields that one walk looks at: a few seconds."""
MAX_NESTING = 32
"""Most subgraphs within each other; protobuf itself parses no more (100 messages)."""

SMALL = 512
"""Messages and texts up to this many bytes are kept as they are: most nodes, biases."""
MAX_SMALL = 8 << 20
"""Most bytes of small messages that are not walked: they may be all headers, of empty messages."""


class WireError(ValueError):
    """Bytes that are no ONNX model. The message is the reason alone."""


class _Kind(Enum):
    MODEL = auto()
    TRAINING = auto()
    FUNCTION = auto()
    GRAPH = auto()
    NODE = auto()
    ATTRIBUTE = auto()
    SPARSE = auto()
    TENSOR = auto()


_K = _Kind
_INSIDE = {
    _K.MODEL: {7: _K.GRAPH, 20: _K.TRAINING, 25: _K.FUNCTION},
    _K.TRAINING: {1: _K.GRAPH, 2: _K.GRAPH},
    _K.FUNCTION: {7: _K.NODE, 11: _K.ATTRIBUTE},
    _K.GRAPH: {1: _K.NODE, 5: _K.TENSOR, 15: _K.SPARSE},
    _K.NODE: {5: _K.ATTRIBUTE},
    _K.ATTRIBUTE: {
        **{5: _K.TENSOR, 6: _K.GRAPH, 10: _K.TENSOR, 11: _K.GRAPH},
        **{22: _K.SPARSE, 23: _K.SPARSE},
    },
    _K.SPARSE: {1: _K.TENSOR, 2: _K.TENSOR},
}
"""The fields whose messages can hold weights."""
_TEXTS = {
    _K.MODEL: {6, 14},
    _K.TRAINING: {3, 4},
    _K.FUNCTION: {8, 14},
    _K.GRAPH: {10, 16},
    _K.NODE: {6, 9},
    _K.ATTRIBUTE: {13},
    _K.SPARSE: frozenset[int](),
    _K.TENSOR: {12, 16},
}
"""`doc_string` and entries of `metadata_props`: left out where they are long, as stack traces."""
_DIMS = 1
_PAYLOAD = {4, 5, 6, 7, 9, 10, 11}
"""TensorProto's fields `float_data` to `raw_data`, `double_data` and `uint64_data`."""

_LENGTH = 2
"""The wire type of messages, texts and packed numbers."""
BROKEN = "not an ONNX file, or cut short; export or copy the model again"
TOO_DEEP = f"more than {MAX_NESTING} subgraphs lie within each other; no network needs as many"

_SAVE = "write the model with onnx.save(model, path)"
_OTHERS = (
    (rb"version https://git-lfs", "a pointer of Git LFS; fetch the file with 'git lfs pull'"),
    (rb"PK\x03\x04", "a ZIP archive, as torch.save writes; export the model with torch.onnx"),
    (rb"(?i)<(!doctype|html)", "a web page; download the model again"),
    (rb"[{\[]\s*[\"{}\]]", f"JSON; {_SAVE}"),
    (rb"<\s*\w+\s*:", f"ONNX in text form; {_SAVE}"),
    (rb"(#[^\n]*\n\s*)*[a-z_]+\s*(:\s*[\"'\d]|\{)", f"protobuf in text form; {_SAVE}"),
)
"""How files begin that are often taken for ONNX files, and what they are."""


_Field = tuple[int, int, int, int, int]
"""A field's number and wire type, where its tag begins, and where its value starts and ends.

No class of its own: a file has thousands, and a plain tuple is made in a third of the time.
"""


def file_structure(path: Path) -> bytes:
    """The structure of a regular file, which is mapped; nothing else is opened.

    Raises:
        WireError: there is no such file, it is a folder, a pipe or a device, empty, or no ONNX
            model; see `structure`.
        OSError: it cannot be opened.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise WireError("no such file; give the path of an ONNX file") from None
    if S_ISDIR(status.st_mode):
        raise WireError("is a folder; give the path of an ONNX file")
    if not S_ISREG(status.st_mode):  # a pipe might never answer
        raise WireError("is a pipe, a socket or a device; give the path of an ONNX file")
    if status.st_size == 0:
        raise WireError("the file is empty; export the model again")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if hasattr(mmap, "MADV_RANDOM"):  # else the system reads far ahead, into the weights
            data.madvise(mmap.MADV_RANDOM)
        try:
            return structure(data)
        except WireError as error:
            raise WireError(_mistaken(data[:512]) or str(error)) from None


def _mistaken(start: bytes) -> str | None:
    """What a file is that is no ONNX file, if it is of a kind that is often taken for one."""
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    found = (what for pattern, what in _OTHERS if re.match(pattern, text))
    return next((f"not an ONNX file but {what}" for what in found), None)


def structure(data: mmap.mmap | bytes) -> bytes:
    """The bytes of a ModelProto without its weights, which protobuf parses as any model.

    Tensors of more than `MAX_VALUES` values keep name, type, dims and place, and lose their values,
    unless the whole message is `SMALL`. Long texts that describe are left out. Nothing else is.

    Raises:
        WireError: a field runs over the end or is none that protobuf writes, subgraphs are nested
            deeper than `MAX_NESTING`, or the structure is too large.
    """
    walk = _Walk(data)
    walk.message(_K.MODEL, 0, len(data))
    return b"".join(walk.pieces)


class _Walk:
    """One pass over a file, which collects the pieces to keep in order."""

    def __init__(self, data: mmap.mmap | bytes) -> None:
        self.pieces: list[bytes] = []
        self._data = data
        self._size = self._small = self._fields = 0

    def message(self, kind: _Kind, start: int, end: int, nesting: int = 0) -> int:
        """Keeps a message with what it holds; returns its length without the weights."""
        if kind == _K.TENSOR:
            return self._without(self._payload(start, end), start, end)
        inside, texts = _INSIDE[kind], _TEXTS[kind]
        length, copied = 0, start
        for number, wire, tag, first, last in self._walk(start, end):
            child, size = inside.get(number), last - first
            if wire != _LENGTH or (child is None and number not in texts):
                continue
            if size <= SMALL and (child is None or self._small < MAX_SMALL):
                self._small += size
                continue
            length += self._keep(copied, tag)
            copied = last
            if child is not None:
                length += self._child(child, number, first, last, nesting)
        return length + self._keep(copied, end)

    def _child(self, kind: _Kind, number: int, start: int, end: int, nesting: int) -> int:
        nesting += kind == _K.GRAPH
        if nesting > MAX_NESTING + 1:  # the model's own graph is none within another
            raise WireError(TOO_DEEP)
        place = len(self.pieces)
        self.pieces.append(b"")
        length = self.message(kind, start, end, nesting)
        header = _varint_bytes(number << 3 | _LENGTH) + _varint_bytes(length)
        self.pieces[place] = header
        return len(header) + length

    def _payload(self, start: int, end: int) -> list[tuple[int, int]]:
        """From where to where the parts of a tensor lie that are left out."""
        values, size = 1, 0
        parts: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
        for number, _, tag, first, last in self._walk(start, end):
            is_value = number in _PAYLOAD
            if number == _DIMS:
                values = self._times(values, first, last)
            elif is_value or (number in _TEXTS[_K.TENSOR] and last - first > SMALL):
                size += (last - first) * is_value
                _append(parts[is_value], tag, last)
        if values > MAX_VALUES or size > MAX_PAYLOAD:
            return sorted(parts[True] + parts[False])
        return parts[False]

    def _times(self, values: int, position: int, end: int) -> int:
        """The product with one dim, or with a run of them; only exact up to `MAX_VALUES`."""
        if end - position > SMALL:
            return MAX_VALUES + 1
        while position < end:
            dim, position = self._varint(position, end)
            values = min(values * dim, MAX_VALUES + 1)  # a negative one is a huge one here
        return values

    def _without(self, parts: list[tuple[int, int]], start: int, end: int) -> int:
        length = 0
        for first, last in parts:
            length += self._keep(start, first)
            start = last
        return length + self._keep(start, end)

    def _keep(self, start: int, end: int) -> int:
        if start < end:
            self._size += end - start
            if self._size > MAX_STRUCTURE:
                raise WireError(f"more than {MAX_STRUCTURE >> 20} MB besides weights; no network")
            self.pieces.append(self._data[start:end])
        return end - start

    def _walk(self, position: int, end: int) -> Iterator[_Field]:
        """The fields between two places."""
        data = self._data
        while position < end:
            self._fields += 1
            if self._fields > MAX_FIELDS:
                raise WireError(f"more than {MAX_FIELDS:,} fields besides weights; no network")
            tag = position
            key, position = data[position], position + 1
            if key > 127:  # of fields from 16 on
                key, position = self._varint(tag, end)
            number, wire = key >> 3, key & 7
            start = position
            if wire == _LENGTH:  # first, as most are
                length, start = self._varint(position, end)
                position = start + length
            elif wire == 0:
                position = self._varint(position, end)[1]
            elif wire in (1, 5):
                position += 8 if wire == 1 else 4
            else:  # groups, which ONNX has none of, and what is no wire type
                raise WireError(BROKEN)
            if position > end or number == 0:
                raise WireError(BROKEN)
            yield number, wire, tag, start, position

    def _varint(self, position: int, end: int) -> tuple[int, int]:
        """A number in seven bits a byte, the last byte below 128; and the place behind it."""
        data = self._data
        if position < end and data[position] < 128:  # by far the most
            return data[position], position + 1
        value = 0
        for index in range(position, min(position + 10, end)):
            value |= (data[index] & 127) << 7 * (index - position)
            if data[index] < 128:
                return value, index + 1
        raise WireError(BROKEN)


def _append(parts: list[tuple[int, int]], start: int, end: int) -> None:
    """Adds a part, to the last one where they touch (texts come as one field each)."""
    if parts and parts[-1][1] == start:
        start = parts.pop()[0]
    parts.append((start, end))


def _varint_bytes(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])
