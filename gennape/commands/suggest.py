"""`gennape suggest`: which networks of a pool to train next."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gennape.commands.options import DEFAULT_MODEL

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 10
"""Rows that are printed; the file has them all."""


class Goal(StrEnum):
    """What the labels are for."""

    EXPLORE = "explore"
    FIND_BEST = "find-best"


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(suggest)


def suggest(
    pool: Annotated[
        list[str],
        typer.Argument(help="ONNX files, texts such as 'darts:...', or tables that name them."),
    ],
    count: Annotated[int, typer.Option("--count", "-k", min=1, help="How many networks.")] = 50,
    model: Annotated[
        str,
        typer.Option("--model", "-m", help="A shipped checkpoint's name, or a checkpoint folder."),
    ] = DEFAULT_MODEL,
    labelled: Annotated[
        Path | None, typer.Option(help="Table of networks that have a label, or will soon.")
    ] = None,
    goal: Annotated[
        Goal, typer.Option(help="Labels to predict all of the pool, or to find its best.")
    ] = Goal.EXPLORE,
    out: Annotated[
        Path, typer.Option("--out", "-o", dir_okay=False, help="The CSV to write.")
    ] = Path("to_label.csv"),
    label: Annotated[str, typer.Option(help="Name of the empty column for labels.")] = "label",
    network: Annotated[str, typer.Option(help="Column of networks in tables.")] = "network",
    seed: Annotated[int, typer.Option(help="Of what is drawn in large pools.")] = 0,
) -> None:
    """Suggest which networks to train next, so that few labels do much.

    \b
    onnx-bench sample darts -n 1000 > pool.txt
    gennape suggest pool.txt -k 50 -o labels.csv
    ... train these 50, fill in the column label ...
    gennape finetune gennape-universal labels.csv --label label -o runs/mine
    gennape suggest pool.txt -k 20 --goal find-best -m runs/mine \\
        --labelled labels.csv -o more.csv
    ... train these 20, append their rows to labels.csv, finetune again ...

    A pool is any number of ONNX files, texts FAMILY:SPECIFICATION, and tables
    that name them: CSV or parquet with a column network, or .txt with one a
    line; paths in a table are relative to its own folder. Networks that are one,
    however spelt, count once. Those in --labelled, whether their label is there
    or still to come, are taken into account and never suggested again.

    --goal explore chooses networks that lie as the pool does: many where many
    are, and few outliers. --goal find-best chooses what may be the best, by what
    is predicted and by what is unknown. Explore first: the order that a model
    foretells of a family that it has not seen may be far off.

    Networks come in the order in which they are worth a label. Why: score is what
    the model predicts; nearest and distance tell the nearest family that it was
    trained on, above 1 is strange; new is the share of the label that those
    labelled and those in rows before it do not foretell, from 0 to 1.
    """
    from gennape.acquisition import tables
    from gennape.checkpoint import load
    from gennape.inference import Predictor

    tables.refuse(out, label)
    predictor = Predictor(load(model))
    fused = predictor.checkpoint.form == "fused"
    texts = list(tables.names(pool, network))
    graphs = tables.read(texts, fused, "the pool")
    own = list(tables.named(labelled, network)) if labelled else []
    known = tables.read(own, fused, str(labelled)) if own else None
    found = predictor.suggest(graphs, count, known, goal.value, seed)
    frame = tables.table(found, texts, out, label)
    _write(frame, out)

    _show(frame, f"{count} of {len(texts)} networks, suggested by {model}")
    if strange := tables.unknown(graphs):
        typer.echo(f"networks with unknown operators, which may be misplaced: {strange}")
    then = f"append its rows to {labelled} and fine-tune on all" if labelled else "fine-tune on it"
    typer.echo(f"{out}: fill in the column {label}, then {then}:")
    typer.echo(f"  gennape finetune {model} {labelled or out} --label {label} -o runs/mine")


def _write(frame: "pd.DataFrame", out: Path) -> None:
    from onnx_bench.files import atomic_file

    with atomic_file(out) as temporary:
        frame.round({"distance": 3, "new": 3}).to_csv(temporary, index=False)


def _show(frame: "pd.DataFrame", title: str) -> None:
    """Prints the first rows for people."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from gennape.ranking import FAR

    shown = Table(title=title, box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    shown.add_column("network", overflow="fold", min_width=16)
    for name in ("score", "nearest", "new"):
        shown.add_column(name, justify="left" if name == "nearest" else "right", no_wrap=True)
    for row in frame.head(SHOWN).to_dict("records"):
        far = f"{row['distance']:.2f}" if row["distance"] < FAR else f">{FAR}"
        near = f"{row['nearest']} {far}" if row["nearest"] else ""
        shown.add_row(str(row["network"]), f"{row['score']:.3f}", near, f"{row['new']:.0%}")
    Console().print(shown)
    if len(frame) > SHOWN:
        print(f"... and {len(frame) - SHOWN} more")
