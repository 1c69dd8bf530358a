"""Einstein sums as what they are: a matrix product between transpositions and reshapes.

Pre: a MATMUL with an `equation`. Post: none has one; a sum over two tensors is MATMUL, or LINEAR
where one is a weight that no batch letter runs over; a sum of one tensor moves or reduces it.
"""

from math import prod

from onnx_bench.graph import Shape
from onnx_bench.operators import Op
from onnx_bench.trace import Step, Trace, Value


def expand(trace: Trace) -> None:
    """Replaces each einsum."""
    steps: list[Step] = []
    for step in trace.steps:
        equation = step.attributes.get("equation") if step.op == Op.MATMUL else None
        if equation is not None:
            steps += _Expansion(step, equation).run()
        else:
            steps.append(step)
    trace.steps = steps


class _Expansion:
    """One einsum on its way into steps."""

    def __init__(self, step: Step, equation: str) -> None:
        self._step, self._new = step, list[Step]()
        left, self._out = equation.split("->")
        self._terms = left.split(",")
        self._sizes = {
            letter: size
            for term, value in zip(self._terms, step.inputs, strict=True)
            for letter, size in zip(term, value.shape, strict=True)
        }

    def run(self) -> list[Step]:
        step = self._step
        repeated = any(len(set(term)) < len(term) for term in (*self._terms, self._out))
        if repeated or len(self._terms) > 2:
            step.rewrite(Op.UNKNOWN, step.inputs)
            step.name = "Einsum"
        elif len(self._terms) == 1:
            self._one()
        else:
            self._two()
        return [*self._new, step]

    def _one(self) -> None:
        term, x = self._terms[0], self._step.inputs[0]
        kept = "".join(letter for letter in term if letter in self._out)
        if kept != term:
            axes = tuple(i for i, letter in enumerate(term) if letter not in self._out)
            x = self._place(Op.REDUCE_SUM, [x], self._shape(kept), axes=axes)
        axes = tuple(kept.index(letter) for letter in self._out)
        self._step.rewrite(Op.TRANSPOSE, [x], permutation=axes)

    def _two(self) -> None:
        (first, second), out = self._terms, self._out
        a, b = self._step.inputs
        if a.constant and not b.constant:
            first, second, a, b = second, first, b, a
        shared = [letter for letter in first if letter in second]
        batch = "".join(letter for letter in shared if letter in out)
        inner = "".join(letter for letter in shared if letter not in out)
        rows = "".join(letter for letter in first if letter not in second and letter in out)
        columns = "".join(letter for letter in second if letter not in first and letter in out)
        a, first = self._summed(a, first, batch + rows + inner)
        b, second = self._summed(b, second, batch + inner + columns)
        if not inner:
            self._outer(a, first, b, second)
            return
        a = self._laid(a, first, batch + rows + inner, (batch, rows, inner))
        if b.constant and not batch:
            weight = Value((self._size(inner), self._size(columns)), True, b.weights)
            (shape,) = ((self._size(batch), self._size(rows), self._size(columns)),)
            product = self._place(Op.LINEAR, [a, weight], shape)
        else:
            b = self._laid(b, second, batch + inner + columns, (batch, inner, columns))
            shape = (self._size(batch), self._size(rows), self._size(columns))
            product = self._place(Op.MATMUL, [a, b], shape)
        order = batch + rows + columns
        spread = self._place(Op.RESHAPE, [product], self._shape(order))
        axes = tuple(order.index(letter) for letter in out)
        self._step.rewrite(Op.TRANSPOSE, [spread], permutation=axes)

    def _outer(self, a: Value, first: str, b: Value, second: str) -> None:
        """A product without a sum: both operands laid out as the result, and multiplied."""
        laid = []
        for value, term in ((a, first), (b, second)):
            order = "".join(letter for letter in self._out if letter in term)
            value = self._turned(value, term, order)
            wide = tuple(self._sizes[c] if c in term else 1 for c in self._out)
            laid.append(self._place(Op.RESHAPE, [value], wide))
        self._step.rewrite(Op.MUL, laid)

    def _summed(self, value: Value, term: str, needed: str) -> tuple[Value, str]:
        """The operand without the letters that stand in it alone and not in the result."""
        kept = "".join(letter for letter in term if letter in needed)
        if kept == term:
            return value, term
        axes = tuple(i for i, letter in enumerate(term) if letter not in needed)
        return self._place(Op.REDUCE_SUM, [value], self._shape(kept), axes=axes), kept

    def _laid(self, value: Value, term: str, order: str, parts: tuple[str, ...]) -> Value:
        turned = self._turned(value, term, order)
        return self._place(Op.RESHAPE, [turned], tuple(self._size(part) for part in parts))

    def _turned(self, value: Value, term: str, order: str) -> Value:
        axes = tuple(term.index(letter) for letter in order)
        return self._place(Op.TRANSPOSE, [value], self._shape(order), permutation=axes)

    def _place(self, op: Op, inputs: list[Value], shape: Shape, **attributes: Shape) -> Value:
        if all(value.constant for value in inputs):
            return Value(shape, True, frozenset().union(*(v.weights for v in inputs)))
        self._new.append(Step(op, inputs, [Value(shape)], attributes))
        return self._new[-1].output

    def _shape(self, letters: str) -> Shape:
        return tuple(self._sizes[letter] for letter in letters)

    def _size(self, letters: str) -> int:
        return prod(self._shape(letters))
