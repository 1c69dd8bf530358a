"""How fast 400,000 graphs open, come back and are written, and how much memory that takes.

    python scripts/collection_speed.py

Packs the specifications of every benchmark whose table is under GENNAPE_DATA (NAS-Bench-101 and
-201; those of `digits` alone where there are none), as often as it takes to have enough: repeats
are whole graphs of their own on disk, under names of their own, and share nothing but the distinct
rows. Every step runs in a process of its own; memory is its peak, with what is mapped. The files
have just been written: they come from the system's cache, not from the disk itself. Writes
results/collection_speed.csv.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from onnx_bench.benchmarks import benchmark
from onnx_bench.collections import GraphCollection, storage
from onnx_bench.errors import LabelError
from onnx_bench.families import build_spec
from onnx_bench.files import atomic_file

SUBSETS = {"nasbench201": "all", "nasbench101": "all", "digits": "all"}
CODE = """
import resource, sys, time
from pathlib import Path
import numpy as np
from onnx_bench.collections import storage

way, folder = sys.argv[1:]
start = time.perf_counter()
graphs = storage.load(Path(folder))
if way == "stream graphs":
    for graph in graphs:
        graph.nodes_NK
elif way == "stream batches of 128":
    for first in range(0, len(graphs), 128):
        graphs.gather(range(first, min(first + 128, len(graphs))))
elif way == "random batches of 128":
    order = np.random.default_rng(0).permutation(len(graphs))
    for chosen in np.split(order, range(128, len(order), 128)):
        graphs.gather(chosen)
elif way == "names":
    sum(map(len, graphs.names))
seconds = time.perf_counter() - start
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
WAYS = ("open", "stream graphs", "stream batches of 128", "random batches of 128", "names")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-n", "--number", type=int, default=400_000, help="how many graphs")
    parser.add_argument("-o", "--output", type=Path, default=Path("results/collection_speed.csv"))
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.write:
        write(args.write, args.number)
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "graphs"
        rows = [written(folder, args.number)]
        graphs = storage.load(folder)
        size = sum(path.stat().st_size for path in folder.iterdir())
        facts = {"graphs": len(graphs), "nodes": len(graphs.row_M), "rows": len(graphs.rows_RK)}
        facts |= {"megabytes_on_disk": round(size / 2**20)}
        rows += [measured(folder, way) for way in WAYS]
    with atomic_file(args.output) as temporary, temporary.open("w", newline="") as stream:
        fields = ["step", *facts, "seconds", "graphs_per_second", "peak_megabytes"]
        writer = csv.DictWriter(stream, fields)
        writer.writeheader()
        for step, seconds, peak in rows:
            rate = round(len(graphs) / seconds) if step != "open" else ""
            figures = {"seconds": f"{seconds:.3f}", "peak_megabytes": round(peak)}
            row = {"step": step, **facts, **figures, "graphs_per_second": rate}
            writer.writerow(row)
            print(row)


def written(folder: Path, number: int) -> tuple[str, float, float]:
    """Builds and writes in a process of its own; (step, seconds, megabytes)."""
    start = time.perf_counter()
    command = [sys.executable, __file__, "--write", str(folder), "-n", str(number)]
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(1)
    return "build and write", time.perf_counter() - start, usage.ru_maxrss / 1024


def measured(folder: Path, way: str) -> tuple[str, float, float]:
    """One way of reading in a process of its own; (step, seconds, megabytes)."""
    command = [sys.executable, "-c", CODE, way, str(folder)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds, peak = map(float, answer.split())
    return way, seconds, peak


def write(folder: Path, number: int) -> None:
    """Writes `number` graphs, a few of them in memory at a time."""
    folder.mkdir()
    writer = storage.Writer(folder)
    waiting = specs(number)
    while part := list(islice(waiting, storage.PART)):
        graphs = GraphCollection.from_graphs(build_spec(text) for _, text in part)
        writer.add(graphs.renamed([f"{text}#{repeat}" for repeat, text in part]))
    writer.close()


def specs(number: int) -> Iterator[tuple[int, str]]:
    """(repeat, FAMILY:SPEC), all of them before any a second time."""
    texts = [text for name, subset in SUBSETS.items() for text in networks(name, subset)]
    order = np.random.default_rng(0).permutation(len(texts))
    for i in range(number):
        yield i // len(texts), texts[order[i % len(texts)]]


def networks(name: str, subset: str) -> list[str]:
    """The specifications of a benchmark, none where its table is missing."""
    found = benchmark(name)
    try:
        frame = found.frame()
    except LabelError:
        return []
    return list(found.networks(frame[found.subsets[subset](frame)]))


if __name__ == "__main__":
    main()
