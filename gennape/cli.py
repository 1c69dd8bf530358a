"""`gennape`: predict, fine-tune and transfer from the command line. Training is `gennape-train`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from onnx_bench.terminal import progress, run, track

DEFAULT_MODEL = "gennape-nb101"

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


def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    run(app, arguments, several=("--shots", "--target-subsets"))


@app.command()
def predict(
    networks: Annotated[
        list[str], typer.Argument(help="ONNX files, or texts such as 'nasbench201:|...|'.")
    ],
    model: Model = DEFAULT_MODEL,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    coverage: Coverage = 0.9,
) -> None:
    """Rank networks by their predicted score, best first.

    \b
    gennape predict a.onnx b.onnx c.onnx
    gennape predict *.onnx --model runs/mine --csv > ranks.csv

    Scores are in the units of the labels that the model was trained on
    (NAS-Bench-101: percent of CIFAR-10). For networks of another family than
    those, read the order only.

    Where the model knows its errors, each score has an interval that holds the
    label with a probability of 0.9 (--coverage), of networks like those that it
    was calibrated on. Where it knows what it was trained on, each network has its
    nearest family and the distance to it: above 1 it is strange, marked with a !,
    and neither its place nor its interval can be relied on.
    """
    from gennape.ranking import as_table, rank

    if as_json and as_csv:
        raise typer.BadParameter("choose one of --json and --csv")
    ranked = rank(networks, model, coverage)
    if as_json:
        typer.echo(ranked.to_json(orient="records", indent=1))
    elif as_csv:
        typer.echo(ranked.to_csv(index=False), nl=False)
    else:
        as_table(ranked, model)


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
        typer.Option(help="Learn beside the network, from numbers of whole graphs, or train it."),
    ] = Learner.AUTO,
    freeze: Annotated[Freeze, typer.Option(help="Train everything, or the head.")] = Freeze.NONE,
    epochs: Annotated[int, typer.Option(min=1, help="At most; see --patience.")] = 100,
    learning_rate: Annotated[float, typer.Option(help="Of Adam.")] = 1e-3,
    validation: Annotated[
        float | None,
        typer.Option(
            help="Share of networks that is held out, to choose the epoch and set the intervals.",
            show_default="0.2 from 20 networks on, else 0",
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
    gennape finetune gennape-nb101 mine.csv --label accuracy -o runs/mine
    gennape predict *.onnx --model runs/mine
    gennape finetune gennape-nb101 phone.csv --label ms --lower-is-better -o runs/ms

    The table has a row a network: an ONNX file, its path relative to the table,
    or a text FAMILY:SPECIFICATION, and a label. Some 50 labels do much. A network
    that is named several times counts once, with the mean of its labels.

    A checkpoint of fused graphs stays as it is, and a small learner beside it
    takes moments: --learner numbers. --learner network trains the network
    itself, as do checkpoints of atomic graphs, for --epochs and so on.

    A fifth of 20 or more networks is held out. OUT then holds a report of them
    before and after (report.csv and report.png), and intervals by their errors;
    one of 0.9 needs 9 of them. They also choose the epoch of a network that
    learns, whose intervals come out a little narrow. With fewer networks, or
    --validation 0, all are learnt from: no report, no intervals.
    """
    from dataclasses import replace

    from gennape.checkpoint import check_free, load
    from gennape.comparison import learn_and_compare, remarks
    from gennape.finetuning import default_validation, distinct, resolved
    from gennape.inference import encode
    from gennape.tuning import TuneSettings, steps
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
        validation=default_validation(len(values)) if validation is None else validation,
        patience=patience,
        seed=seed,
        learner=learner.value,
    )
    settings = resolved(settings, old)
    with progress() as display:
        task = display.add_task("fine-tuning", total=steps(old.model, settings))
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


@app.command()
def transfer(
    out: Annotated[Path, typer.Option(help="CSV of one row a seed; goes on where it was.")],
    source: Annotated[str, typer.Option(help="Benchmark to train on.")] = "nasbench101",
    target: Annotated[str, typer.Option(help="Benchmark to predict.")] = "nasbench201",
    shots: Annotated[list[int], typer.Option(min=0)] = [0, 50],  # noqa: B006 (typer copies it)
    seeds: Annotated[int, typer.Option(min=1)] = 5,
    source_subset: Annotated[str | None, typer.Option(help="Rows to train on.")] = None,
    target_subsets: Annotated[
        list[str] | None, typer.Option(help="Rows to score, e.g. all no-none (nasbench201).")
    ] = None,
    encoder: Annotated[str, typer.Option(help="k-gnn or gated-gcn.")] = "k-gnn",
    loss: Annotated[str, typer.Option(help="mse, pairwise-hinge, pairwise-logistic.")] = "mse",
    epochs: Annotated[int, typer.Option(min=1, help="On the source.")] = 40,
    learning_rate: Annotated[float, typer.Option(help="On the source.")] = 1e-4,
    limit: Annotated[int | None, typer.Option(help="Train on that many rows.")] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of the label tables.")] = None,
    work: Annotated[Path, typer.Option(help="Folder of the source models.")] = Path(
        "runs/transfer"
    ),
    processes: Annotated[int, typer.Option(min=1)] = 2,
) -> None:
    """Measure transfer by the GENNAPE paper's protocol: zero-shot, and after a few labels.

    \b
    gennape transfer --source nasbench101 --target nasbench201 --shots 0 50 --seeds 5 \\
        --out results/transfer.csv

    Writes one row for each seed, and OUT_summary.csv with means, deviations and published figures.
    """
    from gennape.models.performance import ModelConfig
    from gennape.transfer.protocol import Protocol
    from gennape.transfer.report import show, summary, write_summary
    from gennape.transfer.run import run as run_protocol

    protocol = Protocol(
        source,
        target,
        source_subset,
        tuple(target_subsets or (None,)),
        tuple(shots),
        ModelConfig(encoder),
        loss,
        epochs,
        learning_rate=learning_rate,
        tune_batch_size=1 if loss == "mse" else 8,  # a pairwise loss needs pairs
        limit=limit,
        data_root=data_root,
    )
    rows = summary(run_protocol(protocol, seeds, out, work, processes))
    write_summary(out, rows)
    show(rows)
