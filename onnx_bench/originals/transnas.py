"""TransNAS-Bench-101 as its authors publish it (Duan et al., CVPR 2021).

`transnas-bench_v10141024.pth` is a dict that torch.save wrote: `data` holds, for the spaces `macro`
and `micro`, the results of each network by task: `metrics` (a value an epoch for each metric),
`model_info` and `total_epochs`. Written from the published code; the real file could not be tried.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from onnx_bench.formats import torch_file
from onnx_bench.formats.errors import FormatError, about
from onnx_bench.formats.plain_pickle import PlainObject
from onnx_bench.originals.found import checked, entry, files, number, table

FILES = ("transnas-bench_*.pth", "*.pth")
METRICS = {
    "class_scene": ("valid_top1", "val_top1_pct"),
    "class_object": ("valid_top1", "val_top1_pct"),
    "jigsaw": ("valid_top1", "val_top1_pct"),
    "room_layout": ("valid_neg_loss", "val_neg_loss"),
    "segmentsemantic": ("valid_acc", "val_pixacc_pct"),
    "normal": ("valid_ssim", "val_ssim"),
    "autoencoder": ("valid_ssim", "val_ssim"),
}
"""The metric of each task that its paper ranks by, or that is nearest; and our column's end."""
INFO = {"model_params": "parameters", "encoder_params": "encoder_parameters"}


def read(folder: Path) -> pd.DataFrame:
    """The wide table of both spaces, final epoch, in the metrics' own units.

    Columns: `space`, `arch_str`, `TASK_val_...` as in `METRICS`, `TASK_test_...` where the file has
    that split, `TASK_parameters` and `TASK_encoder_parameters`.

    Raises:
        LabelError: no such file is there, or it is damaged.
    """
    path = files(folder, *FILES)[0]
    with about(path):
        spaces = entry(torch_file.read(path), "data", dict)
        return table(path, _rows(spaces))


def _rows(spaces: dict[Any, Any]) -> Iterator[dict[str, Any]]:
    for space, networks in spaces.items():
        for network, results in checked(networks, dict, "a space").items():
            named = {"space": checked(space, str, "a space's name"), "arch_str": network}
            checked(network, str, "a network's name")
            yield {**named, **dict(_values(_plain(results)))}


def _plain(results: Any) -> dict[Any, Any]:
    """The results by task; as the authors' code keeps them, or in the object it makes of them."""
    if type(results) is PlainObject:
        return entry(results.attributes, "all_results", dict)
    return checked(results, dict, "a network's results")


def _values(results: dict[Any, Any]) -> Iterator[tuple[str, float]]:
    found = False
    for task, (metric, end) in METRICS.items():
        if task not in results:
            continue
        metrics = entry(results[task], "metrics", dict)
        for split, name in (("val", metric), ("test", metric.replace("valid", "test"))):
            values = metrics.get(name)
            if type(values) is list and values:
                found = True
                yield f"{task}_{end.replace('val', split)}", number(values[-1], name)
        for name, column in INFO.items():
            size = results[task].get("model_info")
            if type(size) is dict and type(size.get(name)) in (int, float):
                yield f"{task}_{column}", number(size[name], name)
    if not found:
        raise FormatError("a network has no metric that we know")
