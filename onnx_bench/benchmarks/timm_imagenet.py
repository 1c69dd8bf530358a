"""The networks of timm on ImageNet (Wightman, 2019): 1,556 sets of weights of 900 architectures.

Each was measured at the image size that its weights ask for, up to 1,024 pixels, where the graph
of `timm:ARCHITECTURE` reads the architecture's own size. Recipes and data of pretraining differ
between them, as networks do not: `in1k-only` leaves out what seems to have been pretrained on more
than ImageNet-1k, which is read from the names of the weights. To read the labels needs no timm; to
build the networks does.
"""

import pandas as pd

from onnx_bench.benchmarks.base import Benchmark, Label, everything

TESTS = {
    "imagenet-val": "top1",
    "imagenet-real": "top1_real",
    "imagenet-v2": "top1_v2",
    "imagenet-a": "top1_a",
    "imagenet-r": "top1_r",
    "imagenet-sketch": "top1_sketch",
}
"""Labels, and the columns that hold them."""


def _in1k_only(frame: pd.DataFrame) -> "pd.Series[bool]":
    return frame["in1k_only_pretrain"].astype(bool)


def _label(name: str, column: str) -> Label:
    task = "imagenet" if name == "imagenet-val" else name
    return Label(name, (column,), task, split="val" if name == "imagenet-val" else "test")


BENCHMARK = Benchmark(
    name="timm-imagenet",
    folder="timm_imagenet",
    title="1,556 trained networks of 900 architectures of timm on ImageNet and its variants",
    source="Wightman, PyTorch Image Models, 2019",
    licence="Apache-2.0",
    families=("timm",),
    networks=lambda frame: "timm:" + frame["arch"],
    labels=tuple(_label(name, column) for name, column in TESTS.items()),
    subsets={"all": everything, "in1k-only": _in1k_only},
    needs=("arch", "in1k_only_pretrain"),
)
