"""The axis of softmax, unit length and running sums: the last, as rows of a graph name no other.

Pre: steps may have an `axis`. Post: none has; where it was not the last, its operator stands
between two transpositions.
"""

from onnx_bench.operators import Op
from onnx_bench.trace import Step, Trace, Value


def turn(trace: Trace) -> None:
    """Turns the axis of each such step to the end, and back again."""
    steps: list[Step] = []
    for step in trace.steps:
        if step.op in (Op.SOFTMAX, Op.NORMALIZE, Op.CUMULATE):
            axis = step.attributes.pop("axis", -1)
            steps += _turned(step, axis % max(len(step.shape), 1))
        steps.append(step)
    trace.steps = steps


def _turned(step: Step, axis: int) -> list[Step]:
    """Makes the step the transposition back; gives the two that come before it."""
    order = [*range(len(step.shape))]
    if not order or axis == order[-1]:
        return []
    order[axis], order[-1] = order[-1], order[axis]
    shape, swap = tuple(step.shape[i] for i in order), {"permutation": tuple(order)}
    before = Step(Op.TRANSPOSE, step.inputs[:1], [Value(shape)], {**swap}, origin=step.origin)
    inner = Step(step.op, [before.output], [Value(shape)], step.attributes, origin=step.origin)
    step.rewrite(Op.TRANSPOSE, [inner.output], **swap)
    return [before, inner]
