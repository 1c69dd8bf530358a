"""`onnx-bench list`, `labels` and `fetch`: which networks are labelled, with what, from where."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from onnx_bench.benchmarks import Benchmark
    from onnx_bench.benchmarks.base import Download

BenchmarkArgument = Annotated[
    str, typer.Argument(metavar="BENCHMARK", help="A name; `onnx-bench list` shows them.")
]
DataRoot = Annotated[
    Path | None,
    typer.Option("--data-root", help="Folder of the label tables; GENNAPE_DATA by default."),
]
WIDEST = 100
"""Letters of an example in a table."""
NUMBERS = ("specifications", "benchmarks", "labels", "networks", "epochs", "runs", "MB")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("list")(list_)
    app.command()(labels)
    app.command()(fetch)


def list_(data_root: DataRoot = None, as_json: AsJson = False) -> None:
    """List the families of networks, and the benchmarks that say what networks scored.

    \b
    Examples:
      onnx-bench list
      onnx-bench list --json
    """
    from onnx_bench.overview import benchmark_rows, family_rows

    families, benchmarks = family_rows(), benchmark_rows(data_root)
    if as_json:
        typer.echo(json.dumps({"families": families, "benchmarks": benchmarks}, indent=2))
        return
    _print(_families_table(families))
    _print(_benchmarks_table(benchmarks))


def labels(
    benchmark: BenchmarkArgument,
    label: Annotated[
        list[str],
        typer.Option("--label", metavar="NAME", help="Only this label; can be given again."),
    ] = [],  # noqa: B006, typer copies it
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", dir_okay=False, help="Write every measurement here."),
    ] = None,
    data_root: DataRoot = None,
    as_json: AsJson = False,
) -> None:
    """Show the labels of a benchmark, or write every measurement to a CSV or parquet file.

    \b
    Examples:
      onnx-bench labels digits
      onnx-bench labels nasbench201 --label cifar10-val-200 -o cifar10.csv

    The file has a row a measurement: network, label, task, metric, split, epochs, seed, value and
    provenance; seed is empty for means over runs.
    """
    from onnx_bench import benchmarks
    from onnx_bench.errors import LabelError

    found = benchmarks.benchmark(benchmark)
    if output is not None and output.suffix not in (".csv", ".parquet"):
        raise LabelError(f"{output}: expected a name that ends in .csv or .parquet")
    long = found.long(data_root, label)
    if output is not None:
        _write(long, output)
        typer.echo(f"wrote {output}: {len(long):,} measurements")
        return
    rows = _summary(found, long)
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    typer.echo(f"{benchmark}: {found.title}; {found.source}; licence: {found.licence}")
    typer.echo(f"subsets: {', '.join(found.subsets)}")
    _print(_labels_table(rows))


def fetch(
    benchmark: BenchmarkArgument,
    data_root: DataRoot = None,
    list_only: Annotated[bool, typer.Option("--list", help="Only show what there is.")] = False,
) -> None:
    """Download what the authors of a benchmark publish into the folder of the label tables.

    \b
    Examples:
      onnx-bench fetch nasbench101 --list
      onnx-bench fetch nasbench101 --data-root tables

    A download that was cut goes on where it was; checksums are verified, or recorded where none
    was published. Where a person has to click through a page, the address and the place to put the
    file at are printed, and the exit code is 2.
    """
    from onnx_bench.benchmarks.downloads import downloads
    from onnx_bench.errors import DownloadError

    folder, files = downloads(benchmark, data_root)
    if not files:
        raise DownloadError(f"{benchmark}: no public address of its files is known")
    if list_only:
        _print(_files_table(folder, files))
        return
    there = [_fetch(file, folder) for file in files]
    if not all(there):
        raise typer.Exit(2)


def _fetch(file: "Download", folder: Path) -> bool:
    """Whether the file is in its place in the end; says what became of it."""
    from onnx_bench.benchmarks import fetching
    from onnx_bench.errors import DownloadError

    there = fetching.is_there(file, folder)
    if file.by_hand and not there:
        typer.echo(f"by hand: {fetching.by_hand(file, folder)}", err=True)
        return False
    try:
        with _transfer_bar(file.path) as report:
            path = fetching.fetch(file, folder, report)
    except DownloadError as error:
        typer.echo(f"error: {error}", err=True)
        return False
    note = f" ({file.note})" if file.note else ""
    typer.echo(f"{'there already' if there else 'fetched'}: {path}{note}")
    return True


@contextmanager
def _transfer_bar(name: str) -> "Iterator[Callable[[int, int | None], None]]":
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(
        *columns,
        TransferSpeedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as display:
        task = display.add_task(name, total=None)
        yield lambda done, total: display.update(task, completed=done, total=total)


def _summary(found: "Benchmark", long: "pd.DataFrame") -> list[dict[str, Any]]:
    """A row a label: what it is, and the number and range of its values."""
    rows = []
    for name, part in long.groupby("label", sort=False):
        label = found.label(str(name))
        rows.append(
            {
                "label": label.name,
                "task": label.task,
                "metric": label.metric,
                "split": label.split,
                "epochs": label.epochs,
                "runs": len(label.columns),
                "networks": int(part["network"].nunique()),
                "measurements": len(part),
                "lowest": float(part["value"].min()),
                "highest": float(part["value"].max()),
                "higher_is_better": label.higher_is_better,
                "ships": label.ships,
                "provenance": str(part["provenance"].iloc[0]),
            }
        )
    return rows


def _write(long: "pd.DataFrame", path: Path) -> None:
    from onnx_bench.files import atomic_file

    with atomic_file(path) as temporary:
        if path.suffix == ".csv":
            long.to_csv(temporary, index=False)
        else:
            long.to_parquet(temporary, index=False)


def _families_table(rows: list[dict[str, Any]]) -> "Table":
    table = _table(
        "families", "name", "source", "specifications", "benchmarks", "labels", "example"
    )
    for row in rows:
        size = row["specifications"]
        table.add_row(
            row["name"],
            row["source"],
            "unbounded" if size is None else f"{size:,}" if size < 1e9 else f"{size:.1e}",
            str(len(row["benchmarks"])),
            str(sum(row["benchmarks"].values())),
            _cut(row["example"]),
        )
    return table


def _benchmarks_table(rows: list[dict[str, Any]]) -> "Table":
    table = _table("benchmarks", "name", "networks", "tasks", "labels", "licence", "found", "ships")
    for row in rows:
        few = ", ".join(row["tasks"][:4]) + (", ..." if len(row["tasks"]) > 4 else "")
        shipping, every = len(row["ships"]), len(row["labels"])
        table.add_row(
            row["name"],
            "" if row["networks"] is None else f"{row['networks']:,}",
            few,
            str(every),
            row["licence"],
            "yes" if row["found"] else "no",
            "yes" if shipping == every else f"{shipping} labels" if shipping else "no",
        )
    table.caption = "found: under the data root; ships: may train weights that are shipped"
    return table


def _labels_table(rows: list[dict[str, Any]]) -> "Table":
    table = _table(None, "label", "task", "metric", "split", "epochs", "runs", "networks", "range")
    for row in rows:
        table.add_row(
            row["label"],
            row["task"],
            row["metric"] + ("" if row["higher_is_better"] else " (less is better)"),
            row["split"],
            "" if row["epochs"] is None else str(row["epochs"]),
            str(row["runs"]),
            f"{row['networks']:,}",
            f"{row['lowest']:.4g} to {row['highest']:.4g}",
        )
    return table


def _files_table(folder: Path, files: "tuple[Download, ...]") -> "Table":
    from onnx_bench.benchmarks.fetching import is_there

    table = _table(str(folder), "file", "MB", "there", "address", "note")
    for file in files:
        table.add_row(
            file.path,
            "" if file.megabytes is None else f"{file.megabytes:,g}",
            "yes" if is_there(file, folder) else "by hand" if file.by_hand else "no",
            "\n".join(file.urls),
            file.note,
        )
    return table


def _table(title: str | None, *columns: str) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE, title_justify="left", caption_justify="left")
    for place, column in enumerate(columns):
        justify: Literal["left", "right"] = "right" if column in NUMBERS else "left"
        table.add_column(column, justify=justify, overflow="fold", no_wrap=place == 0)
    return table


def _print(table: "Table") -> None:
    """As wide as the terminal, and wide enough not to break where there is none."""
    from rich.console import Console

    console = Console()
    Console(width=None if console.is_terminal else 200).print(table)


def _cut(text: str) -> str:
    """A text as a table has room for it; some specifications fill a page."""
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"
