"""NAS-Bench-NLP (Klyuchnikov et al., IEEE Access 2022): recurrent cells as language models.

Losses are means of the negative logarithm a word, in nats; less is better. Runs that ended in NaN
have no value. `ptb-test` is what the authors measured on the Penn Treebank for cells of the same
recipe. Of the 291 recipes some differ in the names of their steps alone.
"""

import pandas as pd

from onnx_bench.benchmarks.base import Benchmark, Label
from onnx_bench.families import family


def _network(recipe: str) -> str:
    cells = family("nasbench-nlp")
    return f"nasbench-nlp:{cells.format(cells.parse(recipe))}"


def _networks(frame: pd.DataFrame) -> "pd.Series[str]":
    return frame["recepie"].map(_network)


def _loss(name: str, column: str, task: str, split: str, epochs: int | None) -> Label:
    return Label(name, (column,), task, "loss", split, epochs, higher_is_better=False)


BENCHMARK = Benchmark(
    name="nasbench-nlp",
    folder="nasbench_nlp",
    title="345 runs of 277 recurrent cells as language models on WikiText-2",
    source="Klyuchnikov et al., IEEE Access 2022",
    licence="Apache-2.0",
    families=("nasbench-nlp",),
    networks=_networks,
    labels=(
        _loss("wikitext2-test-50", "test_loss_at_best_val", "wikitext-2", "test", 50),
        _loss("wikitext2-val-50", "best_val_loss", "wikitext-2", "val", 50),
        _loss("wikitext2-test-last", "final_test_loss", "wikitext-2", "test", 50),
        _loss("ptb-test", "ptb_test_loss", "ptb", "test", None),
    ),
    needs=("recepie",),
)
