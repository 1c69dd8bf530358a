"""The macro space of TransNAS-Bench-101 (Duan et al., CVPR 2021): 3,256 skeletons on seven tasks.

Labels are of the last epoch, on the validation part of Taskonomy images; networks as in the cell
space.
"""

from onnx_bench.benchmarks.base import Benchmark
from onnx_bench.benchmarks.transnas_micro import labels, of_space
from onnx_bench.originals import transnas as published

BENCHMARK = Benchmark(
    name="transnas-macro",
    folder="transnasbench101",
    title="all 3,256 skeletons on seven Taskonomy tasks",
    source="Duan et al., CVPR 2021",
    licence="Apache-2.0 and MIT",
    families=("transnas-macro",),
    networks=lambda frame: "transnas-macro:" + frame["arch_str"],
    labels=labels(),
    needs=("space", "arch_str"),
    rows=of_space("macro"),
    original=published.read,
)
