"""Small files in the formats of the benchmarks' authors, and hostile ones of the same kinds."""

import base64
import bz2
import json
import pickle
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from onnx_bench.formats.tfrecord import crc32c, masked


def write_tfrecord(path: Path, contents: Sequence[bytes]) -> Path:
    """Records with the right checksums."""
    heads = [struct.pack("<Q", len(content)) for content in contents]
    sums = zip(masked(crc32c(heads)), masked(crc32c(contents)), strict=True)
    path.write_bytes(
        b"".join(
            head + struct.pack("<I", one) + content + struct.pack("<I", two)
            for head, content, (one, two) in zip(heads, contents, sums, strict=True)
        )
    )
    return path


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def message(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def run_of_nasbench101(
    module: str, epochs: int, val: float, test: float, seconds: float, parameters: int
) -> bytes:
    """A record as the benchmark's own library writes it."""

    def evaluation(epoch: float, share: float) -> bytes:
        values = (epoch, share * seconds, 0.99, share * val, share * test)
        numbered = enumerate(values, 1)
        fields = b"".join(bytes([n << 3 | 1]) + struct.pack("<d", v) for n, v in numbered)
        return message(1, fields + message(6, b"/ckpt"))

    metrics = evaluation(0, 0) + evaluation(epochs / 2, 0.5) + evaluation(epochs, 1)
    metrics += b"\x10" + varint(parameters) + b"\x19" + struct.pack("<d", 2 * seconds)
    coded = base64.b64encode(metrics).decode()
    operations = "input,conv3x3-bn-relu,output"
    return json.dumps([module, epochs, "010001000", operations, coded]).encode()


def write_bz2(path: Path, value: Any) -> Path:
    """A pickle within bzip2, as NATS-Bench's library writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bz2.compress(pickle.dumps(value, 4)))
    return path


def training(
    dataset: str, seed: int, epochs: int, accuracies: dict[str, float], seconds: float = 10.0
) -> dict[str, Any]:
    """The attributes of a `ResultsCount`; earlier epochs are worse by 1 each."""
    names = [name for name in accuracies if name != "train"]
    return {
        "name": "infer",
        "net_state_dict": None,
        "train_acc1es": {i: accuracies["train"] - (epochs - 1 - i) for i in range(epochs)},
        "train_acc5es": None,
        "train_losses": dict.fromkeys(range(epochs), 0.5),
        "train_times": dict.fromkeys(range(epochs), seconds / epochs),
        "arch_config": {"name": "infer.tiny", "channel": 16, "class_num": 10},
        "params": 0.129306,
        "flop": 17.958592,
        "seed": seed,
        "epochs": epochs,
        "latency": [0.01],
        "eval_names": names,
        "eval_acc1es": {
            f"{name}@{i}": accuracies[name] - (epochs - 1 - i)
            for name in names
            for i in range(epochs)
        },
        "eval_times": {},
        "eval_losses": {},
        "dataset": dataset,
    }


def results(index: int, arch: str, trainings: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The attributes of an `ArchResults`."""
    seeds: dict[str, list[int]] = {}
    for one in trainings:
        seeds.setdefault(one["dataset"], []).append(one["seed"])
    return {
        "arch_index": index,
        "arch_str": arch,
        "all_results": {(one["dataset"], one["seed"]): one for one in trainings},
        "dataset_seed": seeds,
        "clear_net_done": True,
    }


ATTACKS = ("reduce", "stack-global", "inst", "nested")


def attack(name: str, sentinel: Path) -> bytes:
    """A pickle that makes the file `sentinel`, when it is loaded as Python does it."""
    shell = f"touch {sentinel}".encode()
    command = b"X" + struct.pack("<I", len(shell)) + shell
    called = b"cos\nsystem\n(" + command + b"tR"
    return {
        "reduce": called + b".",
        "stack-global": b"\x80\x04\x8c\x02os\x8c\x06system\x93" + command + b"\x85R.",
        "inst": b"(" + command + b"ios\nsystem\n.",
        "nested": b"}(X\x0a\x00\x00\x00meta_archs]("
        + called
        + b"eX\x0a\x00\x00\x00arch2infos}K\x00"
        + called
        + b"sX\x04\x00\x00\x00data}X\x05\x00\x00\x00micro"
        + called
        + b"su.",
    }[name]


def write_torch_zip(path: Path, pickled: bytes) -> Path:
    """A pickle where torch.save puts its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")
    return path


def write_torch_row(path: Path, pickled: bytes) -> Path:
    """The same in the layout before torch 1.6."""
    path.parent.mkdir(parents=True, exist_ok=True)
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    parts = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, system)]
    path.write_bytes(b"".join(parts) + pickled + pickle.dumps([], 2))
    return path
