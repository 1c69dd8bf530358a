"""What the names in a pickle become: plain values where we know them, inert records elsewhere.

Nothing here imports or calls what a file names. Each of the few constructors below checks its
arguments itself, so that none can be made to reserve more memory than the file has bytes.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from onnx_bench.formats.errors import FormatError

Args = tuple[Any, ...]
Maker = Callable[[Args], Any]
"""What a name stands for: from the arguments that the file gives to a plain value."""
MAX_RANGE = 1_000_000
MAX_KEY_PARTS = 10_000
"""Most values in one key of a dict; a key nested deeply enough overflows the stack of C."""


@dataclass(frozen=True)
class PlainGlobal:
    """A class or function that a file names; nobody looks for it."""

    module: str
    name: str


@dataclass(eq=False)
class PlainObject:
    """An object of a class that we do not have, as the file describes it; it does nothing.

    Args:
        module: of its class, or of the function that would have made it.
        name: of that class or function.
        args: that it would have been made with.
        state: what its attributes would have been set from; None where there is nothing.
        items: entries, where the class is a kind of list; pairs, where it is a kind of dict.
    """

    module: str
    name: str
    args: Args = ()
    state: Any = None
    items: list[Any] = field(default_factory=list)

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes by name, those of `__slots__` too; empty where the state is none."""
        parts = self.state if type(self.state) is tuple else (self.state,)
        found: dict[str, Any] = {}
        for part in parts:
            if type(part) is dict:
                found.update((key, value) for key, value in part.items() if type(key) is str)
        return found


class Pending:
    """An array or its type until the file has told its contents; the memo may already hold it."""

    def __init__(self, build: Maker) -> None:
        self._build, self.value = build, None

    def finish(self, state: Any) -> Any:
        if type(state) is not tuple:
            raise FormatError(f"an array's state is a {type(state).__name__}, expected a tuple")
        self.value = self._build(state)
        return self.value


_ATOMS = frozenset({str, bytes, int, float, bool, complex, type(None), PlainObject, PlainGlobal})


def key(value: Any) -> Any:
    """`value`, if it can be a key of a dict or a member of a set."""
    if type(value) in _ATOMS:
        return value
    left, parts = MAX_KEY_PARTS, [(value, 0)]
    while parts:
        part, depth = parts.pop()
        left -= 1
        if type(part) is tuple and depth < 16 and len(part) <= left:
            parts += [(inner, depth + 1) for inner in part]
        elif type(part) not in _ATOMS and type(part) is not frozenset:
            raise FormatError(f"a {type(part).__name__} is used as a key")
    return value


def refuse(what: str, args: Args) -> FormatError:
    """The error for arguments that a name cannot have."""
    kinds = ", ".join(type(arg).__name__ for arg in args)
    return FormatError(f"{what} of ({kinds}) is not plain data")


# containers


def _dict(args: Args) -> dict[Any, Any]:
    """Of OrderedDict and Counter: from a dict, pairs, or nothing."""
    match args:
        case ():
            return {}
        case (dict() as given,):
            return dict(given)
        case (list() as pairs,) if all(type(p) in (list, tuple) and len(p) == 2 for p in pairs):
            return {key(name): value for name, value in pairs}
    raise refuse("a dict", args)


def _defaultdict(args: Args) -> dict[Any, Any]:
    return _dict(args[1:])


def _sequence(args: Args) -> Sequence[Any]:
    if not args:
        return ()
    found: Sequence[Any] = args[0]
    if type(found) not in (list, tuple):
        raise refuse("a collection", args)
    return found


def _set(args: Args) -> set[Any]:
    return {key(value) for value in _sequence(args)}


def _bytes(args: Args) -> bytes:
    """Of bytes and bytearray, never from a length, and of `_codecs.encode`."""
    match args:
        case ():
            return b""
        case (bytes() as data,):
            return data
        case (str() as text, "latin1" | "latin-1"):
            try:
                return text.encode("latin1")
            except UnicodeEncodeError:
                raise refuse("bytes", args) from None
    raise refuse("bytes", args)


def _range(args: Args) -> range:
    if 1 <= len(args) <= 3 and all(type(arg) is int for arg in args) and 0 not in args[2:]:
        start, stop, step = (0, *args, 1) if len(args) == 1 else (*args, 1)[:3]
        if abs(stop - start) // abs(step) <= MAX_RANGE:
            return range(start, stop, step)
    raise refuse("a range", args)


def _complex(args: Args) -> complex:
    if len(args) == 2 and all(type(arg) in (int, float) for arg in args):
        return complex(float(args[0]), float(args[1]))
    raise refuse("a complex number", args)


def _reconstructor(args: Args) -> Any:
    """How the oldest protocols write objects: (class, its base, the base's value)."""
    match args:
        case (PlainGlobal(module, name), _, None):
            return PlainObject(module, name)
        case (PlainGlobal(module, name), _, tuple() as values):  # as newer protocols have it
            return PlainObject(module, name, values)
        case (PlainGlobal(module, name), _, value):
            return PlainObject(module, name, (value,))
    raise refuse("an object", args)


# numpy

_DTYPE = re.compile(r"[?]|[biufc][1248]|[fc]16|[SU][1-9][0-9]{0,3}|O8?", re.ASCII)
Array = npt.NDArray[Any]


def _dtype(args: Args) -> Pending:
    name = args[0] if args else None
    if type(name) is not str or not _DTYPE.fullmatch(name):
        raise FormatError(f"arrays of type {str(name)[:20]!r} are not plain data")
    kind = np.dtype("O" if name == "O8" else name)

    def ordered(state: Args) -> np.dtype[Any]:
        match state:
            case (_, "<" | ">" as order, *_):
                return kind.newbyteorder(order)
            case (_, "=" | "|", *_):
                return kind
        raise FormatError("an array's byte order is none")

    return Pending(ordered)


def _reconstruct(_: Args) -> Pending:
    return Pending(_array_of)


def _array_of(state: Args) -> Array:
    match state:
        case (int(), tuple() as shape, np.dtype() as kind, fortran, data):
            return array(data, kind, shape, "F" if fortran else "C")
    raise refuse("an array", state)


def _frombuffer(args: Args) -> Array:
    match args:
        case (data, np.dtype() as kind, tuple() as shape, "C" | "F" as order):
            return array(data, kind, shape, order)
    raise refuse("an array", args)


def array(data: Any, kind: np.dtype[Any], shape: Args, order: Any) -> Array:
    """An array of these bytes, or of a list of objects; both must have its size exactly."""
    if len(shape) > 32 or not all(type(size) is int and size >= 0 for size in shape):
        raise FormatError(f"an array has the shape {str(shape)[:60]}")
    count = prod(shape)
    if kind.hasobject:
        if type(data) is not list or len(data) != count:
            raise FormatError(f"an array of {count} objects has not as many")
        flat = np.empty(count, object)
        flat[:] = [None] * count
        for index, value in enumerate(data):
            flat[index] = value
        return flat.reshape(shape, order=order)
    if type(data) is str:  # as Python 2 wrote bytes
        data = _bytes((data, "latin1"))
    if type(data) is not bytes or len(data) != count * kind.itemsize:
        raise FormatError(f"an array of {count} x {kind} has not as many bytes")
    return np.frombuffer(data, kind).reshape(shape, order=order) if data else np.empty(shape, kind)


def _scalar(args: Args) -> Any:
    match args:
        case (np.dtype() as kind, data) if not kind.hasobject:
            return array(data, kind, (1,), "C")[0].item()
    raise refuse("a number", args)


MAKERS: Mapping[tuple[str, str], Maker] = {
    ("collections", "OrderedDict"): _dict,
    ("collections", "Counter"): _dict,
    ("collections", "defaultdict"): _defaultdict,
    ("collections", "deque"): lambda args: list(_sequence(args)),
    ("_codecs", "encode"): _bytes,
    **{
        (module, name): maker
        for module in ("builtins", "__builtin__")
        for name, maker in {
            "dict": _dict,
            "set": _set,
            "frozenset": lambda args: frozenset(_set(args)),
            "list": lambda args: list(_sequence(args)),
            "tuple": lambda args: tuple(_sequence(args)),
            "bytes": _bytes,
            "bytearray": _bytes,
            "complex": _complex,
            "range": _range,
            "xrange": _range,
        }.items()
    },
    **{(module, "_reconstructor"): _reconstructor for module in ("copyreg", "copy_reg")},
    ("numpy", "dtype"): _dtype,
    **{
        (f"numpy.{core}.{module}", name): maker
        for core in ("core", "_core")
        for module, name, maker in (
            ("multiarray", "_reconstruct", _reconstruct),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _frombuffer),
        )
    },
}
"""The names that become plain values; everything else becomes a `PlainObject`."""
