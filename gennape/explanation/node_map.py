"""The network as a picture, each node in the colour of what it is worth."""

import numpy as np

from gennape.explanation.quantities import Amounts
from gennape.explanation.records import Explanation, NodeNumbers
from onnx_bench.drawing import Paint, Shading, heat_paint, to_svg
from onnx_bench.errors import GennapeError

WORSE, BETTER = "#b9550f", "#1f66a8"
"""Orange and blue, which people who see red and green alike tell apart."""
COLOURS = (WORSE, "#f0b583", "#f7f7f7", "#97c3e3", BETTER)
QUANTILE = 0.95
"""Colours end where 95 % of the nodes are below: one that is worth all does not blanch the rest."""
_ENDS = 1.0


def node_map(explanation: Explanation) -> str:
    """The picture as the text of an SVG file.

    Raises:
        GennapeError: nodes were not taken out.
    """
    nodes = explanation.nodes
    if nodes is None:
        raise GennapeError("there is no picture without nodes; ask for them (--map)")
    amounts = Amounts(explanation)
    title = f"{explanation.network}: {amounts.plain(explanation.score)}"
    return to_svg(explanation.graph, title, shading=_shading(explanation, nodes, amounts))


def limit_of(nodes: NodeNumbers) -> float:
    """The effect at which colours end."""
    known = np.abs(nodes.effect_N[np.isfinite(nodes.effect_N)])
    return float(np.quantile(known, QUANTILE)) if known.any() else _ENDS


def _shading(explanation: Explanation, nodes: NodeNumbers, amounts: Amounts) -> Shading:
    limit = limit_of(nodes) or float(np.nanmax(np.abs(nodes.effect_N)))

    def paint(effect: float) -> Paint:
        gain = -effect if explanation.lower_is_better else effect
        return heat_paint((gain / limit + 1) / 2, COLOURS)

    steps = [step * limit for step in (-1.0, -0.5, 0.0, 0.5, 1.0)]
    if explanation.lower_is_better:
        steps = steps[::-1]
    said = [amounts.signed(step) for step in steps]
    said[0], said[-1] = f"{said[0]} or worse", f"{said[-1]} or better"
    return Shading(
        nodes.effect_N,
        paint,
        list(zip(said, map(paint, steps), strict=True)),
        "In each box, behind its shape: the score less that of the network without the node",
        [amounts.signed(e) if np.isfinite(e) else "" for e in nodes.effect_N.tolist()],
        _tips(explanation, nodes, amounts),
    )


def _tips(explanation: Explanation, nodes: NodeNumbers, amounts: Amounts) -> list[str]:
    """What is under the pointer."""
    tips = []
    for effect, *signals in zip(
        nodes.effect_N.tolist(),
        nodes.variance_N.tolist(),
        nodes.correlation_N.tolist(),
        nodes.gradient_N.tolist(),
        strict=True,
    ):
        lines = []
        if np.isfinite(effect):
            rest = amounts.plain(explanation.score - effect)
            lines.append(f"worth {amounts.signed(effect)}: without it the score is {rest}")
        if np.isfinite(signals).all():
            variance, correlation, gradient = signals
            lines.append(
                f"at random weights: variance {variance:.3g}, correlation {correlation:.3f}, "
                f"gradient {gradient:.3g}"
            )
        tips.append("\n".join(lines))
    return tips
