"""ViT-Bench-101 (Auto-Prox: Wei et al., AAAI 2024): what its two benchmarks share.

Each network was trained on CIFAR-100, Flowers and Chaoyang, from scratch and with a teacher (`kd`).
The specifications name the network of CIFAR-100; on the other data sets only the number of classes
differs, 102 and 4.
"""

import json
from collections.abc import Callable
from typing import Any

import pandas as pd

from onnx_bench.benchmarks.base import Benchmark, Label

SOURCE = "ViT-Bench-101: Wei et al., AAAI 2024"
TASKS = {"cifar100": "c100", "flowers": "flower", "chaoyang": "chaoyang"}
"""Data sets, and as the table's columns name them."""


def vision_transformers(
    name: str, space: str, title: str, text: Callable[[dict[str, Any]], str], labels: list[Label]
) -> Benchmark:
    """The benchmark of one of the two spaces.

    Args:
        name: of the benchmark and of its family.
        space: as the table has it.
        title: of the benchmark.
        text: a specification in the family's own text.
        labels: the first is the default one.
    """

    def networks(frame: pd.DataFrame) -> "pd.Series[str]":
        return frame["arch_json"].map(lambda arch: f"{name}:{text(json.loads(arch))}")

    return Benchmark(
        name=name,
        folder="vit_bench",
        title=title,
        source=SOURCE,
        licence="Apache-2.0",
        families=(name,),
        networks=networks,
        labels=tuple(labels),
        needs=("space", "arch_json"),
        rows=lambda frame: frame["space"] == space,
    )


def accuracies(kind: str) -> list[Label]:
    """The test accuracies on the three data sets, `kd` with a teacher and `base` without."""
    taught = "-kd" if kind == "kd" else ""
    return [
        Label(f"{task}-test{taught}", (f"{column}_{kind}_acc",), task)
        for task, column in TASKS.items()
    ]
