"""`gennape`: predict, fine-tune and transfer from the command line. Training is `gennape-train`."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gennape.commands import explain, suggest, transfer
from gennape.commands.options import DEFAULT_MODEL
from onnx_bench.terminal import progress, run, track

app = typer.Typer(
    help="Predict how well networks will do once trained. Networks are ONNX files or "
    "FAMILY:SPECIFICATION texts (`onnx-bench list` shows the families).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Model = Annotated[
    str, typer.Option("--model", "-m", help="A shipped checkpoint's name, or a checkpoint folder.")
]
Coverage = Annotated[float, typer.Option(help="Probability that an interval holds the label.")]


class Learner(StrEnum):
    """What learns from the labels of a new family."""

    AUTO = "auto"
    NUMBERS = "numbers"
    NETWORK = "network"


class Freeze(StrEnum):
    """What fine-tuning leaves as it is."""

    NONE = "none"
    ENCODER = "encoder"


@contextmanager
def _for_good() -> Iterator[None]:
    """Imports whose objects all stay: to look for garbage among them takes a third of a second."""
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    run(app, arguments, several=("--shots", "--target-subsets", "--families"))


@app.command()
def predict(
    networks: Annotated[
        list[str], typer.Argument(help="ONNX files, or texts such as 'nasbench201:|...|'.")
    ],
    model: Model = DEFAULT_MODEL,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    coverage: Coverage = 0.9,
    ranked_set: Annotated[
        bool, typer.Option("--ranked-set", help="The networks are one family: rank them as a set.")
    ] = False,
) -> None:
    """Rank networks by their predicted score, best first.

    \b
    gennape predict a.onnx b.onnx c.onnx
    gennape predict family/*.onnx --ranked-set
    gennape predict *.onnx --model runs/mine --csv > ranks.csv

    Scores of gennape-universal, the default, order networks of any family: a
    deviation of rank is 1, and 0 the middle of NAS-Bench-101. Those of other
    models are in the units of the labels that they were trained on; for
    networks of another family than those, read the order only.

    With --ranked-set 400 networks or more of one family are ranked by what they
    have in common, too: the scores stay, the order is a little better.

    Where the model knows its errors, each score has an interval that holds the
    label with a probability of 0.9 (--coverage), of networks like those that it
    was calibrated on. Where it knows what it was trained on, each network has its
    nearest family and the distance to it: above 1 it is strange, marked with a !,
    and neither its place nor its interval can be relied on.
    """
    if as_json and as_csv:
        raise typer.BadParameter("choose one of --json and --csv")
    with _for_good():
        from gennape import ranking
    rows = ranking.ranked(networks, model, coverage, ranked_set)
    if as_json:
        typer.echo(ranking.as_json(rows))
    elif as_csv:
        typer.echo(ranking.as_csv(rows), nl=False)
    else:
        ranking.show(rows, model)


@app.command()
def finetune(
    model: Annotated[str, typer.Argument(help="A shipped checkpoint's name, or a folder.")],
    labels: Annotated[Path, typer.Argument(help="CSV or parquet: a row a network.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the new checkpoint.")],
    label: Annotated[str, typer.Option(help="Column of labels.")] = "value",
    network: Annotated[str, typer.Option(help="Column of ONNX paths or specs.")] = "network",
    lower_is_better: Annotated[
        bool,
        typer.Option(
            "--lower-is-better/--higher-is-better", help="As of latencies, or of accuracies."
        ),
    ] = False,
    learner: Annotated[
        Learner,
        typer.Option(help="Learn beside the network, from numbers and patterns, or train it."),
    ] = Learner.AUTO,
    freeze: Annotated[Freeze, typer.Option(help="Train everything, or the head.")] = Freeze.NONE,
    epochs: Annotated[int, typer.Option(min=1, help="At most; see --patience.")] = 100,
    learning_rate: Annotated[float, typer.Option(help="Of Adam.")] = 1e-3,
    validation: Annotated[
        float | None,
        typer.Option(
            help="Share of networks that is held out, to choose the epoch and set the intervals.",
            show_default="0.2 of 20 or more where a network learns, else 0",
        ),
    ] = None,
    patience: Annotated[
        int, typer.Option(min=1, help="Epochs without a better one, after which it ends.")
    ] = 20,
    loss: Annotated[str, typer.Option(help="mse, pairwise-hinge, pairwise-logistic.")] = "mse",
    seed: Annotated[int, typer.Option(help="Of the order and of what is held out.")] = 0,
    coverage: Coverage = 0.9,
) -> None:
    """Fine-tune a checkpoint on labelled networks of your own family.

    \b
    gennape finetune gennape-universal mine.csv --label accuracy -o runs/mine
    gennape predict *.onnx --model runs/mine
    gennape finetune gennape-universal phone.csv --label ms --lower-is-better -o runs/ms

    The table has a row a network: an ONNX file, its path relative to the table,
    or a text FAMILY:SPECIFICATION, and a label. Some 50 labels do much. A network
    that is named several times counts once, with the mean of its labels.

    A checkpoint of fused graphs stays as it is, and a small learner beside it
    takes moments: --learner numbers. It learns from all labels, and leaves out
    some in turn, to weigh its ways to learn and to know its errors. With 256
    labels or more a graph network is among these: that takes minutes.
    --learner network trains the network itself, as do checkpoints of atomic
    graphs, for --epochs and so on. A fifth of 20 or more networks is held out.

    OUT holds a report of networks left or held out, before and after
    (report.csv and report.png), and intervals by their errors; one of 0.9 needs
    9 of them. Those held out choose the epoch of a network that learns, too,
    whose intervals come out a little narrow. With fewer than 20 networks it
    learns from all: no report, no intervals.
    """
    from dataclasses import replace

    from gennape.checkpoint import check_free, load
    from gennape.comparison import learn_and_compare, remarks
    from gennape.finetuning import default_validation, distinct, resolved
    from gennape.inference import encode
    from gennape.learning import steps
    from gennape.tuning import TuneSettings
    from onnx_bench.benchmarks import read_table

    check_free(out)
    old = load(model)
    table = read_table(labels, label, network).varied()
    graphs = encode(track(table.graphs(), "reading", len(table)), old.form)
    graphs, values = distinct(graphs, table.values, old.form)
    settings = TuneSettings(
        freeze.value,
        epochs,
        learning_rate=learning_rate,
        loss=loss,
        validation=validation or 0.0,
        patience=patience,
        seed=seed,
        learner=learner.value,
    )
    settings = resolved(settings, old)
    if validation is None:
        held_out = default_validation(len(values), settings.learner)
        settings = replace(settings, validation=held_out)
    with progress() as display:
        task = display.add_task("fine-tuning", total=steps(old.model, graphs, settings))
        new, comparison = learn_and_compare(
            old,
            graphs,
            values,
            settings,
            lambda epoch, _: display.update(task, completed=epoch),
            lower_is_better,
            coverage,
        )
    new = replace(new, source=f"{labels.name}, label {label}, from {model}")
    new.save(out, comparison.files() if comparison else None)

    if comparison:
        Console().print(comparison.table())
    if len(values) < len(table):
        typer.echo(f"{len(table)} rows name {len(values)} networks; each counts once")
    for remark in remarks(new, settings, len(values), coverage):
        typer.echo(remark)
    typer.echo(f"use it with: gennape predict -m {out} ...")


explain.add_to(app)
suggest.add_to(app)
transfer.add_to(app)
