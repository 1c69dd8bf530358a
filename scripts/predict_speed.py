"""How long `gennape predict` takes from a cold process, for one ONNX file and for many.

    python scripts/predict_speed.py                       # the default checkpoint, 300 files
    python scripts/predict_speed.py --model runs/mine -n 50

Writes networks of all families in turn, sampled by a seed, with their weights, into a temporary
folder (4 GB), and ranks them in fresh processes on one core: one file, then all of them.
The files have just been written: they come from the system's cache, not from the disk itself.
`whole` is the command as users run it; the other rows are its parts, measured in processes of
their own: what is left of the whole is Python's start and end, the command line and the table.
Writes results/predict_speed.csv: wall time (median and least) and processor time in seconds.
"""

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count, cycle, islice
from pathlib import Path

import numpy as np

from gennape.cli import DEFAULT_MODEL
from onnx_bench.families import FAMILIES, family
from onnx_bench.files import atomic_file
from onnx_bench.graph import ComputationGraph
from onnx_bench.onnx_export import save_onnx

LARGEST = 10_000_000
"""Parameters of the largest network: a file of 40 MB."""
WITHOUT = ("timm", "nasbench-nlp", "transformer-xl", "hwgpt")
"""One is built by another package; those of the others are larger than that."""
COMMAND = "from gennape.cli import main; main()"
PARTS = """
import sys
from time import perf_counter, process_time

def lap(part):
    global wall, cpu
    now = perf_counter(), process_time()
    print(part, now[0] - wall, now[1] - cpu)
    wall, cpu = now

wall, cpu = perf_counter(), process_time()
model, *files = sys.argv[1:]
from gennape.cli import _for_good
with _for_good():
    from gennape.inference import Predictor, encode
    from gennape.ranking import open_network
    from onnx_bench.onnx_import import import_onnx
lap("imports")
predictor = Predictor.from_pretrained(model)
lap("checkpoint")
graphs = [open_network(file).graph for file in files]
lap("reading")
encoded = encode(graphs, predictor.checkpoint.form)
lap("canonical form")
if predictor.checkpoint.model.reads_whole:
    encoded.whole_GD
lap("features")
predictor.assess(encoded)
lap("scoring")
"""
STEPS = ["imports", "checkpoint", "reading", "canonical form", "features", "scoring"]
Times = dict[str, tuple[float, float]]
"""Wall and processor time in seconds, by part."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-m", "--model", default=DEFAULT_MODEL, help="a name, or a folder")
    parser.add_argument("-n", "--number", type=int, default=300, help="files of the second row")
    parser.add_argument("--runs", type=int, default=5, help="processes for each figure")
    parser.add_argument("--seed", type=int, default=0, help="of the networks")
    parser.add_argument("-o", "--output", type=Path, default=Path("results/predict_speed.csv"))
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):  # which processes started here inherit
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        files = written(Path(folder), args.number, args.seed)
        rows = [
            row for number in (1, args.number) for row in measured(args.model, files[:number], args)
        ]
    with atomic_file(args.output) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def written(folder: Path, number: int, seed: int) -> list[str]:
    """Writes ONNX files of networks with their weights; their paths."""
    files = []
    for place, graph in enumerate(islice(networks(seed), number)):
        files.append(str(folder / f"{place:03}.onnx"))
        save_onnx(graph, files[-1], seed=seed)
    megabytes = sum(Path(file).stat().st_size for file in files) / 1e6
    print(f"{len(files)} files of {megabytes:,.0f} MB in all", file=sys.stderr)
    return files


def networks(seed: int) -> Iterator[ComputationGraph]:
    """Networks without end, one of each family in turn; those that are too large are left out."""
    drawn = {name: count() for name in FAMILIES if name not in WITHOUT}
    for name in cycle(drawn):
        members = family(name)
        for place in drawn[name]:
            graph = members.build(members.sample(np.random.default_rng([seed, place])))
            if graph.parameters <= LARGEST:
                yield graph
                break


def measured(model: str, files: list[str], args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """The rows of some files: the whole command, then its parts."""
    for times in (whole, parts):
        found = [times(model, files) for _ in range(args.runs)]
        for part in found[0]:
            wall, cpu = zip(*(times[part] for times in found), strict=True)
            row = {
                "model": Path(model).name,
                "files": len(files),
                "part": part,
                "wall_s": round(statistics.median(wall), 3),
                "wall_min_s": round(min(wall), 3),
                "cpu_s": round(statistics.median(cpu), 3),
                "cores": cores(),
                "runs": args.runs,
            }
            print(row)
            yield row


def whole(model: str, files: list[str]) -> Times:
    """The command in a fresh process, from its start to its end."""
    start = time.perf_counter()
    command = [sys.executable, "-c", COMMAND, "predict", "--model", model, *files]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(1)
    return {"whole": (time.perf_counter() - start, usage.ru_utime + usage.ru_stime)}


def parts(model: str, files: list[str]) -> Times:
    """The steps of the command in a fresh process."""
    command = [sys.executable, "-c", PARTS, model, *files]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    laps = (line.rsplit(maxsplit=2) for line in answer.splitlines())
    return {part: (float(wall), float(cpu)) for part, wall, cpu in laps}


def cores() -> int:
    """Cores that the processes may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


if __name__ == "__main__":
    main()
