"""Runs leave-one-family-out over several seeds, two processes at a time, and keeps every target."""

import multiprocessing as mp
from collections.abc import Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from queue import Empty
from typing import Any

import pandas as pd
import torch

from gennape.transfer.lofo import Plan, run_seed
from gennape.transfer.targets import Target, load
from onnx_bench.benchmarks import benchmark
from onnx_bench.errors import LabelError
from onnx_bench.files import atomic_file
from onnx_bench.terminal import progress

KEYS = ["target", "subset", "label", "estimator", "mode", "left_out", "shots"]
_queue: Any = None


def run(plan: Plan, seeds: int, out: Path, work: Path, processes: int = 2) -> pd.DataFrame:
    """Rows of every seed and target, those of an earlier run included.

    Args:
        seeds: 0 to seeds - 1.
        out: CSV, written after each target; what it holds is not run again.
        work: folder of the models, and of what each seed has finished.
    """
    if plan.encoders:  # said before anything is trained
        for seed in range(seeds):
            plan.encoder(seed)
    rows = read_rows(out)
    plan, missing = _there(plan)
    _prepare(plan, processes)
    todo = {seed: _done(rows, plan, seed) for seed in range(seeds)}
    todo = {seed: done for seed, done in todo.items() if len(done) < len(plan.targets)}
    with progress() as display:
        for line in missing:
            display.console.print(line)
        total = sum(len(plan.targets) - len(done) for done in todo.values())
        task = display.add_task("targets", total=total)
        for event in _events(plan, todo, work, processes):
            if isinstance(event, str):
                display.update(task, description=event)
                continue
            rows = write_rows(out, pd.concat([rows, event], ignore_index=True))
            display.advance(task)
    return rows


def read_rows(path: Path) -> pd.DataFrame:
    """Rows of an earlier run; an empty frame where there is none."""
    if not path.exists():
        return pd.DataFrame(columns=[*KEYS, "seed"])
    return pd.read_csv(path, keep_default_na=True, dtype={"left_out": str, "mode": str}).fillna(
        {"left_out": ""}
    )


def write_rows(path: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """Writes all rows, ordered, whole or not at all; returns them."""
    last = rows.drop_duplicates([*KEYS, "seed"], keep="last")
    ordered = last.sort_values([*KEYS, "seed"], ignore_index=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as temporary:
        ordered.to_csv(temporary, index=False, float_format="%.5f")
    return ordered


def _there(plan: Plan) -> tuple[Plan, list[str]]:
    """The plan without targets whose labels are not there, and a line on each of these."""
    found, missing = [], []
    for target in plan.targets:
        try:
            load(target, plan.data_root, most=2)
            found.append(target)
        except LabelError as error:
            missing.append(f"left out: {target.key} ({error})")
    if not found:
        raise LabelError(missing[0] if missing else "there are no targets")
    return replace(plan, targets=tuple(found)), missing


def _prepare(plan: Plan, processes: int) -> None:
    """Builds graphs and numbers that are not in the cache yet, so that no two seeds do."""
    with progress() as display:
        for target in plan.targets:
            task = display.add_task(f"graphs of {target.key}", total=None, visible=False)

            def advance(done: int, task: Any = task) -> None:
                display.update(task, advance=done, visible=True)

            networks = load(target, plan.data_root, plan.most, advance, processes)
            _ = networks.graphs.whole_GD
            display.remove_task(task)


def _done(rows: pd.DataFrame, plan: Plan, seed: int) -> frozenset[str]:
    """Keys of targets that have rows of a seed."""
    own = rows[rows["seed"] == seed]
    there = set(zip(own["target"], own["subset"], own["label"], strict=True))
    return frozenset(t.key for t in plan.targets if _named(t) in there)


def _named(target: Target) -> tuple[str, str, str]:
    declared = benchmark(target.benchmark)
    name = target.benchmark if target.family is None else target.left_out
    return name, declared.subset(target.subset), declared.label(target.label).name


def _events(plan: Plan, todo: Mapping[int, frozenset[str]], work: Path, processes: int) -> Any:
    """What the processes report: lines, and frames of finished targets."""
    if not todo:
        return
    context = mp.get_context("spawn")
    queue = context.Queue()
    with ProcessPoolExecutor(min(processes, len(todo)), context, _start, (queue,)) as pool:
        running: set[Future[None]] = {
            pool.submit(_seed, plan, seed, work, done) for seed, done in todo.items()
        }
        failed = None
        while running or not queue.empty():
            with suppress(Empty):
                yield queue.get(timeout=1.0)
            for future in [found for found in running if found.done()]:
                running.remove(future)
                failed = failed or future.exception()
        if failed:  # what the other seeds have found is kept
            raise failed


def _start(queue: Any) -> None:
    global _queue
    _queue = queue
    torch.set_num_threads(1)  # one thread in each of two processes beats two threads in one


def _seed(plan: Plan, seed: int, work: Path, done: frozenset[str]) -> None:
    def say(line: str) -> None:
        _queue.put(f"seed {seed}, {line}")

    for _, rows in run_seed(plan, seed, work, done, say):
        _queue.put(pd.DataFrame(rows))
