"""Takes random networks of every family the whole way round, and measures how fast they are built.

    python scripts/exercise_families.py                 # all families, 30 networks of each: minutes
    python scripts/exercise_families.py darts bert -n 5

For each network: the same seed samples it again, its text parses back, a random neighbour builds,
the exported ONNX model runs in onnxruntime with finite answers, and importing that model gives the
same hash. Then graphs built a second of processor time on one core, the best of three passes over
new networks. Prints a table, writes `results/families.csv`, and ends with exit code 1 on a failure.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd

from onnx_bench.errors import GennapeError
from onnx_bench.families import FAMILIES, Family, family
from onnx_bench.files import atomic_file
from onnx_bench.onnx_export import to_onnx
from onnx_bench.onnx_import import import_onnx
from onnx_bench.terminal import track

CELLS = ("nasbench101", "nasbench201", "nats-sss", "nasbench-macro", "darts", "hnasbench201")
GOAL, GOAL_OF_CELLS = 200, 2_000
TO_RATE, PASSES = 500, 3


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    own = [name for name in FAMILIES if name != "timm"]  # whose networks another package builds
    parser.add_argument("families", nargs="*", default=own, help="all but timm by default")
    parser.add_argument("-n", "--number", type=int, default=30, help="networks of each family")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("results/families.csv"))
    args = parser.parse_args()
    rows, failures = [], []
    for name in args.families:
        try:
            members = family(name)
            row, failed = exercise(members, args.number, args.seed)
            row |= rate(members)
        except GennapeError as error:  # no such family, or timm where it is not installed
            row, failed = {"family": name, "networks": 0}, [f"{name}: {error}"]
        rows.append(row)
        failures += failed
    table = pd.DataFrame(rows)
    with atomic_file(args.out) as temporary:
        table.to_csv(temporary, index=False)
    print(table.to_string(index=False))
    for line in failures:
        print(line, file=sys.stderr)
    sys.exit(bool(failures))


def exercise(members: Family[Any], number: int, seed: int) -> tuple[dict[str, Any], list[str]]:
    """How many of the family's networks pass each step, and a line for each that does not."""
    passed = dict.fromkeys(STEPS, 0)
    failures = []
    sizes = []
    for i in track(range(number), members.name):
        spec = members.sample(np.random.default_rng([seed, i]))
        text = f"{members.name}:{members.format(spec)}"
        sizes.append(len(members.build(spec)))
        for name, step in STEPS.items():
            try:
                why = step(members, spec, [seed, i])
            except GennapeError as error:
                why = str(error)
            passed[name] += not why
            failures += [f"{text}: {name}: {why}"] * bool(why)
    row = {"family": members.name, "networks": number, "nodes": round(float(np.mean(sizes)))}
    return row | passed, failures


def repeats(members: Family[Any], spec: Any, seed: list[int]) -> str:
    """The seed gives the same network again, and its text gives it back."""
    again = members.sample(np.random.default_rng(seed))
    if again != spec:
        return f"the seed gives {members.format(again)} the second time"
    return "" if members.parse(members.format(spec)) == spec else "its text gives another network"


def neighbours(members: Family[Any], spec: Any, seed: list[int]) -> str:
    """A random neighbour is another valid network."""
    others = members.neighbours(spec)
    if not others or spec in others:
        return "has no neighbours, or is its own"
    other = others[np.random.default_rng(seed).integers(len(others))]
    if members.parse(members.format(other)) != other:
        return f"its neighbour {members.format(other)} does not come back from its text"
    members.build(other).validate()
    return ""


def runs(members: Family[Any], spec: Any, seed: list[int]) -> str:
    """The exported model runs with finite answers, and its import has the same hash."""
    graph = members.build(spec).validate()
    model = to_onnx(graph)
    if not all(np.isfinite(answer).all() for answer in answers(model.SerializeToString(), seed)):
        return "answers are not finite"
    return "" if import_onnx(model).graph.hash == graph.hash else "its import has another hash"


STEPS: dict[str, Callable[[Family[Any], Any, list[int]], str]] = {
    "repeats": repeats,
    "neighbour": neighbours,
    "runs_and_returns": runs,
}


def answers(model: bytes, seed: list[int]) -> list[np.ndarray]:
    """What a model answers to one random input; whole numbers where it looks up a table."""
    rng = np.random.default_rng(seed)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options)
    feeds = {}
    for entry in session.get_inputs():
        shape = [size if isinstance(size, int) else 1 for size in entry.shape]
        values = rng.integers(2, size=shape) if len(shape) == 2 else rng.standard_normal(shape)
        feeds[entry.name] = values.astype(np.float32)
    found: list[np.ndarray] = session.run(None, feeds)
    return found


def rate(members: Family[Any]) -> dict[str, Any]:
    """Graphs built a second of processor time: the best of some passes, each of other networks."""
    rng = np.random.default_rng(0)
    number = 20 if members.name == "timm" else TO_RATE

    def once() -> float:
        specs = [members.sample(rng) for _ in range(number)]
        start = time.process_time()
        for spec in specs:
            members.build(spec)
        return number / (time.process_time() - start)

    best = max(once() for _ in range(PASSES))
    goal = GOAL_OF_CELLS if members.name.startswith(CELLS) else GOAL
    return {"graphs_a_second": round(best), "goal": goal}


if __name__ == "__main__":
    main()
