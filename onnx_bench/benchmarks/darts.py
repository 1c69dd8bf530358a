"""545 networks of the DARTS space, trained on CIFAR-10 for 50 epochs.

Whose they are is not said where the table comes from. The skeleton is that of Liu et al. (ICLR
2019), 36 channels and 20 cells without auxiliary head, which all parameter counts agree with.
"""

import pandas as pd

from onnx_bench.benchmarks.base import Benchmark, Label
from onnx_bench.families.darts import Darts


def _networks(frame: pd.DataFrame) -> "pd.Series[str]":
    family = Darts()
    return "darts:" + frame["genotype"].map(lambda text: family.format(family.parse(text)))


BENCHMARK = Benchmark(
    name="darts",
    folder="darts",
    title="545 DARTS genotypes on CIFAR-10, 36 channels and 20 cells",
    source="space: Liu et al., ICLR 2019; labels: unsigned",
    licence="none stated",
    families=("darts",),
    networks=_networks,
    labels=tuple(
        Label(
            f"cifar10-val-{epochs}",
            (f"valid_acc{epochs}",),
            "cifar10",
            "accuracy",
            "val",
            epochs,
            ships=False,
        )
        for epochs in (50, 10)
    ),
    needs=("genotype",),
)
