"""The numbers of a whole graph by what they are about: few enough for people to compare."""

from collections.abc import Sequence
from typing import NamedTuple

from gennape.features import costs, paths, propagation, shares, stages, typical, wiring
from gennape.features.feature import Feature
from gennape.features.whole import COLUMN


class Group(NamedTuple):
    """Features that are explained together."""

    name: str
    meaning: str
    features: tuple[Feature, ...]

    @property
    def columns(self) -> list[int]:
        """Their places among the numbers of a whole graph."""
        return [COLUMN[feature.name] for feature in self.features]


def _signals(backward: bool) -> tuple[Feature, ...]:
    found: Sequence[Feature] = propagation.FEATURES
    return tuple(f for f in found if f.name.startswith("gradient_") == backward)


GROUPS = (
    Group(
        "size",
        "multiply-accumulates, parameters, nodes, widths; of all and of the typical operator",
        (*costs.FEATURES, *typical.FEATURES),
    ),
    Group("operators", "which operators there are, and which do the work", shares.FEATURES),
    Group("stages", "how work is spread from the first third to the last", stages.FEATURES),
    Group("wiring", "joins, forks, levels and shortcuts", wiring.FEATURES),
    Group("paths", "what lies on the ways from input to output", paths.FEATURES),
    Group("signals", "how variance and likeness flow forward at random weights", _signals(False)),
    Group("gradients", "how gradients flow back at random weights", _signals(True)),
)
"""Every feature of a whole graph is in one of them."""
GRAPH = Group("graph", "what a graph network sees in the graph itself, or its patterns", ())
"""The one thing beside them that models read: the embedding, which counts as one."""
