"""Pickles of all protocols, read as data: nothing in them is imported, called or executed.

A pickle is a program for a small machine with a stack and a memo, whose instructions also find
classes and call them; that is why a pickle from elsewhere must never be loaded. This is that
machine without those instructions' deeds: a name becomes a `PlainGlobal`, a call becomes one of
the few values of `plain_values` or else an inert `PlainObject`. Python's own module is not used:
its machine can be made to call methods of what lies on its stack, and to reserve gigabytes for a
number of five bytes.

What is kept of objects: module, name, arguments and state. OrderedDict, defaultdict and Counter
become dict, deque list, bytearray bytes. See the standard library's pickletools for the format.
"""

import struct
from codecs import escape_decode
from collections.abc import Callable, Mapping
from mmap import mmap
from typing import Any

from onnx_bench.formats.errors import FormatError
from onnx_bench.formats.plain_values import (
    MAKERS,
    Maker,
    Pending,
    PlainGlobal,
    PlainObject,
    key,
)

__all__ = ["MAX_CONTAINERS", "PlainGlobal", "PlainObject", "load", "load_at"]

MAX_CONTAINERS = 50_000_000
"""Most lists, dicts, sets, tuples and objects: one byte of a file can ask for 200 of memory."""
BROKEN = "not a pickle, or cut short"
Persistent = Callable[[Any], Any]
_NOTHING = object()


def load(
    data: bytes | mmap,
    persistent: Persistent | None = None,
    makers: Mapping[tuple[str, str], Maker] = MAKERS,
) -> Any:
    """The value of the pickle that `data` begins with, as plain data.

    Args:
        data: bytes, or a file mapped into memory.
        persistent: what a reference to something outside the pickle stands for.
        makers: what names become; see `plain_values.MAKERS`.

    Raises:
        FormatError: it is cut short, no pickle, or asks for what is not plain data.
    """
    return load_at(data, 0, persistent, makers)[0]


def load_at(
    data: bytes | mmap,
    position: int,
    persistent: Persistent | None = None,
    makers: Mapping[tuple[str, str], Maker] = MAKERS,
) -> tuple[Any, int]:
    """As `load`, from a place in the middle; also where the pickle ends."""
    machine = _Machine(data, position, persistent, makers)
    try:
        return machine.run(), machine.position
    except FormatError:
        raise
    except (IndexError, struct.error):
        raise FormatError(BROKEN) from None
    except (
        ValueError,
        TypeError,
        KeyError,
        OverflowError,
        AttributeError,
        RecursionError,
    ) as error:
        reason = str(error).partition("\n")[0][:100]
        raise FormatError(f"not a pickle of plain data ({reason})") from None


class _Machine:
    """The stack, the memo and the instructions; each method below is one or a few of them."""

    def __init__(
        self,
        data: bytes | mmap,
        position: int,
        persistent: Persistent | None,
        makers: Mapping[tuple[str, str], Maker],
    ) -> None:
        self.data, self.position = data, position
        self.persistent, self.makers = persistent, makers
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.containers = MAX_CONTAINERS

    def run(self) -> Any:
        """Executes instructions up to STOP."""
        data, table = self.data, _TABLE
        while True:
            opcode = data[self.position]
            self.position += 1
            if opcode == _STOP:
                return self.pop()
            instruction = table[opcode]
            if instruction is None:
                raise FormatError(BROKEN)
            instruction(self)

    # reading

    def take(self, count: int) -> bytes:
        """The next bytes."""
        start = self.position
        found = self.data[start : start + count]
        if len(found) < count:
            raise FormatError(BROKEN)
        self.position = start + count
        return found

    def number(self, size: int) -> int:
        """The next bytes as a number that is not negative."""
        return int.from_bytes(self.take(size), "little")

    def line(self) -> bytes:
        """The bytes up to the end of the line."""
        end = self.data.find(b"\n", self.position)
        if end < 0:
            raise FormatError(BROKEN)
        found = self.data[self.position : end]
        self.position = end + 1
        return found

    # the stack

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        return self.stack.pop()

    def mark(self) -> None:
        self.marks.append(len(self.stack))

    def drop(self) -> None:
        """POP: of a mark, where one lies on top."""
        if self.marks and self.marks[-1] == len(self.stack):
            del self.marks[-1]
        else:
            del self.stack[-1]

    def after_mark(self) -> list[Any]:
        """Takes everything above the last mark, and the mark."""
        place = self.marks.pop()
        found = self.stack[place:]
        del self.stack[place:]
        return found

    def grown(self, value: Any) -> None:
        """Pushes a new container, if there may be one more."""
        self.containers -= 1
        if self.containers < 0:
            raise FormatError(f"more than {MAX_CONTAINERS:,} containers; no benchmark has as many")
        self.stack.append(value)

    def remember(self, place: int) -> None:
        self.memo[place] = self.stack[-1]

    def recall(self, place: int) -> None:
        value = self.memo.get(place, _NOTHING)
        if type(value) is Pending and (value := value.value) is None:
            raise FormatError("an array refers to itself")
        if value is _NOTHING:
            raise FormatError(BROKEN)
        self.stack.append(value)

    # what most of a large pickle consists of, without a detour

    def memoize(self) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def double(self) -> None:
        self.stack.append(_double(self.data, self.position)[0])
        self.position += 8

    def short_text(self) -> None:
        start = self.position + 1
        self.position = end = start + self.data[start - 1]
        found = self.data[start:end]
        if start + len(found) != end:
            raise FormatError(BROKEN)
        self.stack.append(found.decode("utf-8", "surrogatepass"))

    # names and what they would have made

    def name(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str:
            raise FormatError("a class has a name that is no text")
        self.grown(PlainGlobal(module, name))

    def make(self, name: Any, args: Any) -> None:
        """What a call of a name with arguments is for us; nothing is called but our own makers."""
        if type(name) is not PlainGlobal or type(args) is not tuple:
            raise FormatError("calls something that is no class and no function")
        if name.name in ("__newobj__", "__newobj_ex__") and name.module in ("copyreg", "copy_reg"):
            return self.make(args[0], args[1:])
        maker = self.makers.get((name.module, name.name))
        return self.grown(maker(args) if maker else PlainObject(name.module, name.name, args))

    def build(self) -> None:
        state, target = self.pop(), self.pop()
        if type(target) is Pending:
            target = target.finish(state)
        elif type(target) is PlainObject:
            target.state = state
        # What is plain already keeps no attributes, as those of an OrderedDict.
        self.push(target)

    # containers

    def append(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is PlainObject:
            target = target.items
        if type(target) is not list:
            raise FormatError(f"appends to a {type(target).__name__}")
        target.extend(values)

    def set_items(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if len(values) % 2:
            raise FormatError(BROKEN)
        names, entries = values[::2], values[1::2]
        if type(target) is PlainObject:
            target.items.extend(zip(names, entries, strict=True))
        elif type(target) is dict:
            for name, entry in zip(names, entries, strict=True):
                target[name if type(name) is str else key(name)] = entry
        else:
            raise FormatError(f"sets entries of a {type(target).__name__}")

    def add_items(self) -> None:
        values, target = self.after_mark(), self.stack[-1]
        if type(target) is not set:
            raise FormatError(f"adds members to a {type(target).__name__}")
        target.update(map(key, values))

    def dict_of(self) -> None:
        values = self.after_mark()
        self.grown({})
        self.set_items(values)

    def tuple_of(self, count: int) -> None:
        found = tuple(self.pop() for _ in range(count))
        self.grown(found[::-1])

    # the rest

    def persistent_of(self, identity: Any) -> None:
        if self.persistent is None:
            raise FormatError("refers to something outside of it")
        self.push(self.persistent(identity))

    def pair_of(self) -> tuple[Any, Any]:
        second, first = self.pop(), self.pop()
        return first, second

    def instance(self) -> None:
        """OBJ: the class lies below its arguments."""
        name, *args = self.after_mark()
        self.make(name, tuple(args))

    def named_instance(self) -> None:
        """INST: the class is named in two lines."""
        self.name(_text(self.line()), _text(self.line()))
        name = self.pop()
        self.make(name, tuple(self.after_mark()))

    def new_with_keywords(self) -> None:
        keywords, args, name = self.pop(), self.pop(), self.pop()
        if type(args) is not tuple:
            raise FormatError(BROKEN)
        self.make(name, (*args, keywords) if keywords else args)

    def extension(self, size: int) -> None:
        code = self.number(size)
        self.name("copyreg", f"extension {code}")

    def protocol(self) -> None:
        if self.number(1) > 5:
            raise FormatError("of a newer protocol than 5")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _old_text(data: bytes) -> str:
    """Python 2 made no difference between bytes and text; Latin-1 loses neither."""
    return data.decode("latin1")


def _quoted(data: bytes) -> str:
    data = data.strip()
    if len(data) < 2 or data[:1] != data[-1:] or data[:1] not in b"'\"":
        raise FormatError(BROKEN)
    return _old_text(escape_decode(data[1:-1])[0])


def _decimal(data: bytes) -> int | bool:
    known = {b"00": False, b"01": True}
    return known[data] if data in known else int(data.rstrip(b"L"))


def _signed(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


_double = struct.Struct(">d").unpack_from
_M = _Machine
_STOP = ord(".")
_INSTRUCTIONS: dict[bytes, Callable[[_Machine], Any]] = {
    # protocol 0
    b"(": _M.mark,
    b"0": _M.drop,
    b"1": lambda m: m.after_mark() and None,
    b"2": lambda m: m.push(m.stack[-1]),
    b"F": lambda m: m.push(float(m.line())),
    b"I": lambda m: m.push(_decimal(m.line())),
    b"L": lambda m: m.push(_decimal(m.line())),
    b"N": lambda m: m.push(None),
    b"P": lambda m: m.persistent_of(_text(m.line())),
    b"R": lambda m: m.make(*m.pair_of()),
    b"S": lambda m: m.push(_quoted(m.line())),
    b"V": lambda m: m.push(m.line().decode("raw-unicode-escape")),
    b"a": lambda m: m.append([m.pop()]),
    b"b": _M.build,
    b"c": lambda m: m.name(_text(m.line()), _text(m.line())),
    b"d": _M.dict_of,
    b"g": lambda m: m.recall(int(m.line())),
    b"i": _M.named_instance,
    b"l": lambda m: m.grown(m.after_mark()),
    b"p": lambda m: m.remember(int(m.line())),
    b"s": lambda m: m.set_items([*m.pair_of()]),
    b"t": lambda m: m.grown(tuple(m.after_mark())),
    # protocol 1
    b"G": _M.double,
    b"J": lambda m: m.push(_signed(m.take(4))),
    b"K": lambda m: m.push(m.number(1)),
    b"M": lambda m: m.push(m.number(2)),
    b"Q": lambda m: m.persistent_of(m.pop()),
    b"T": lambda m: m.push(_old_text(m.take(m.number(4)))),
    b"U": lambda m: m.push(_old_text(m.take(m.number(1)))),
    b"X": lambda m: m.push(_text(m.take(m.number(4)))),
    b")": lambda m: m.push(()),
    b"]": lambda m: m.grown([]),
    b"}": lambda m: m.grown({}),
    b"e": lambda m: m.append(m.after_mark()),
    b"u": lambda m: m.set_items(m.after_mark()),
    b"h": lambda m: m.recall(m.number(1)),
    b"j": lambda m: m.recall(m.number(4)),
    b"q": lambda m: m.remember(m.number(1)),
    b"r": lambda m: m.remember(m.number(4)),
    b"o": _M.instance,
    # protocol 2
    b"\x80": _M.protocol,
    b"\x81": lambda m: m.make(*m.pair_of()),
    b"\x82": lambda m: m.extension(1),
    b"\x83": lambda m: m.extension(2),
    b"\x84": lambda m: m.extension(4),
    b"\x85": lambda m: m.tuple_of(1),
    b"\x86": lambda m: m.tuple_of(2),
    b"\x87": lambda m: m.tuple_of(3),
    b"\x88": lambda m: m.push(True),
    b"\x89": lambda m: m.push(False),
    b"\x8a": lambda m: m.push(_signed(m.take(m.number(1)))),
    b"\x8b": lambda m: m.push(_signed(m.take(m.number(4)))),
    # protocol 3
    b"B": lambda m: m.push(m.take(m.number(4))),
    b"C": lambda m: m.push(m.take(m.number(1))),
    # protocol 4
    b"\x8c": _M.short_text,
    b"\x8d": lambda m: m.push(_text(m.take(m.number(8)))),
    b"\x8e": lambda m: m.push(m.take(m.number(8))),
    b"\x8f": lambda m: m.grown(set()),
    b"\x90": _M.add_items,
    b"\x91": lambda m: m.grown(frozenset(map(key, m.after_mark()))),
    b"\x92": _M.new_with_keywords,
    b"\x93": lambda m: m.name(*m.pair_of()),
    b"\x94": _M.memoize,
    b"\x95": lambda m: m.number(8) and None,
    # protocol 5; buffers outside of the pickle (97, 98) are refused as all that is not here
    b"\x96": lambda m: m.push(m.take(m.number(8))),
}
_TABLE = [_INSTRUCTIONS.get(bytes([code])) for code in range(256)]
