"""The state of a model while it is replayed into a trace, and the table of what can be."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from onnx_bench.graph import Shape
from onnx_bench.onnx_model import Call
from onnx_bench.operators import Op
from onnx_bench.trace import Data, Trace, Value


class UncoveredError(Exception):
    """This use of an operator is not one of the vocabulary's. Raised before anything is placed."""


def require(condition: bool) -> None:
    """Leaves the handler, the call being none of the vocabulary, unless the condition holds."""
    if not condition:
        raise UncoveredError


class Replay:
    """A model on its way into a trace: which value has which name.

    Attributes:
        trace: the network so far.
        values: every value by its ONNX name, constants too.
        opset: version of ONNX's own operators.
    """

    def __init__(self, trace: Trace, values: dict[str, Value], opset: int) -> None:
        self.trace, self.values, self.opset = trace, values, opset

    def find(self, call: Call, position: int) -> Value | None:
        """An input, None where it is left out."""
        name = call.inputs[position] if position < len(call.inputs) else ""
        if not name:
            return None
        require(name in self.values)
        return self.values[name]

    def value(self, call: Call, position: int = 0) -> Value:
        """An input that must be there."""
        value = self.find(call, position)
        if value is None:
            raise UncoveredError
        return value

    def shape(self, call: Call, position: int = 0) -> Shape:
        """Shape of such an input, all axes."""
        return self.value(call, position).shape

    def given(self, call: Call) -> list[Value]:
        """All inputs that are not left out."""
        return [self.value(call, i) for i, name in enumerate(call.inputs) if name]

    def data(self, call: Call, position: int) -> Data | None:
        """The values of an input that must be known; None where it is left out."""
        value = self.find(call, position)
        if value is None:
            return None
        require(value.data is not None)
        return value.data

    def integers(self, call: Call, position: int, attribute: str) -> Shape | None:
        """A list that stands in an attribute or, in newer operator sets, in a constant input."""
        if call.has(attribute):
            return call.integers(attribute) or (call.integer(attribute, 0),)
        data = self.data(call, position)
        if data is None:
            return None
        require(data.dtype.kind in "iu")
        return tuple(int(v) for v in data.reshape(-1))

    def number(self, call: Call, position: int, attribute: str) -> float | None:
        """The same for one number; None where it is left out or not known."""
        if call.has(attribute):
            return call.number(attribute, 0.0)
        value = self.find(call, position)
        return None if value is None else value.number

    def axis(self, call: Call, axis: int, position: int = 0) -> int:
        """An axis of the input, counted from the front."""
        rank = len(self.shape(call, position))
        require(-rank <= axis < rank)
        return axis % rank

    def add(
        self, op: Op, inputs: Sequence[Value | None], *shapes: Shape, **attributes: Any
    ) -> list[Value]:
        """Adds a step; its results. Inputs that are None at the end are dropped."""
        while inputs and inputs[-1] is None:
            inputs = inputs[:-1]
        given = [value for value in inputs if value is not None]
        return self.trace.add(op, given, *shapes, **attributes)


def broadcast(*shapes: Shape) -> Shape:
    """The shape that several broadcast to.

    Raises:
        ValueError: they do not.
    """
    return tuple(int(d) for d in np.broadcast_shapes(*shapes))


Results = Value | list[Value]
"""The call's results in order; fewer where nothing reads the others."""
Handler = Callable[[Replay, Call], Results]
HANDLERS: dict[str, Handler] = {}


def handles(*operators: str) -> Callable[[Handler], Handler]:
    """Registers the function that replays these ONNX operators."""

    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(operators, handler))
        return handler

    return register
