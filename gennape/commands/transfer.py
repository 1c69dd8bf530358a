"""`gennape transfer`: how well predictors do on families that they have not seen."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onnx_bench.errors import GennapeError

if TYPE_CHECKING:
    from gennape.transfer.lofo import Plan
    from gennape.transfer.targets import Target


def add_to(app: typer.Typer) -> None:
    """Adds the command to an application."""
    app.command()(transfer)


def transfer(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="CSV of one row a seed; goes on where it was.")
    ],
    lofo: Annotated[
        bool, typer.Option("--lofo", help="Every family by models that never saw it.")
    ] = False,
    source: Annotated[str, typer.Option(help="Benchmark to train on.")] = "nasbench101",
    target: Annotated[str, typer.Option(help="Benchmark to predict.")] = "nasbench201",
    families: Annotated[
        list[str] | None, typer.Option(help="With --lofo: these alone, as the report names them.")
    ] = None,
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
    most: Annotated[
        int | None, typer.Option(min=50, help="With --lofo: networks of a family at most.")
    ] = None,
    encoders: Annotated[
        Path | None,
        typer.Option(help="With --lofo: encoders of `scripts/paper_tables.py`, measured beside."),
    ] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of the label tables.")] = None,
    work: Annotated[Path, typer.Option(help="Folder of the source models.")] = Path(
        "runs/transfer"
    ),
    processes: Annotated[int, typer.Option(min=1)] = 2,
) -> None:
    """Measure transfer: to one family by the GENNAPE paper's protocol, or to every one.

    \b
    gennape transfer --source nasbench101 --target nasbench201 --shots 0 50 --seeds 5 \\
        --out results/transfer_kgnn.csv
    gennape transfer --lofo --seeds 5 --out results/transfer.csv
    gennape transfer --lofo --families darts metaqnn --seeds 1 --out quick.csv

    The first trains on SOURCE, scores TARGET, then learns from a few of its labels. It writes one
    row for each seed, and OUT_summary.csv with means, deviations and published figures.

    With --lofo every family that there are labels of is scored by the universal model, whose
    specialist of that family is left out, and by its parts and plain sizes; then with 5 to 1,024
    labels. Beside OUT it writes OUT_summary.csv, OUT_means.csv, OUT_goals.csv and OUT.html, a
    report to look at. Five seeds take some 70 minutes on two cores; stopped, it goes on where it
    was.
    """
    if lofo:
        from gennape.transfer.lofo import Plan

        plan = Plan(_targets(families), most, encoders=encoders, data_root=data_root)
        _leave_one_out(plan, out, seeds, work / "lofo", processes)
        return
    from gennape.models.performance import ModelConfig
    from gennape.transfer.protocol import Protocol
    from gennape.transfer.report import show, summary, write_summary
    from gennape.transfer.run import run

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
    rows = summary(run(protocol, seeds, out, work, processes))
    write_summary(out, rows)
    show(rows)


def _targets(families: list[str] | None) -> "tuple[Target, ...]":
    from gennape.transfer.targets import TARGETS

    known = {target.left_out: target for target in TARGETS}
    if unknown := set(families or ()) - known.keys():
        raise GennapeError(
            f"no family is called {', '.join(sorted(unknown))}; there are {', '.join(known)}"
        )
    return tuple(t for t in TARGETS if not families or t.left_out in families)


def _leave_one_out(plan: "Plan", out: Path, seeds: int, work: Path, processes: int) -> None:
    from gennape.transfer.lofo_report import show, write
    from gennape.transfer.lofo_run import run

    rows = run(plan, seeds, out, work, processes)
    for path in write(out, rows):
        typer.echo(f"wrote {path}")
    show(rows)
