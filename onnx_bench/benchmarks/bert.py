"""BERT encoders trained as ELECTRA is and fine-tuned on GLUE (FlexiBERT: Tuli et al., JAIR 2023).

500 trained encoders, of which 301 differ: those of one specification are repeats, about 1.9 GLUE
points apart.
"""

import json

import pandas as pd

from onnx_bench.benchmarks.base import Benchmark, Label

TASKS = ("cola", "mnli", "mrpc", "qnli", "qqp", "rte", "sst", "sts")
CORRELATIONS = {"cola": "matthews", "sts": "spearman"}


def _network(text: str) -> str:
    spec = json.loads(text)
    layers = (
        f"{layer['heads']}x{'-'.join(str(width) for width in layer['ffn_hidden'])}"
        for layer in spec["layers"]
    )
    return "/".join((f"bert:h{spec['hidden_size']}", *layers))


def _networks(frame: pd.DataFrame) -> "pd.Series[str]":
    return frame["effective_spec_json"].map(_network)


BENCHMARK = Benchmark(
    name="bert",
    folder="bert",
    title="500 BERT encoders (301 distinct), fine-tuned on the eight tasks of GLUE",
    source="FlexiBERT: Tuli et al., JAIR 2023",
    licence="CC-BY-4.0",
    families=("bert",),
    networks=_networks,
    labels=(
        Label("glue-val", ("glue",), "glue", metric="score", split="val"),
        *(
            Label(f"{task}-val", (task,), task, CORRELATIONS.get(task, "accuracy"), "val")
            for task in TASKS
        ),
    ),
    needs=("effective_spec_json",),
)
