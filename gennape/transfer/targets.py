"""The families that transfer is measured on, and which of them are kin."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gennape.batch import EncodedGraphs
from onnx_bench.benchmarks import read
from onnx_bench.collections.cache import graphs_of

Values = npt.NDArray[np.float64]
Progress = Callable[[int], None]
SHOTS = (5, 16, 32, 50, 128, 1024)


@dataclass(frozen=True)
class Target:
    """Networks and a label that a model has not seen.

    Args:
        benchmark, subset, label: see `onnx_bench.benchmarks.read`; the default ones if not named.
        family: what its networks are called where they are a source; digits have several.
        kin: families that resemble it, left out as well where kinship must not flatter.
        shots: numbers of labels that are learnt from, beside none.
        encoded: how many networks a graph network scores, which takes longer than all else; None
            for all of them.
        held_back: whether its labels have chosen nothing of what is said without labels but how
            numbers are vouched for (`models.common`): not the recipe, not what is learnt from. How
            few labels are learnt was settled with some of these families in sight.
    """

    benchmark: str
    subset: str | None = None
    label: str | None = None
    family: str | None = None
    kin: tuple[str, ...] = ()
    shots: tuple[int, ...] = SHOTS
    encoded: int | None = 2000
    held_back: bool = False

    @property
    def networks(self) -> tuple[str | None, ...]:
        """The same for targets that differ in their label alone."""
        return self.benchmark, self.subset, self.family

    @property
    def left_out(self) -> str:
        """The family that no specialist may know."""
        return self.family or self.benchmark

    @property
    def key(self) -> str:
        """One word for all of it."""
        parts = (self.benchmark, self.subset, self.family, self.label)
        return "/".join(part for part in parts if part)


TWINS = ("transnas-micro", "digits-cells")
TARGETS = (
    Target("nasbench201", "all", kin=TWINS, shots=(), encoded=None),
    Target("nasbench201", "all", "cifar100-test-200", kin=TWINS, shots=(), encoded=None),
    Target("nasbench201", "all", "imagenet16-test-200", kin=TWINS, shots=(), encoded=None),
    Target("nasbench201", "no-none", kin=TWINS, shots=(50,), encoded=None),
    Target("nasbench201", "reachable", kin=TWINS),
    Target("nats-sss", kin=("nasbench201", "transnas-micro")),
    Target("nasbench-macro", kin=("ofa-mbv3", "digits-mbconv")),
    Target("transnas-micro", kin=("nasbench201", "digits-cells")),
    Target("transnas-macro", kin=("transnas-micro",)),
    Target("darts", kin=("digits-genotypes",)),
    Target("nasbench-mr", held_back=True),
    Target("metaqnn", kin=("digits-chains", "digits-layers")),
    Target("ofa-mbv3", "distinct", kin=("nasbench-macro", "digits-mbconv")),
    Target("bert", kin=("gpt2", "transformer-xl", "hwgpt")),
    Target("gpt2", kin=("bert", "transformer-xl", "hwgpt")),
    Target("transformer-xl", kin=("bert", "gpt2", "hwgpt")),
    Target("nasbench-nlp"),
    Target("hwgpt-s", family="hwgpt", kin=("bert", "gpt2", "transformer-xl")),
    Target("pit", kin=("autoformer",)),
    Target("autoformer", kin=("pit",)),
    *(
        Target(benchmark, family=f"digits-{kind}", kin=kin, held_back=benchmark == "digits-more")
        for benchmark, kind, kin in (
            ("digits", "cells", ("nasbench201", "transnas-micro")),
            ("digits", "chains", ("metaqnn", "digits-layers", "digits-groups")),
            ("digits", "mbconv", ("ofa-mbv3", "nasbench-macro", "digits-hybrids")),
            ("digits", "tokens", ("digits-hybrids",)),
            ("digits-more", "dense", ("digits-branches",)),
            ("digits-more", "branches", ("digits-dense",)),
            ("digits-more", "wired", ("digits-cells", "digits-genotypes")),
            ("digits-more", "genotypes", ("digits-cells", "digits-wired")),
            ("digits-more", "groups", ("digits-chains",)),
            ("digits-more", "layers", ("digits-chains", "metaqnn")),
            ("digits-more", "hybrids", ("digits-tokens", "digits-mbconv")),
            ("digits-more", "recurrent", ()),
        )
    ),
    Target("nasbench101", "full", shots=(16, 50, 72, 364, 729)),
)
"""Scored by models whose sources lack them; NAS-Bench-101 by one with another generalist."""


@dataclass(frozen=True, eq=False)
class Networks:
    """N networks of a target with their labels, higher is better."""

    graphs: EncodedGraphs
    label_N: Values
    label: str
    subset: str

    def __len__(self) -> int:
        return len(self.label_N)


def load(
    target: Target,
    root: Path | None = None,
    most: int | None = None,
    progress: Progress | None = None,
    workers: int = 1,
) -> Networks:
    """The networks of a target, fused.

    Args:
        most: how many at most, the same ones each time.
        progress: called with how many more graphs are done, where they have to be built.

    Raises:
        LabelError: its table is not there.
    """
    table = read(target.benchmark, root, target.label, target.subset)
    if target.family and target.family in table.kinds:
        rows = [row for row, kind in enumerate(table.kinds) if kind == target.family]
        table = table.take(rows)
    if most is not None and most < len(table):
        drawn = np.sort(np.random.default_rng(0).permutation(len(table))[:most])
        table = table.take(drawn)
    graphs = graphs_of(table.networks, True, progress, workers, source=table.source)
    return Networks(EncodedGraphs(graphs), table.values, table.label, table.subset)
