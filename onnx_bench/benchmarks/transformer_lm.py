"""The decoders of LiteTransformerSearch: what the benchmarks `gpt2` and `transformer-xl` share."""

import json
from collections.abc import Mapping

import pandas as pd

from onnx_bench.benchmarks.base import Benchmark, Label, Mask

SOURCE = "LiteTransformerSearch: Javaheripi et al., NeurIPS 2022"
NEEDS = ("run", "family", "n_layer", "d_model", "d_embed", "div_val", "n_head", "d_inner")


def decoders(
    name: str, family: str, runs: Mapping[str, str], variants: Mapping[tuple[int, int], str]
) -> Benchmark:
    """The benchmark of one of the two families.

    Args:
        name: of the benchmark and of its family.
        family: as the table has it.
        runs: subsets by name and the run that each is; perplexities compare within a run only.
        variants: the family's variant for a vocabulary and a number of tokens.
    """

    def networks(frame: pd.DataFrame) -> "pd.Series[str]":
        columns = [*NEEDS, "n_token", "tgt_len"]
        rows = [dict(zip(columns, row, strict=True)) for row in frame[columns].to_numpy()]
        texts = [f"{name}{variants[row['n_token'], row['tgt_len']]}:{_spec(row)}" for row in rows]
        return pd.Series(texts, frame.index, dtype=object)

    def only(run: str) -> Mask:
        return lambda frame: frame["run"] == run

    return Benchmark(
        name=name,
        folder="transformer_lm",
        title=f"{family} decoders trained from scratch on WikiText-103 or One Billion Word, by run",
        source=SOURCE,
        licence="MIT",
        families=(name,),
        networks=networks,
        labels=(
            _perplexity("perplexity-test", "test_ppl", "test"),
            _perplexity("perplexity-val", "valid_ppl", "val"),
            Label(
                "latency",
                ("latency_ms",),
                "latency",
                "latency",
                higher_is_better=False,
                provenance="transformer_lm/labels.parquet, the device that the run is named after",
            ),
        ),
        subsets={subset: only(run) for subset, run in runs.items()},
        needs=(*NEEDS, "n_token", "tgt_len"),
        rows=lambda frame: frame["family"] == family,
    )


def _perplexity(name: str, column: str, split: str) -> Label:
    task = "language-modelling"
    return Label(name, (column,), task, "perplexity", split, higher_is_better=False)


def _spec(row: Mapping[str, object]) -> str:
    """A row in the families' own text."""
    depth, width, embedding = (int(str(row[key])) for key in ("n_layer", "d_model", "d_embed"))
    heads, inner = (_each(json.loads(str(row[key])), depth) for key in ("n_head", "d_inner"))
    layers = (f"{h}x{i}" for h, i in zip(heads, inner, strict=True))
    embedding = width if embedding < 0 else embedding
    return "/".join((f"d{width}-e{embedding}-v{row['div_val']}", *layers))


def _each(value: int | list[int], depth: int) -> list[int]:
    """One value a layer, where the table has one for all."""
    return value if isinstance(value, list) else [value] * depth
