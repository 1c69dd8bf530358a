"""The networks of the GENNAPE paper (Mills et al., AAAI 2023), as its authors publish them.

Computation graphs of ten families with their accuracies, HiAML, Inception and Two-Path among them,
whose labels nobody else has. Label: `accuracy` in percent, on CIFAR-10 or ImageNet as the family
has it. There is no table of ours: the files of `CG_data.zip` are read where they lie, unpacked, in
the benchmark's folder; each graph is kept in the cache, and its path is the network's name.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from onnx_bench.benchmarks.base import Benchmark, Label, everything
from onnx_bench.benchmarks.labels import LabelTable
from onnx_bench.originals.gennape_caches import read

NEWCOMERS = ("hiaml", "inception", "two-path")


class Caches(Benchmark):
    """A benchmark whose networks are saved graphs in a folder of their family's name."""

    def read(
        self, root: Path | None = None, label: str | None = None, subset: str | None = None
    ) -> LabelTable:
        found = super().read(root, label, subset)
        return replace(found, kinds=tuple(Path(path).parent.name for path in found.networks))


def _of(family: str) -> "Callable[[pd.DataFrame], pd.Series[bool]]":
    return lambda frame: frame["family"] == family


BENCHMARK = Caches(
    name="gennape",
    folder="gennape",
    title="computation graphs of ten families with accuracies, the authors' own",
    source="Mills et al., AAAI 2023",
    licence="not known",
    families=NEWCOMERS,
    networks=lambda frame: frame["network"],
    labels=(Label("accuracy", ("accuracy",), "as the family's", ships=False),),
    subsets={"all": everything, **{name: _of(name) for name in NEWCOMERS}},
    needs=("network", "family"),
    original=read,
)
