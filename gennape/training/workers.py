"""Runs side by side: each in a process of its own, as soon as what it needs is there."""

import multiprocessing as mp
import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from queue import Empty
from typing import Any

import torch

from gennape.training.quiet import quiet
from gennape.training.runs import Run, RunError
from onnx_bench.errors import GennapeError
from onnx_bench.terminal import progress

LOG = "log.txt"
Show = Callable[[str, int], None]

_queue: Any = None
_stop: Any = None


def train_all(
    runs: Sequence[Run], processes: int = 1, report: Callable[[str], None] | None = None
) -> None:
    """Trains what is not finished, under a progress display; what a run prints is in its `log.txt`.

    Args:
        processes: how many runs at a time.
        report: called with a line on each epoch.

    Raises:
        RunError: a folder holds something else, or a run failed; the others stop after the epoch
            that they are in, and go on the next time.
    """
    _check(runs)
    waiting = [run for run in runs if not run.finished]
    if not waiting:
        return
    context = mp.get_context("spawn")
    queue, stop = context.Queue(), context.Event()
    with _display(waiting, report) as show:
        with ProcessPoolExecutor(processes, context, _start, (queue, stop, processes)) as pool:
            try:
                for _ in _finish(waiting, pool):
                    _tell(queue, show)
            except BaseException:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        _tell(queue, show)  # what was said last


def _tell(queue: Any, show: Show) -> None:
    """Waits half a second for news, and shows all that there are."""
    with suppress(Empty):
        show(*queue.get(timeout=0.5))
        while True:
            show(*queue.get_nowait())


def _check(runs: Sequence[Run]) -> None:
    """Refuses folders of something else, and models on an encoder that is made anew."""
    unfinished = {run.name for run in runs if not run.finished}
    for run in runs:
        run.check()
        if run.needs in unfinished and run.epochs_done:
            raise RunError(
                f"{run.folder} was trained on an encoder {run.needs} that is no longer there; "
                "remove that folder, or choose another --run_dir"
            )


def _finish(waiting: list[Run], pool: ProcessPoolExecutor) -> Iterator[None]:
    """Starts each run when the one that it needs is done; yields while some are under way."""
    pending, running = list(waiting), dict[Future[None], Run]()
    while pending or running:
        missing = {run.name for run in (*pending, *running.values())}
        for run in [run for run in pending if run.needs not in missing]:
            pending.remove(run)
            running[pool.submit(_train, run)] = run
        yield
        for future in [future for future in running if future.done()]:
            run = running.pop(future)
            try:
                future.result()
            except BrokenProcessPool:
                raise RunError(
                    f"{run.name}: a process was killed, perhaps for want of memory; "
                    "the same command goes on where it was"
                ) from None


@contextmanager
def _display(runs: Sequence[Run], report: Callable[[str], None] | None) -> Iterator[Show]:
    """Shows a bar for each run that has begun."""
    totals = {run.name: run.epochs for run in runs}
    with progress() as bars:
        tasks = {
            name: bars.add_task(name, total=total, visible=False) for name, total in totals.items()
        }

        def show(name: str, epoch: int) -> None:
            bars.update(tasks[name], completed=epoch, visible=True)
            if report:
                report(f"{name}: {epoch} of {totals[name]} epochs")

        yield show


def _start(queue: Any, stop: Any, processes: int) -> None:
    global _queue, _stop
    _queue, _stop = queue, stop
    quiet()
    torch.set_num_threads(max(1, torch.get_num_threads() // processes))


def _train(run: Run) -> None:
    def report(epoch: int) -> bool:
        parent = mp.parent_process()
        if parent is not None and not parent.is_alive():
            os._exit(1)  # whoever was to be told is gone, and may be back with the same folders
        _queue.put((run.name, epoch))
        return bool(_stop.is_set())

    run.folder.mkdir(parents=True, exist_ok=True)
    path = run.folder / LOG
    with path.open("a") as log, redirect_stdout(log), redirect_stderr(log):
        try:
            run.train(report)
        except Exception as error:
            traceback.print_exc()
            mendable = isinstance(error, GennapeError | OSError)
            hint = "" if mendable else f" ({type(error).__name__}; {path} tells more)"
            raise RunError(f"{run.name}: {error}{hint}") from None
