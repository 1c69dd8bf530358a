"""HW-NAS-Bench (Li et al., ICLR 2021): what the 15,625 cells cost on six devices, CIFAR-10.

Labels: `DEVICE-latency` (ms; `edgegpu-latency` is the default one) and `DEVICE-energy` (mJ; of
edgegpu, eyeriss and fpga only). Less is better, so a LabelTable holds the negated values. The Edge
TPU cannot compile 4,699 of the cells, which have no such label.
"""

from onnx_bench.benchmarks.base import Benchmark, Label
from onnx_bench.benchmarks.nasbench201_csv import published, reader

FILE = "hw_cifar10.csv"
DEVICES = ("edgegpu", "raspi4", "edgetpu", "pixel3", "eyeriss", "fpga")
METERED = ("edgegpu", "eyeriss", "fpga")
NOT_COMPILED = -1.0


def _label(device: str, metric: str, unit: str) -> Label:
    return Label(
        f"{device}-{metric}",
        (f"{device}_{metric}_{unit}",),
        "cifar10",
        metric=metric,
        split="",
        higher_is_better=False,
        missing=NOT_COMPILED,
    )


def _with_unit(column: str) -> str:
    units = {"latency": "_ms", "energy": "_mJ"}
    return column + units.get(column.rpartition("_")[2], "")


BENCHMARK = Benchmark(
    name="nasbench201-hardware",
    folder="nasbench201",
    title="latency of all 15,625 cells on six devices, and energy on three",
    source="HW-NAS-Bench: Li et al., ICLR 2021",
    licence="MIT",
    families=("nasbench201",),
    networks=lambda frame: "nasbench201:" + frame["arch_str"],
    labels=(
        *(_label(device, "latency", "ms") for device in DEVICES),
        *(_label(device, "energy", "mJ") for device in METERED),
    ),
    needs=("arch_str",),
    table="hardware.parquet",
    downloads=(published(FILE, "bbd68d36a1c0d714d342497338402ca5f36d2e0f", megabytes=2.7),),
    original=reader(FILE, _with_unit),
)
