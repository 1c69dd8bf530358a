"""The fields of a protobuf message, without its schema.

A message is a run of fields, each a tag (number and wire type) and a value; see
https://protobuf.dev/programming-guides/encoding.
"""

import struct
from collections.abc import Iterator

from onnx_bench.formats.errors import FormatError

Value = int | float | bytes
BROKEN = "not a protobuf message, or cut short"
_SIZES = {1: struct.Struct("<d"), 5: struct.Struct("<f")}


def fields(data: bytes) -> Iterator[tuple[int, Value]]:
    """Number and value of each field: varints as int, eight and four bytes as float, else bytes.

    Raises:
        FormatError: a field runs over the end, or has no wire type that is in use.
    """
    position, end = 0, len(data)
    while position < end:
        tag, position = varint(data, position)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, position = varint(data, position)
            yield number, value
        elif wire == 2:
            length, position = varint(data, position)
            position += length
            if position > end:
                raise FormatError(BROKEN)
            yield number, data[position - length : position]
        elif wire in _SIZES:
            kind = _SIZES[wire]
            position += kind.size
            if position > end:
                raise FormatError(BROKEN)
            yield number, kind.unpack_from(data, position - kind.size)[0]
        else:
            raise FormatError(BROKEN)


def varint(data: bytes, position: int) -> tuple[int, int]:
    """A number in seven bits a byte, the last byte below 128; and the place behind it."""
    value = 0
    for index, byte in enumerate(data[position : position + 10]):
        value |= (byte & 127) << 7 * index
        if byte < 128:
            return value, position + index + 1
    raise FormatError(BROKEN)
