"""What there is: the families and the benchmarks, as plain rows for tables and JSON."""

from math import isfinite
from pathlib import Path
from typing import Any

from onnx_bench.benchmarks import BENCHMARKS, Benchmark, benchmark
from onnx_bench.benchmarks.base import everything
from onnx_bench.benchmarks.downloads import downloads
from onnx_bench.benchmarks.fetching import is_there
from onnx_bench.errors import LabelError
from onnx_bench.families import FAMILIES, family

Row = dict[str, Any]


def family_rows() -> list[Row]:
    """A row a family: name, source, number of specifications (None: unbounded), example, variants,
    and the benchmarks that hold labels of its networks with how many labels each has.
    """
    labelled: dict[str, dict[str, int]] = {name: {} for name in FAMILIES}
    for name in BENCHMARKS:
        found = benchmark(name)
        for member in found.families:
            labelled[member][name] = len(found.labels)
    rows = []
    for name in FAMILIES:
        space = family(name)
        rows.append(
            {
                "name": name,
                "source": space.source,
                "specifications": int(space.size) if isfinite(space.size) else None,
                "example": f"{name}:{space.example}",
                "variants": list(space.variants),
                "benchmarks": labelled[name],
            }
        )
    return rows


def benchmark_rows(root: Path | None = None) -> list[Row]:
    """A row a benchmark: what it is, its tasks, labels and subsets, whether it is under `root` (or
    GENNAPE_DATA) and how many networks it has there, and which labels may train shipped weights.
    """
    rows = []
    for name in BENCHMARKS:
        found = benchmark(name)
        path = where(found, root)
        rows.append(
            {
                "name": name,
                "title": found.title,
                "source": found.source,
                "licence": found.licence,
                "families": list(found.families),
                "tasks": list(dict.fromkeys(label.task for label in found.labels)),
                "labels": [label.name for label in found.labels],
                "subsets": list(found.subsets),
                "found": path is not None,
                "path": str(path) if path else None,
                "networks": _count(found, path, root) if path else None,
                "ships": [label.name for label in found.labels if label.ships],
            }
        )
    return rows


def where(found: Benchmark, root: Path | None = None) -> Path | None:
    """The table of a benchmark, or what its authors publish and is read in its place; None where
    neither is there.
    """
    try:
        home = found.home(root)
    except LabelError:
        return None
    if (home / found.table).is_file():
        return home / found.table
    own = downloads(found.name, root)[1] if found.original else ()
    return next((home / file.path for file in own if is_there(file, home)), None)


def _count(found: Benchmark, path: Path, root: Path | None) -> int | None:
    """Networks in the table; None where only reading the authors' file would tell."""
    if path != found.home(root) / found.table:
        return None
    if found.rows is not everything or path.suffix != ".parquet":
        return len(found.frame(root))
    from pyarrow.parquet import read_metadata

    return int(read_metadata(path).num_rows)
