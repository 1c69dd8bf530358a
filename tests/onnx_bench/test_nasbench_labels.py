"""The labels of NAS-Bench-101 and 201: known figures, and the authors' own files in small."""

import base64
import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from onnx_bench import benchmarks
from onnx_bench.benchmarks import Label, benchmark
from onnx_bench.benchmarks.base import everything
from onnx_bench.benchmarks.nasbench101 import FILE
from onnx_bench.errors import LabelError
from onnx_bench.formats.tfrecord import crc32c, masked

CELL = (
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
    "+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
)
MIXED = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|"
    "+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"
)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "subset", "rows"),
    [
        ("nasbench101", None, 28_963),
        ("nasbench101", "all", 151_644),
        ("nasbench101-budgets", None, 30_001),
        ("nasbench201", None, 15_625),
        ("nasbench201", "no-none", 4_096),
        ("nasbench201", "distinct", 6_466),
        ("nasbench201", "reachable", 9_444),
        ("nasbench201-hardware", None, 15_625),
        ("nasbench201-robustness", "distinct", 6_466),
        ("nasbench201-adversarial", "distinct", 6_466),
    ],
)
def test_the_public_tables_have_their_rows(
    data_root: Path, name: str, subset: str | None, rows: int
) -> None:
    table = benchmarks.read(name, data_root, subset=subset)
    assert len(table) == len(set(table.networks)) == len(table.values) == rows
    assert set(table.kinds) == {name.partition("-")[0]}


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "label", "best"),
    [
        ("nasbench101", "cifar10-test-108", 94.318),
        ("nasbench201", None, 94.373),
        ("nasbench201", "cifar100-test-200", 73.513),
        ("nasbench201", "imagenet16-test-200", 47.311),
        ("nasbench201", "cifar10-val-200-nb201v11", 91.607),
        ("nasbench201-robustness", "cifar10-val-200", 91.57),
        ("nasbench201-adversarial", "cifar10-pgd-8", 48.113),
    ],
)
def test_the_best_networks_score_what_is_published(
    data_root: Path, name: str, label: str | None, best: float
) -> None:
    table = benchmarks.read(name, data_root, label, "all")
    assert round(table.values.max(), 3) == best


@pytest.mark.data
def test_the_networks_of_a_row_are_those_of_the_row(data_root: Path) -> None:
    table = benchmarks.read("nasbench201", data_root)
    assert [graph.name for graph in table.take([0, 1]).graphs()] == [
        f"nasbench201:{CELL}",
        f"nasbench201:{MIXED}",
    ]


@pytest.mark.data
def test_a_label_of_several_runs_is_their_mean_whether_two_or_three(data_root: Path) -> None:
    frame = benchmark("nasbench201").frame(data_root)
    table = benchmarks.read("nasbench201", data_root, "cifar10-val-200")
    np.testing.assert_allclose(table.values, frame["c10valid_val_200_mean"], atol=1e-4)
    long = benchmark("nasbench201").long(data_root, ["cifar10-val-200"])
    assert long["seed"].value_counts().to_dict() == {0: 15_625, 1: 15_625, 2: 8_169}
    assert set(long["split"]) == {"val"}


@pytest.mark.data
def test_budgets_are_ordered_as_longer_training_is(data_root: Path) -> None:
    means = [
        benchmarks.read("nasbench101-budgets", data_root, f"cifar10-val-{epochs}").values.mean()
        for epochs in (4, 12, 36, 108)
    ]
    assert means == sorted(means)


@pytest.mark.data
def test_a_cost_is_negated_and_what_does_not_compile_is_left_out(data_root: Path) -> None:
    """The first row is printed in the README of HW-NAS-Bench."""
    gpu = benchmarks.read("nasbench201-hardware", data_root)
    assert gpu.values[0] == pytest.approx(-5.807418537139893)
    tpu = benchmarks.read("nasbench201-hardware", data_root, "edgetpu-latency")
    assert len(tpu) == 15_625 - 4_699
    assert tpu.values[0] == pytest.approx(-0.9571811309997429)
    assert tpu.values.max() < 0
    long = benchmark("nasbench201-hardware").long(data_root, ["edgetpu-latency"])
    assert (long["value"] > 0).all()


@pytest.mark.data
def test_fractions_become_percent(data_root: Path) -> None:
    table = benchmarks.read("nasbench201-adversarial", data_root)
    assert 10 <= table.values.min() < 79 < table.values.max() < 80


def test_only_labels_with_a_licence_may_ship() -> None:
    ships = {label.name for label in benchmark("nasbench201").labels if label.ships}
    assert "cifar10-val-200" in ships
    assert "imagenet16-test-200-nb201v11" in ships
    assert "cifar100-val-12" in ships
    assert not any(name.endswith(("-test-200", "-oneseed", "-time-200")) for name in ships)
    assert all(label.ships for label in benchmark("nasbench201-hardware").labels)
    assert not any(label.ships for label in benchmark("nasbench201-adversarial").labels)


def test_a_subset_whose_column_is_missing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    frame = pd.DataFrame({"network": ["a"], "top1": [90.0]})
    frame.to_parquet(tmp_path / "tiny" / "labels.parquet")
    tiny = replace(
        benchmark("nasbench201"),
        folder="tiny",
        networks=lambda frame: frame["network"],
        labels=(Label("top1", ("top1",), "tiny"),),
        subsets={"all": everything, "good": lambda frame: frame["mark"] > 1},
        needs=(),
    )
    assert tiny.read(tmp_path).networks == ("a",)
    with pytest.raises(LabelError, match="no column 'mark', which the subset 'good' reads"):
        tiny.read(tmp_path, subset="good")


@pytest.mark.data
def test_distinct_networks_are_one_of_each_group_of_the_table(data_root: Path) -> None:
    frame = benchmark("nasbench201").frame(data_root)
    table = benchmarks.read("nasbench201", data_root, subset="distinct")
    first = frame.drop_duplicates("iso_group")
    assert table.networks == tuple("nasbench201:" + first["arch_str"])


# the authors' own files


def field(number: int, value: float | int | bytes) -> bytes:
    """A field of a protocol buffer, as the format's description has it."""
    if isinstance(value, float):
        return bytes([number << 3 | 1]) + struct.pack("<d", value)
    if isinstance(value, int):
        return bytes([number << 3]) + varint(value)
    return bytes([number << 3 | 2]) + varint(len(value)) + value


def varint(value: int) -> bytes:
    low, high = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(high) if high else bytes([low])


def evaluation(epoch: float, validation: float, test: float) -> bytes:
    numbers = {1: epoch, 2: 3.5 * epoch, 3: 0.99, 4: validation, 5: test}
    return b"".join(field(number, value) for number, value in numbers.items())


def record(module_hash: str, epochs: int, cell: tuple[str, str], last: bytes) -> bytes:
    metrics = field(1, evaluation(0.0, 0.1, 0.1)) + field(1, last) + field(2, 8_555_530)
    metrics += field(3, 1234.5)
    coded = base64.b64encode(metrics).decode()
    content = json.dumps([module_hash, epochs, *cell, coded]).encode()
    head = struct.pack("<Q", len(content))
    sums = [struct.pack("<I", int(sum_)) for sum_ in masked(crc32c([head, content]))]
    return head + sums[0] + content + sums[1]


DEEP = ("0110001000010000", "input,conv3x3-bn-relu,conv1x1-bn-relu,output")
EMPTY = ("0100", "input,output")


@pytest.fixture
def tfrecord(tmp_path: Path) -> Path:
    """Two cells with three runs each, and one run of four epochs."""
    path = tmp_path / "nasbench101" / FILE
    path.parent.mkdir()
    records = [record("aa", 108, DEEP, evaluation(108.0, 0.9 + i / 100, 0.8)) for i in range(3)]
    records += [record("bb", 108, EMPTY, evaluation(108.0, 0.5, 0.25 * (1 + i))) for i in range(3)]
    records.insert(2, record("aa", 4, DEEP, evaluation(4.0, 0.2, 0.2)))
    path.write_bytes(b"".join(records))
    return path


def test_the_authors_file_of_nasbench101_is_read_without_a_table(
    tfrecord: Path, tmp_path: Path
) -> None:
    table = benchmarks.read("nasbench101", tmp_path)
    assert table.networks == tuple(f"nasbench101:{a}:{ops}" for a, ops in (DEEP, EMPTY))
    assert table.values == pytest.approx([91.0, 50.0])
    test = benchmarks.read("nasbench101", tmp_path, "cifar10-test-108", "all")
    assert test.values == pytest.approx([80.0, 50.0])
    frame = benchmark("nasbench101").frame(tmp_path)
    assert frame["trainable_parameters"].tolist() == [8_555_530] * 2
    assert len(benchmark("nasbench101").long(tmp_path)) == 12
    assert len(list(table.graphs())) == 2
    assert tfrecord.is_file()


def test_a_cut_file_of_nasbench101_is_refused(tfrecord: Path, tmp_path: Path) -> None:
    whole = tfrecord.read_bytes()
    for cut in (5, 30):
        tfrecord.write_bytes(whole[:-cut])
        with pytest.raises(LabelError, match=f"{FILE}: .*cut short.*fetch nasbench101"):
            benchmarks.read("nasbench101", tmp_path)


def test_budgets_come_from_the_same_file(tfrecord: Path, tmp_path: Path) -> None:
    best = benchmarks.read("nasbench101-budgets", tmp_path)
    assert best.values == pytest.approx([92.0, 50.0])
    short = benchmarks.read("nasbench101-budgets", tmp_path, "cifar10-val-4")
    assert (len(short), short.values[0]) == (1, pytest.approx(20.0))
    with pytest.raises(LabelError, match="no column val_acc_36_max3 for the label"):
        benchmarks.read("nasbench101-budgets", tmp_path, "cifar10-val-36")
    assert tfrecord.is_file()


def test_the_table_goes_before_the_authors_file(tfrecord: Path, tmp_path: Path) -> None:
    frame = benchmark("nasbench101").frame(tmp_path)
    frame.iloc[:1].to_parquet(tfrecord.with_name("labels.parquet"))
    assert len(benchmarks.read("nasbench101", tmp_path)) == 1


def csv(folder: Path, name: str, header: str, *rows: str) -> None:
    (folder / "nasbench201").mkdir(exist_ok=True)
    (folder / "nasbench201" / name).write_text("\n".join((header, *rows)) + "\n")


def test_the_published_hardware_csv_is_read_without_a_table(tmp_path: Path) -> None:
    csv(
        tmp_path,
        "hw_cifar10.csv",
        "net,edgegpu_latency,edgetpu_latency,fpga_energy",
        '"(4, 3, 3, 0, 0, 0)",5.8,0.95,18.0',
        '"(2, 2, 0, 4, 2, 0)",6.5,-1.0,37.2',
    )
    gpu = benchmarks.read("nasbench201-hardware", tmp_path)
    assert gpu.networks == (f"nasbench201:{CELL}", f"nasbench201:{MIXED}")
    assert gpu.values.tolist() == [-5.8, -6.5]
    tpu = benchmarks.read("nasbench201-hardware", tmp_path, "edgetpu-latency")
    assert tpu.values.tolist() == [-0.95]
    with pytest.raises(LabelError, match="no column raspi4_latency_ms for the label"):
        benchmarks.read("nasbench201-hardware", tmp_path, "raspi4-latency")


def test_the_published_robustness_csv_is_read_without_a_table(tmp_path: Path) -> None:
    csv(
        tmp_path,
        "robustness_targets.csv",
        "net,val_accs,fgsm@Linf_eps-1.0,aa_apgd-ce@Linf_eps-0.1",
        '"(2, 2, 0, 4, 2, 0)",84.9,46.7,84.6',
    )
    read = {
        label: benchmarks.read("nasbench201-robustness", tmp_path, label).values.tolist()
        for label in ("cifar10-val-200", "cifar10-fgsm-1", "cifar10-apgd-0.1")
    }
    expected = {"cifar10-val-200": [84.9], "cifar10-fgsm-1": [46.7], "cifar10-apgd-0.1": [84.6]}
    assert read == expected


@pytest.mark.parametrize(
    ("name", "file"), [("nasbench101", FILE), ("nasbench201-hardware", "hw_cifar10.csv")]
)
def test_where_neither_file_is_there_the_message_says_how_to_get_one(
    tmp_path: Path, name: str, file: str
) -> None:
    table = tmp_path / benchmark(name).folder / benchmark(name).table
    with pytest.raises(LabelError) as caught:
        benchmarks.read(name, tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{table}: no such file")
    assert file in message
    assert message.endswith(f"or get it: onnx-bench fetch {name}")
