"""HW-GPT-Bench (Sukthanker et al., NeurIPS 2024): what the benchmarks of GPT-S and GPT-M share.

Perplexities are those of networks whose weights are a supernet's. Latencies are in milliseconds on
devices by name; energies are relative and left out.
"""

import json

import pandas as pd

from onnx_bench.benchmarks.base import Benchmark, Label

NEEDS = ("embed_dim", "n_layer", "n_head", "mlp_ratio", "bias")
DEVICES = {
    "p100": "P100",
    "a100": "a100",
    "a40": "a40",
    "a6000": "a6000",
    "h100": "h100",
    "rtx2080": "rtx2080",
    "rtx3080": "rtx3080",
    "v100": "v100",
    "cpu-a6000": "cpu_a6000",
    "cpu-alldlc": "cpu_alldlc",
    "cpu-meta": "cpu_meta",
    "cpu-mlgpu": "cpu_mlgpu",
    "cpu-p100": "cpu_p100",
    "cpu-helix": "helix_cpu",
}
"""Devices by the names of their labels, and as the table's columns name them."""


def subnets(scale: str, family: str) -> Benchmark:
    """The benchmark of one supernet.

    Args:
        scale: `s` or `m`.
        family: its subnets' family, with its variant.
    """

    def networks(frame: pd.DataFrame) -> "pd.Series[str]":
        texts = [f"{family}:{_spec(*row)}" for row in frame[[*NEEDS]].to_numpy()]
        return pd.Series(texts, frame.index, dtype=object)

    latencies = (
        Label(
            f"latency-{name}",
            (f"lat_{column}_ms",),
            f"latency-{name}",
            "latency",
            higher_is_better=False,
        )
        for name, column in DEVICES.items()
    )
    perplexity = Label(
        "openwebtext-val",
        ("perplexity",),
        "openwebtext",
        "perplexity",
        "val",
        higher_is_better=False,
    )
    accuracy = Label(
        "openwebtext-accuracy-val",
        ("next_token_accuracy",),
        "openwebtext",
        "accuracy",
        "val",
        scale=100,
    )
    return Benchmark(
        name=f"hwgpt-{scale}",
        folder="hwgpt",
        title=f"10,000 subnets of GPT-{scale.upper()}: perplexity with inherited weights, latency",
        source="HW-GPT-Bench: Sukthanker et al., NeurIPS 2024",
        licence="Apache-2.0",
        families=("hwgpt",),
        networks=networks,
        labels=(perplexity, accuracy, *latencies),
        needs=NEEDS,
        table=f"gpt_{scale}.parquet",
    )


def _spec(width: int, depth: int, heads: str, ratios: str, bias: str) -> str:
    layers = zip(json.loads(heads), json.loads(ratios), strict=True)
    parts = [f"{h}x{r}" for h, r in layers][:depth]
    return "/".join((f"d{width}-b{int(str(bias) == 'True')}", *parts))
