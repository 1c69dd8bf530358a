"""NAS-Bench-201 (Dong and Yang, ICLR 2020): all 15,625 cells on three data sets.

The tasks are `cifar10`, `cifar100` and `imagenet16`; labels are named TASK-SPLIT-EPOCHS, and after
the file behind them where several have one:

- `cifar10-test-200` (the default one), ...: means over the runs, from NATS-Bench;
- `cifar10-test-200-oneseed`, ...: a single run of it;
- `cifar10-val-200-nb201v11`, ...: means over the runs, from the file NAS-Bench-201-v1_1; there are
  `train`, `val` and `test`;
- `cifar10-val-200`, `cifar100-valtest-200`, `imagenet16-valtest-200`: run by run, two of all cells
  and a third of 8,169; `valtest` is the images of validation and test together;
- `cifar10-val-12`, `cifar10-test-12`, ...: after a short training of its own;
- `cifar10-time-200`, ...: seconds of training, less is better.

On CIFAR-10, networks of `val` and of nb201v11 were trained on half of the training images, the
others on all of them.

Subsets: `all`; `no-none`, the 4,096 cells without a `none` edge (the GENNAPE paper's); `distinct`,
one cell of each of the 6,466 networks that compute something different; `reachable`, the 9,444
cells in which no operation is in vain, which tables of training-free scores hold (and one more).
"""

from collections.abc import Iterator

import pandas as pd

from onnx_bench.benchmarks.base import Benchmark, Download, Label, everything
from onnx_bench.originals import nasbench201 as published

SEEDS = 3
TASKS = {"c10": "cifar10", "c100": "cifar100", "in16": "imagenet16"}
HALF = {"c10": "c10valid", "c100": "c100", "in16": "in16"}
"""What the columns of the halved training set are called: only CIFAR-10 has another one."""


def _labels(short: str, task: str) -> Iterator[Label]:
    """The labels of one task, the default one first."""
    half, both = HALF[short], "" if short == "c10" else "test"
    for suffix, column, provenance in (
        ("", "mean", "NATS-Bench, mean of the runs"),
        ("-oneseed", "oneseed", "NATS-Bench, a single run"),
    ):
        yield Label(
            f"{task}-test-200{suffix}",
            (f"{short}_test_200_{column}",),
            task,
            epochs=200,
            provenance=provenance,
            ships=False,
        )
    for split in ("train", "val", "test"):
        yield Label(
            f"{task}-{split}-200-nb201v11",
            (f"{half}_{split}_200_nb201v11",),
            task,
            split=split,
            epochs=200,
            provenance="NAS-Bench-201-v1_1, mean of the runs",
        )
    yield Label(
        f"{task}-val{both}-200",
        tuple(f"{half}_val{both}_200_seed{seed}" for seed in range(SEEDS)),
        task,
        split=both or "val",
        epochs=200,
        provenance="NAS-Bench-201, run by run",
    )
    for split in ("val", "test"):
        column = f"{half if split == 'val' else short}_{split}_12"
        yield Label(f"{task}-{split}-12", (column,), task, split=split, epochs=12)
    yield Label(
        f"{task}-time-200",
        (f"train_time_s_200_{'imagenet' if short == 'in16' else task}",),
        task,
        metric="training-time",
        split="",
        epochs=200,
        higher_is_better=False,
        ships=False,
    )


def without_none(frame: pd.DataFrame) -> "pd.Series[bool]":
    """Cells all of whose edges carry something."""
    return ~frame["arch_str"].str.contains("none")


def distinct(frame: pd.DataFrame) -> "pd.Series[bool]":
    """The first cell of each network: others compute the same."""
    return ~frame["arch_str"].map(published.form).duplicated()


def reachable(frame: pd.DataFrame) -> "pd.Series[bool]":
    """Cells all of whose operations lie on a way from the input to the output."""
    return frame["arch_str"].map(_none_in_vain)


def _none_in_vain(cell: str) -> bool:
    edges = [
        (int(source), node)
        for node, text in enumerate(cell.split("+"), start=1)
        for operation, source in (edge.split("~") for edge in text.strip("|").split("|"))
        if operation != "none"
    ]
    reached, needed = {0}, {3}
    for source, node in edges:  # in the order of nodes
        if source in reached:
            reached.add(node)
    for source, node in reversed(edges):
        if node in needed:
            needed.add(source)
    used = [source in reached and node in needed for source, node in edges]
    return any(used) and all(used)


BENCHMARK = Benchmark(
    name="nasbench201",
    folder="nasbench201",
    title="all 15,625 cells on CIFAR-10, CIFAR-100 and ImageNet16-120",
    source="Dong and Yang, ICLR 2020; NATS-Bench, TPAMI 2021",
    licence="nb201v11 and run by run Apache-2.0, 12 epochs MIT, others none stated",
    families=("nasbench201",),
    networks=lambda frame: "nasbench201:" + frame["arch_str"],
    labels=tuple(label for short, task in TASKS.items() for label in _labels(short, task)),
    subsets={
        "all": everything,
        "no-none": without_none,
        "distinct": distinct,
        "reachable": reachable,
    },
    needs=("arch_str",),
    downloads=(
        Download(
            "NATS-tss-v1_0-3ffb9-simple.tar",
            ("https://drive.google.com/file/d/17_saCsj_krKjlCBLOJEpNtzPXArMCqxU/view",),
            note="NATS-Bench, about 1 GB; read as it is",
            by_hand=True,
        ),
    ),
    original=published.read,
)
