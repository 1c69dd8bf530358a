"""The grammar of hierarchical NAS-Bench-201: derivations, their texts, drawn and changed."""

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from onnx_bench.families.nasbench201 import EDGES

GRAMMAR = {
    "D2": ("Linear3 D1 D1 D0", "Linear3 D0 D1 D1", "Linear4 D1 D1 D0 D0"),
    "D1": ("Linear3 C C DOWN", "Linear4 C C C DOWN", "Residual3 C C DOWN DOWN"),
    "D0": ("Linear3 C C CELL", "Linear4 C C C CELL", "Residual3 C C CELL CELL"),
    "DOWN": (
        "Linear2 CELL resBlock",
        "Linear3 CELL CELL resBlock",
        "Residual2 CELL resBlock resBlock",
    ),
    "C": ("Linear2 CELL CELL", "Linear3 CELL CELL CELL", "Residual2 CELL CELL CELL"),
    "CELL": ("Cell OPS OPS OPS OPS OPS OPS",),
    "OPS": ("id", "zero", "Linear1 CONVBLOCK", "avg_pool"),
    "CONVBLOCK": ("Linear3 ACT CONV NORM",),
    "ACT": ("relu", "hardswish", "mish"),
    "CONV": ("conv3x3o", "conv1x1o", "dconv3x3o"),
    "NORM": ("batch", "instance", "layer"),
}
"""The productions of each symbol: a terminal, then its parts."""
TWICE = "Linear1 CONVBLOCK"
"""The grammar lists this production two times, so that it is drawn twice as often."""
TOPOLOGIES = {
    **{f"Linear{n}": tuple((i, i + 1) for i in range(n)) for n in (1, 2, 3, 4)},
    "Residual2": ((0, 1), (0, 2), (1, 2)),
    "Residual3": ((0, 1), (1, 2), (0, 3), (2, 3)),
    "Cell": EDGES,
}
"""What each part leads from and to, in the order of the parts."""
START = "D2"
BLOCK = "resBlock"
_CONVOLUTION = r"Linear1 \(CONVBLOCK Linear3 \(ACT \w+\) \(CONV \w+\) \(NORM \w+\)\)"
_WORDS = re.compile(r"[()]|\w+", re.ASCII)
_WORDS_AND_CELLS = re.compile(
    rf"\(CELL Cell(?: \(OPS (?:\w+|{_CONVOLUTION})\)){{6}}\)|{_WORDS.pattern}", re.ASCII
)
"""Most of a text are cells, which do not nest: each is one word here."""


class Tree(NamedTuple):
    """A derivation: the symbol, the first word of its production, and what its parts became."""

    symbol: str
    terminal: str
    parts: tuple["Tree", ...] = ()


RES_BLOCK = Tree(BLOCK, BLOCK)
"""The part that is a terminal itself: the residual block of stride 2."""


def read(text: str) -> Tree:
    """The derivation of a text.

    Raises:
        ValueError: it is none, or a cell of it is not connected; the message says why.
    """
    words = _WORDS_AND_CELLS.findall(text)
    tree, end = _read(words, 0, START)
    if end != len(words) or write(tree) != text:
        raise ValueError("has words left over, or other than single spaces")
    return tree


def _read(words: list[str], at: int, symbol: str) -> tuple[Tree, int]:
    """The derivation of a symbol that begins at a word, and where the next one begins."""
    if symbol == "CELL" and at < len(words) and words[at].startswith("(CELL"):
        return _read_cell(words[at]), at + 1
    if symbol == BLOCK and words[at : at + 1] == [BLOCK]:
        return RES_BLOCK, at + 1
    if symbol == BLOCK or words[at : at + 2] != ["(", symbol]:
        wanted = symbol if symbol == BLOCK else f"({symbol} ...)"
        raise ValueError(f"has {_shown(words[at:])} where {wanted} belongs")
    terminal, start = "".join(words[at + 2 : at + 3]), at + 3
    fitting = [production for production in _productions(symbol) if production[0] == terminal]
    if not fitting:
        expected = " or ".join(dict.fromkeys(words[0] for words in _productions(symbol)))
        raise ValueError(f"has {terminal!r} behind {symbol}, expected {expected}")
    # Productions that begin with the same word differ in the symbol of their first part.
    follows = words[start + 1 : start + 2]
    chosen = next((found for found in fitting if [*found[1:2]] == follows), fitting[0])
    parts, at = [], start
    for part in chosen[1:]:
        tree, at = _read(words, at, part)
        parts.append(tree)
    if words[at : at + 1] != [")"]:
        raise ValueError(f"has {_shown(words[at:])} where ({symbol} {terminal} ends")
    tree = Tree(symbol, terminal, tuple(parts))
    if symbol == "CELL" and not _connected(tree):
        raise ValueError(f"cuts a cell's output from its input: {write(tree)!r}")
    return tree, at + 1


@lru_cache(maxsize=1 << 12)
def _read_cell(text: str) -> Tree:
    """A cell by itself: neighbours have most of theirs in common."""
    tree, _ = _read(_WORDS.findall(text), 0, "CELL")
    return tree


def _shown(words: list[str]) -> str:
    return repr(" ".join(words[:3])[:40]) if words else "its end"


def write(tree: Tree) -> str:
    """The text of a derivation."""
    if tree.symbol == BLOCK:
        return BLOCK
    shown = map(_write_edge if tree.symbol == "CELL" else write, tree.parts)
    return f"({' '.join((tree.symbol, tree.terminal, *shown))})"


_write_edge = cache(write)


@cache
def _productions(symbol: str) -> tuple[tuple[str, ...], ...]:
    """The productions as words, as often as the grammar lists them."""
    listed = (p for p in GRAMMAR.get(symbol, ()) for _ in range(1 + (p == TWICE)))
    return tuple(tuple(production.split(" ")) for production in listed)


def drawn(rng: np.random.Generator, symbol: str) -> Tree:
    """A derivation at random; `zero` is drawn again where it would cut a cell."""
    if symbol == BLOCK:
        return RES_BLOCK
    if symbol == "CELL":
        return _drawn_cell(rng)
    productions = _productions(symbol)
    terminal, *parts = productions[rng.integers(len(productions))]
    return Tree(symbol, terminal, tuple([drawn(rng, part) for part in parts]))


def _drawn_cell(rng: np.random.Generator) -> Tree:
    parts: list[Tree] = []
    open_edges = list(EDGES)
    for edge in EDGES:
        part = drawn(rng, "OPS")
        others = [other for other in open_edges if other != edge]
        while part.terminal == "zero" and not _leads(others):
            part = drawn(rng, "OPS")
        if part.terminal == "zero":
            open_edges = others
        parts.append(part)
    return Tree("CELL", "Cell", tuple(parts))


def _leads(edges: list[tuple[int, int]]) -> bool:
    """Whether these edges of a cell lead from its input to its output."""
    reached = {0}
    for source, target in sorted(edges):
        if source in reached:
            reached.add(target)
    return EDGES[-1][1] in reached


def _connected(cell: Tree) -> bool:
    pairs = zip(EDGES, cell.parts, strict=True)
    return _leads([edge for edge, part in pairs if part.terminal != "zero"])


def exchanges(tree: Tree) -> Iterator[Tree]:
    """The tree with one production exchanged, here or in a part."""
    for terminal, *symbols in dict.fromkeys(_productions(tree.symbol)):
        yield Tree(tree.symbol, terminal, _refilled(tree.parts, symbols))
    for i, part in enumerate(tree.parts):
        for other in exchanges(part):
            changed = tree._replace(parts=(*tree.parts[:i], other, *tree.parts[i + 1 :]))
            if tree.symbol != "CELL" or _connected(changed):
                yield changed


def _refilled(parts: tuple[Tree, ...], symbols: list[str]) -> tuple[Tree, ...]:
    """Parts of these symbols: those given in order, copies of the last, else the first listed."""
    filled = []
    for position, symbol in enumerate(symbols):
        given = [part for part in parts if part.symbol == symbol]
        before = symbols[:position].count(symbol)
        filled.append(given[min(before, len(given) - 1)] if given else first(symbol))
    return tuple(filled)


@cache
def first(symbol: str) -> Tree:
    """The derivation of the first production of every symbol."""
    if symbol == BLOCK:
        return RES_BLOCK
    terminal, *parts = _productions(symbol)[0]
    return Tree(symbol, terminal, tuple(map(first, parts)))
