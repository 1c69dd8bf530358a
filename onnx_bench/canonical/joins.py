"""Joins of many: sums, products and concatenations.

Pre: layout is implicit, zeros are gone. Post: no sum is a term of a sum, no product a factor of a
product, no concatenation part of one along the same axis, that alone reads it; there are no twins.
"""

from collections.abc import Iterator, Mapping

from onnx_bench.canonical import twins
from onnx_bench.graph import Shape
from onnx_bench.operators import Op
from onnx_bench.trace import Step, Trace, Value

ROUNDS = 8
"""Most rounds: each may make twins that the next merges, in networks two at the most."""


def flatten(trace: Trace) -> None:
    """Takes the terms of inner joins into the outer one, as long as that makes further twins."""
    for _ in range(ROUNDS):
        count = len(trace.steps)
        twins.merge(trace)
        _flatten(trace)
        if len(trace.steps) == count:
            return


def _flatten(trace: Trace) -> None:
    uses, taken = trace.uses(), set[Step]()
    # From the last to the first, so that a long chain is spelt out once, by its outermost join.
    for step in reversed(trace.steps):
        if step.op in (Op.ADD, Op.MUL, Op.CONCAT) and step not in taken:
            terms = list(_leaves(step, uses, taken))
            reads = [shape for value, shape in terms if not value.constant]
            step.inputs = [value for value, _ in terms]
            step.attributes["read_as"] = reads
    trace.drop_dead()


def _leaves(
    outer: Step, uses: Mapping[Value, int], taken: set[Step]
) -> Iterator[tuple[Value, Shape]]:
    """The terms of a join and of those inside it, in order, with the shapes in which it reads."""
    open_ = _terms(outer)[::-1]
    while open_:
        value, shape = open_.pop()
        inner = value.made_by(outer.op)
        if inner is not None and uses[value] == 1 and _is_part(inner, outer, shape):
            taken.add(inner)
            open_ += _terms(inner)[::-1]
        else:
            yield value, shape


def _terms(step: Step) -> list[tuple[Value, Shape]]:
    reads = iter(step.attributes.get("read_as", [v.shape for v in step.data_inputs]))
    return [(v, v.shape if v.constant else next(reads)) for v in step.inputs]


def _is_part(inner: Step, outer: Step, read: Shape) -> bool:
    """Whether the inner join, read in this shape, can be spelt out in the outer one."""
    if "activation" in inner.attributes:
        return False
    if outer.op == Op.CONCAT:
        return inner.shape == read and bool(inner.attributes["axis"] == outer.attributes["axis"])
    return inner.shape == outer.shape
