"""The explanation for people at a terminal."""

from math import isfinite
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gennape.explanation.page import largest_nodes
from gennape.explanation.quantities import Amounts, distance, readable, usual
from gennape.explanation.records import Explanation, NodeNumbers
from onnx_bench.drawing import words

BAR = 6
"""Characters on either side of zero."""
BARS = ""
"""The heading of a column of bars."""
EIGHTHS = " ▏▎▍▌▋▊▉█"


def show(explanation: Explanation, top: int = 10) -> None:
    """Prints score, groups, and the features and nodes of the largest effects."""
    console, amounts = Console(), Amounts(explanation)
    console.print(_summary(explanation, amounts))
    if explanation.groups:
        console.print(_groups(explanation, amounts))
    if explanation.features:
        console.print(_features(explanation, amounts, top))
    if explanation.nodes:
        console.print(_nodes(explanation, explanation.nodes, amounts, top))
    for note in explanation.notes:
        console.print(note, markup=False, highlight=False)


def _summary(explanation: Explanation, amounts: Amounts) -> Text:
    half = explanation.high - explanation.score
    interval = f" ± {amounts.plain(half)}" if isfinite(half) else ""
    lines = [
        explanation.network,
        f"score {amounts.plain(explanation.score)}{interval}; the mean network has "
        f"{amounts.plain(explanation.reference)}; labels vary by "
        f"{amounts.plain(explanation.deviation)}",
    ]
    if explanation.family:
        lines.append(f"nearest family {explanation.family}, at {distance(explanation.distance)}")
    if explanation.strange:
        lines.append("strange (!): far from all that the model was trained on; do not rely on it")
    return Text("\n".join(lines))


def _groups(explanation: Explanation, amounts: Amounts) -> Table:
    prior = ["of it prior"] if explanation.has_prior else []
    table = _table("what moves the score", "group", "by", BARS, *prior)
    limit = max(abs(group.amount) for group in explanation.groups)
    for group in explanation.groups:
        drawn = _bar(explanation, group.amount, limit)
        rest = [amounts.signed(group.prior) for _ in prior]
        table.add_row(group.name, amounts.signed(group.amount), drawn, *rest)
    return table


def _features(explanation: Explanation, amounts: Amounts, top: int) -> Table:
    table = _table("features", "feature", "by", BARS, "value", "98 % trained on")
    limit = max(abs(feature.amount) for feature in explanation.features)
    for f in explanation.features[:top]:
        drawn = _bar(explanation, f.amount, limit)
        value = readable(f.value, f.unit)
        table.add_row(f.name, amounts.signed(f.amount), drawn, value, usual(f))
    return table


def _nodes(explanation: Explanation, nodes: NodeNumbers, amounts: Amounts, top: int) -> Table:
    table = _table("nodes: what the score would lose", "operator", "by", BARS, "node", "puts out")
    chosen = largest_nodes(nodes, top)
    limit = max((abs(float(nodes.effect_N[i])) for i in chosen), default=1.0)
    for index in chosen:
        effect, node = float(nodes.effect_N[index]), explanation.graph.node(index)
        shape = "×".join(map(str, node.out_shape))
        drawn = _bar(explanation, effect, limit)
        table.add_row("".join(words(node)), amounts.signed(effect), drawn, str(index), shape)
    return table


def _table(title: str, *heads: str) -> Table:
    """The first column holds names; besides bars the others hold numbers."""
    narrow: Any = {"box": box.SIMPLE_HEAD, "collapse_padding": True, "pad_edge": False}
    table = Table(title=title, title_justify="left", **narrow)
    for place, head in enumerate(heads):
        justify: Any = "left" if place == 0 or head == BARS else "right"
        table.add_column(head, justify=justify, no_wrap=True, overflow="ellipsis")
    return table


def _bar(explanation: Explanation, amount: float, limit: float) -> Text:
    """A bar from the middle, in eighths of a character."""
    length = round(8 * BAR * abs(amount) / (limit or 1.0))
    whole, part = divmod(length, 8)
    style = "blue" if explanation.is_better(amount) else "dark_orange"
    if amount > 0:
        drawn = ("█" * whole + EIGHTHS[part].strip()).ljust(BAR)
        return Text.assemble(" " * BAR, "│", (drawn, style))
    # Blocks grow from the left: to the left of zero halves do.
    drawn = ("▐" * (part >= 4) + "█" * whole).rjust(BAR)
    return Text.assemble((drawn, style), "│", " " * BAR)
