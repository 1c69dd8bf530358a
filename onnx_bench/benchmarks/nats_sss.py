"""The size search space of NATS-Bench (Dong et al., TPAMI 2021): all 32,768 networks."""

from onnx_bench.benchmarks.base import Benchmark, Label
from onnx_bench.originals import nats_sss as published

BENCHMARK = Benchmark(
    name="nats-sss",
    folder="nats_sss",
    title="all 32,768 choices of five widths on CIFAR-10",
    source="Dong et al., TPAMI 2021",
    licence="none stated",
    families=("nats-sss",),
    networks=lambda frame: "nats-sss:" + frame["arch_str"],
    labels=(Label("cifar10-test-90", ("c10_test_90",), "cifar10", epochs=90, ships=False),),
    needs=("arch_str",),
    original=published.read,
)
