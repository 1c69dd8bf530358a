"""Checks every row of the public benchmarks against the networks that we build, and how fast.

    GENNAPE_DATA=... python scripts/verify_families.py        # a few minutes on one core

Counts the rows whose parameter count (and NB-101's module hash) equals the benchmark's, measures
graphs built a second on one core (parsing and features excluded), prints a table, and writes
`results/verify_families.csv`. Ends with exit code 1 where one row differs.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from onnx_bench.benchmarks.labels import benchmark_file
from onnx_bench.errors import LabelError
from onnx_bench.families import Family, family
from onnx_bench.files import atomic_file
from onnx_bench.terminal import fail, track


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-root", type=Path, default=None, help="GENNAPE_DATA by default")
    parser.add_argument("--out", type=Path, default=Path("results/verify_families.csv"))
    args = parser.parse_args()
    try:
        frames = {
            name: pd.read_parquet(benchmark_file(args.data_root, name))
            for name in ("nasbench101", "nasbench201")
        }
    except LabelError as error:
        fail(str(error))
    rows = [*nasbench101(frames["nasbench101"]), *nasbench201(frames["nasbench201"])]
    table = pd.DataFrame(rows)
    with atomic_file(args.out) as temporary:
        table.to_csv(temporary, index=False)
    print(table.to_string(index=False))
    sys.exit(int((table["value"] < table["goal"]).any()))


def nasbench101(frame: pd.DataFrame) -> Iterable[dict[str, Any]]:
    """Parameters and hashes of all rows, and the rate of 10,000."""
    members = family("nasbench101")
    texts = frame["adjacency"] + ":" + frame["operations"]
    cells = [members.parse(text) for text in track(texts, "nasbench101: parsing")]
    yield equal(
        members,
        "parameters",
        cells,
        frame["trainable_parameters"].to_numpy(),
        lambda cell: members.build(cell).parameters,
    )
    hashes = frame["module_hash"].to_numpy()
    yield equal(members, "module hashes", cells, hashes, lambda cell: cell.pruned().module_hash())
    yield rate(members, cells[:10_000], goal=2_000)


def nasbench201(frame: pd.DataFrame) -> Iterable[dict[str, Any]]:
    """Parameters and the rate of all rows."""
    members = family("nasbench201")
    cells = [members.parse(text) for text in frame["arch_str"]]
    # The table holds millions in single precision: exact to less than one parameter.
    published = np.rint(frame["params_M_cifar10_analytic"].to_numpy(np.float64) * 1e6)
    yield equal(
        members, "parameters", cells, published, lambda cell: members.build(cell).parameters
    )
    yield rate(members, cells, goal=8_000)


def equal(
    members: Family[Any],
    what: str,
    specs: list[Any],
    published: np.ndarray,
    ours: Callable[[Any], Any],
) -> dict[str, Any]:
    """How many rows agree with the benchmark."""
    bar = track(zip(specs, published, strict=True), f"{members.name}: {what}", len(specs))
    same = sum(ours(spec) == value for spec, value in bar)
    return {
        "family": members.name,
        "check": f"rows with equal {what}",
        "value": same,
        "goal": len(specs),
    }


def rate(members: Family[Any], specs: list[Any], goal: int, repeats: int = 5) -> dict[str, Any]:
    """Graphs built a second of processor time: the median of some passes, on a warm cache."""
    rates = []
    for _ in range(repeats):
        start = time.process_time()
        for spec in specs:
            members.build(spec)
        rates.append(len(specs) / (time.process_time() - start))
    return {
        "family": members.name,
        "check": "graphs built a second, one core",
        "value": round(float(np.median(rates))),
        "goal": goal,
    }


if __name__ == "__main__":
    main()
