"""The cell space of TransNAS-Bench-101 (Duan et al., CVPR 2021): 4,096 cells on seven tasks.

Labels are of the last epoch, on the validation part of Taskonomy images. The networks are those
of class_scene, the first task: a graph of another task is named `transnas-micro@TASK:...`.
"""

import pandas as pd

from onnx_bench.benchmarks.base import Benchmark, Label, Mask
from onnx_bench.originals import transnas as published

EPOCHS = {
    "class_scene": 25,
    "class_object": 25,
    "room_layout": 25,
    "jigsaw": 10,
    "segmentsemantic": 30,
    "normal": 30,
    "autoencoder": 30,
}
COLUMNS = {
    "class_scene": ("class_scene_val_top1_pct", "accuracy"),
    "class_object": ("class_object_val_top1_pct", "accuracy"),
    "room_layout": ("room_layout_val_neg_loss", "negative loss"),
    "jigsaw": ("jigsaw_val_top1_pct", "accuracy"),
    "segmentsemantic": ("segmentsemantic_val_pixacc_pct", "accuracy"),
    "normal": ("normal_val_ssim", "ssim"),
    "autoencoder": ("autoencoder_val_ssim", "ssim"),
}
"""The column of each task and what it measures; all are the better the higher they are."""


def of_space(space: str) -> Mask:
    """The rows of one of the two spaces that share the table."""

    def mask(frame: pd.DataFrame) -> "pd.Series[bool]":
        return frame["space"] == space

    return mask


def labels() -> tuple[Label, ...]:
    """A label for each task."""
    return tuple(
        Label(f"{task}-val-{EPOCHS[task]}", (column,), task, metric, "val", EPOCHS[task])
        for task, (column, metric) in COLUMNS.items()
    )


BENCHMARK = Benchmark(
    name="transnas-micro",
    folder="transnasbench101",
    title="all 4,096 cells on seven Taskonomy tasks",
    source="Duan et al., CVPR 2021",
    licence="Apache-2.0 and MIT",
    families=("transnas-micro",),
    networks=lambda frame: "transnas-micro:" + frame["arch_str"],
    labels=labels(),
    needs=("space", "arch_str"),
    rows=of_space("micro"),
    original=published.read,
)
