"""NAS-Bench-101 as its authors publish it: a TFRecord file, a record for each training.

A record is a JSON list of module hash, epochs, adjacency matrix (0s and 1s, row by row), operations
(by commas) and metrics, a base64-coded protocol buffer: its field 2 counts the trainable
parameters; each field 1 is an evaluation (before, halfway through and after training) with training
time in field 2, validation and test accuracy as fractions in fields 4 and 5.

Two files exist: nasbench_full.tfrecord, 423,624 cells x 3 runs x 4, 12, 36 and 108 epochs, and
nasbench_only108.tfrecord. Written from the published format; the real files could not be tried.
"""

import json
import re
from array import array
from base64 import b64decode
from collections.abc import Iterator
from math import isqrt
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from onnx_bench.formats.errors import FormatError, about
from onnx_bench.formats.protobuf import fields
from onnx_bench.formats.tfrecord import records
from onnx_bench.originals.found import files

FILES = ("nasbench_full.tfrecord", "nasbench_only108.tfrecord", "*.tfrecord")
_EVALUATION, _PARAMETERS = 1, 2
_FINAL = {"training_time_s": (2, 1.0), "val_acc": (4, 100.0), "test_acc": (5, 100.0)}
"""Fields of an evaluation by column, and what they are multiplied by."""
MAX_RUNS = 32
"""Most budgets, and most runs of a cell with one: each is a column of all cells."""
_BITS = re.compile("[01]+")


def read(folder: Path) -> pd.DataFrame:
    """The wide table of all cells of the file in `folder`, accuracies in percent.

    Columns: module_hash, adjacency, operations, trainable_parameters; `val_acc_E_rR`,
    `test_acc_E_rR` and `training_time_s_E_rR` for E epochs and run R, runs in the order of the
    file; their means over the runs of 108 epochs, `val_acc_108_mean` etc. and
    `training_time_s_mean`. `sampled_in` is `full` throughout: all cells are no biased sample.

    Raises:
        LabelError: no such file is there, it is damaged, or no NAS-Bench-101.
    """
    path = files(folder, *FILES)[0]
    with about(path):
        runs = _Runs()
        for place, record in enumerate(records(path), 1):
            try:
                runs.add(record)
            except (FormatError, ValueError, RecursionError) as error:
                raise FormatError(f"record {place} is no run of NAS-Bench-101 ({error})") from None
        return runs.frame()


class _Runs:
    """All runs so far, as columns: five million of them are to fit into memory."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.cells: list[tuple[str, str, int]] = []
        self.cell, self.epochs = array("i"), array("i")
        self.values = {column: array("f") for column in _FINAL}

    def add(self, record: bytes) -> None:
        module, epochs, adjacency, operations, coded = _entries(record)
        parameters, final = _metrics(b64decode(coded))
        row = self.rows.get(module)
        if row is None:
            if not _BITS.fullmatch(adjacency) or isqrt(len(adjacency)) ** 2 != len(adjacency):
                raise FormatError(f"{adjacency[:60]!r} is no adjacency matrix")
            row = self.rows[module] = len(self.rows)
            self.cells.append((adjacency, operations, parameters))
        self.cell.append(row)
        self.epochs.append(epochs)
        for column, (field, scale) in _FINAL.items():
            self.values[column].append(scale * final.get(field, 0.0))

    def frame(self) -> pd.DataFrame:
        if not self.rows:
            raise FormatError("holds no records")
        names = ("adjacency", "operations", "trainable_parameters")
        frame = pd.DataFrame(self.cells, columns=list(names))
        frame.insert(0, "module_hash", list(self.rows))
        columns = {"sampled_in": ["full"] * len(frame), **dict(self._columns())}
        return pd.concat([frame, pd.DataFrame(columns)], axis=1)

    def _columns(self) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
        cells, epochs = np.frombuffer(self.cell, np.int32), np.frombuffer(self.epochs, np.int32)
        budgets = np.unique(epochs)
        for budget in budgets:
            chosen = np.flatnonzero(epochs == budget)
            run = pd.Series(cells[chosen]).groupby(cells[chosen]).cumcount().to_numpy()
            if len(budgets) > MAX_RUNS or run.max() >= MAX_RUNS:
                raise FormatError(f"more than {MAX_RUNS} budgets, or runs of a cell")
            for name, values in self.values.items():
                found = np.full((run.max() + 1, len(self.rows)), np.nan, np.float32)
                found[run, cells[chosen]] = np.frombuffer(values, np.float32)[chosen]
                for repeat, column in enumerate(found):
                    yield f"{name}_{budget}_r{repeat}", column
                if budget == 108:
                    mean = name if name == "training_time_s" else f"{name}_108"
                    yield f"{mean}_mean", np.nanmean(found, axis=0)


def _entries(record: bytes) -> tuple[str, int, str, str, str]:
    match json.loads(record):
        case [str() as module, int() as epochs, str() as matrix, str() as operations, str() as m]:
            if 0 < epochs < 1 << 31:
                return module, epochs, matrix, operations, m
    raise FormatError("not a list of hash, epochs, adjacency, operations, metrics")


def _metrics(data: bytes) -> tuple[int, dict[int, float]]:
    """Trainable parameters, and the fields of the evaluation after the last epoch."""
    parameters, last = 0, None
    for field, value in fields(data):
        if field == _EVALUATION and isinstance(value, bytes):
            last = value
        elif field == _PARAMETERS and isinstance(value, int):
            parameters = value
    if last is None:
        raise FormatError("no evaluation")
    return parameters, {field: v for field, v in fields(last) if isinstance(v, float)}
