"""The command `onnx-bench`: networks as ONNX files, what is in them, and random ones to try.

What a command needs is imported inside it, so that `--help` answers at once.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onnx_bench.commands import collections, labels, verify
from onnx_bench.terminal import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from onnx_bench.graph import ComputationGraph, Shape
    from onnx_bench.imported import Import

app = typer.Typer(
    help="Networks of the search spaces as ONNX files, what is in them, and what they scored.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # examples hold brackets and bars
)

FamilyArgument = Annotated[
    str, typer.Argument(metavar="FAMILY", help="A family's name; `onnx-bench list` shows them.")
]

FusedOption = Annotated[
    bool, typer.Option("--fused/--atomic", help="Fused operators, or every operator by itself.")
]
ShapeOption = Annotated[
    list[str],
    typer.Option("--shape", metavar="NAME=SIZES", help="An input's shape, as in x=1,3,224,224."),
]


@app.command()
def build(
    family: Annotated[
        str, typer.Argument(metavar="FAMILY", help="A family's name, or FAMILY:SPEC in one.")
    ],
    spec: Annotated[
        str | None, typer.Argument(metavar="SPEC", help="The network's specification.")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", dir_okay=False, help="The ONNX file to write.")
    ] = Path("network.onnx"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random weights.")] = 0,
) -> None:
    """Write a network as a runnable ONNX file with random weights.

    \b
    Example:
      onnx-bench build digits-tokens p2-c16-r2-attn4-mlp-skip-skip -o tokens.onnx

    Quote a specification that holds bars, as those of nasbench201 do.
    """
    from onnx_bench.families import build_spec
    from onnx_bench.onnx_export import save_onnx

    graph = build_spec(family if spec is None else f"{family}:{spec}")
    save_onnx(graph, output, seed=seed)
    typer.echo(f"wrote {output}: {len(graph)} nodes, {graph.parameters:,} parameters")


@app.command()
def show(
    network: Annotated[
        str, typer.Argument(metavar="NETWORK", help="An ONNX file, or FAMILY:SPEC.")
    ],
    fused: FusedOption = False,
    shape: ShapeOption = [],  # noqa: B006, typer copies it
    svg: Annotated[
        Path | None, typer.Option("--svg", dir_okay=False, help="Draw the graph to this file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Show a network: its stages and operators, multiply-accumulates (MACs) and parameters.

    \b
    Examples:
      onnx-bench show resnet50.onnx
      onnx-bench show bert.onnx --shape input_ids=1,128 --fused --svg bert.svg

    Weights are not read, and may be missing. The fused form is the same for one network whoever
    exported it: normalisation is folded, attention is one operator, layout is not shown.
    """
    from onnx_bench.canonical import fuse
    from onnx_bench.doors import open_network
    from onnx_bench.drawing import to_svg
    from onnx_bench.files import atomic_file

    found = open_network(network, parse_shapes(shape))
    graph = fuse(found.graph) if fused else found.graph
    for line in _remarks(found):
        typer.echo(line, err=True)
    if svg is not None:
        with atomic_file(svg) as temporary:
            temporary.write_text(to_svg(graph, title=network))
        typer.echo(f"wrote {svg}: {len(graph)} nodes", err=True)
    if as_json:
        typer.echo(json.dumps(_facts(found, graph, network), indent=2))
    else:
        _print_tables(graph, network)


@app.command("import")
def import_(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILES...", help="ONNX files, or folders of them.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", file_okay=False, help="The folder of graphs to fill.")
    ],
    fused: FusedOption = False,
    shape: ShapeOption = [],  # noqa: B006, typer copies it
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; one for each processor by default.")
    ] = None,
) -> None:
    """Read many ONNX files into a folder of graphs with an index.

    \b
    Example:
      onnx-bench import models/*.onnx -o collection

    A file that cannot be read is reported and skipped. A run that was stopped goes on where it was;
    files that have not changed are not read again. index.csv has a row for each file.
    """
    from onnx_bench.import_files import import_files
    from onnx_bench.terminal import track

    paths = _onnx_files(files)
    rows = import_files(paths, output, fused, parse_shapes(shape), workers)
    hashes = []
    for row in track(rows, "importing", total=len(paths)):
        if row.error:
            typer.echo(f"skipped: {row.error}", err=True)
            continue
        hashes.append(row.hash)
        if row.unknown:
            typer.echo(f"{row.file}: outside the vocabulary: {row.unknown}", err=True)
    read, different = len(hashes), len(set(hashes))
    typer.echo(f"{output}: {read} of {len(paths)} files read, {different} different networks")
    if paths and not read:
        raise typer.Exit(1)


@app.command()
def sample(
    family: FamilyArgument,
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="How many.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the choice.")] = 0,
) -> None:
    """Print random networks of a family, one FAMILY:SPEC a line.

    \b
    Example:
      onnx-bench sample nasbench201 -n 100 --seed 1 > networks.txt
    """
    import numpy as np

    from onnx_bench import families

    space, rng = families.family(family), np.random.default_rng(seed)
    for _ in range(number):
        typer.echo(f"{family}:{space.format(space.sample(rng))}")


for command in (labels, collections, verify):
    command.add_to(app)


def parse_shapes(options: "Sequence[str]") -> "dict[str, Shape]":
    """Shapes of inputs from NAME=1,3,224,224.

    Raises:
        ModelFileError: an option is not of this form.
    """
    from onnx_bench.errors import ModelFileError

    found = {}
    for option in options:
        name, _, sizes = option.rpartition("=")
        try:
            found[name] = tuple(int(size) for size in sizes.split(","))
        except ValueError:
            found[name] = ()
        if not name or min(found[name], default=0) < 1:
            raise ModelFileError(f"--shape {option!r}: expected NAME=SIZES such as x=1,3,224,224")
    return found


def _onnx_files(given: list[Path]) -> list[Path]:
    """The files themselves, and those of folders."""
    found: list[Path] = []
    for path in given:
        found += sorted(path.rglob("*.onnx")) if path.is_dir() else [path]
    return list(dict.fromkeys(found))


def _remarks(found: "Import") -> "Iterator[str]":
    """What a reader of the figures has to know, a line each."""
    for name, shape in found.assumed.items():
        sizes = ",".join(map(str, shape))
        yield f"note: input {name!r} has open axes; taken as {sizes} (--shape {name}={sizes})"
    if found.unknown:
        names = ", ".join(f"{name} ({count})" for name, count in sorted(found.unknown.items()))
        share = found.coverage
        yield (
            f"warning: {share.nodes:.0%} of the operators are known, with {share.parameters:.0%} "
            f"of the parameters and at most {share.macs:.0%} of the MACs; outside the vocabulary, "
            f"and counted as nothing: {names}"
        )


def _facts(found: "Import", graph: "ComputationGraph", network: str) -> dict[str, Any]:
    """What `show --json` prints."""
    from onnx_bench.summary import describe

    return {
        **describe(graph),
        "network": network,
        "coverage": found.coverage._asdict(),
        "unknown": found.unknown,
        "assumed": found.assumed,
        "hash": graph.hash,
    }


def _print_tables(graph: "ComputationGraph", network: str) -> None:
    from rich.console import Console

    from onnx_bench.summary import tables

    typer.echo(network)
    for table in tables(graph):
        Console().print(table)


def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    run(app, arguments)
