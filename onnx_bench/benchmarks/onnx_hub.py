"""ONNX-Bench (Qin et al., 2025): ONNX files of some 650,000 networks with CIFAR-10 accuracies.

Label: `cifar10-test`, in percent; which split and how many epochs depends on the space. The
networks are the paths of the files, each of the kind of its space; besides those of our families
there are some of hierarchical NAS-Bench-201 and of einspace. There is no table of ours: the
files that the authors publish are read where they lie, unpacked, in the benchmark's folder.
"""

from dataclasses import replace
from pathlib import Path

from onnx_bench.benchmarks.base import Benchmark, Label
from onnx_bench.benchmarks.labels import LabelTable
from onnx_bench.originals.onnx_bench_hub import read, space


class Files(Benchmark):
    """A benchmark whose networks are ONNX files below its folder."""

    def read(
        self, root: Path | None = None, label: str | None = None, subset: str | None = None
    ) -> LabelTable:
        found = super().read(root, label, subset)
        home = self.home(root)
        return replace(found, kinds=tuple(space(Path(path), home) for path in found.networks))


BENCHMARK = Files(
    name="onnx-hub",
    folder="onnx_hub",
    title="ONNX files of some 650,000 networks of six spaces on CIFAR-10, the authors' own",
    source="Qin et al., arXiv 2510.04938, 2025",
    licence="not known",
    families=("nasbench101", "nasbench201", "nats-sss", "darts"),
    networks=lambda frame: frame["network"],
    labels=(Label("cifar10-test", ("accuracy",), "cifar10", ships=False),),
    needs=("network",),
    original=read,
)
