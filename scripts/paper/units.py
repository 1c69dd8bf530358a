"""Units of work, several at a time: each one's rows are there as soon as it is done."""

import multiprocessing as mp
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import Empty
from typing import Any

import torch

from onnx_bench.errors import GennapeError
from onnx_bench.terminal import progress

from .rows import Row

Work = Callable[..., list[Row]]

_queue: Any = None


@dataclass(frozen=True)
class Unit:
    """A function of a module and its arguments, which gives rows."""

    name: str
    work: Work
    arguments: tuple[Any, ...]

    def __call__(self) -> list[Row]:
        torch.set_num_threads(1)  # one thread in each of two processes beats two threads in one
        return self.work(*self.arguments)


@dataclass
class Failures:
    """Units that ended with an error: the others go on, and the command ends with these."""

    lines: list[str] = field(default_factory=list)

    @contextmanager
    def of(self, unit: Unit) -> Iterator[None]:
        """Keeps what a user can mend; the same command tries the unit again."""
        try:
            yield
        except GennapeError as error:
            self.lines.append(f"{unit.name}: {error}")


def finished(
    units: Sequence[Unit], processes: int, title: str, failures: Failures
) -> Iterator[list[Row]]:
    """The rows of each unit, in the order in which they are done, under a progress display."""
    if not units:
        return
    with progress() as display:
        task = display.add_task(title, total=len(units))
        each = _here(units, failures) if processes == 1 else _apart(units, processes, failures)
        for rows, running in each:
            display.update(task, description=f"{title}: {running}" if running else title)
            if rows is not None:
                display.advance(task)
                yield rows


Step = tuple[list[Row] | None, str]
"""The rows of a unit that is done, or None; and the names of those that are under way."""


def _here(units: Sequence[Unit], failures: Failures) -> Iterator[Step]:
    for unit in units:
        yield None, unit.name
        rows: list[Row] = []
        with failures.of(unit):
            rows = unit()
        yield rows, unit.name


def _apart(units: Sequence[Unit], processes: int, failures: Failures) -> Iterator[Step]:
    context = mp.get_context("spawn")
    queue = context.Queue()
    workers = min(processes, len(units))
    with ProcessPoolExecutor(workers, context, _start, (queue,)) as pool:
        futures = {pool.submit(_run, unit): unit for unit in units}
        running: dict[str, None] = {}
        try:
            while futures:
                with suppress(Empty):
                    running[queue.get(timeout=0.5)] = None
                yield from _done(futures, running, failures)
                waiting = {unit.name for unit in futures.values()}
                running = {name: None for name in running if name in waiting}
                yield None, ", ".join(running)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _done(
    futures: dict[Future[list[Row]], Unit], running: dict[str, None], failures: Failures
) -> Iterator[Step]:
    for future in [future for future in futures if future.done()]:
        unit = futures.pop(future)
        rows: list[Row] = []
        with failures.of(unit):
            rows = future.result()
        yield rows, ", ".join(running)


def _start(queue: Any) -> None:
    global _queue
    _queue = queue


def _run(unit: Unit) -> list[Row]:
    _queue.put(unit.name)
    return unit()
