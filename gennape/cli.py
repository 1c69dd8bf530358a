"""`gennape`: predict, fine-tune and transfer from the command line. Training is `gennape-train`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from onnx_bench.terminal import progress, run, track

DEFAULT_MODEL = "kgnn-nb101"

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
) -> None:
    """Rank networks by their predicted score, best first.

    \b
    gennape predict a.onnx b.onnx c.onnx
    gennape predict *.onnx --model runs/mine/predictor --csv > ranks.csv

    Scores are in the units of the labels that the model was trained on (NAS-Bench-101: percent
    of CIFAR-10). For networks of another family than those, read the order only.
    """
    from gennape.ranking import as_table, rank

    if as_json and as_csv:
        raise typer.BadParameter("choose one of --json and --csv")
    ranked = rank(networks, model)
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
    label: Annotated[str, typer.Option(help="Column of labels; higher is better.")] = "value",
    network: Annotated[str, typer.Option(help="Column of ONNX paths or specs.")] = "network",
    freeze: Annotated[Freeze, typer.Option(help="Train everything, or the head.")] = Freeze.NONE,
    epochs: Annotated[int, typer.Option(min=1)] = 100,
    seed: int = 0,
) -> None:
    """Fine-tune a checkpoint on labelled networks of your own family.

    \b
    gennape finetune kgnn-nb101 mine.csv --label accuracy -o runs/mine
    gennape predict *.onnx --model runs/mine
    """
    from gennape.checkpoint import check_free
    from gennape.inference import Predictor, encode
    from gennape.tuning import TuneSettings
    from onnx_bench.benchmarks import read_table

    check_free(out)
    predictor = Predictor.from_pretrained(model)
    table = read_table(labels, label, network).varied()
    graphs = encode(track(table.graphs(), "reading", len(table)))
    with progress() as display:
        task = display.add_task("fine-tuning", total=epochs)
        predictor.fit(
            graphs,
            table.values,
            TuneSettings(freeze.value, epochs=epochs, seed=seed),
            lambda epoch, _: display.update(task, completed=epoch),
        )
    predictor.save(out)
    typer.echo(f"fine-tuned on {len(table):,} networks; use it with: gennape predict -m {out} ...")


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
