"""What `torch.save` wrote, read as plain data: tensors become arrays, nothing is run, no torch.

Both layouts: a ZIP archive of a pickle (data.pkl) and the tensors' bytes (since torch 1.6), and the
older one of five pickles in a row with the bytes behind them. The pickle refers to storages, runs
of numbers of one type; a tensor is a view of one. bfloat16 becomes float32, which it is a part of.
"""

import struct
import zipfile
from collections.abc import Mapping
from lzma import LZMAError
from math import prod
from mmap import ACCESS_READ, mmap
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from zlib import error as ZlibError

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from onnx_bench.formats.compressed import MAX_BYTES
from onnx_bench.formats.errors import FormatError
from onnx_bench.formats.plain_pickle import PlainGlobal, load, load_at
from onnx_bench.formats.plain_values import MAKERS, Args, Maker, refuse

MAGIC = 0x1950A86A20F9469CFC6C
"""What the older layout begins with, as a pickled number."""
_TYPES: Mapping[str, np.dtype[Any]] = MappingProxyType(
    {
        f"{name}Storage": np.dtype(kind).newbyteorder("<")
        for name, kind in {
            **{"Double": "f8", "Float": "f4", "Half": "f2", "BFloat16": "u2", "Bool": "?"},
            **{"Long": "i8", "Int": "i4", "Short": "i2", "Char": "i1", "Byte": "u1"},
            **{"ComplexFloat": "c8", "ComplexDouble": "c16"},
        }.items()
    }
)
Numbers = npt.NDArray[Any]


_BFLOAT16 = "BFloat16Storage"


class _Storage(NamedTuple):
    """A run of numbers; its bytes may come after the tensors that view it."""

    values: Numbers


def read(path: Path, limit: int = MAX_BYTES) -> Any:
    """The value in a `.pth` or `.pt` file as plain data.

    Args:
        path: the file.
        limit: most bytes of a pickle or a tensor inside a ZIP archive.

    Raises:
        FormatError: it is no such file, damaged, or holds what is not plain data.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(4)
        if start == b"PK\x03\x04":
            return _read_zip(path, limit)
        if not start:
            raise FormatError("the file is empty")
        with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            return _read_row(data)


# the archive

_DAMAGED = (
    *(zipfile.BadZipFile, ZlibError, LZMAError, EOFError, OSError, struct.error),
    *(NotImplementedError, RuntimeError, ValueError, OverflowError),
)
"""What zipfile raises about archives that are none."""


def _read_zip(path: Path, limit: int) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [n for n in archive.namelist() if n.rpartition("/")[2] == "data.pkl"]
            if len(names) != 1:
                raise FormatError("a ZIP archive without one data.pkl; torch.save writes one")
            return _Archive(archive, names[0].rpartition("data.pkl")[0], limit).value()
    except _DAMAGED as error:
        reason = str(error).partition("\n")[0][:100]
        raise FormatError(f"a damaged ZIP archive ({reason})") from None


class _Archive:
    """A ZIP archive of torch.save, whose entries begin with `prefix`."""

    def __init__(self, archive: zipfile.ZipFile, prefix: str, limit: int) -> None:
        self.archive, self.prefix, self.limit = archive, prefix, limit
        self.storages: dict[str, _Storage] = {}

    def value(self) -> Any:
        names = self.archive.namelist()
        order = f"{self.prefix}byteorder"
        if order in names and self.entry("byteorder") != b"little":
            raise FormatError("written on a machine with another byte order")
        return load(self.entry("data.pkl"), self.storage, TENSORS)

    def storage(self, identity: Any) -> _Storage:
        name, key, count = _identity(identity)
        if key not in self.storages:
            data = self.entry(f"data/{key}")
            if len(data) != count * _TYPES[name].itemsize:
                raise FormatError(f"storage {key[:20]!r} has not {count} numbers")
            self.storages[key] = _Storage(_numbers(data, name))
        return self.storages[key]

    def entry(self, name: str) -> bytes:
        try:
            info = self.archive.getinfo(self.prefix + name)
        except KeyError:
            raise FormatError(f"the archive has no entry {name[:60]!r}") from None
        if info.file_size > self.limit:
            raise FormatError(f"{name[:60]!r} is larger than {self.limit >> 20} MB")
        return self.archive.read(info)


# the older layout


def _read_row(data: mmap) -> Any:
    magic, place = load_at(data, 0)
    if magic != MAGIC:
        raise FormatError("not a file of torch.save")
    _, place = load_at(data, place)
    system, place = load_at(data, place)
    if type(system) is not dict or system.get("little_endian") is not True:
        raise FormatError("written on a machine with another byte order")
    return _Row(data, place).value()


class _Row:
    """The pickle of an older file, and what lies behind it."""

    def __init__(self, data: mmap, place: int) -> None:
        self.data, self.place = data, place
        self.storages: dict[str, _Storage] = {}
        self.names: dict[str, str] = {}
        self.left = len(data)

    def value(self) -> Any:
        value, place = load_at(self.data, self.place, self.storage, TENSORS)
        keys, self.place = load_at(self.data, place)
        if type(keys) is not list or sorted(map(str, keys)) != sorted(self.storages):
            raise FormatError("the list of its tensors is not that of those it uses")
        for key in keys:
            self.fill(str(key))
        return value

    def storage(self, identity: Any) -> _Storage:
        """Room for a storage, whose bytes come later."""
        name, key, count = _identity(identity)
        if key not in self.storages:
            self.left -= count * _TYPES[name].itemsize
            if self.left < 0:
                raise FormatError("its tensors are larger than the file")
            self.storages[key] = _Storage(np.empty(count, _numbers(b"", name).dtype))
            self.names[key] = name
        return self.storages[key]

    def fill(self, key: str) -> None:
        values, name = self.storages[key].values, self.names[key]
        start = self.place + 8
        self.place = start + len(values) * _TYPES[name].itemsize
        count = int.from_bytes(self.data[start - 8 : start], "little")
        if self.place > len(self.data) or count != len(values):
            raise FormatError(f"storage {key[:20]!r} is cut short")
        values[:] = _numbers(self.data[start : self.place], name)


# tensors


def _identity(identity: Any) -> tuple[str, str, int]:
    """Type, key and length of a storage that a pickle refers to."""
    match identity:
        case ("storage", PlainGlobal(module, name), str() as key, str(), int() as count, *view):
            known = module.partition(".")[0] == "torch" and name in _TYPES
            if known and count >= 0 and view in ([], [None]):
                return name, key, count
    raise FormatError("refers to something that is no storage of a tensor")


def _numbers(data: bytes, name: str) -> Numbers:
    """The values of a storage."""
    values = np.frombuffer(data, _TYPES[name])
    return (values.astype("<u4") << 16).view("<f4") if name == _BFLOAT16 else values


def _tensor(args: Args) -> Numbers:
    """A view of a storage: (storage, offset, size, stride, ...)."""
    match args:
        case (_Storage() as storage, int() as offset, tuple() as size, tuple() as stride, *_):
            return _view(storage, offset, size, stride)
    raise refuse("a tensor", args)


def _view(storage: _Storage, offset: int, size: Args, stride: Args) -> Numbers:
    numbers = (offset, *size, *stride)
    if len(size) != len(stride) or len(size) > 32:
        raise FormatError("a tensor whose size and strides differ in length")
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise FormatError("a tensor whose size is no whole number")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    values = storage.values
    if not prod(size):
        return np.empty(size, values.dtype)
    if last >= len(values) or prod(size) > len(values):
        raise FormatError("a tensor reaches beyond its storage, or repeats its numbers")
    steps = [step * values.itemsize for step in stride]
    return as_strided(values[offset:], size, steps, writeable=False)


def _parameter(args: Args) -> Any:
    if not args:
        raise refuse("a parameter", args)
    return args[0]


TENSORS: Mapping[tuple[str, str], Maker] = {
    **MAKERS,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch", "Size"): lambda args: tuple(MAKERS["builtins", "tuple"](args)),
}
"""What names in the pickles of torch.save become."""
