"""TFRecord files, their checksums, and protobuf messages."""

import struct
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnx_bench.formats import compressed, protobuf, tfrecord
from onnx_bench.formats.errors import FormatError
from onnx_bench.formats.tfrecord import crc32c, masked, records

# Published check values: RFC 3720, appendix B.4, and the catalogue of parametrised CRCs.
KNOWN = {
    b"": 0x00000000,
    b"a": 0xC1D04330,
    b"abc": 0x364B3FB7,
    b"123456789": 0xE3069283,
    bytes(32): 0x8A9136AA,
    b"\xff" * 32: 0x62A8AB43,
    bytes(range(32)): 0x46DD794E,
}


def slowly(message: bytes) -> int:
    """CRC-32C bit by bit, as its definition says."""
    register = 0xFFFFFFFF
    for byte in message:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def test_published_checksums() -> None:
    assert crc32c(list(KNOWN)).tolist() == list(KNOWN.values())


@given(st.lists(st.binary(max_size=40), max_size=30))
def test_checksums_side_by_side_are_those_one_by_one(messages: list[bytes]) -> None:
    assert crc32c(messages).tolist() == [slowly(message) for message in messages]


def file_of(path: Path, *contents: bytes) -> Path:
    """Written with the slow checksum, so that reader and writer have nothing in common."""

    def mask(data: bytes) -> bytes:
        value = slowly(data)
        return struct.pack("<I", ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    heads = [struct.pack("<Q", len(content)) for content in contents]
    pairs = zip(heads, contents, strict=True)
    path.write_bytes(b"".join(h + mask(h) + c + mask(c) for h, c in pairs))
    return path


def test_records_come_back_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tfrecord, "BATCH", 3)
    contents = [b"", b"a", bytes(1000), b"four", b"\xff" * 77, b"x", b"last"]
    assert list(records(file_of(tmp_path / "a", *contents))) == contents
    assert list(records(file_of(tmp_path / "b"))) == []


def test_the_mask_is_the_published_one() -> None:
    assert (
        masked(crc32c([b"123456789"]))[0]
        == (((0xE3069283 >> 15) | (0xE3069283 << 17)) + 0xA282EAD8) & 0xFFFFFFFF
    )


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = file_of(tmp_path / "a", b"first", b"second")
    whole = path.read_bytes()
    for end in set(range(1, len(whole))) - {len(whole) - 22}:
        path.write_bytes(whole[:end])
        with pytest.raises(FormatError, match=r"record [12]: cut short"):
            list(records(path))


def test_any_damaged_byte_is_noticed(tmp_path: Path) -> None:
    path = file_of(tmp_path / "a", b"first", b"second")
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        with pytest.raises(FormatError, match=r"record [12]"):
            list(records(path))


def test_a_record_of_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(struct.pack("<QI", 8 << 30, 0) + b"x")
    start = time.process_time()
    with pytest.raises(FormatError, match="not a TFRecord"):
        list(records(path))
    assert time.process_time() - start < 1


# protobuf


def test_fields_of_every_wire_type() -> None:
    data = b"\x08\x96\x01" + b"\x11" + struct.pack("<d", 0.5) + b"\x1a\x02hi"
    data += b"\x25" + struct.pack("<f", 1.5) + b"\x28" + b"\xff" * 9 + b"\x01"
    found = list(protobuf.fields(data))
    assert found == [(1, 150), (2, 0.5), (3, b"hi"), (4, 1.5), (5, (1 << 64) - 1)]


@pytest.mark.parametrize(
    "data",
    [
        b"\x08",
        b"\x08\xff",
        b"\x11\x00",
        b"\x1a\x05hi",
        b"\x25\x00",
        b"\x0b",
        b"\x80" * 11 + b"\x01",
    ],
)
def test_broken_messages_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        list(protobuf.fields(data))


# compressed files


@pytest.mark.parametrize("kind", ["bz2", "gzip", "plain"])
def test_compressed_files_come_back_and_bombs_do_not(tmp_path: Path, kind: str) -> None:
    import bz2
    import gzip

    squeeze = {"bz2": bz2.compress, "gzip": gzip.compress, "plain": bytes}[kind]
    path = tmp_path / "a"
    path.write_bytes(squeeze(bytes(40 << 20)))
    assert compressed.unpacked(path) == bytes(40 << 20)
    with pytest.raises(FormatError, match="more than 20 MB"):
        compressed.unpacked(path, 20 << 20)
    whole = squeeze(b"some text that is not very long")
    assert compressed.unpacked(_written(path, whole)) == b"some text that is not very long"
    if kind != "plain":
        for end in range(3, len(whole)):
            with pytest.raises(FormatError):
                compressed.unpacked(_written(path, whole[:end]))


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
