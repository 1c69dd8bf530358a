"""What the universal model learns from: public tables whose licence lets their checkpoint ship."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from gennape.batch import EncodedGraphs
from onnx_bench.benchmarks import LabelTable, benchmark, read
from onnx_bench.collections.cache import graphs_of
from onnx_bench.errors import LabelError

Values = npt.NDArray[np.float64]
Report = Callable[[str], None]


@dataclass(frozen=True)
class Source:
    """A benchmark as something to learn from.

    Args:
        benchmark: its name; the networks of each of its families are a family of their own.
        labels: of several tasks, or of one; the default one where none is named.
        subset: of its networks, the default one if none is named.
        floor: networks below that label are left out: trainings that failed teach little.
        most: how many networks of a family are there at most, the same ones each time.
    """

    benchmark: str
    labels: tuple[str | None, ...] = (None,)
    subset: str | None = None
    floor: float = -np.inf
    most: int | None = None

    @property
    def ships(self) -> bool:
        """Whether all its labels may train a checkpoint that ships."""
        return all(benchmark(self.benchmark).label(label).ships for label in self.labels)


SCENES = ("class_scene-val-25", "class_object-val-25")
GENERALIST = Source("nasbench101", subset="full", floor=80.0)
"""Cells of all kinds in number: alone the best source for every other family that was tried."""
SPECIALISTS = (
    Source(
        "nasbench201",
        tuple(f"{task}-test-200-nb201v11" for task in ("cifar10", "cifar100", "imagenet16")),
        "distinct",
    ),
    Source("transnas-micro", SCENES),
    Source("transnas-macro", SCENES),
    Source("nasbench-macro"),
    Source("ofa-mbv3", subset="distinct"),
    Source("metaqnn"),
    Source("digits"),
    Source("bert"),
    Source("gpt2"),
    Source("transformer-xl"),
    Source("nasbench-nlp"),
    Source("hwgpt-s", most=2000),
    Source("pit"),
    Source("autoformer"),
)


@dataclass(frozen=True, eq=False)
class Family:
    """Networks of one family, and what is to be learnt of them.

    Args:
        name: of the family.
        graphs: N of them, fused.
        rank_N: ranks of the labels, standardised, mean over tasks: higher is better.
        spellings: the networks.
    """

    name: str
    graphs: EncodedGraphs
    rank_N: Values
    spellings: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rank_N)


def ranks(labels: npt.ArrayLike) -> Values:
    """Ranks with mean 0 and deviation 1, ties in the middle; zeros where all are the same."""
    found = rankdata(np.asarray(labels, np.float64))
    deviation = found.std()
    standard: Values = (found - found.mean()) / (deviation if deviation > 0 else 1.0)
    return standard


def families(
    source: Source, root: Path | None = None, report: Report | None = None
) -> list[Family]:
    """The families of a source, with fused graphs from the cache.

    Raises:
        LabelError: its table is not there, or holds nothing above the floor.
    """
    tables = [
        _above(read(source.benchmark, root, label, source.subset), source.floor)
        for label in source.labels
    ]
    spellings = _common(tables)
    kinds = dict(zip(tables[0].networks, tables[0].kinds, strict=True))
    found = []
    for name in dict.fromkeys(kinds[network] for network in spellings):
        own = [network for network in spellings if kinds[network] == name]
        if source.most and len(own) > source.most:
            rows = np.sort(np.random.default_rng(0).permutation(len(own))[: source.most])
            own = [own[row] for row in rows]
        if report:
            report(f"{name}: {len(own):,} networks")
        graphs = EncodedGraphs(graphs_of(own, True, source=tables[0].source))
        rank_N = np.mean([ranks(_of(table, own)) for table in tables], axis=0)
        found.append(Family(name, graphs, ranks(rank_N), tuple(own)))
    return found


def _above(table: LabelTable, floor: float) -> LabelTable:
    kept = np.flatnonzero(table.values >= floor)
    if not len(kept):
        raise LabelError(f"{table.source}: no label of {floor:g} or more")
    return table.take(kept)


def _common(tables: Sequence[LabelTable]) -> list[str]:
    """Networks that all tables have, once each, in the order of the first."""
    others = [set(table.networks) for table in tables[1:]]
    return [n for n in dict.fromkeys(tables[0].networks) if all(n in other for other in others)]


def _of(table: LabelTable, networks: Sequence[str]) -> Values:
    """The mean label of each network, shape (N,)."""
    values: dict[str, list[float]] = {}
    for network, value in zip(table.networks, table.values, strict=True):
        values.setdefault(network, []).append(float(value))
    return np.array([np.mean(values[network]) for network in networks])
