"""The benchmarks that source models are taken to."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gennape.batch import EncodedGraphs
from onnx_bench.benchmarks import LabelTable, benchmark, read
from onnx_bench.collections.cache import graphs_of
from onnx_bench.cost import parameters_N
from onnx_bench.errors import LabelError
from onnx_bench.terminal import progress

OF_FAMILIES = "gennape"
"""The benchmark whose families are targets each."""
TARGETS = {
    "nasbench201": ("all", "no-none"),
    "nats-sss": ("all",),
    "nasbench-macro": ("all",),
    "transnas-micro": ("all",),
    "transnas-macro": ("all",),
    "darts": ("all",),
    "metaqnn": ("all",),
    "ofa-mbv3": ("distinct",),  # so that no network is both learnt from and predicted
    "nasbench301": ("all",),
    OF_FAMILIES: (),
}
"""Benchmarks and their subsets."""
SOURCE = "nb101"
"""The authors' name of the family that models are trained on, which is no target."""


class Target(NamedTuple):
    """Networks of a target, their labels, and the parameters of each."""

    labels: LabelTable
    graphs: EncodedGraphs
    parameters: npt.NDArray[np.float64]


def check(name: str) -> None:
    """Refuses what is no target, `NAME` or `NAME/SUBSET`.

    Raises:
        LabelError: there is no such benchmark or subset.
    """
    base, _, subset = name.partition("/")
    declared = benchmark(base)
    if base != OF_FAMILIES:
        declared.subset(subset or None)


def subsets(name: str) -> list[str]:
    """The subsets of a target, or the one that it names.

    Raises:
        LabelError: the labels are not there, where they say what subsets there are.
    """
    base, _, one = name.partition("/")
    if one:
        return [one]
    if base == OF_FAMILIES:
        kinds = dict.fromkeys(read(base).kinds)
        return [kind for kind in kinds if not kind.startswith(SOURCE)]
    return list(TARGETS.get(base, ())) or [benchmark(base).subset(None)]


def table(name: str, subset: str) -> LabelTable:
    """Networks and the default label of one subset.

    Raises:
        LabelError: it is not there.
    """
    base = name.partition("/")[0]
    if base != OF_FAMILIES:
        return read(base, subset=subset)
    whole = read(base)
    rows = [row for row, kind in enumerate(whole.kinds) if kind == subset]
    if not rows:
        raise LabelError(f"{base}: no network is of {subset!r}; there are {sorted({*whole.kinds})}")
    return whole.take(rows)


def prepare(name: str, subset: str, fused: bool, processes: int) -> None:
    """Builds the graphs of a target, unless they are in the cache already."""
    labels = table(name, subset)
    with progress() as display:
        task = display.add_task(f"graphs of {name} {subset}", total=len(labels))
        graphs_of(
            labels.networks,
            fused,
            lambda done: display.advance(task, done),
            workers=processes,
            source=labels.source,
        )


def load(name: str, subset: str, fused: bool, most: int | None = None) -> Target:
    """A target with its graphs.

    Args:
        most: how many networks are scored at most, the same ones each time.
    """
    labels = table(name, subset)
    graphs = graphs_of(labels.networks, fused, source=labels.source)
    if most is not None and most < len(labels):
        rows = np.sort(np.random.default_rng(0).permutation(len(labels))[:most])
        labels, graphs = labels.take(rows), graphs.take(rows)
    parameters = graphs.totals(parameters_N(graphs.rows_RK)).astype(np.float64)
    return Target(labels, EncodedGraphs(graphs), parameters)
