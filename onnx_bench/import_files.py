"""Many model files at once: in parallel, and so that a run that was stopped goes on.

The folder holds `graphs/HASH.npz`, one for each different network, and `index.csv`, a row for each
file: what it holds, or why it could not be read. A file is read again when it has changed, and a
row is written as soon as its file is done.
"""

import csv
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, fields
from multiprocessing import get_context
from pathlib import Path

from onnx_bench.errors import GennapeError, ModelFileError
from onnx_bench.files import atomic_file
from onnx_bench.graph import GRAPH_FORMAT, Shape
from onnx_bench.operators import VOCABULARY_VERSION

INDEX, GRAPHS = "index.csv", "graphs"


@dataclass(frozen=True)
class Row:
    """What the index says of one file."""

    file: str
    state: str
    """The file's size and time, the form asked for and the versions that read it."""
    hash: str = ""
    nodes: int = 0
    macs: int = 0
    parameters: int = 0
    coverage: float = 0.0
    """Share of the MACs that are in known operators."""
    unknown: str = ""
    error: str = ""


def import_files(
    paths: Iterable[Path],
    folder: Path,
    fused: bool = False,
    shapes: dict[str, Shape] | None = None,
    workers: int | None = None,
) -> Iterator[Row]:
    """Reads model files into a folder of graphs; gives each file's row as it is done.

    Files whose row is in the index and still holds are not read again. A file that cannot be read
    becomes a row with an `error`, whatever its fault: one that brings down the process that reads
    it is tried once more by itself.

    Args:
        folder: made where there is none; other files in it are left alone.
        fused: whether graphs are brought to the fused form.
        shapes: of inputs by name, as for `import_onnx`, for every file that has such an input.
        workers: processes; as many as there are processors by default.

    Raises:
        ModelFileError: the folder holds an index that is none of ours.
    """
    (folder / GRAPHS).mkdir(parents=True, exist_ok=True)
    index = folder / INDEX
    known = _read_index(index)
    tasks, rows = [], dict[str, Row]()
    for path in dict.fromkeys(Path(p) for p in paths):
        task = _Task(path, folder, fused, shapes or {})
        row = known.get(str(path))
        if row is not None and row.state == task.state and task.is_kept(row):
            rows[row.file] = row
            yield row
        else:
            tasks.append(task)
    with index.open("a", newline="") as stream:
        writer = csv.DictWriter(stream, [f.name for f in fields(Row)])
        if stream.tell() == 0:
            writer.writeheader()
        for row in _run(tasks, workers or os.cpu_count() or 1):
            writer.writerow(asdict(row))
            stream.flush()
            rows[row.file] = row
            yield row
    _write_index(index, {**known, **rows})


@dataclass(frozen=True)
class _Task:
    """One file to read."""

    path: Path
    folder: Path
    fused: bool
    shapes: dict[str, Shape]

    @property
    def state(self) -> str:
        form = f"{'fused' if self.fused else 'atomic'}-{GRAPH_FORMAT}.{VOCABULARY_VERSION}"
        asked = "".join(f";{name}={size}" for name, size in sorted(self.shapes.items()))
        try:
            stat = self.path.stat()
        except OSError:
            return f"missing {form}{asked}"
        return f"{stat.st_size} {stat.st_mtime_ns} {form}{asked}"

    def is_kept(self, row: Row) -> bool:
        return bool(row.error) or (self.folder / GRAPHS / f"{row.hash}.npz").exists()


def _run(tasks: list[_Task], workers: int) -> Iterator[Row]:
    """The rows of the tasks as they are done."""
    done: set[Path] = set()
    try:
        with _pool(min(workers, max(len(tasks), 1))) as pool:
            for task, row in zip(tasks, pool.map(_read, tasks), strict=True):
                done.add(task.path)
                yield row
    except BrokenProcessPool:
        for task in tasks:
            if task.path not in done:
                yield _alone(task)


def _alone(task: _Task) -> Row:
    """The row of a task that runs in a process of its own, which it may bring down."""
    try:
        with _pool(1) as pool:
            return pool.submit(_read, task).result()
    except BrokenProcessPool:
        reason = "reading it brought the process down (out of memory?)"
        return Row(str(task.path), task.state, error=f"{task.path}: {reason}")


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))


def _read(task: _Task) -> Row:
    """Reads one file and saves its graph."""
    from onnx_bench.canonical import fuse
    from onnx_bench.cost import cost
    from onnx_bench.onnx_import import import_onnx

    state = task.state
    try:
        found = import_onnx(task.path, task.shapes, strict_names=False)
        graph = fuse(found.graph) if task.fused else found.graph
        target = task.folder / GRAPHS / f"{graph.hash}.npz"
        if not target.exists():
            graph.save(target)
    except (GennapeError, OSError, MemoryError) as error:
        text = " ".join(str(error).split()) or type(error).__name__
        return Row(str(task.path), state, error=text)
    total = cost(graph)
    return Row(
        str(task.path),
        state,
        graph.hash,
        len(graph),
        total.macs,
        total.parameters,
        round(found.coverage.macs, 6),
        " ".join(f"{name}:{count}" for name, count in sorted(found.unknown.items())),
    )


def _read_index(path: Path) -> dict[str, Row]:
    """The rows of an index; the last one of a file counts, one that was cut short does not."""
    if not path.exists():
        return {}
    rows = {}
    with path.open(newline="", errors="replace") as stream:
        reader = csv.DictReader(stream)
        if reader.fieldnames is not None and reader.fieldnames != [f.name for f in fields(Row)]:
            raise ModelFileError(f"{path}: no index of ours; choose another folder")
        for record in reader:
            if None in record or None in record.values():
                continue
            try:
                row = Row(
                    record["file"],
                    record["state"],
                    record["hash"],
                    int(record["nodes"]),
                    int(record["macs"]),
                    int(record["parameters"]),
                    float(record["coverage"]),
                    record["unknown"],
                    record["error"],
                )
            except ValueError:
                continue
            rows[row.file] = row
    return rows


def _write_index(path: Path, rows: dict[str, Row]) -> None:
    """One row a file, in the order of their names."""
    with atomic_file(path) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, [f.name for f in fields(Row)])
        writer.writeheader()
        writer.writerows(asdict(rows[name]) for name in sorted(rows))
