"""A network in a few rows: its stages and its operators, with counts, MACs and parameters."""

from typing import TYPE_CHECKING, Any, Literal

from onnx_bench.cost import activations_N, macs_N, parameters_N
from onnx_bench.graph import ComputationGraph
from onnx_bench.operators import Op
from onnx_bench.stages import ENDS, Stage, stages

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Stage", "describe", "stages", "tables"]

HEADINGS = {"macs": "MACs", "parameters": "parameters", "activations": "activations"}
NUMBERS = tuple(HEADINGS)


def describe(graph: ComputationGraph) -> dict[str, Any]:
    """The network as plain values, ready for JSON.

    Returns:
        `name`, `nodes`, `edges`, `coverage`; the totals `count` (operators: nodes less inputs and
        outputs), `macs`, `parameters` and `activations`; `stages`, a list of rows with `name`,
        `nodes` (how many), `operators`, `out_shape` and the sums; `operators`, rows by label with
        `count` and the sums. Either's sums are the totals, but for the activations of inputs and
        outputs, which no operator has.
    """
    counts = (macs_N, parameters_N, activations_N)
    columns = {number: count(graph.nodes_NK) for number, count in zip(NUMBERS, counts, strict=True)}
    operators = {}
    for op in Op:
        if op not in ENDS and (rows := graph.nodes_of(op)):
            sums = {number: int(columns[number][rows].sum()) for number in NUMBERS}
            operators[op.label] = {"count": len(rows), **sums}
    parts = [
        {**stage._asdict(), "nodes": len(stage.nodes), "out_shape": list(stage.out_shape)}
        for stage in stages(graph)
    ]
    return {
        "name": graph.name,
        "nodes": len(graph),
        "edges": graph.num_edges,
        "coverage": graph.coverage,
        "count": sum(row["count"] for row in operators.values()),
        **{number: int(columns[number].sum()) for number in NUMBERS},
        "stages": parts,
        "operators": operators,
    }


def tables(graph: ComputationGraph) -> "list[Table]":
    """A table of the stages and one of the operators for the terminal, each with its totals."""
    facts = describe(graph)
    by_stage = [
        (row["name"], "×".join(map(str, row["out_shape"])), row["nodes"], row)
        for row in facts["stages"]
    ]
    by_operator = [(label, row["count"], row) for label, row in facts["operators"].items()]
    return [
        _table(
            ("stage", "output", "nodes"), NUMBERS, [*by_stage, ("total", "", facts["nodes"], facts)]
        ),
        _table(
            ("operator", "count"), NUMBERS[:2], [*by_operator, ("total", facts["count"], facts)]
        ),
    ]


def _table(titles: tuple[str, ...], numbers: tuple[str, ...], rows: list[Any]) -> "Table":
    """Rows hold a value for each title, then a mapping with `numbers`; the last is the footer."""
    from rich.table import Table

    table = Table(show_footer=True)
    *body, total = [[*row[:-1], *(row[-1][number] for number in numbers)] for row in rows]
    headings = [*titles, *(HEADINGS[number] for number in numbers)]
    for heading, value in zip(headings, total, strict=True):
        justify: Literal["right", "left"] = "right" if isinstance(value, int) else "left"
        table.add_column(heading, _text(value), justify=justify)
    for row in body:
        table.add_row(*map(_text, row))
    return table


def _text(value: int | str) -> str:
    return f"{value:,}" if isinstance(value, int) else value
