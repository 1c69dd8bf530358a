"""`onnx-bench verify`: do the networks that we build have the figures that were published?"""

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from onnx_bench.verification.running import Verdict


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(verify)


def verify(
    families: Annotated[
        list[str] | None, typer.Argument(metavar="[FAMILY]...", help="Families to check.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Check all that have checks.")] = False,
    data_root: Annotated[
        Path | None, typer.Option("--data-root", help="Folder of the tables; GENNAPE_DATA if none.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", dir_okay=False, help="Write the table as CSV.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; one for each processor by default.")
    ] = None,
) -> None:
    """Compare every network of a benchmark with its published parameters and MACs.

    \b
    Examples:
      onnx-bench verify nasbench201
      onnx-bench verify --all --out verify.csv

    Every row is built and counted. Ends with exit code 1 where one row differs or a table is
    missing; figures of papers that no exact rebuild exists for are listed, and fail nothing.
    """
    from onnx_bench.errors import SpecError
    from onnx_bench.verification import VERIFIED

    chosen = list(VERIFIED) if all_ else families or []
    if not chosen:
        raise SpecError(f"name a family or give --all; families with checks: {', '.join(VERIFIED)}")
    for name in chosen:
        if name not in VERIFIED:
            raise SpecError(f"{name!r} has no checks; there are {', '.join(VERIFIED)}")
    verdicts, missing = _run(chosen, data_root, workers or os.cpu_count() or 1)
    rows = [_row(verdict) for verdict in verdicts]
    _print(rows)
    for line in missing:
        typer.echo(f"not checked: {line}", err=True)
    if out is not None:
        _write(rows, out)
    if missing or not all(verdict.holds for verdict in verdicts):
        raise typer.Exit(1)


def _run(
    families: list[str], data_root: Path | None, workers: int
) -> "tuple[list[Verdict], list[str]]":
    """The verdicts, and a line for each family whose table is missing."""
    from onnx_bench.errors import LabelError
    from onnx_bench.terminal import progress
    from onnx_bench.verification import checks
    from onnx_bench.verification.running import verify as run

    verdicts, missing = [], []
    with progress() as display:
        for family in families:
            try:
                for check in checks(family, data_root):
                    task = display.add_task(f"{family}: {check.what}", total=len(check.networks))
                    report = partial(display.advance, task)
                    verdicts.append(run(family, check, workers, report))
                    display.remove_task(task)
            except LabelError as error:
                missing.append(f"{family}: {error}")
    return verdicts, missing


def _row(verdict: "Verdict") -> dict[str, Any]:
    check, worst = verdict.check, verdict.worst
    row: dict[str, Any] = {
        "family": verdict.family,
        "figure": check.what,
        "source": check.source,
        "rows": verdict.rows,
        "equal": verdict.equal,
        "tolerance": check.tolerance,
        "result": "equal" if verdict.equal == verdict.rows else "differs",
        "network": "",
        "published": "",
        "ours": "",
    }
    if not check.exact:
        row["result"] += ", listed only"
    if worst is not None:
        row |= {"network": worst.network, "published": worst.published}
        row["ours"] = worst.error or worst.ours
    return row


def _print(rows: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table("family", "figure", "published in", box=box.SIMPLE)
    for name in ("rows", "equal", "result"):
        table.add_column(name, justify="right", no_wrap=name != "result")
    for row in rows:
        colour = {"equal": "green", "differs": "bold red"}.get(row["result"], "")
        counts = f"{row['rows']:,}", f"{row['equal']:,}"
        result = f"[{colour}]{row['result']}[/]" if colour else row["result"]
        table.add_row(row["family"], row["figure"], row["source"], *counts, result)
    console = Console()
    console.print(table)
    for row in rows:
        if row["network"]:
            typer.echo(
                f"{row['result']}: {row['figure']} of {row['network']}: "
                f"published {row['published']}, ours {row['ours']} (the largest difference)"
            )


def _write(rows: list[dict[str, Any]], path: Path) -> None:
    import csv

    from onnx_bench.files import atomic_file

    with atomic_file(path) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]) if rows else ["family"])
        writer.writeheader()
        writer.writerows(rows)
