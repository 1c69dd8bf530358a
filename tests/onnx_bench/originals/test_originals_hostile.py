"""Hostile, cut and random files for every reader of the authors' own files.

A reader gives data or a LabelError of one line; what a file would run is never run.
"""

import bz2
import gzip
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from foreign_files import (
    ATTACKS,
    attack,
    run_of_nasbench101,
    write_tfrecord,
    write_torch_row,
    write_torch_zip,
)

from onnx_bench.errors import LabelError
from onnx_bench.originals import (
    grapharch,
    nasbench101,
    nasbench201,
    nasbench301,
    nats_sss,
    onnx_bench_hub,
    transnas,
)
from onnx_bench.originals.gennape_caches import read_graphs

Write = Callable[[Path, bytes], Any]
Read = Callable[[Path], Any]


def plain(name: str) -> Write:
    def write(folder: Path, data: bytes) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    return write


def squeezed(name: str) -> Write:
    return lambda folder, data: plain(name)(folder, bz2.compress(data))


def in_tar(folder: Path, data: bytes) -> None:
    content = bz2.compress(data)
    with tarfile.open(folder / "NATS-tss-v1_0-3ffb9-simple.tar", "w") as archive:
        entry = tarfile.TarInfo("x/000000.pickle.pbz2")
        entry.size = len(content)
        archive.addfile(entry, BytesIO(content))


def graphs(name: str) -> Read:
    return lambda folder: list(read_graphs(folder / name))


OLD, TRANS = "NAS-Bench-201-v1_1-096897.pth", "transnas-bench_v10141024.pth"
PLACES: dict[str, tuple[Write, Read]] = {
    "nats folder": (squeezed("NATS-tss-x-simple/000000.pickle.pbz2"), nasbench201.read),
    "nats meta": (squeezed("NATS-tss-x-simple/meta.pickle.pbz2"), nasbench201.read),
    "nats file": (squeezed("NATS-tss-v1_0-3ffb9.pickle.pbz2"), nasbench201.read),
    "nats tar": (in_tar, nasbench201.read),
    "nats sizes": (squeezed("NATS-sss-x-simple/000000.pickle.pbz2"), nats_sss.read),
    "old zip": (lambda f, d: write_torch_zip(f / OLD, d), nasbench201.read),
    "old row": (lambda f, d: write_torch_row(f / OLD, d), nasbench201.read),
    "transnas zip": (lambda f, d: write_torch_zip(f / TRANS, d), transnas.read),
    "transnas row": (lambda f, d: write_torch_row(f / TRANS, d), transnas.read),
    "a pickle as pth": (plain(TRANS), transnas.read),
    "gennape": (plain("cache.pkl"), graphs("cache.pkl")),
    "gennape in gzip": (
        lambda f, d: plain("cache.pkl")(f, gzip.compress(d)),
        graphs("cache.pkl"),
    ),
    "gennape json": (plain("cache.json"), graphs("cache.json")),
    "nasbench101": (plain("nasbench_full.tfrecord"), nasbench101.read),
    "nasbench301": (plain("nb_301_v13/rs/results_0.json"), nasbench301.read),
    "onnx": (plain("a/b.onnx"), onnx_bench_hub.read),
    "grapharch": (plain("data.parquet"), grapharch.read),
    "records": (lambda f, d: write_tfrecord(f / "a.tfrecord", [d]), nasbench101.read),
}
"""Where the bytes go, and who reads them."""


def tried(read: Read, folder: Path) -> None:
    """Reads; a refusal is one line, and any other exception fails the test."""
    try:
        read(folder)
    except LabelError as error:
        refused = str(error)
    else:
        return
    assert "\n" not in refused
    assert len(refused) < 600


@pytest.mark.filterwarnings("ignore:.*networks are there")
@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("place", PLACES)
def test_nothing_in_a_file_is_executed(tmp_path: Path, place: str, name: str) -> None:
    sentinel, folder = tmp_path / "sentinel", tmp_path / "data"
    folder.mkdir()
    write, read = PLACES[place]
    write(folder, attack(name, sentinel))
    tried(read, folder)
    assert not sentinel.exists()


@pytest.mark.parametrize("place", PLACES)
def test_random_bytes_are_refused(tmp_path: Path, place: str) -> None:
    rng = np.random.default_rng(0)
    write, read = PLACES[place]
    for size in (0, 1, 2, 3, 4, 5, 20, 100, 1000):
        for _ in range(4):
            write(tmp_path, rng.bytes(size))
            tried(read, tmp_path)


STARTS = (
    b"BZh9",
    b"\x1f\x8b\x08",
    b"PK\x03\x04",
    b"\x80\x04",
    b"PAR1",
    b"{",
    b"ustar",
    b"\x08\x0a",
)


@pytest.mark.parametrize("place", PLACES)
def test_random_bytes_behind_a_right_start_are_refused(tmp_path: Path, place: str) -> None:
    rng = np.random.default_rng(1)
    for name in ("NATS-tss-v1_0-3ffb9.pickle.pbz2", TRANS, "cache.pkl", "data.parquet"):
        for start in STARTS:
            plain(name)(tmp_path, start + rng.bytes(200))
    for start in STARTS:
        write, read = PLACES[place]
        write(tmp_path, start + rng.bytes(200))
        tried(read, tmp_path)


def test_folders_where_files_should_be_are_refused(tmp_path: Path) -> None:
    for name, read in (
        ("nasbench_full.tfrecord", nasbench101.read),
        (OLD, nasbench201.read),
        ("NATS-sss-x.pickle.pbz2", nats_sss.read),
        (TRANS, transnas.read),
        ("a.onnx", onnx_bench_hub.read),
        ("a.parquet", grapharch.read),
        ("results_0.json", nasbench301.read),
        ("cache.pkl", graphs("cache.pkl")),
    ):
        (tmp_path / name).mkdir()
        with pytest.raises(LabelError):
            read(tmp_path)


def test_a_truncated_tar_is_refused(tmp_path: Path) -> None:
    in_tar(tmp_path, b"N.")
    path = tmp_path / "NATS-tss-v1_0-3ffb9-simple.tar"
    whole = path.read_bytes()
    for end in (513, 520, 550):
        path.write_bytes(whole[:end])
        tried(nasbench201.read, tmp_path)


def test_a_bomb_of_zeros_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnx_bench.originals.nats_archive.MAX_NETWORK", 1 << 20)
    squeezed("NATS-tss-x-simple/000000.pickle.pbz2")(tmp_path, bytes(8 << 20))
    with pytest.raises(LabelError, match="more than 1 MB"):
        nasbench201.read(tmp_path)


def test_every_damaged_byte_of_a_record_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "nasbench_full.tfrecord"
    run = run_of_nasbench101("0a" * 16, 108, 0.9, 0.8, 5, 7)
    whole = write_tfrecord(path, [run]).read_bytes()
    for place in range(0, len(whole), 17):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(LabelError, match=r"record 1"):
            nasbench101.read(tmp_path)
