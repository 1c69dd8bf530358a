"""`gennape-train ensemble`: everything that an ensemble takes, in one command."""

import sys
from pathlib import Path
from time import monotonic
from typing import Annotated

import typer

from gennape.checkpoint import load
from gennape.training.ensemble import train_ensemble
from onnx_bench.terminal import errors_in_one_line

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def main(arguments: list[str]) -> None:
    """The command with these arguments."""
    with errors_in_one_line():
        app(arguments, prog_name="gennape-train ensemble")


@app.command()
def ensemble(
    config: Annotated[Path, typer.Option(help="The recipe, a YAML file.")],
    run_dir: Annotated[
        Path, typer.Option("--run_dir", help="Receives a folder for each training, and `ensemble`.")
    ],
    seed: Annotated[int, typer.Option(help="Of splits, initial weights and all else.")] = 0,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting for all; may be repeated."),
    ] = None,
    processes: Annotated[int, typer.Option(min=1, help="Trainings at a time.")] = 2,
) -> None:
    """Pretrain the encoders, train the members on them, and put the ensemble together.

    \b
    gennape-train ensemble --config configs/gennape/ensemble.yaml \\
        --run_dir runs/gennape
    gennape-train ensemble --config configs/gennape/ensemble.yaml \\
        --run_dir runs/small --set data.limit=2000 --set kgnn.trainer.max_epochs=5

    A setting reaches all trainings that have it; with `pretrain.`, `member.` or
    the name of a training before it, these alone. Each training is a run in
    RUN_DIR/NAME, with a log.txt; the same command goes on after a stop, and does
    nothing twice. The ensemble is in RUN_DIR/ensemble.
    """
    given = dict(_pair(setting) for setting in settings or [])
    # Without a display, in a log file, there are lines instead.
    report = None if sys.stderr.isatty() else _line
    start = monotonic()
    folder = train_ensemble(config, run_dir, seed, given, processes, report)
    minutes, figure = (monotonic() - start) / 60, load(folder).metrics["val_spearman"]
    typer.echo(
        f"{minutes:.1f} minutes; validation Spearman {figure:.3f}; "
        f"use it with: gennape predict -m {folder} ..."
    )


def _pair(setting: str) -> tuple[str, str]:
    key, equals, value = setting.partition("=")
    if not equals:
        raise typer.BadParameter(f"--set {setting}: expected KEY=VALUE, as in data.limit=2000")
    return key, value


def _line(text: str) -> None:
    typer.echo(text, err=True)
