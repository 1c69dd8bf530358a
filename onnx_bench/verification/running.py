"""Running checks over all rows, in as many processes as there are processors."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from multiprocessing import get_context

from onnx_bench.errors import GennapeError
from onnx_bench.families import build_spec
from onnx_bench.verification.base import Check, Value

CHUNK = 500


@dataclass(frozen=True)
class Row:
    """One network's figure beside the published one."""

    network: str
    published: Value
    ours: Value | None
    """None where the network could not be built; `error` says why."""
    error: str = ""


@dataclass(frozen=True)
class Verdict:
    """What became of a check.

    Args:
        rows: how many networks were compared.
        equal: how many agree within the tolerance.
        worst: the row that differs most, None where all agree.
    """

    family: str
    check: Check
    rows: int
    equal: int
    worst: Row | None

    @property
    def holds(self) -> bool:
        """Whether every row agrees, or none has to."""
        return self.equal == self.rows or not self.check.exact


def verify(
    family: str, check: Check, workers: int, report: Callable[[int], None] = lambda _: None
) -> Verdict:
    """Compares every row of a check; `report` is called with the number of rows just done."""
    equal, worst, largest = 0, None, -1.0
    for rows in _compute(check, workers):
        for row in rows:
            gap = _gap(row)
            if gap <= check.tolerance:
                equal += 1
            elif gap > largest:
                worst, largest = row, gap
        report(len(rows))
    return Verdict(family, check, len(check.networks), equal, worst)


def _compute(check: Check, workers: int) -> Iterator[list[Row]]:
    texts, published = list(check.networks), list(check.published)
    if len(texts) != len(published):
        raise ValueError(f"{check.what}: {len(texts)} networks, {len(published)} figures")
    starts = range(0, len(texts), CHUNK)
    chunks = [texts[i : i + CHUNK] for i in starts]
    figures = [published[i : i + CHUNK] for i in starts]
    given = (chunks, figures, repeat(check.ours), repeat(check.reads == "graph"))
    if workers == 1 or len(chunks) == 1:
        yield from map(_figures, *given)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_figures, *given)


def _figures(
    texts: list[str], published: list[Value], ours: Callable[..., Value], built: bool
) -> list[Row]:
    rows = []
    for text, value in zip(texts, published, strict=True):
        try:
            rows.append(Row(text, value, ours(build_spec(text) if built else text)))
        except GennapeError as error:
            rows.append(Row(text, value, None, str(error)))
    return rows


def _gap(row: Row) -> float:
    """How far ours is from the published figure; infinity for texts that differ."""
    if row.ours is None or isinstance(row.ours, str) or isinstance(row.published, str):
        return 0.0 if row.ours == row.published else float("inf")
    gap = abs(row.ours - row.published)
    return gap if gap == gap else float("inf")  # a figure that is no number agrees with nothing
