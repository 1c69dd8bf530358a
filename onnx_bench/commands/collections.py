"""`onnx-bench collect` and `stats`: labelled networks as one collection, and what it holds."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onnx_bench.collections.labelled import LabelledCollection
    from onnx_bench.collections.sources import Source

DataRoot = Annotated[
    Path | None, typer.Option("--data-root", help="Folder of the tables; GENNAPE_DATA if none.")
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Processes; one for each processor by default.")
]
SHOWN = 10
"""Networks left out that are named one by one."""


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(collect)
    app.command()(stats)


def collect(
    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCE", help="Benchmarks, tables, files or folders.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", file_okay=False, help="The folder to write.")
    ],
    label: Annotated[
        list[str], typer.Option("--label", help="A label to take; all by default.")
    ] = [],  # noqa: B006, typer copies it
    subset: Annotated[
        list[str],
        typer.Option("--subset", metavar="[BENCHMARK=]NAME", help="Part of the benchmarks."),
    ] = [],  # noqa: B006, typer copies it
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many networks of each source, at random.")
    ] = None,
    fused: Annotated[
        bool, typer.Option("--fused/--atomic", help="Fused operators, or each by itself.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at what cannot be read; else it is left out.")
    ] = False,
    workers: Workers = None,
    data_root: DataRoot = None,
) -> None:
    """Write labelled networks of several sources as one folder of parquet tables.

    \b
    Examples:
      onnx-bench collect digits nasbench201 -o collection
      onnx-bench collect nasbench101 --subset all --label cifar10-test-108 -o nb101
      onnx-bench collect my_table.csv models/ -o mine

    A source is a benchmark, a table (a column of specifications or paths, others of numbers), an
    ONNX file, a folder of them, or one that `onnx-bench import` wrote. A run that was stopped goes
    on where it was. Networks that are one, however spelt, get one key.
    """
    from onnx_bench.collections import exchange
    from onnx_bench.collections.collect import collect as run
    from onnx_bench.collections.datasheet_tables import headline
    from onnx_bench.terminal import progress

    exchange.check_place(output)
    found = _sources(sources, label, subset, limit, data_root)
    total = len({text for source in found for text in source.networks})
    with progress() as display:
        task = display.add_task("building graphs", total=total)
        sheet = run(
            found,
            output,
            fused,
            workers or os.cpu_count() or 1,
            strict,
            lambda count: display.advance(task, count),
        )
    lines = [line for origin in sheet["origins"] for line in origin["skipped"]]
    for line in lines[:SHOWN]:
        typer.echo(f"left out: {line}", err=True)
    if len(lines) > SHOWN:
        more = f"{len(lines) - SHOWN} more; {output / exchange.DATASHEET} lists them"
        typer.echo(f"left out: {more}", err=True)
    typer.echo(f"{output}: {headline(sheet)}")


def stats(
    source: Annotated[
        str, typer.Argument(metavar="COLLECTION", help="A collection's folder, or a benchmark.")
    ],
    figure: Annotated[
        Path | None, typer.Option("--figure", dir_okay=False, help="Draw to this .svg or .png.")
    ] = None,
    label: Annotated[str | None, typer.Option("--label", help="The label to draw.")] = None,
    subset: Annotated[str | None, typer.Option("--subset", help="Part of a benchmark.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print a page.")] = False,
    workers: Workers = None,
    data_root: DataRoot = None,
) -> None:
    """Show what a collection or a benchmark holds: families, labels, sizes, noise, licences.

    \b
    Examples:
      onnx-bench stats digits
      onnx-bench stats collection --figure stats.svg --label cifar10-test-200

    How many networks of a benchmark differ is only counted when it is collected.
    """
    import json

    from onnx_bench.collections.datasheet import datasheet
    from onnx_bench.collections.datasheet_tables import headline, markdown, tables

    found = _collection(source, subset, workers or os.cpu_count() or 1, data_root)
    if figure is not None:
        from onnx_bench.collections.figure import save

        save(found, figure, label)
        typer.echo(f"wrote {figure}", err=True)
    sheet = datasheet(found)
    if as_json:
        typer.echo(json.dumps(sheet, indent=2, ensure_ascii=False))
    elif as_markdown:
        typer.echo(markdown(sheet), nl=False)
    else:
        from rich.console import Console

        typer.echo(f"{source}: {headline(sheet)}")
        for table in tables(sheet):
            Console().print(table)


def _sources(
    names: "Sequence[str]",
    labels: "Sequence[str]",
    subsets: "Sequence[str]",
    limit: int | None,
    root: Path | None,
) -> "list[Source]":
    """What the arguments of `collect` stand for.

    Raises:
        CollectionError: a subset is of no source, or a label is in none.
    """
    from onnx_bench.collections.sources import read_source, subset_of
    from onnx_bench.errors import CollectionError

    parts = {text.rpartition("=")[0]: text.rpartition("=")[2] for text in subsets}
    for name in parts:
        if name and name not in names:
            raise CollectionError(f"--subset {name}={parts[name]}: {name} is none of the sources")
    found = [read_source(name, labels, subset_of(name, parts), root) for name in names]
    known = {label.name for source in found for label in source.measured}
    if missing := [label for label in labels if label not in known]:
        raise CollectionError(f"no source has the label {missing[0]!r}")
    return found if limit is None else [source.limited(limit) for source in found]


def _collection(
    source: str, subset: str | None, workers: int, root: Path | None
) -> "LabelledCollection":
    """A collection that was written, or a benchmark as one, without the keys of its networks."""
    from onnx_bench.benchmarks import BENCHMARKS
    from onnx_bench.collections import exchange
    from onnx_bench.collections.cache import graphs_of
    from onnx_bench.collections.collect import labels_of_sources
    from onnx_bench.collections.labelled import LabelledCollection
    from onnx_bench.collections.sources import read_source
    from onnx_bench.terminal import progress

    if source not in BENCHMARKS:
        return exchange.read(Path(source))
    found = read_source(source, (), subset, root)
    with progress() as display:
        task = display.add_task("building graphs", total=len(found.networks))
        graphs = graphs_of(
            found.networks,
            progress=lambda count: display.advance(task, count),
            workers=workers,
            source=source,
        )
    labels = labels_of_sources([found], found.networks)
    return LabelledCollection(graphs, found.networks, labels, found.measured, (found.origin,))
