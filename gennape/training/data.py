"""A benchmark, or a table of one's own, as a LightningDataModule."""

from pathlib import Path
from typing import NamedTuple

import lightning as L
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from gennape.batch import EncodedGraphs, GraphBatch
from gennape.checkpoint import Form
from gennape.training.gather import share
from onnx_bench.benchmarks import LabelTable, read, read_table
from onnx_bench.collections import GraphCollection
from onnx_bench.collections.cache import graphs_of
from onnx_bench.errors import LabelError
from onnx_bench.terminal import progress

Indices = npt.NDArray[np.int64]


class LabelledBatch(NamedTuple):
    """B graphs, their labels (B,) in the units of the benchmark, and their rows in the table."""

    graphs: GraphBatch
    labels: Tensor
    rows: Tensor


class Split(NamedTuple):
    """Rows of a table, by what they are for."""

    train: Indices
    val: Indices
    test: Indices


class LabelData(L.LightningDataModule):
    """Labelled networks, split at random into training, validation and test.

    A benchmark, its label and its subset are named, not files: `nasbench201`, `cifar10-val-200`,
    `no-none`. `onnx-bench list` shows the benchmarks, `onnx-bench labels nasbench201` the labels
    and subsets of one; without names there are its default ones. Labels of which less is better,
    latencies and losses, are negated: higher is better in every table.

    Args:
        benchmark: its name; not used where `table` is given.
        table: a CSV or parquet file of your own, with a column of networks (`FAMILY:SPEC` or the
            path of an ONNX file) and one of labels.
        network: the column of networks in `table`.
        label: the label of the benchmark, or the column of labels in `table`.
        subset: the part of the benchmark, such as `full`, `no-none`, `not-digits-tokens`.
        data_root: folder of the public label tables; GENNAPE_DATA by default.
        fused: whether graphs are in the fused form, half the nodes, or atomic as in the paper.
        batch_size: networks a step, over all processes.
        fractions: shares of validation and test; the rest is for training.
        floor: rows of a lower label are left out; the paper drops NAS-Bench-101 below 80 per cent.
        limit: use this many rows, drawn at random.
        seed: of the draw and the split.
    """

    def __init__(
        self,
        benchmark: str = "digits",
        table: Path | None = None,
        network: str = "network",
        label: str | None = None,
        subset: str | None = None,
        data_root: Path | None = None,
        fused: bool = False,
        batch_size: int = 32,
        fractions: tuple[float, float] = (0.1, 0.1),
        floor: float | None = None,
        limit: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.benchmark, self.table, self.network = benchmark, table, network
        self.label, self.subset, self.data_root = label, subset, data_root
        self.fused, self.floor = fused, floor
        self.batch_size, self.fractions, self.limit, self.seed = batch_size, fractions, limit, seed
        self.labels: LabelTable | None = None
        self.whole = False
        """Whether batches have the numbers of whole graphs, as some models want."""

    def setup(self, stage: str) -> None:
        """Reads the labels and builds the graphs, once.

        Raises:
            LabelError: there is no such benchmark, label or subset, a file or column is missing,
                or too few rows are left to split.
        """
        del stage
        if self.labels is not None:
            return
        rng = np.random.default_rng(self.seed)
        labels = self._above_floor(self._read()).varied()
        if self.limit is not None and self.limit < 1:
            raise LabelError(f"limit is {self.limit}, expected 1 or more rows")
        if self.limit is not None and self.limit < len(labels):
            labels = labels.take(np.sort(rng.permutation(len(labels))[: self.limit]))
        self.split = split(len(labels), self.fractions, rng, labels.source)
        self.graphs = EncodedGraphs(self._build(labels))
        self.values = torch.tensor(labels.values, dtype=torch.float32)
        self.labels = labels

    def _build(self, labels: LabelTable) -> GraphCollection:
        """The graphs, from the cache where they were built before."""
        with progress() as display:
            task = display.add_task("building graphs", total=len(labels))
            return graphs_of(
                labels.networks,
                self.fused,
                lambda done: display.advance(task, done),
                workers=2,
                source=labels.source,
            )

    @property
    def form(self) -> Form:
        """The form of the graphs."""
        return "fused" if self.fused else "atomic"

    def _read(self) -> LabelTable:
        if self.table is None:
            return read(self.benchmark, self.data_root, self.label, self.subset)
        if self.label is None:
            raise LabelError(f"{self.table}: say which column holds the labels (--data.label NAME)")
        return read_table(self.table, self.label, self.network)

    def _above_floor(self, labels: LabelTable) -> LabelTable:
        if self.floor is None:
            return labels
        kept = np.flatnonzero(labels.values >= self.floor)
        if len(kept) == 0:
            raise LabelError(
                f"{labels.source}: no label reaches the floor of {self.floor:g}, the best is "
                f"{labels.values.max():g}; take a lower one (--data.floor)"
            )
        return labels.take(kept)

    @property
    def families(self) -> tuple[str, ...]:
        """The families of the rows."""
        return tuple(dict.fromkeys(self.labels.kinds)) if self.labels else ()

    @property
    def source(self) -> str:
        """What the labels are, in words: benchmark or file, rows, column."""
        if self.labels is None:
            return ""
        name = self.table.name if self.table else self.benchmark
        above = "" if self.floor is None else f" of {self.floor:g} or more"
        return f"{name}, rows {self.labels.subset}, label {self.labels.label}{above}"

    def train_dataloader(self) -> DataLoader[int]:
        return self._loader(self.split.train, shuffle=True)

    def val_dataloader(self) -> DataLoader[int]:
        return self._loader(self.split.val)

    def test_dataloader(self) -> DataLoader[int]:
        return self._loader(self.split.test)

    def predict_dataloader(self) -> DataLoader[int]:
        """Every row, in the order of the table."""
        return self._loader(np.sort(np.concatenate(self.split)))

    def _loader(self, rows: Indices, shuffle: bool = False) -> DataLoader[int]:
        listed = rows.tolist()
        return DataLoader(
            listed,
            batch_size=max(self.batch_size // self._processes, 1) if shuffle else 128,
            sampler=share(listed, self.trainer, self.seed, shuffle),
            collate_fn=self._collate,
        )

    @property
    def _processes(self) -> int:
        return self.trainer.world_size if self.trainer else 1

    def _collate(self, rows: list[int]) -> LabelledBatch:
        graphs = self.graphs.batch(rows, self.whole)
        return LabelledBatch(graphs, self.values[rows], torch.tensor(rows))


def split(
    rows: int, fractions: tuple[float, float], rng: np.random.Generator, source: str
) -> Split:
    """A random split into training, validation and test rows.

    Raises:
        LabelError: the shares are no shares, or a part would hold fewer than two rows.
    """
    if min(fractions) < 0 or sum(fractions) >= 1:
        raise LabelError(f"fractions {fractions} of validation and test must be 0 or more, sum < 1")
    val, test = (round(rows * fraction) for fraction in fractions)
    if min(rows - val - test, val, test) < 2:
        raise LabelError(
            f"{source}: {rows} rows split by {fractions} leave {rows - val - test} to train, {val} "
            f"to validate and {test} to test; each needs two or more"
        )
    order = rng.permutation(rows)
    return Split(order[val + test :], order[:val], order[val : val + test])
