"""The command `onnx-bench`: networks as ONNX files, what is in them, and random ones to try.

What a command needs is imported inside it, so that `--help` answers at once.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onnx_bench.terminal import run

if TYPE_CHECKING:
    from onnx_bench.onnx_import import OnnxImport

app = typer.Typer(
    help="Networks of the search spaces as ONNX files, and what is in them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # examples hold brackets and bars
)

FamilyArgument = Annotated[
    str, typer.Argument(metavar="FAMILY", help="A family's name; `onnx-bench families` lists them.")
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
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Count a network's operators, multiply-accumulates (MACs) and parameters.

    \b
    Example:
      onnx-bench show resnet50.onnx
    """
    found = _open(network)
    facts = _facts(found, network)
    if found.unknown:
        names = ", ".join(f"{name} ({count})" for name, count in sorted(found.unknown.items()))
        typer.echo(
            f"warning: {found.coverage:.0%} of the operators are known; outside the vocabulary, "
            f"and counted as nothing: {names}",
            err=True,
        )
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
    else:
        _print_table(facts)


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


@app.command()
def families() -> None:
    """List the families, each with a network of it.

    \b
    Example:
      onnx-bench families
    """
    from onnx_bench.families import FAMILIES, family

    for name in FAMILIES:
        typer.echo(f"{name:14} {name}:{family(name).example}")


def _open(text: str) -> "OnnxImport":
    """The network that a command's argument names."""
    from onnx_bench.families import build_spec, is_spec
    from onnx_bench.onnx_import import OnnxImport, import_onnx

    looks_like_spec = ":" in text and Path(text).suffix != ".onnx"
    if is_spec(text) or (looks_like_spec and not Path(text).exists()):
        return OnnxImport(build_spec(text), {})
    return import_onnx(Path(text))


def _facts(found: "OnnxImport", network: str) -> dict[str, Any]:
    """What `show` prints, as plain values."""
    from onnx_bench.cost import cost, macs_N, parameters_N
    from onnx_bench.operators import Op

    graph = found.graph
    columns = {"macs": macs_N(graph.nodes_NK), "parameters": parameters_N(graph.nodes_NK)}
    operators = {}
    for op in Op:
        rows = graph.nodes_of(op)
        if rows and op not in (Op.INPUT, Op.OUTPUT):
            sums = {name: int(values[rows].sum()) for name, values in columns.items()}
            operators[op.label] = {"count": len(rows), **sums}
    total = cost(graph)
    return {
        "network": network,
        "operators": operators,
        "count": sum(row["count"] for row in operators.values()),
        "macs": total.macs,
        "parameters": total.parameters,
        "activations": total.activations,
        "coverage": found.coverage,
        "unknown": found.unknown,
    }


def _print_table(facts: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    numbers = ("count", "macs", "parameters")
    table = Table("operator", show_footer=True)
    table.columns[0].footer = "total"
    for name, title in zip(numbers, ("count", "MACs", "parameters"), strict=True):
        table.add_column(title, f"{facts[name]:,}", justify="right")
    for operator, row in facts["operators"].items():
        table.add_row(operator, *(f"{row[name]:,}" for name in numbers))
    typer.echo(facts["network"])
    Console().print(table)


def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    run(app, arguments)
