"""Ranking networks: what `gennape predict` computes and prints."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from gennape.conformal import COVERAGE
from gennape.inference import Predictor
from onnx_bench.cost import cost
from onnx_bench.doors import open_network
from onnx_bench.families import family_of
from onnx_bench.graph import Shape
from onnx_bench.terminal import track

FAR = 99
"""Distances above are shown as that: how strange no longer matters."""


def rank(networks: Sequence[str], model: str, coverage: float = COVERAGE) -> pd.DataFrame:
    """Networks with their scores and costs, best first.

    The columns: rank, network; score, in the units of the labels, of which less is better where
    they were fine-tuned on as such; macs, parameters; coverage, the share of the network's
    operators that the vocabulary knows; familiar, whether the predictor was trained on the
    network's family (a foreign ONNX file is of none); assumed, the inputs whose open axes were
    given a size, empty where none was; low and high, the interval that holds the label with a
    probability of `coverage`; nearest, the family trained on that is nearest by its embedding,
    distance, 1 where its own outermost networks lie, and strange, whether every family is farther
    than that. The last five are empty where the checkpoint does not know them.

    Raises:
        GennapeError: a network or the checkpoint cannot be read; the message names it.
    """
    predictor = Predictor.from_pretrained(model)
    found = [open_network(n) for n in track(networks, "reading")]
    graphs = [network.graph for network in found]
    costs, names = [cost(graph) for graph in graphs], [graph.name for graph in graphs]
    said = predictor.assess(graphs, coverage)
    frame = pd.DataFrame(
        {
            "network": networks,
            "score": said.score_N,
            "macs": [c.macs for c in costs],
            "parameters": [c.parameters for c in costs],
            "coverage": [graph.coverage for graph in graphs],
            "familiar": [family_of(name) in predictor.families for name in names],
            "assumed": [" ".join(map(_sized, network.assumed.items())) for network in found],
            "low": said.low_N,
            "high": said.high_N,
            "nearest": said.family_N,
            "distance": said.distance_N,
            "strange": said.strange_N if predictor.checkpoint.reference else None,
        }
    )
    best_last = predictor.checkpoint.lower_is_better
    frame = frame.sort_values("score", ascending=best_last, kind="stable", ignore_index=True)
    frame.insert(0, "rank", range(1, len(frame) + 1))
    return frame


def _sized(item: tuple[str, Shape]) -> str:
    """An input and its shape, as `--shape` takes it."""
    name, shape = item
    return f"{name}={','.join(map(str, shape))}"


def as_table(ranked: pd.DataFrame, model: str) -> None:
    """Prints the ranking for people."""
    narrow: Any = {"box": box.SIMPLE_HEAD, "collapse_padding": True, "pad_edge": False}
    table = Table(title=f"predicted by {model}", **narrow)
    table.add_column("rank", justify="right")
    table.add_column("network", overflow="fold", min_width=16)
    for name in ("score", "MACs", "parameters"):
        table.add_column(name, justify="right", no_wrap=True)
    known = bool((ranked["nearest"] != "").any())
    if known:
        table.add_column("nearest")
    for row in ranked.to_dict("records"):
        costs = (f"{row['macs'] / 1e6:,.2f} M", f"{row['parameters'] / 1e6:,.3f} M")
        near = [_nearest(row)] if known else []
        table.add_row(str(row["rank"]), str(row["network"]), _score(row), *costs, *near)
    Console().print(table)
    for note in _notes(ranked):
        print(note)


def _score(row: Mapping[Hashable, Any]) -> str:
    half = row["high"] - row["score"]
    return f"{row['score']:.3f}" + (f" ± {half:.3f}" if np.isfinite(half) else "")


def _nearest(row: Mapping[Hashable, Any]) -> str:
    """The nearest family and its distance; a mark where it is too far."""
    distance = f"{row['distance']:.2f}" if row["distance"] < FAR else f">{FAR}"
    return f"{row['nearest']} {distance}" + (" !" if row["strange"] else "")


def _notes(ranked: pd.DataFrame) -> Iterator[str]:
    """What makes the ranking less certain, a line each."""
    for row in ranked[ranked["coverage"] < 1].to_dict("records"):
        yield (
            f"{row['network']}: only {row['coverage']:.0%} of its operators are known; "
            "the score is less certain"
        )
    for row in ranked[ranked["assumed"] != ""].to_dict("records"):
        yield f"{row['network']}: open axes are taken as {row['assumed']}"
    if np.isinf(ranked["high"]).any():
        yield "intervals: too few labels were held out for this coverage; try a lower --coverage"
    told = bool(ranked["strange"].notna().all())
    strange = int((ranked["strange"] if told else ~ranked["familiar"]).sum())
    if strange and told:
        yield (
            f"{strange} of {len(ranked)} networks are strange (!), far from all that the model was "
            "trained on: do not rely on their order or their intervals before fine-tuning "
            "(gennape finetune)"
        )
    elif strange:
        yield (
            f"{strange} of {len(ranked)} networks are of a family that the model has not seen: do "
            "not rely on their order before fine-tuning (gennape finetune)"
        )
