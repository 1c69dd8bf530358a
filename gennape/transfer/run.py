"""Runs a protocol over several seeds, two processes at a time, and keeps what is finished."""

import multiprocessing as mp
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path
from queue import Empty
from typing import Any

import pandas as pd

from gennape.transfer.protocol import Protocol, run_seed, steps
from gennape.transfer.report import KEYS, read_rows, write_rows
from onnx_bench.terminal import progress

_queue: Any = None


def run(protocol: Protocol, seeds: int, out: Path, work: Path, processes: int = 2) -> pd.DataFrame:
    """Rows of every seed, those of an earlier run included; `out` is written after each seed.

    Args:
        seeds: seeds 0 to seeds - 1; those that `out` holds already are not run again.
        out: CSV of one row a seed, subset and number of labels.
        work: folder of the source models; an interrupted training goes on where it was.
    """
    rows = read_rows(out)
    todo = [seed for seed in range(seeds) if not _finished(rows, protocol, seed)]
    if not todo:
        return rows
    context = mp.get_context("spawn")
    queue = context.Queue()
    with (
        ProcessPoolExecutor(min(processes, len(todo)), context, _start, (queue,)) as pool,
        _bar(len(todo) * steps(protocol)) as advance,
    ):
        futures = {pool.submit(_seed, protocol, seed, work) for seed in todo}
        while futures:
            with suppress(Empty):
                advance(queue.get(timeout=1.0))
            for future in [f for f in futures if f.done()]:
                futures.remove(future)
                new = pd.DataFrame(future.result())
                both = new if rows.empty else pd.concat([rows, new], ignore_index=True)
                rows = write_rows(out, both.drop_duplicates([*KEYS, "seed"], keep="last"))
    return rows


def _finished(rows: pd.DataFrame, protocol: Protocol, seed: int) -> bool:
    mine = rows[
        (rows["source_model"] == protocol.key)
        & (rows["target"] == protocol.target)
        & (rows["seed"] == seed)
    ]
    there = set(zip(mine["subset"], mine["shots"], strict=True))
    there |= {(None, shots) for _, shots in there}  # any rows stand for the default ones
    return there.issuperset(product(protocol.target_subsets, protocol.shots))


def _start(queue: Any) -> None:
    global _queue
    _queue = queue


def _seed(protocol: Protocol, seed: int, work: Path) -> list[dict[str, Any]]:
    return run_seed(protocol, seed, work, _queue.put)


@contextmanager
def _bar(total: int) -> Iterator[Callable[[int], None]]:
    with progress() as display:
        task = display.add_task("epochs and scores", total=total)
        yield lambda step: display.advance(task, step)
