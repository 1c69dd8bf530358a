"""Joins of many: sums, products and concatenations.

Pre: layout is implicit, zeros are gone. Post: no sum is a term of a sum, no product a factor of a
product, no concatenation part of one along the same axis, that alone reads it; there are no twins.
"""

from onnx_bench.canonical import twins
from onnx_bench.graph import Shape
from onnx_bench.operators import Op
from onnx_bench.trace import Step, Trace


def flatten(trace: Trace) -> None:
    """Takes the terms of inner joins into the outer one, as long as that makes further twins."""
    count = -1
    while count != len(trace.steps):
        count = len(trace.steps)
        twins.merge(trace)
        _flatten(trace)


def _flatten(trace: Trace) -> None:
    uses = trace.uses()
    for step in trace.of(Op.ADD, Op.MUL, Op.CONCAT):
        reads = step.attributes.get("read_as", [value.shape for value in step.data_inputs])
        shapes = iter(reads)
        terms, read_as = [], []
        for value in step.inputs:
            shape = [] if value.constant else [next(shapes)]
            inner = value.made_by(step.op)
            if inner is not None and uses[value] == 1 and _is_part(inner, step, shape[0]):
                terms += inner.inputs
                read_as += inner.attributes.get("read_as", [v.shape for v in inner.data_inputs])
            else:
                terms.append(value)
                read_as += shape
        step.rewrite(step.op, terms, **{**step.attributes, "read_as": read_as})
    trace.drop_dead()


def _is_part(inner: Step, outer: Step, read: Shape) -> bool:
    """Whether the inner join, read in this shape, can be spelt out in the outer one."""
    if "activation" in inner.attributes:
        return False
    if outer.op == Op.CONCAT:
        return inner.shape == read and bool(inner.attributes["axis"] == outer.attributes["axis"])
    return inner.shape == outer.shape
