"""Pickles read as data: everything plain comes back, and nothing in a file is ever run."""

import collections
import pickle
import pickletools
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnx_bench.formats import plain_pickle
from onnx_bench.formats.errors import FormatError
from onnx_bench.formats.plain_pickle import PlainGlobal, PlainObject, load, load_at

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
)
KEYS = ATOMS | st.tuples(ATOMS, ATOMS) | st.frozensets(ATOMS, max_size=3)
PLAIN = st.recursive(
    ATOMS
    | st.frozensets(KEYS, max_size=3)
    | st.sets(KEYS, max_size=3)
    | st.complex_numbers(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=5)
    ),
    max_leaves=20,
)


@given(PLAIN, st.sampled_from(PROTOCOLS))
def test_plain_data_comes_back_from_every_protocol(value: Any, protocol: int) -> None:
    found = load(pickle.dumps(value, protocol))
    assert repr(found) == repr(value) or found == value
    assert type(found) is type(value)


@given(PLAIN, st.sampled_from(PROTOCOLS), st.data())
def test_a_pickle_cut_short_is_refused(value: Any, protocol: int, data: st.DataObject) -> None:
    written = pickle.dumps(value, protocol)
    end = data.draw(st.integers(0, len(written) - 1))
    with pytest.raises(FormatError):
        load(written[:end])


@settings(max_examples=400)
@given(st.binary(max_size=60))
def test_garbage_is_data_or_refused(written: bytes) -> None:
    tried(b"\x80\x04" + written)
    tried(written)


@given(PLAIN, st.sampled_from(PROTOCOLS), st.integers(0, 10**6), st.integers(0, 255))
def test_a_damaged_byte_is_data_or_refused(
    value: Any, protocol: int, place: int, byte: int
) -> None:
    written = bytearray(pickle.dumps([value, ARRAYS], protocol))
    written[place % len(written)] = byte
    tried(bytes(written))


def tried(written: bytes) -> Any:
    """The value, None where it is refused; any other exception fails the test."""
    try:
        return load(written)
    except FormatError as error:
        refused = str(error)
    assert "\n" not in refused
    return None


def test_shared_and_circular_values_stay_shared() -> None:
    ring: list[Any] = [{}]
    ring[0]["ring"] = ring
    for protocol in PROTOCOLS:
        found = load(pickle.dumps([ring, ring], protocol))
        assert found[0] is found[1]
        assert found[0][0]["ring"] is found[0]


def test_deep_nesting_needs_no_stack() -> None:
    depth = 100_000
    found = load(b"]" * depth + b"a" * (depth - 1) + b".")
    for _ in range(depth - 1):
        (found,) = found
    assert found == []


def test_containers_of_the_standard_library_become_plain() -> None:
    values = [
        (collections.OrderedDict([("b", 1), ("a", 2)]), {"b": 1, "a": 2}),
        (collections.defaultdict(list, {1: [2]}), {1: [2]}),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (collections.deque([1, 2], 5), [1, 2]),
        (bytearray(b"\x00\xff"), b"\x00\xff"),
        (range(2, 6), range(2, 6)),
        (1 + 2j, 1 + 2j),
    ]
    for protocol in PROTOCOLS:
        for value, expected in values:
            found = load(pickle.dumps(value, protocol))
            assert found == expected
            assert type(found) is type(expected)


ARRAYS = [
    np.arange(6.0).reshape(2, 3),
    np.asfortranarray(np.arange(6, dtype=">i2").reshape(2, 3)),
    np.array(3, np.uint8),
    np.empty((0, 4), np.float32),
    np.array(["ab", "c"]),
    np.array([True, False]),
    np.array([b"x", None, [1]], object),
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_arrays_and_their_numbers(protocol: int) -> None:
    found = load(pickle.dumps([ARRAYS, ARRAYS, np.float32(1.5), np.int64(-3)], protocol))
    for value, expected in zip(found[0], ARRAYS, strict=True):
        assert value.dtype == expected.dtype
        assert value.shape == expected.shape
        assert np.array_equal(value, expected)
    assert all(one is other for one, other in zip(found[0], found[1], strict=True))
    assert found[2:] == [1.5, -3]
    assert [type(value) for value in found[2:]] == [float, int]


def test_pickles_of_python_2_with_bytes_as_text() -> None:
    # {'a': array([1.5])} and 'x\xff', as Python 2.7 with numpy wrote them
    array = (
        b"(dp0\nS'a'\np1\ncnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n(I0\ntp4\n"
        b"S'b'\np5\ntp6\nRp7\n(I1\n(I1\ntp8\ncnumpy\ndtype\np9\n(S'f8'\np10\nI0\nI1\ntp11\nRp12\n(I3"
        b"\nS'<'\np13\nNNNI-1\nI-1\nI0\ntp14\nbI00\nS'\\x00\\x00\\x00\\x00\\x00\\x00\\xf8?'\np15\ntp16\n"
        b"bs."
    )
    assert load(array)["a"].tolist() == [1.5]
    assert load(b"S'x\\xff'\n.") == "x\xff"
    assert load(b"U\x02x\xff.") == "x\xff"
    assert load(b"(I00\nI01\nL12L\nF.5\nt.") == (False, True, 12, 0.5)


# foreign classes


class Foreign:
    """Stands in for a class that readers do not have; records whether anybody made one."""

    made = 0

    def __init__(self, size: int = 1) -> None:
        type(self).made += 1
        self.size, self.parts = size, [1.5]

    def __setstate__(self, state: Any) -> None:
        type(self).made += 1
        self.__dict__.update(state)


class Slotted:
    __slots__ = ("left", "right")

    def __init__(self) -> None:
        self.left, self.right = 1, "r"


class Listed(list):  # type: ignore[type-arg]
    pass


class Named(dict):  # type: ignore[type-arg]
    pass


Pair = collections.namedtuple("Pair", "first second")
CLASSES = (Foreign, Slotted, Listed, Named, Pair)


@pytest.fixture
def elsewhere() -> Any:
    """The classes in a module of another package, as the authors' own would be."""
    module = ModuleType("elsewhere.results")
    sys.modules["elsewhere"], sys.modules["elsewhere.results"] = ModuleType("elsewhere"), module
    own = {kind: kind.__module__ for kind in CLASSES}
    for kind in CLASSES:
        setattr(module, kind.__name__, kind)
        kind.__module__, kind.__qualname__ = module.__name__, kind.__name__
    yield
    for kind, name in own.items():
        kind.__module__ = name
    del sys.modules["elsewhere.results"], sys.modules["elsewhere"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.usefixtures("elsewhere")
def test_objects_of_foreign_classes_are_inert_records(protocol: int) -> None:
    written = pickle.dumps([Foreign(3), Pair(1, "x"), Listed([1, 2]), Named(a=1)], protocol)
    before = Foreign.made
    thing, pair, listed, named = load(written)
    assert Foreign.made == before
    for found in (thing, pair, listed, named):
        assert type(found) is PlainObject
        assert found.module == "elsewhere.results"
    assert thing.name == "Foreign"
    assert thing.attributes == {"size": 3, "parts": [1.5]}
    assert pair.args == (1, "x")
    assert listed.items == [1, 2] or listed.args == ([1, 2],)
    assert named.items == [("a", 1)] or named.args == ({"a": 1},)


@pytest.mark.usefixtures("elsewhere")
def test_attributes_in_slots_and_classes_as_values() -> None:
    found, kind = load(pickle.dumps([Slotted(), Slotted], 4))
    assert found.attributes == {"left": 1, "right": "r"}
    assert kind == PlainGlobal("elsewhere.results", "Slotted")
    assert PlainObject("m", "C", state=[1, 2]).attributes == {}


# what is hostile

TOUCH = "open({path!r}, 'w').close()"


def attacks(path: Path) -> dict[str, bytes]:
    """Pickles that make the file `path`, when they are loaded as Python does it."""
    code = TOUCH.format(path=str(path)).encode()
    text = b"X" + struct.pack("<I", len(code)) + code
    shell = f"touch {path}".encode()
    command = b"X" + struct.pack("<I", len(shell)) + shell
    build = b"cbuiltins\neval\n"
    return {
        "REDUCE": b"cos\nsystem\n(" + command + b"tR.",
        "STACK_GLOBAL": b"\x8c\x02os\x8c\x06system\x93" + command + b"\x85R.",
        "eval": build + text + b"\x85R.",
        "INST": b"(" + command + b"ios\nsystem\n.",
        "OBJ": b"(cos\nsystem\n" + command + b"o.",
        "NEWOBJ": b"csubprocess\nPopen\n(]X\x05\x00\x00\x00toucha"
        + command[:0]
        + b"X"
        + struct.pack("<I", len(str(path)))
        + str(path).encode()
        + b"at\x81.",
        "NEWOBJ_EX": b"csubprocess\nPopen\n(]X\x05\x00\x00\x00toucha"
        + b"X"
        + struct.pack("<I", len(str(path)))
        + str(path).encode()
        + b"at}\x92.",
        "BUILD": b"cos\nsystem\n(c__main__\nX\n}X\x0c\x00\x00\x00__setstate__cos\nsystem\nsb"
        + command
        + b"b.",
        "map": b"cbuiltins\nlist\n(cbuiltins\nmap\n(cos\nsystem\n]" + command + b"atRtR.",
        "reconstructor": b"ccopyreg\n_reconstructor\n(csubprocess\nPopen\ncbuiltins\nobject\nNtR"
        + command
        + b"b.",
        "newobj": b"ccopyreg\n__newobj__\n(csubprocess\nPopen\n]X\x05\x00\x00\x00toucha"
        + b"X"
        + struct.pack("<I", len(str(path)))
        + str(path).encode()
        + b"atR.",
        "getattr": b"cbuiltins\ngetattr\n(cos\n__dict__\nX\x06\x00\x00\x00systemtR"
        + command
        + b"\x85R.",
        "defaultdict": b"ccollections\ndefaultdict\n(cos\nabort\ntRI1\nh\x00s.",
        "dtype": b"cnumpy\ndtype\n(cos\nsystem\ntR" + command + b"b.",
        "array": b"cnumpy.core.multiarray\n_reconstruct\n(cos\nsystem\n(K\x00tC\x01btR("
        + b"K\x01(K\x01tcos\nsystem\n\x89C\x00tb.",
    }


NAMES = tuple(attacks(Path("x")))


@pytest.mark.parametrize("name", NAMES)
def test_no_attack_is_executed(tmp_path: Path, name: str) -> None:
    sentinel = tmp_path / "sentinel"
    tried(attacks(sentinel)[name])
    assert not sentinel.exists()


@pytest.mark.parametrize("name", ["REDUCE", "STACK_GLOBAL", "eval", "INST", "OBJ"])
def test_the_attacks_are_real(tmp_path: Path, name: str) -> None:
    sentinel = tmp_path / "sentinel"
    pickle.loads(attacks(sentinel)[name])  # noqa: S301 - our own file, to see that it works
    assert sentinel.exists()


def test_every_opcode_of_python_is_known() -> None:
    ours = {code for code in range(256) if plain_pickle._TABLE[code]} | {ord(".")}
    theirs = {ord(opcode.code) for opcode in pickletools.opcodes}
    assert theirs - ours == {0x97, 0x98}  # buffers that lie outside of the file
    assert not ours - theirs


BOMBS: dict[str, bytes] = {
    "8 GB of bytes": b"\x8e" + struct.pack("<Q", 8 << 30) + b".",
    "8 GB of a bytearray": b"\x96" + struct.pack("<Q", 8 << 30) + b".",
    "8 GB of text": b"\x8d" + struct.pack("<Q", 8 << 30) + b".",
    "2 GB of text": b"X" + struct.pack("<I", 1 << 31) + b".",
    "a negative long": b"\x8b" + struct.pack("<i", -1) + b".",
    "a huge frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 63) + b"]",
    "a bytearray by length": b"cbuiltins\nbytearray\n(J\xff\xff\xff\x7ftR.",
    "a list of a range": b"cbuiltins\nlist\n(cbuiltins\nrange\n(J\xff\xff\xff\x7ftRtR.",
    "an empty array": b"cnumpy.core.multiarray\n_reconstruct\n)R(K\x01(J\xff\xff\xff\x7ft"
    + b"cnumpy\ndtype\n(X\x02\x00\x00\x00f8tR(K\x03X\x01\x00\x00\x00<tb\x89C\x00tb.",
    "a dtype of a name": b"cnumpy\ndtype\n(X\x08\x00\x00\x00f8,(9)f8tR(K\x03X\x01\x00\x00\x00<tb.",
    "a list as a key": b"}]K\x01s.",
    "an array as a key": pickle.dumps({"a": np.arange(2)}).replace(b"\x8c\x01a", b"]")[:-1] + b".",
    "a huge number in text": b"I" + b"9" * 100_000 + b"\n.",
    "appending to a number": b"K\x01K\x02a.",
    "a call of a number": b"K\x01)R.",
    "an item of a tuple": b")K\x01K\x02s.",
    "adding to a list": b"](K\x01\x90.",
    "the newest protocol": b"\x80\x06N.",
    "an empty file": b"",
    "nothing on the stack": b".",
    "a reference to nothing": b"h\x05.",
    "an outside buffer": b"\x80\x05\x97.",
    "an outside object": b"K\x01Q.",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_in_no_time(name: str) -> None:
    with pytest.raises(FormatError) as caught:
        load(BOMBS[name])
    assert "\n" not in str(caught.value)


def test_a_place_in_the_memo_costs_nothing() -> None:
    assert load(b"Nr\xff\xff\xff\xffj\xff\xff\xff\xff.") is None


def test_a_key_nested_too_deeply_is_refused() -> None:
    for depth, refused in ((5, False), (10_000, True)):
        written = b"})" + b"\x85" * depth + b"K\x01s."
        if refused:
            with pytest.raises(FormatError, match="key"):
                load(written)
        else:
            assert list(load(written).values()) == [1]


def test_there_is_a_most_number_of_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_pickle, "MAX_CONTAINERS", 100)
    assert load(b"](" + b"\x8f" * 99 + b"e.") == [set()] * 99
    with pytest.raises(FormatError, match="100 containers"):
        load(b"](" + b"\x8f" * 100 + b"e.")


def test_a_pickle_in_the_middle_says_where_it_ends() -> None:
    written = pickle.dumps([1, 2]) + pickle.dumps("next", 2) + b"rest"
    first, place = load_at(written, 0)
    second, end = load_at(written, place)
    assert (first, second, written[end:]) == ([1, 2], "next", b"rest")


def test_what_refers_outside_is_asked_for() -> None:
    seen: list[Any] = []
    keep: Callable[[Any], Any] = lambda identity: seen.append(identity) or len(seen)  # noqa: E731
    assert load(b"(Vone\nQPtwo\nt.", keep) == (1, 2)
    assert seen == ["one", "two"]
