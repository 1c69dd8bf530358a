"""Labels of trained networks: `read("nasbench201")` gives a benchmark's networks and accuracies.

The public tables are not part of the package: they are looked for in the folder that is given as
`root`, or that the environment variable GENNAPE_DATA names. `digits` ships with the package.

To add one, write a file that declares a `BENCHMARK` and name it below.
"""

from functools import cache
from importlib import import_module
from pathlib import Path

from onnx_bench.benchmarks.base import Benchmark, Label
from onnx_bench.benchmarks.labels import LabelTable, read_table
from onnx_bench.errors import LabelError

__all__ = ["BENCHMARKS", "Benchmark", "Label", "LabelTable", "benchmark", "read", "read_table"]

BENCHMARKS = {
    "digits": "digits",
    "digits-more": "digits_more",
    "nasbench101": "nasbench101",
    "nasbench101-budgets": "nasbench101_budgets",
    "nasbench201": "nasbench201",
    "nasbench201-hardware": "nasbench201_hardware",
    "nasbench201-robustness": "nasbench201_robustness",
    "nasbench201-adversarial": "nasbench201_adversarial",
    "bert": "bert",
    "nasbench-nlp": "nasbench_nlp",
    "gpt2": "gpt2",
    "transformer-xl": "transformer_xl",
    "hwgpt-s": "hwgpt_s",
    "hwgpt-m": "hwgpt_m",
    "ofa-mbv3": "ofa_mbv3",
    "ofa-mbv3-latency": "ofa_mbv3_latency",
    "metaqnn": "metaqnn",
    "nats-sss": "nats_sss",
    "nasbench-macro": "nasbench_macro",
    "nasbench-mr": "nasbench_mr",
    "transnas-micro": "transnas_micro",
    "transnas-macro": "transnas_macro",
    "darts": "darts",
    "autoformer": "autoformer",
    "pit": "pit",
    "timm-imagenet": "timm_imagenet",
    "nasbench301": "nasbench301",
    "onnx-hub": "onnx_hub",
    "gennape": "gennape",
}
"""The benchmarks by name, each with its file in this folder."""


@cache
def benchmark(name: str) -> Benchmark:
    """The benchmark of that name.

    Raises:
        LabelError: there is none; the message lists those that there are.
    """
    if name not in BENCHMARKS:
        raise LabelError(f"no benchmark is called {name!r}; there are {', '.join(BENCHMARKS)}")
    found: Benchmark = import_module(f"{__name__}.{BENCHMARKS[name]}").BENCHMARK
    return found


def read(
    name: str, root: Path | None = None, label: str | None = None, subset: str | None = None
) -> LabelTable:
    """The networks of a benchmark and one of its labels, the default ones where none is named.

    Raises:
        LabelError: there is no such benchmark, or its file, label or subset is missing.
    """
    return benchmark(name).read(root, label, subset)
