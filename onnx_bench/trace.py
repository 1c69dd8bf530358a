"""The trace: what a file or a recorder says that a network computes, before it has one form.

Every door (ONNX, PyTorch, a finished graph) writes a trace; the passes of `canonical` rewrite it;
`lowering` turns it into a computation graph. Shapes hold all axes, the batch too.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from math import prod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from onnx_bench.graph import Shape
from onnx_bench.operators import Op

Data = npt.NDArray[Any]


class Weight(NamedTuple):
    """A learned tensor by its name; two uses of one name are one set of parameters."""

    name: str
    size: int


class Value:
    """A tensor: computed by a step, an input of the network, or a constant.

    Attributes:
        shape: all axes.
        producer: the step that computes it; None for inputs and constants.
        constant: whether it is the same for every input of the network.
        weights: the learned tensors that a constant is made of.
        data: its values, where they are few and known.
    """

    __slots__ = ("constant", "data", "producer", "shape", "weights")

    def __init__(
        self,
        shape: Shape,
        constant: bool = False,
        weights: frozenset[Weight] = frozenset(),
        data: Data | None = None,
    ) -> None:
        self.shape, self.constant, self.weights, self.data = shape, constant, weights, data
        self.producer: Step | None = None

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def number(self) -> float | None:
        """The value of a constant that is one number and known."""
        if self.data is None or self.data.size != 1 or self.data.dtype.kind not in "biuf":
            return None
        return float(self.data.reshape(-1)[0])

    def is_number(self, expected: float, tolerance: float = 1e-3) -> bool:
        """Whether it is this constant, up to a relative tolerance (half precision rounds)."""
        number = self.number
        return number is not None and abs(number - expected) <= tolerance * abs(expected)

    def made_by(self, *ops: Op) -> "Step | None":
        """The step that computes it, if it is of one of these operators."""
        step = self.producer
        return step if step is not None and step.op in ops else None

    def __repr__(self) -> str:
        return f"Value({self.shape}{', constant' if self.constant else ''})"


class Step:
    """One operator applied to values.

    Attributes:
        attributes: the operator's own settings, with axes as numbers from 0 on: CONV (kernel,
            stride, dilation, padding, groups), TRANSPOSE (permutation), SLICE (axis, start, step),
            CONCAT (axis), ATTENTION (heads), reductions and norms (axes), recurrent layers
            (hidden, directions), PAD (padding: before and after, axis by axis).
        name: what the source calls the operator, for messages.
        origin: the graph node that our own exporter wrote it for; empty elsewhere.
    """

    __slots__ = ("attributes", "inputs", "name", "op", "origin", "outputs")

    def __init__(
        self,
        op: Op,
        inputs: list[Value],
        outputs: list[Value],
        attributes: dict[str, Any] | None = None,
        name: str = "",
        origin: str = "",
    ) -> None:
        self.op, self.inputs, self.outputs = op, inputs, outputs
        self.attributes = attributes or {}
        self.name, self.origin = name, origin
        for output in outputs:
            output.producer = self

    @property
    def output(self) -> Value:
        """The first result."""
        return self.outputs[0]

    @property
    def shape(self) -> Shape:
        """Shape of the first result."""
        return self.outputs[0].shape

    @property
    def data_inputs(self) -> list[Value]:
        """The inputs that are not constants."""
        return [value for value in self.inputs if not value.constant]

    @property
    def weights(self) -> frozenset[Weight]:
        """The learned tensors that it reads."""
        return frozenset().union(*(value.weights for value in self.inputs if value.constant))

    def rewrite(self, op: Op, inputs: list[Value], **attributes: Any) -> None:
        """Makes it another operator with the same results, where it stands.

        This is how a pass recognises a pattern: the last step of it becomes the whole; steps that
        nothing reads any more are dropped by `drop_dead`.
        """
        self.op, self.inputs, self.attributes = op, inputs, attributes

    def __repr__(self) -> str:
        shapes = ", ".join(str(value) for value in self.inputs)
        return f"{self.op.label}({shapes}) -> {[value.shape for value in self.outputs]}"


class Trace:
    """A network as steps in topological order.

    Args:
        batch: size of the first axis that stands for the batch.
        name: for people.
    """

    def __init__(self, batch: int = 1, name: str = "") -> None:
        self.batch, self.name = batch, name
        self.inputs: list[Value] = []
        self.steps: list[Step] = []
        self.outputs: list[Value] = []

    def add(
        self, op: Op, inputs: Iterable[Value], *shapes: Shape, name: str = "", **attributes: Any
    ) -> list[Value]:
        """Appends a step; returns its results, one for each shape.

        What is computed from constants alone is a constant, made of the same weights, and no step.
        """
        given = list(inputs)
        if given and all(value.constant for value in given):
            weights = frozenset().union(*(value.weights for value in given))
            return [Value(shape, constant=True, weights=weights) for shape in shapes]
        # A tensor of no values is nothing that a network computes.
        outputs = [Value(shape, constant=0 in shape) for shape in shapes]
        self.steps.append(Step(op, given, outputs, attributes, name))
        return outputs

    def input(self, shape: Shape) -> Value:
        """Adds an input of the network."""
        self.inputs.append(Value(shape))
        return self.inputs[-1]

    def readers(self) -> Mapping[Value, list[Step]]:
        """The steps that read each value, once for each time that they do."""
        readers: dict[Value, list[Step]] = defaultdict(list)
        for step in self.steps:
            for value in step.inputs:
                readers[value].append(step)
        return readers

    def uses(self) -> Mapping[Value, int]:
        """How often each value is read, by steps or as a result of the network."""
        uses: dict[Value, int] = defaultdict(int)
        for step in self.steps:
            for value in step.inputs:
                uses[value] += 1
        for value in self.outputs:
            uses[value] += 1
        return uses

    def substitute(self, values: dict[Value, Value]) -> None:
        """Lets every reader of a key read its value instead, through chains of such pairs.

        Args:
            values: in the order of the steps, so that a value that is a key comes before its own.
        """
        if not values:
            return
        last: dict[Value, Value] = {}
        for value, other in values.items():
            last[value] = last.get(other, other)
        for step in self.steps:
            step.inputs = [last.get(value, value) for value in step.inputs]
        self.outputs = [last.get(value, value) for value in self.outputs]

    def drop_dead(self) -> None:
        """Drops the steps whose results nothing reads.

        Of the steps that our exporter wrote for a node the last stays: graphs may hold such nodes.
        """
        needed, origins = set(self.outputs), set[str]()
        kept = []
        for step in reversed(self.steps):
            stands = step.origin not in origins if step.origin else False
            if stands or needed.intersection(step.outputs):
                kept.append(step)
                needed.update(step.inputs)
                origins.add(step.origin)
        self.steps = kept[::-1]

    def of(self, *ops: Op) -> Iterator[Step]:
        """The steps of some operators, in order."""
        return (step for step in self.steps if step.op in ops)


def constant(data: npt.ArrayLike) -> Value:
    """A constant of known values."""
    array = np.asarray(data)
    return Value(array.shape, constant=True, data=array)
