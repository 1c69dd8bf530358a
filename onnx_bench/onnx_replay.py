"""The state of a model while it is replayed, and the table of operators that can be."""

from collections.abc import Callable
from typing import Any

import numpy.typing as npt

from onnx_bench.builder import GraphBuilder
from onnx_bench.graph import Shape
from onnx_bench.onnx_model import Call, Constant, Model


class UncoveredError(Exception):
    """This use of an operator is not one of the vocabulary's. Raised before anything is placed."""


def require(condition: bool) -> None:
    """Leaves the handler, the call being none of the vocabulary, unless the condition holds."""
    if not condition:
        raise UncoveredError


class Replay:
    """A model on its way into a graph: which node holds which ONNX value.

    Attributes:
        g: the graph under construction.
        nodes: graph node by name of the ONNX value.
        whole: values without a batch axis in front (shapes, windows of images): their nodes hold
            all axes, and no operator of the vocabulary applies.
        widened: axes of 1 that a value has in front of its node's shape, for an operator that
            broadcasts.
        constants: weights and literals.
        batch: size of the batch axis where the model fixes one.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.batch = model.batch
        self.g = GraphBuilder()
        self.nodes: dict[str, int] = {}
        self.whole: set[str] = set()
        self.widened: dict[str, int] = {}
        self.constants: dict[str, Constant] = dict(model.constants)

    def value(self, call: Call, position: int = 0) -> int:
        """The graph node behind an input that is computed."""
        name = _name(call, position)
        require(name in self.nodes)
        return self.nodes[name]

    def shape(self, call: Call, position: int = 0) -> Shape:
        """Shape of such an input, without the batch."""
        return self.g.shape(self.value(call, position))

    def has(self, call: Call, position: int) -> bool:
        """Whether the input is given at all."""
        return bool(_name(call, position))

    def is_constant(self, call: Call, position: int) -> bool:
        return _name(call, position) in self.constants

    def weight(self, call: Call, position: int) -> Shape:
        """Shape of an input that is a constant; all axes."""
        require(self.is_constant(call, position))
        return self.constants[_name(call, position)].shape

    def integers(self, call: Call, position: int, attribute: str) -> Shape | None:
        """A list that stands in an attribute or, in newer operator sets, in a constant input."""
        if call.has(attribute):
            return call.integers(attribute)
        if not self.has(call, position):
            return None
        values = self._literal(call, position)
        require(values.dtype.kind == "i")
        return tuple(int(v) for v in values.reshape(-1))

    def scalar(self, call: Call, position: int) -> float | None:
        """The number in an input that is one; None where the input is left out."""
        if not self.has(call, position):
            return None
        require(self.weight(call, position) in ((), (1,)))
        return float(self._literal(call, position).reshape(-1)[0])

    def _literal(self, call: Call, position: int) -> npt.NDArray[Any]:
        """The values of a small constant."""
        self.weight(call, position)
        values = self.constants[_name(call, position)].values()
        if values is None:
            raise UncoveredError
        return values

    def axis(self, call: Call, axis: int, position: int = 0) -> int:
        """An ONNX axis of the input as one of its shape; the batch is none."""
        rank = len(self.shape(call, position))
        axis = axis if axis < 0 else axis - 1 - rank
        require(-rank <= axis < 0)
        return axis + rank

    def follower(self, call: Call, *operators: str) -> Call | None:
        """The one reader of the call's result, if it is one of these operators and belongs to it.

        Nodes that our exporter wrote for different nodes of a graph do not belong together.
        """
        reader = self.model.only_reader(call.outputs[0])
        fits = reader and reader.operator in operators and reader.origin == call.origin
        return reader if fits else None


def _name(call: Call, position: int) -> str:
    return call.inputs[position] if position < len(call.inputs) else ""


Results = int | dict[str, int]
"""The graph node of the call's first output; or of several values, which may belong to a later call
that is done with this one. Empty where a later call does the work."""
Handler = Callable[[Replay, Call], Results]
HANDLERS: dict[str, Handler] = {}
SEVERAL_OUTPUTS = {"Split"}
"""Operators whose handlers look after outputs other than the first."""


def handles(*operators: str) -> Callable[[Handler], Handler]:
    """Registers the function that replays these ONNX operators."""

    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(operators, handler))
        return handler

    return register
