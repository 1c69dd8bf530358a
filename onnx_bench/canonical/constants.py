"""Joins with a constant: one operand of the network less.

Pre: patterns that need to know numbers are recognised. Post: no join reads a constant; sums with
one are SHIFT, or POSITION where it has the shape of the other term, products SCALE or ZERO.
"""

from onnx_bench.graph import Shape
from onnx_bench.operators import Op
from onnx_bench.trace import Step, Trace, Value

_JOINS = (Op.ADD, Op.SUB, Op.MUL, Op.DIV, Op.POWER, Op.MAXIMUM, Op.MINIMUM, Op.COMPARE)


def absorb(trace: Trace) -> None:
    """Rewrites each join of data with a constant."""
    for step in trace.of(*_JOINS):
        data = step.data_inputs
        if len(step.inputs) == 2 and len(data) == 1:
            other = step.inputs[step.inputs[0] is data[0]]
            _absorb(step, data[0], other)


def _absorb(step: Step, x: Value, other: Value) -> None:
    match step.op:
        case Op.ADD if _is_position(step, x, other):
            step.rewrite(Op.POSITION, [x, other])
        case Op.ADD | Op.SUB:
            step.rewrite(Op.SHIFT, [x, other])
        case Op.MUL if other.number == 0 and not other.weights:
            step.rewrite(Op.ZERO, [x])
        case Op.MUL:
            step.rewrite(Op.SCALE, [x, other])
        case Op.DIV if step.inputs[0] is x:
            step.rewrite(Op.SCALE, [x, other])
        case Op.DIV:
            step.rewrite(Op.POWER, [x], exponent=-1.0)
        case Op.POWER if step.inputs[0] is x and other.is_number(0.5):
            step.rewrite(Op.SQRT, [x])
        case Op.POWER:
            step.rewrite(Op.POWER, [x])
        case Op.COMPARE:
            step.rewrite(Op.COMPARE, [x], bound=True)  # else it is a test for not-a-number
        case _:
            step.rewrite(Op.CLIP, [x])


def _is_position(step: Step, x: Value, other: Value) -> bool:
    """Whether a constant has the shape of what it is added to; of a scalar only our exporter's."""
    same = _stripped(other.shape) == _stripped(x.shape)
    return same and (other.size > 1 or step.origin.endswith(f".{Op.POSITION.label}"))


def _stripped(shape: Shape) -> Shape:
    while shape and shape[0] == 1:
        shape = shape[1:]
    return shape
