"""Ranking networks: what `gennape predict` computes and prints."""

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from gennape.conformal import COVERAGE
from gennape.inference import Predictor, encode
from onnx_bench.canonical import fuse
from onnx_bench.cost import cost
from onnx_bench.doors import open_network
from onnx_bench.families import family_of
from onnx_bench.graph import Shape
from onnx_bench.terminal import track

if TYPE_CHECKING:
    import pandas as pd

FAR = 99
"""Distances above are shown as that: how strange no longer matters."""

Row = dict[str, Any]
"""What is said of one network, as plain numbers and texts."""


def rank(
    networks: Sequence[str], model: str, coverage: float = COVERAGE, ranked_set: bool = False
) -> "pd.DataFrame":
    """Networks with their scores and costs, best first: the rows of `ranked` as a table.

    Raises:
        GennapeError: as `ranked`.
    """
    import pandas as pd  # a fifth of a second that the command does without

    return pd.DataFrame(ranked(networks, model, coverage, ranked_set))


def ranked(
    networks: Sequence[str], model: str, coverage: float = COVERAGE, ranked_set: bool = False
) -> list[Row]:
    """Networks with their scores and costs, best first, a row each.

    The columns: rank, network; score, in the units of the labels, of which less is better where
    they were fine-tuned on as such; macs, parameters; coverage, the share of the network's
    operators that the vocabulary knows; familiar, whether the predictor was trained on the
    network's family (a foreign ONNX file is of none); assumed, the inputs whose open axes were
    given a size, empty where none was; low and high, the interval that holds the label with a
    probability of `coverage`; nearest, the family trained on that is nearest by its embedding,
    distance, 1 where its own outermost networks lie, and strange, whether every family is farther
    than that; mode, `single` where each network is ranked by its own score, `ranked set` where the
    others have a say. Of low to strange those are empty that the checkpoint does not know.

    Args:
        ranked_set: the networks are of one family, and are ranked as a set (`gennape.ranked_set`).

    Raises:
        GennapeError: a network or the checkpoint cannot be read; the message names it.
    """
    predictor = Predictor.from_pretrained(model)
    checkpoint = predictor.checkpoint
    found = [open_network(n) for n in track(networks, "reading")]
    graphs = [network.graph for network in found]
    costs, names = [cost(graph) for graph in graphs], [graph.name for graph in graphs]
    encoded = encode(graphs, checkpoint.form)
    said = predictor.assess(encoded, coverage)
    columns: dict[str, Sequence[Any]] = {
        "network": networks,
        "score": said.score_N.tolist(),
        "macs": [c.macs for c in costs],
        "parameters": [c.parameters for c in costs],
        "coverage": [graph.coverage for graph in graphs],
        "familiar": [family_of(name) in predictor.families for name in names],
        "assumed": [" ".join(map(_sized, network.assumed.items())) for network in found],
        "low": said.low_N.tolist(),
        "high": said.high_N.tolist(),
        "nearest": said.family_N.tolist(),
        "distance": said.distance_N.tolist(),
        "strange": said.strange_N.tolist() if checkpoint.reference else [None] * len(graphs),
        "mode": ["ranked set" if ranked_set else "single"] * len(graphs),
    }
    merit_N = -said.score_N if checkpoint.lower_is_better else said.score_N
    if ranked_set:
        from gennape.ranked_set import smoothed  # which few ask for, and scipy with it

        fused = encoded if checkpoint.form == "fused" else encode(map(fuse, graphs), "fused")
        merit_N = smoothed(merit_N, fused.whole_GD.numpy())
    order = np.argsort(-merit_N, kind="stable")
    return [
        {"rank": place, **{name: values[row] for name, values in columns.items()}}
        for place, row in enumerate(order, 1)
    ]


def as_json(rows: Sequence[Row]) -> str:
    """A list of objects; null stands for what is not known, and for an interval without end."""
    finite = ({name: _finite(value) for name, value in row.items()} for row in rows)
    return json.dumps([*finite], indent=1)


def as_csv(rows: Sequence[Row]) -> str:
    """A line of names and one for each network; what is not known is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: "" if value != value else value for name, value in row.items()})
    return text.getvalue()


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _sized(item: tuple[str, Shape]) -> str:
    """An input and its shape, as `--shape` takes it."""
    name, shape = item
    return f"{name}={','.join(map(str, shape))}"


def as_table(ranked: "pd.DataFrame", model: str) -> None:
    """Prints the ranking for people."""
    show(ranked.to_dict("records"), model)  # type: ignore[arg-type]


def show(rows: Sequence[Row], model: str) -> None:
    """Prints the rows of a ranking for people."""
    narrow: Any = {"box": box.SIMPLE_HEAD, "collapse_padding": True, "pad_edge": False}
    table = Table(title=f"predicted by {model}", **narrow)
    table.add_column("rank", justify="right")
    table.add_column("network", overflow="fold", min_width=16)
    for name in ("score", "MACs", "parameters"):
        table.add_column(name, justify="right", no_wrap=True)
    known = any(row["nearest"] for row in rows)
    if known:
        table.add_column("nearest")
    for row in rows:
        costs = (f"{row['macs'] / 1e6:,.2f} M", f"{row['parameters'] / 1e6:,.3f} M")
        near = [_nearest(row)] if known else []
        table.add_row(str(row["rank"]), str(row["network"]), _score(row), *costs, *near)
    Console().print(table)
    for note in _notes(rows):
        print(note)


def _score(row: Row) -> str:
    half = row["high"] - row["score"]
    return f"{row['score']:.3f}" + (f" ± {half:.3f}" if math.isfinite(half) else "")


def _nearest(row: Row) -> str:
    """The nearest family and its distance; a mark where it is too far."""
    distance = f"{row['distance']:.2f}" if row["distance"] < FAR else f">{FAR}"
    return f"{row['nearest']} {distance}" + (" !" if row["strange"] else "")


def _notes(rows: Sequence[Row]) -> Iterator[str]:
    """What makes the ranking less certain, a line each."""
    for row in rows:
        if row["coverage"] < 1:
            yield (
                f"{row['network']}: only {row['coverage']:.0%} of its operators are known; "
                "the score is less certain"
            )
    for row in rows:
        if row["assumed"]:
            yield f"{row['network']}: open axes are taken as {row['assumed']}"
    if any(math.isinf(row["high"]) for row in rows):
        yield "intervals: too few labels were held out for this coverage; try a lower --coverage"
    told = all(row["strange"] is not None for row in rows)
    strange = sum(row["strange"] if told else not row["familiar"] for row in rows)
    if strange and told:
        yield (
            f"{strange} of {len(rows)} networks are strange (!), far from all that the model was "
            "trained on: do not rely on their order or their intervals before fine-tuning "
            "(gennape finetune)"
        )
    elif strange:
        yield (
            f"{strange} of {len(rows)} networks are of a family that the model has not seen: do "
            "not rely on their order before fine-tuning (gennape finetune)"
        )
