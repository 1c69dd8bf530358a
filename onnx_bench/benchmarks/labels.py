"""A table of networks and what they scored, and how such tables are read and checked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from onnx_bench.doors import open_network
from onnx_bench.errors import GennapeError, LabelError
from onnx_bench.families import family_of, is_spec
from onnx_bench.graph import ComputationGraph


@dataclass(frozen=True)
class LabelTable:
    """L networks, each with its label; higher is better.

    Args:
        networks: `FAMILY:SPECIFICATION` or the path of an ONNX file.
        values: shape (L,), finite, in the units of the benchmark (accuracies in percent).
        kinds: the family of each network, for splits and reports.
        source: the file that the labels come from, for messages.
        label: the column of the labels.
        subset: which part of the benchmark the rows are.
    """

    networks: tuple[str, ...]
    values: npt.NDArray[np.float64]
    kinds: tuple[str, ...]
    source: str
    label: str
    subset: str = "all"

    def __len__(self) -> int:
        return len(self.networks)

    def take(self, indices: npt.NDArray[np.integer] | Sequence[int]) -> "LabelTable":
        """The rows at `indices`."""
        return replace(
            self,
            networks=tuple(self.networks[i] for i in indices),
            values=self.values[np.asarray(indices, int)],
            kinds=tuple(self.kinds[i] for i in indices),
        )

    def varied(self) -> "LabelTable":
        """The table itself, if its labels differ at all.

        Raises:
            LabelError: they are all the same, so that they teach no order.
        """
        if (self.values == self.values[0]).all():
            raise LabelError(
                f"{self.source}: all {len(self)} labels are {self.values[0]:g} and teach no order"
            )
        return self

    def graphs(self) -> Iterator[ComputationGraph]:
        """The networks themselves, one after another.

        Raises:
            LabelError: one cannot be built; the message names its row.
        """
        for row, text in enumerate(self.networks, 1):
            try:
                yield network(text)
            except GennapeError as error:
                raise LabelError(f"{self.source}, row {row}: {error}") from None


def network(text: str | Path) -> ComputationGraph:
    """The network that a specification (`FAMILY:...`) or the path of an ONNX file names."""
    return open_network(text).graph


def read_table(path: Path, label: str, network: str = "network") -> LabelTable:
    """A user's own labels: a CSV or parquet file with a column of networks and one of numbers.

    Paths of ONNX files are relative to the table's own folder.

    Raises:
        LabelError: the file or a column is missing, the table is empty, or a label is no finite
            number; the message names the file and the row.
    """
    frame = read_frame(path)
    table = from_frame(frame, path, network, label)
    networks = tuple(text if is_spec(text) else str(path.parent / text) for text in table.networks)
    kinds = tuple(map(family_of, networks))
    return replace(table, networks=networks, kinds=kinds)


def from_frame(
    frame: pd.DataFrame, path: Path, network: str, label: str, kind: str = "", subset: str = "all"
) -> LabelTable:
    """The table of two columns of a frame, checked; `path` is for messages."""
    _need_columns(frame, path, (network, label))
    if frame.empty:
        raise LabelError(f"{path}: the table has no rows")
    values = pd.to_numeric(frame[label], errors="coerce").to_numpy(np.float64)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise LabelError(
            f"{path}: {label!r} is not a finite number in {len(bad)} of {len(frame)} rows, "
            f"first in row {bad[0] + 1}; drop these rows or mend them"
        )
    missing = np.flatnonzero(frame[network].isna())
    if len(missing):
        raise LabelError(f"{path}: {network!r} is empty in row {missing[0] + 1}; name a network")
    networks = tuple(frame[network].astype(str))
    return LabelTable(networks, values, (kind,) * len(networks), str(path), label, subset)


def read_frame(path: Path, columns: Sequence[str] = ()) -> pd.DataFrame:
    """A CSV or parquet file that has these columns.

    Raises:
        LabelError: it is not there, no table, or lacks one of the columns.
    """
    try:
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except FileNotFoundError:
        raise LabelError(f"{path}: no such file") from None
    except (ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise LabelError(f"{path}: not a readable CSV or parquet table ({reason})") from None
    _need_columns(frame, path, columns)
    return frame


def _need_columns(frame: pd.DataFrame, path: Path, columns: Sequence[str]) -> None:
    for column in columns:
        if column not in frame.columns:
            raise LabelError(
                f"{path}: no column {column!r}; there are {', '.join(map(str, frame.columns))}"
            )
