"""What an explanation says, as plain records."""

from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from onnx_bench.cost import macs_N
from onnx_bench.errors import GennapeError
from onnx_bench.files import atomic_file
from onnx_bench.graph import ComputationGraph

FloatArray = npt.NDArray[np.float64]
FORMATS = (".html", ".svg")


@dataclass(frozen=True)
class Contribution:
    """What something moves the score by, in the units of the labels.

    Args:
        amount: the score is that of the mean network and all amounts of one table.
        error: standard error of the amount, as far as it was sampled; 0 where it is exact.
        prior: the part of the amount that is not learnt (`models.whole`).
        members: what it moves each member of an ensemble by; of one model none.
    """

    name: str
    meaning: str
    amount: float
    error: float
    prior: float
    members: dict[str, float]


@dataclass(frozen=True)
class FeatureContribution(Contribution):
    """The same of one number of the whole graph.

    Args:
        group: that it is one of.
        unit: of the four values below.
        value: of the network.
        mean: of the networks trained on, whose range of 98 % is from low to high.
    """

    group: str
    unit: str
    value: float
    mean: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class NodeNumbers:
    """What is known of each node, all of shape (N,); nan where it is not known.

    Args:
        effect_N: the score less that of the network without the node, in the units of the labels.
        variance_N, correlation_N, gradient_N: of signals at random weights
            (`features.propagation_flow`), of inputs with a correlation of 0.5.
    """

    effect_N: FloatArray
    variance_N: FloatArray
    correlation_N: FloatArray
    gradient_N: FloatArray


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a network has its score, in the units of the labels.

    Args:
        network, model: their names.
        graph: the network in the form that the model reads.
        score, low, high, family, distance, strange: as in `Assessment`.
        lower_is_better: as of latencies.
        reference: the score of the mean network of those trained on.
        deviation: of the labels of networks trained on; of an ensemble the mean.
        groups: the score is the reference and their amounts; largest first.
        features: the amounts of a group's features sum to the group's; largest first.
        nodes: None where they were not asked for.
        notes: what else should be known, a sentence each.
    """

    network: str
    model: str
    graph: ComputationGraph
    score: float
    low: float
    high: float
    family: str
    distance: float
    strange: bool
    lower_is_better: bool
    reference: float
    deviation: float
    groups: tuple[Contribution, ...]
    features: tuple[FeatureContribution, ...]
    nodes: NodeNumbers | None
    notes: tuple[str, ...] = field(default=())

    @property
    def has_prior(self) -> bool:
        """Whether some of the score is not learnt."""
        return any(group.prior for group in self.groups)

    def is_better(self, amount: float) -> bool:
        """Whether to add this to the score makes it better."""
        return (amount < 0) == self.lower_is_better

    def to_dict(self) -> dict[str, Any]:
        """The whole explanation as plain values, ready for JSON; what is not known is None."""
        plain = {
            name: getattr(self, name)
            for name in self.__dataclass_fields__
            if name not in ("graph", "groups", "features", "nodes")
        }
        found: dict[str, Any] = {
            **plain,
            "notes": list(self.notes),
            "groups": [asdict(part) for part in self.groups],
            "features": [asdict(part) for part in self.features],
            "nodes": _nodes(self.graph, self.nodes) if self.nodes else [],
        }
        known: dict[str, Any] = _known(found)
        return known

    def to_svg(self) -> str:
        """The network as a picture whose nodes are coloured by what they are worth.

        Raises:
            GennapeError: nodes were not asked for.
        """
        from gennape.explanation.node_map import node_map

        return node_map(self)

    def to_html(self, top: int = 10) -> str:
        """A page that needs no other file: figures, the `top` features, and the picture."""
        from gennape.explanation.page import page

        return page(self, top)

    def save(self, path: Path | str, top: int = 10) -> None:
        """Writes the page (`.html`) or the picture (`.svg`).

        Raises:
            GennapeError: another kind of file is asked for.
        """
        target = checked_format(path)
        text = self.to_svg() if target.suffix == ".svg" else self.to_html(top)
        with atomic_file(target) as temporary:
            temporary.write_text(text, encoding="utf-8")


def checked_format(path: Path | str) -> Path:
    """The path of a page or of a picture.

    Raises:
        GennapeError: it is that of another kind of file.
    """
    target = Path(path)
    if target.suffix not in FORMATS:
        raise GennapeError(f"{target}: expected a page (.html) or a picture (.svg)")
    return target


def _nodes(graph: ComputationGraph, nodes: NodeNumbers) -> list[dict[str, Any]]:
    macs = macs_N(graph.nodes_NK).tolist()
    return [
        {
            "node": index,
            "operator": node.op.label,
            "inputs": inputs,
            "out_shape": list(node.out_shape),
            "macs": macs[index],
            "parameters": node.parameters,
            "effect": float(nodes.effect_N[index]),
            "variance": float(nodes.variance_N[index]),
            "correlation": float(nodes.correlation_N[index]),
            "gradient": float(nodes.gradient_N[index]),
        }
        for index, node, inputs in graph.walk()
    ]


def _known(value: Any) -> Any:
    """Plain values in which None stands for what is no finite number."""
    if isinstance(value, dict):
        return {key: _known(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_known(part) for part in value]
    return None if isinstance(value, float) and not isfinite(value) else value
