"""`gennape explain`: why a network has its score."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from gennape.commands.options import DEFAULT_MODEL


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(explain)


def explain(
    network: Annotated[
        str, typer.Argument(metavar="NETWORK", help="An ONNX file, or FAMILY:SPEC.")
    ],
    model: Annotated[
        str, typer.Option("--model", "-m", help="A shipped checkpoint's name, or a folder.")
    ] = DEFAULT_MODEL,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", dir_okay=False, help="Write a page (.html) or picture (.svg)."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: all of it.")] = False,
    top: Annotated[int, typer.Option(min=1, help="Features and nodes in each table.")] = 10,
    nodes: Annotated[
        bool, typer.Option("--map/--no-map", help="Take nodes out one by one, or do not.")
    ] = True,
    coverage: Annotated[
        float, typer.Option(help="Probability that the score's interval holds the label.")
    ] = 0.9,
    rounds: Annotated[
        int, typer.Option(min=1, help="Of sampling: four make errors half as large.")
    ] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the sampling.")] = 0,
) -> None:
    """Explain a score: which features move it and by how much, and which nodes.

    \b
    gennape explain net.onnx
    gennape explain net.onnx --out explain.html
    gennape explain "nasbench201:|nor_conv_3x3~0|+|...|" --out map.svg
    gennape explain net.onnx --json --no-map > why.json

    Features are weighed against the mean of the networks that the model was
    trained on: the score is that network's score and what every group of
    features moves it by (Shapley values); features of a group share what the
    group does (Owen values).

    A node is worth what the score loses when the node is taken out and what it
    reads is handed on in its place. It tells what the model makes of a network,
    not what training a changed network would bring.
    """
    import json

    from gennape.checkpoint import load
    from gennape.explanation import explain as explained
    from gennape.explanation.records import checked_format
    from gennape.explanation.terminal import show
    from gennape.inference import encode
    from onnx_bench.doors import open_network
    from onnx_bench.errors import GennapeError
    from onnx_bench.terminal import track

    target = None if out is None else checked_format(out)
    if target is not None and target.suffix == ".svg" and not nodes:
        raise GennapeError(f"{target}: a picture is of the nodes; leave --no-map out")
    checkpoint, opened = load(model), open_network(network)
    graphs = encode(opened.graph, checkpoint.form)
    found = explained(checkpoint, graphs, network, model, nodes, rounds, seed, coverage, track)
    sizes = (f"{name}={','.join(map(str, shape))}" for name, shape in opened.assumed.items())
    if assumed := " ".join(sizes):
        found = replace(found, notes=(*found.notes, f"open axes are taken as {assumed}"))
    if target is not None:
        found.save(target, top)
        typer.echo(f"wrote {target}", err=True)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=1))
    elif target is None:
        show(found, top)
