"""Genotypes of the DARTS space: their texts, and how they are drawn and changed."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

OPERATIONS = {
    "none": "none",
    "skip": "skip_connect",
    "max3": "max_pool_3x3",
    "avg3": "avg_pool_3x3",
    "sep3": "sep_conv_3x3",
    "sep5": "sep_conv_5x5",
    "dil3": "dil_conv_3x3",
    "dil5": "dil_conv_5x5",
}
"""The operations in our spelling and in the field's."""
_SHORT = {name: short for short, name in OPERATIONS.items()}
NODES = 4
Edge = tuple[str, int]
Cell = tuple[tuple[Edge, Edge], ...]
"""The two edges of each inner node, as (operation, what it reads), in the order of the latter."""
_EDGE = r"(\w+)~(\d)"
_NODE = re.compile(rf"{_EDGE}\+{_EDGE}", re.ASCII)


@dataclass(frozen=True)
class Genotype:
    """A normal and a reduction cell."""

    normal: Cell
    reduction: Cell


def read(text: str) -> Genotype:
    """The genotype of a text, in our spelling or the field's.

    Raises:
        ValueError: it names none; the message says why.
    """
    if text.startswith("Genotype("):
        return _read_python(text)
    normal, colon, reduction = text.partition(":")
    if not colon:
        raise ValueError("is not of the form NORMAL:REDUCTION")
    return Genotype(_read_cell(normal), _read_cell(reduction))


def _read_cell(part: str) -> Cell:
    edges = []
    for node in part.split(","):
        match = _NODE.fullmatch(node)
        if match is None:
            raise ValueError(f"has {node!r}, which is not of the form op~i+op~j")
        first, i, second, j = match.groups()
        edges += [(first, int(i)), (second, int(j))]
    return _cell(edges)


def _read_python(text: str) -> Genotype:
    try:
        fields = dict(_fields(text))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(f"is no readable Genotype ({error})") from None
    if unknown := set(fields) - {"normal", "normal_concat", "reduce", "reduce_concat"}:
        raise ValueError(f"has arguments {sorted(unknown)}, which a Genotype has not")
    for name in ("normal_concat", "reduce_concat"):
        if fields.get(name) != list(range(2, 2 + NODES)):
            raise ValueError(f"does not concatenate nodes 2 to 5 in {name}")
    cells = []
    for name in ("normal", "reduce"):
        given = fields.get(name)
        if not isinstance(given, list) or not all(
            isinstance(e, tuple) and [type(part) for part in e] == [str, int] for e in given
        ):
            raise ValueError(f"has no list of (operation, input) pairs as {name}")
        cells.append(_cell([(_SHORT.get(op, op), source) for op, source in given]))
    return Genotype(*cells)


def _cell(edges: list[Edge]) -> Cell:
    if len(edges) != 2 * NODES:
        raise ValueError(f"has {len(edges)} edges in a cell, expected {2 * NODES}")
    cell = []
    for node in range(NODES):
        pair = edges[2 * node : 2 * node + 2]
        for operation, source in pair:
            if operation not in OPERATIONS:
                raise ValueError(f"has {operation!r}, not in {tuple(OPERATIONS)}")
            if not 0 <= source < node + 2:
                raise ValueError(f"has node {node + 2} read {source}, not before it")
        first, second = sorted(pair, key=lambda edge: edge[1])
        if first[1] == second[1]:
            raise ValueError(f"has node {node + 2} read {first[1]} twice")
        cell.append((first, second))
    return tuple(cell)


def write(cell: Cell) -> str:
    """The text of a cell in our spelling."""
    return ",".join(f"{a}~{i}+{b}~{j}" for (a, i), (b, j) in cell)


def drawn(rng: np.random.Generator) -> Cell:
    """A cell at random, without `none`."""
    names = [name for name in OPERATIONS if name != "none"]
    cell = []
    for node in range(NODES):
        i, j = sorted(int(k) for k in rng.choice(node + 2, 2, replace=False))
        a, b = (names[k] for k in rng.integers(len(names), size=2))
        cell.append(((a, i), (b, j)))
    return tuple(cell)


def changed(cell: Cell) -> Iterator[Cell]:
    """The cells that differ in one edge."""
    for node, edges in enumerate(cell):
        others = [
            ((a, i), (b, j))
            for i, j in combinations(range(node + 2), 2)
            for a in OPERATIONS
            for b in OPERATIONS
        ]
        for other in others:
            if len(set(other) & set(edges)) == 1:
                yield (*cell[:node], other, *cell[node + 1 :])


def _fields(text: str) -> Iterator[tuple[str, Any]]:
    """Names and values of a Genotype's arguments, read without running anything.

    Raises:
        ValueError: it is no such call, or an argument is neither a literal nor a `range`.
    """
    call = ast.parse(text, mode="eval").body
    if not isinstance(call, ast.Call) or call.args or not isinstance(call.func, ast.Name):
        raise ValueError("expected Genotype(normal=..., normal_concat=..., ...)")
    for keyword in call.keywords:
        value = keyword.value
        if keyword.arg is None:
            raise ValueError("an argument has no name")
        if isinstance(value, ast.Call):
            ends = [ast.literal_eval(end) for end in value.args]
            named = isinstance(value.func, ast.Name) and value.func.id == "range"
            if not named or len(ends) != 2 or value.keywords or not all(0 <= e < 99 for e in ends):
                raise ValueError(f"{keyword.arg} is neither a list nor a range")
            yield keyword.arg, list(range(*ends))
        else:
            found = ast.literal_eval(value)
            concat = keyword.arg.endswith("_concat") and isinstance(found, (list, tuple))
            yield keyword.arg, sorted(found) if concat else found
