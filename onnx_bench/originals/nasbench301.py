"""NAS-Bench-301's trainings as its authors publish them: a JSON file for each (Siems et al., 2020).

The folder (`nb_301_v13`) has one of `results_N.json` for each training, in a folder named after the
optimizer that proposed the network. `optimized_hyperparamater_config` (so spelt) names the cells:
`...darts:edge_normal_0` the operation of an edge, `...darts:inputs_node_normal_3` the two inputs of
a node, the first node's being 0 and 1. Edges are numbered node by node: node 2 has edges 0 and 1,
node 3 edges 2 to 4, node 4 edges 5 to 8, node 5 edges 9 to 13. `info` holds `val_accuracy` and
`model_parameters`; `test_accuracy`, `runtime` and `budget` (epochs) lie beside it. Written from the
published code and one of the files; the whole archive could not be tried.
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from onnx_bench.families.darts_genotype import OPERATIONS
from onnx_bench.formats.errors import FormatError, about
from onnx_bench.originals.found import checked, entry, files, number, table

FILES = ("nb_301*/**/results_*.json", "**/results_*.json")
MAX_BYTES = 8 << 20
_SHORT = {name: short for short, name in OPERATIONS.items()}
_BASE = "NetworkSelectorDatasetInfo:darts:"
_FIRST_EDGE = {2: 0, 3: 2, 4: 5, 5: 9}
"""Of each node: its edge from node 0; the next ones come from nodes 1, 2, ..."""


def read(folder: Path) -> pd.DataFrame:
    """The wide table of all trainings below `folder`, accuracies in percent; duplicates stay.

    Columns: `cells` as our family `darts` spells them, `optimizer` (the folder), `epochs`,
    `layers`, `init_channels`, `val_acc`, `test_acc`, `runtime_s`, `parameters` (of the network in
    training, with its auxiliary head).

    Raises:
        LabelError: no such file is there, or one is no training of NAS-Bench-301.
    """
    return table(folder, map(_row, files(folder, *FILES)))


def _row(path: Path) -> dict[str, Any]:
    with about(path):
        if path.stat().st_size > MAX_BYTES:
            raise FormatError(f"larger than {MAX_BYTES >> 20} MB; no training's log is")
        try:
            log = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise FormatError(f"not JSON ({error})") from None
        config = entry(log, "optimized_hyperparamater_config", dict)
        info = entry(log, "info", list)
        measured = checked(info[0] if info else None, dict, "the first entry of 'info'")
        return {
            "cells": f"{_cell(config, 'normal')}:{_cell(config, 'reduce')}",
            "optimizer": path.parent.name,
            "epochs": _whole(log, "budget"),
            "layers": _whole(config, f"{_BASE}layers"),
            "init_channels": _whole(config, f"{_BASE}init_channels"),
            "val_acc": number(measured.get("val_accuracy"), "val_accuracy"),
            "test_acc": number(log.get("test_accuracy"), "test_accuracy"),
            "runtime_s": number(log.get("runtime"), "runtime"),
            "parameters": _whole(measured, "model_parameters"),
        }


def _whole(data: dict[str, Any], name: str) -> int:
    found = number(data.get(name), name)
    if not found.is_integer() or not 0 <= found < 1 << 40:
        raise FormatError(f"{name} is {found:g}, expected a whole number")
    return int(found)


def _cell(config: dict[str, Any], cell: str) -> str:
    """The inner nodes of a cell, `op~i+op~j` each."""
    nodes = []
    for node, first in _FIRST_EDGE.items():
        name = f"inputs_node_{cell}_{node}"
        inputs = str(config.get(_BASE + name, "0_1" if node == 2 else "")).split("_")
        if len(set(inputs)) != 2 or not set(inputs) <= {str(source) for source in range(node)}:
            raise FormatError(f"{name} is {'_'.join(inputs)[:20]!r}, expected two earlier nodes")
        edges = []
        for source in sorted(map(int, inputs)):
            operation = config.get(f"{_BASE}edge_{cell}_{first + source}")
            if type(operation) is not str or operation not in _SHORT:
                raise FormatError(f"edge_{cell}_{first + source} has no operation of the space")
            edges.append(f"{_SHORT[operation]}~{source}")
        nodes.append("+".join(edges))
    return ",".join(nodes)
