"""Texts to graphs, many at once: in order, a few held at a time, in other processes where it pays.

A text is a specification (`FAMILY:...`), the path of an ONNX file, or that of a saved graph
(`.npz`), as `onnx-bench import` leaves them.
"""

import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import NamedTuple, TypeVar

from onnx_bench.collections.graphs import GraphCollection
from onnx_bench.doors import open_network
from onnx_bench.errors import CollectionError, GennapeError
from onnx_bench.graph import ComputationGraph

PATIENCE = 2.0
"""Seconds of work before other processes are started, which takes about as long."""
T = TypeVar("T")
R = TypeVar("R")


class Piece(NamedTuple):
    """Texts that are built together: some networks of a long list."""

    texts: tuple[str, ...]
    fused: bool


class Built(NamedTuple):
    """The graphs of a piece, without those that could not be built."""

    graphs: GraphCollection
    failures: tuple[tuple[int, str], ...]
    """(position in the piece, what is wrong)."""


def pieces(texts: Sequence[str], fused: bool, size: int = 256) -> list[Piece]:
    """The texts, `size` at a time."""
    return [
        Piece(tuple(texts[start : start + size]), fused) for start in range(0, len(texts), size)
    ]


def build(piece: Piece) -> Built:
    """The graphs of a piece in order; texts that name no network become failures."""
    failures = []

    def graphs() -> Iterator[ComputationGraph]:
        for position, text in enumerate(piece.texts):
            try:
                yield network(text, piece.fused)
            except (GennapeError, OSError) as error:
                failures.append((position, " ".join(str(error).split())))

    return Built(GraphCollection.from_graphs(graphs()), tuple(failures))


def network(text: str, fused: bool = False) -> ComputationGraph:
    """The network that a text names, in the atomic or the fused form.

    Raises:
        GennapeError: it names none.
    """
    graph = open_network(text).graph
    if not fused:
        return graph
    from onnx_bench.canonical import fuse

    return fuse(graph)


def in_order(work: Callable[[T], R], items: Iterable[T], workers: int = 1) -> Iterator[R]:
    """`map`, at first in this process, then in `workers` others if there is much to do.

    Few results wait at a time, so that memory stays small however long `items` is.

    Raises:
        CollectionError: a process was brought down by what it worked on.
    """
    waiting, started = iter(items), time.monotonic()
    for item in waiting:
        yield work(item)
        if workers > 1 and time.monotonic() - started > PATIENCE:
            break
    else:
        return
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    pending: deque[Future[R]] = deque()
    try:
        for item in waiting:
            pending.append(pool.submit(work, item))
            if len(pending) > 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except BrokenProcessPool:
        raise CollectionError(
            "a network brought down the process that built it (out of memory?); one worker alone "
            "says which"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)
