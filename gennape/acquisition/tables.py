"""Pools as people name them, and suggestions as a table that `gennape finetune` reads once filled.

Wherever a table names a file, the path is relative to the table's own folder.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from gennape.acquisition.suggestion import Suggestion
from onnx_bench.benchmarks.labels import read_frame
from onnx_bench.collections import GraphCollection
from onnx_bench.collections.cache import graphs_of
from onnx_bench.errors import GennapeError, LabelError
from onnx_bench.families import is_spec
from onnx_bench.graph import OP
from onnx_bench.operators import Op
from onnx_bench.terminal import progress

TABLES = (".csv", ".parquet", ".txt")
"""Files that name networks; all others are networks."""
NETWORK = "network"
WHY = ("score", "nearest", "distance", "new")


def names(pool: Iterable[str], column: str = NETWORK) -> Iterator[str]:
    """The networks of a pool, as texts that `onnx_bench.doors` opens: tables are read.

    Raises:
        LabelError: a table cannot be read, has no such column, or an empty place in it.
    """
    for text in pool:
        if is_spec(text) or Path(text).suffix not in TABLES:
            yield text
        else:
            yield from named(Path(text), column)


def named(table: Path, column: str = NETWORK) -> Iterator[str]:
    """The networks of one table: a column of a CSV or parquet file, or the lines of a text.

    Raises:
        LabelError: as `names`.
    """
    for text in _lines(table) if table.suffix == ".txt" else _column(table, column):
        yield text if is_spec(text) else str(table.parent / text)


def _lines(table: Path) -> list[str]:
    try:
        lines = table.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise LabelError(f"{table}: no such file") from None
    except (OSError, ValueError) as error:
        raise LabelError(f"{table}: not a readable text ({error})") from None
    return [line.strip() for line in lines if line.strip()]


def _column(table: Path, column: str) -> list[str]:
    found = read_frame(table, (column,))[column]
    if found.isna().any():
        row = int(found.isna().to_numpy().argmax()) + 1
        raise LabelError(f"{table}: {column!r} is empty in row {row}; name a network")
    return [str(text) for text in found]


def read(texts: Sequence[str], fused: bool, source: str) -> GraphCollection:
    """The networks that texts name, under a progress bar; from the cache if they were read before.

    Raises:
        LabelError: a text names no network; the message says which, and of what `source`.
    """
    with progress() as display:
        task = display.add_task(f"reading {source}", total=len(texts))
        workers = os.cpu_count() or 1
        return graphs_of(texts, fused, lambda n: display.advance(task, n), workers, source)


def unknown(graphs: GraphCollection) -> int:
    """How many networks have operators that are not in the vocabulary."""
    return int((graphs.totals((graphs.rows_RK[:, OP] == Op.UNKNOWN).astype("int64")) > 0).sum())


def refuse(place: Path, label: str) -> None:
    """Refuses a place or a name of the column of labels, before there is work to lose.

    Raises:
        GennapeError: the file is no CSV, is there already, as labels that were filled in must not
            be lost, or another column has that name.
    """
    if place.suffix != ".csv":
        raise GennapeError(f"{place}: expected a name that ends in .csv")
    if place.exists():
        raise GennapeError(f"{place}: is there already, perhaps with labels; choose another --out")
    if label in (NETWORK, *WHY):
        raise GennapeError(f"a column for labels cannot be called {label!r}; take another --label")


def table(found: Suggestion, texts: Sequence[str], place: Path, label: str) -> pd.DataFrame:
    """A row for each suggestion, with an empty column for its label.

    Args:
        texts: of the whole pool.
        place: of the file that the table will be.
        label: the name of the empty column.
    """
    columns = {
        NETWORK: [_beside(texts[row], place) for row in found.row_K],
        label: "",
    }
    why = (found.score_K, found.family_K, found.distance_K, found.new_K)
    return pd.DataFrame(columns | dict(zip(WHY, why, strict=True)))


def _beside(text: str, table: Path) -> str:
    """A network as a table in that place names it."""
    if is_spec(text) or Path(text).is_absolute():
        return text
    return os.path.relpath(text, table.parent)
