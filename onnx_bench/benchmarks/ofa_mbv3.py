"""Subnets of Once-for-All's MobileNetV3, measured on ImageNet with the supernet's weights.

Five searches of DyNAS-T measured 2,373 subnets of width 1.0 at 224 pixels, so that the sample leans
towards good networks. 2,162 of them differ: repeats are up to .096 points apart. `all` keeps them,
which puts some networks on both sides of a random split; `distinct` has the first measurement of
each.
"""

import pandas as pd

from onnx_bench.benchmarks.base import Benchmark, Label, everything


def _first(frame: pd.DataFrame) -> "pd.Series[bool]":
    return ~frame["active_spec"].duplicated()


BENCHMARK = Benchmark(
    name="ofa-mbv3",
    folder="ofa_mobilenetv3",
    title="2,373 subnets (2,162 distinct) of the MobileNetV3 supernet on ImageNet",
    source="Once-for-All: Cai et al., ICLR 2020; measured by DyNAS-T, Intel Labs",
    licence="Apache-2.0",
    families=("ofa-mbv3",),
    networks=lambda frame: "ofa-mbv3:" + frame["active_spec"],
    labels=(
        Label(
            "imagenet-val",
            ("imagenet_top1",),
            "imagenet",
            split="val",
            provenance="weights of the supernet, none trained further",
        ),
    ),
    subsets={"all": everything, "distinct": _first},
    needs=("active_spec",),
)
