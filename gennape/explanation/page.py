"""The explanation as one page of HTML that needs no other file, no network and no script."""

from html import escape
from math import isfinite

import numpy as np

from gennape.explanation.charts import bar, strip, waterfall
from gennape.explanation.quantities import Amounts, count, distance, readable, usual
from gennape.explanation.records import Explanation, NodeNumbers
from gennape.pages import RULE, document, figure, table
from onnx_bench.cost import cost
from onnx_bench.drawing import words

STYLE = f"""
.full {{ position: relative; left: 50%; transform: translateX(-50%); box-sizing: border-box;
  width: max-content; min-width: 100%; max-width: 96vw; }}
.map {{ overflow: auto; max-height: 92vh; border: 1px solid {RULE}; border-radius: 8px; }}
.map svg {{ display: block; margin: 0 auto; }}
@media print {{ .map {{ max-height: none; overflow: visible; }} }}
"""
METHOD = """
<p><b>Features.</b> Each is either that of this network or that of the mean network trained on. A
group's amount is its Shapley value over all combinations of groups; features of a group share it by
Owen's value (1977; Lundberg and Lee, NeurIPS 2017, explain models by such values), over sampled
orders; ± is the standard error of the sampling. All amounts together are the score less that of the
mean network. The prior is the part of the score that is not learnt: it comes from the
size of the network alone.</p>
<p><b>Signals.</b> At random weights, of two inputs with correlation c: q is the mean square of the
values at a node, s the correlation of neighbouring places, and gradients are sums of squares, 1 at
the output.</p>
<p><b>Nodes.</b> Each node is taken out, and what it reads handed on in its place; what nobody then
needs goes too. Everything is computed anew, and the difference of the scores is what the node is
worth. These differences do not sum to the score. The network without the node may be none that
runs, where shapes do not fit.</p>
<p><b>What this is not.</b> It tells what the model makes of the network, not what would happen if
the network were changed and trained: features go together, and a model may lean on either of
two.</p>
"""


def page(explanation: Explanation, top: int = 10) -> str:
    """The page; well-formed as XML too.

    Args:
        top: of features and of nodes, how many are in the tables.
    """
    amounts = Amounts(explanation)
    parts = [
        _head(explanation, amounts),
        _groups(explanation, amounts) if explanation.groups else "",
        _features(explanation, amounts, top) if explanation.features else "",
        _nodes(explanation, explanation.nodes, amounts, top) if explanation.nodes else "",
        f"<section><details><summary>How this is computed</summary>{METHOD}</details></section>",
    ]
    title = f"{explanation.network}: why {amounts.plain(explanation.score)}"
    return document(title, parts, STYLE)


def _head(explanation: Explanation, amounts: Amounts) -> str:
    half = explanation.high - explanation.score
    interval = f"± {amounts.plain(half)} by its interval" if isfinite(half) else "no interval known"
    moved = (explanation.score - explanation.reference) / (explanation.deviation or 1.0)
    costs = cost(explanation.graph)
    figures = [
        figure(amounts.plain(explanation.score), interval, "score"),
        figure(amounts.plain(explanation.reference), "score of the mean network"),
        figure(f"{moved:+.2f}".replace("-", "−"), "deviations of the labels between them"),
        figure(count(costs.macs), "multiply-accumulates"),
        figure(count(costs.parameters), "parameters"),
    ]
    if explanation.family:
        nearest = f"nearest family; distance {distance(explanation.distance)}, 1 is the edge"
        figures.append(figure(escape(explanation.family), nearest))
    by = f" for <b>{escape(explanation.model)}</b>" if explanation.model else ""
    less = "; less is better" if explanation.lower_is_better else ""
    return (
        f"<header><h1><code>{escape(explanation.network)}</code></h1>"
        f"<small>Why it has its score{by}, in the units of the labels{less}</small>"
        f'<div class="figures">{"".join(figures)}</div>{_warnings(explanation)}</header>'
    )


def _warnings(explanation: Explanation) -> str:
    lines = [escape(note[:1].upper() + note[1:]) + "." for note in explanation.notes]
    if explanation.strange:
        lines.insert(
            0,
            "<b>Strange network.</b> It is far from all that the model was trained on: do not rely "
            "on its score or its interval before fine-tuning.",
        )
    return f'<p class="warning">{"<br/>".join(lines)}</p>' if lines else ""


def _groups(explanation: Explanation, amounts: Amounts) -> str:
    members = list(explanation.groups[0].members)
    prior = ["of that the prior"] if explanation.has_prior else []
    heads = ["group", *members, "together" if members else "moves it by", *prior]
    rows = (
        [f"{escape(group.name)}<br/><small>{escape(group.meaning)}</small>"]
        + [amounts.signed(value) for value in group.members.values()]
        + [f"<b>{amounts.signed(group.amount)}</b>"]
        + [amounts.signed(group.prior) for _ in prior]
        for group in explanation.groups
    )
    more = ", and what single members say of them" if members else ""
    drawn = f'<div class="wide">{table(heads, rows)}</div>'
    return (
        "<section><h2>What moves the score</h2>"
        "<p>From the mean of the networks trained on to this one, a step for each group of "
        "features. Blue makes the score better, orange worse.</p>"
        f'<div class="wide">{waterfall(explanation)}</div>'
        f"<details><summary>The groups{more}</summary>{drawn}</details></section>"
    )


def _features(explanation: Explanation, amounts: Amounts, top: int) -> str:
    shown = explanation.features[:top]
    limit = max((abs(feature.amount) for feature in shown), default=1.0)
    rows = (
        [
            f"<code>{escape(f.name)}</code><br/><small>{escape(f.meaning)}</small>",
            escape(f.group),
            _hinted(readable(f.value, f.unit), f"{f.value:.4g}, {f.unit}"),
            usual(f) + strip(f),
            bar(f.amount, limit, explanation.is_better(f.amount)),
            f"<b>{amounts.signed(f.amount)}</b><br/><small>± {amounts.error(f.error)}</small>",
        ]
        for f in shown
    )
    heads = ["feature", "group", "value", "98 % of those trained on", "", "moves it by"]
    rest = explanation.features[top:]
    more = ""
    if rest:
        sum_of_rest = amounts.signed(sum(f.amount for f in rest))
        more = f'<p class="faint">{len(rest)} more features move it by {sum_of_rest} in all.</p>'
    return (
        "<section><h2>Features</h2><p>Those that move the score most. The strip shows the range of "
        "the networks trained on, their mean as a stroke, and this network as a dot, hollow where "
        f'it is outside.</p><div class="wide">{table(heads, rows, first=2)}</div>{more}</section>'
    )


def _hinted(text: str, hint: str) -> str:
    return f'<span title="{escape(hint)}">{text}</span>'


def _nodes(explanation: Explanation, nodes: NodeNumbers, amounts: Amounts, top: int) -> str:
    rows = (
        [
            f"{index}",
            escape("".join(words(explanation.graph.node(index)))),
            escape("×".join(map(str, explanation.graph.node(index).out_shape))),
            count(explanation.graph.node(index).parameters),
            f"<b>{amounts.signed(float(nodes.effect_N[index]))}</b>",
        ]
        for index in largest_nodes(nodes, top)
    )
    heads = ["node", "operator", "puts out", "parameters", "worth"]
    return (
        '<section class="full"><h2>Nodes</h2><p>What the score would lose without each node. Point '
        f'at a box for more.</p><div class="map">{explanation.to_svg()}</div>'
        f"<details><summary>The {top} nodes that are worth most, or cost most</summary>"
        f"{table(heads, rows, first=3)}</details></section>"
    )


def largest_nodes(nodes: NodeNumbers, top: int) -> list[int]:
    """The nodes of the largest effects, of either sign."""
    order = np.argsort(-np.abs(nodes.effect_N), kind="stable")  # nan comes last
    return [int(i) for i in order[:top] if np.isfinite(nodes.effect_N[i])]
