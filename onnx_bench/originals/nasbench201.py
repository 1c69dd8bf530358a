"""NAS-Bench-201 as its authors publish it: the archives of NATS-Bench, or their own older files.

`NAS-Bench-201-v1_0-e61699.pth` and `NAS-Bench-201-v1_1-096897.pth` are dicts that torch.save wrote,
with the results of each cell in `arch2infos`: `less` is the recipe of 12 epochs, `full` the one of
200. NATS-Bench has the same cells (the topology space). See `nats_runs` for what is in both.

Written from the published code; the real files could not be tried.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from onnx_bench.formats import torch_file
from onnx_bench.formats.errors import about
from onnx_bench.originals import nats_archive
from onnx_bench.originals.found import checked, entry, files, table
from onnx_bench.originals.nats_runs import Row, row

FILES = (
    *("NATS-tss-*-simple", "NATS-tss-*-full", "NATS-tss-*.tar", "NATS-tss-*.pickle.pbz2"),
    *("NAS-Bench-201-v1_1-*.pth", "NAS-Bench-201-v1_0-*.pth"),
)
RECIPES = {"less": 12, "full": 200}
HALVED = ("c10valid", "c100", "in16")
"""The data sets of the protocol that keeps images for validation."""
_EDGE = re.compile(r"(\w+)~(\d)", re.ASCII)


def read(folder: Path) -> pd.DataFrame:
    """The wide table of the file in `folder`, accuracies in percent.

    Columns: `arch_str`, `iso_group`, and those of `nats_runs.row`; where our table has another name
    for a mean over the trainings, it stands under that name too: `c10_test_12`,
    `c10valid_val_200_nb201v11`, `params_M_cifar10_analytic`.

    Raises:
        LabelError: no such file is there, or it is damaged.
    """
    path = files(folder, *FILES)[0]
    frame = table(path, _of_torch(path) if path.suffix == ".pth" else nats_archive.rows(path))
    extra: dict[str, Any] = {"iso_group": pd.factorize(frame["arch_str"].map(form))[0]}
    for name, column in _names():
        if column in frame:
            extra[name] = frame[column]
    return frame.assign(**extra)


def _of_torch(path: Path) -> Iterator[Row]:
    with about(path):
        for results in entry(torch_file.read(path), "arch2infos", dict).values():
            known = checked(results, dict, "a cell")
            yield row({epochs: known[name] for name, epochs in RECIPES.items() if name in known})


def _names() -> Iterator[tuple[str, str]]:
    """What our table calls columns, and what they are."""
    yield "params_M_cifar10_analytic", "params_M_cifar10"
    for short in HALVED:
        for split in ("train", "val", "test"):
            yield f"{short}_{split}_200_nb201v11", f"{short}_{split}_200_mean"
            yield f"{short}_{split}_12", f"{short}_{split}_12_mean"
    yield "c10_test_12", "c10_test_12_mean"


def form(cell: str) -> str:
    """What a cell computes: equal for cells that are equal without `skip_connect` and `none` edges.

    The 15,625 cells have 6,466 forms, the benchmark's own count of distinct ones.
    """
    edges = iter(_EDGE.findall(cell))
    nodes = ["0"]
    for target in (1, 2, 3):
        arriving = []
        for _ in range(target):
            operation, source = next(edges, ("none", "0"))
            value = nodes[min(int(source), target - 1)]
            if operation == "none" or value == "#":
                arriving.append("#")
            else:
                arriving.append(value if operation == "skip_connect" else f"({value}){operation}")
        nodes.append("+".join(sorted(arriving)))
    return nodes[-1]
