"""Ranking networks: what `gennape predict` computes and prints."""

from collections.abc import Iterator, Sequence

import pandas as pd
from rich.console import Console
from rich.table import Table

from gennape.inference import Predictor
from onnx_bench.cost import cost
from onnx_bench.doors import open_network
from onnx_bench.families import family_of, is_spec
from onnx_bench.graph import Shape
from onnx_bench.terminal import track


def rank(networks: Sequence[str], model: str) -> pd.DataFrame:
    """Networks with their scores and costs, best first.

    The columns: rank, network, score, macs, parameters; coverage, the share of the network's
    operators that the vocabulary knows; familiar, whether the predictor was trained on the
    network's family (a foreign ONNX file is of none); and assumed, the inputs whose open axes were
    given a size, empty where none was.

    Raises:
        GennapeError: a network or the checkpoint cannot be read; the message names it.
    """
    predictor = Predictor.from_pretrained(model)
    found = [open_network(n) for n in track(networks, "reading")]
    graphs = [network.graph for network in found]
    costs, names = [cost(graph) for graph in graphs], [graph.name for graph in graphs]
    frame = pd.DataFrame(
        {
            "network": networks,
            "score": predictor.predict(graphs),
            "macs": [c.macs for c in costs],
            "parameters": [c.parameters for c in costs],
            "coverage": [graph.coverage for graph in graphs],
            "familiar": [is_spec(name) and family_of(name) in predictor.families for name in names],
            "assumed": [" ".join(map(_sized, network.assumed.items())) for network in found],
        }
    )
    frame = frame.sort_values("score", ascending=False, kind="stable", ignore_index=True)
    frame.insert(0, "rank", range(1, len(frame) + 1))
    return frame


def _sized(item: tuple[str, Shape]) -> str:
    """An input and its shape, as `--shape` takes it."""
    name, shape = item
    return f"{name}={','.join(map(str, shape))}"


def as_table(ranked: pd.DataFrame, model: str) -> None:
    """Prints the ranking for people."""
    table = Table(title=f"predicted by {model}")
    table.add_column("rank", justify="right")
    table.add_column("network", overflow="fold")
    for name in ("score", "MACs", "parameters"):
        table.add_column(name, justify="right")
    for row in ranked.to_dict("records"):
        costs = (f"{row['macs'] / 1e6:,.2f} M", f"{row['parameters'] / 1e6:,.3f} M")
        table.add_row(str(row["rank"]), str(row["network"]), f"{row['score']:.3f}", *costs)
    Console().print(table)
    for note in _notes(ranked):
        print(note)


def _notes(ranked: pd.DataFrame) -> Iterator[str]:
    """What makes the ranking less certain, a line each."""
    for row in ranked[ranked["coverage"] < 1].to_dict("records"):
        yield (
            f"{row['network']}: only {row['coverage']:.0%} of its operators are known; "
            "the score is less certain"
        )
    for row in ranked[ranked["assumed"] != ""].to_dict("records"):
        yield f"{row['network']}: open axes are taken as {row['assumed']}"
    strange = int((~ranked["familiar"]).sum())
    if strange:
        yield (
            f"{strange} of {len(ranked)} networks are of a family that the model has not seen: do "
            "not rely on their order before fine-tuning (gennape finetune)"
        )
