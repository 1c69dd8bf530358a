"""HELP (Lee et al., NeurIPS 2021): how long 5,000 subnets of Once-for-All's MobileNetV3 take.

Labels: `DEVICE-BATCH`, milliseconds for a batch of 1, 32 or 64 images on one of four GPUs; the
images have 128 to 224 pixels, as the network's text says. Less is better, so a LabelTable holds the
negated values. Slots of a stage that are not used are in the table, and left out of the text.
"""

import re

import pandas as pd

from onnx_bench.benchmarks.base import Benchmark, Label

DEVICES = ("2080ti", "titan_rtx", "titan_xp", "v100")
BATCHES = (1, 32, 64)
SLOTS = 4


def active_spec(kernels: str, expansions: str, depths: str, resolution: int) -> str:
    """The text of a subnet from its lists of 20 slots, four a stage: `[7, 5, ...]` or `7 5 ...`."""
    numbers = re.findall(r"\d+", depths)
    used = [
        stage * SLOTS + slot for stage, depth in enumerate(numbers) for slot in range(int(depth))
    ]

    def join(values: str) -> str:
        slots = re.findall(r"\d+", values)
        return "-".join(slots[i] for i in used)

    return f"d={'-'.join(numbers)};ks={join(kernels)};e={join(expansions)};r={resolution}"


def _networks(frame: pd.DataFrame) -> "pd.Series[str]":
    columns = zip(frame["ks"], frame["e"], frame["d"], frame["r"], strict=True)
    return pd.Series([f"ofa-mbv3:{active_spec(*row)}" for row in columns], frame.index)


BENCHMARK = Benchmark(
    name="ofa-mbv3-latency",
    folder="ofa_mobilenetv3",
    title="latency of 5,000 subnets of the MobileNetV3 supernet on four GPUs",
    source="HELP: Lee et al., NeurIPS 2021",
    licence="MIT",
    families=("ofa-mbv3",),
    networks=_networks,
    labels=tuple(
        Label(
            f"{device.replace('_', '-')}-{batch}",
            (f"{device}_{batch}",),
            "imagenet",
            metric="latency",
            split="",
            higher_is_better=False,
        )
        for device in DEVICES
        for batch in BATCHES
    ),
    needs=("ks", "e", "d", "r"),
    table="latency.parquet",
)
