"""Single numbers: exporters put the scale of attention before or after the product, or in halves.

Pre: patterns that need numbers are recognised. Post: no step multiplies by, or adds, one number.
The fused form is blind to them: they are neither learned nor do they move data.
"""

from onnx_bench.operators import Op
from onnx_bench.trace import Trace, Value


def drop(trace: Trace) -> None:
    """Lets readers of x times a number read x."""
    same: dict[Value, Value] = {}
    for step in trace.of(Op.SCALE, Op.SHIFT):
        numbers = [value for value in step.inputs if value.constant]
        if any(value.size > 1 for value in numbers):
            continue
        if step.inputs[0].shape == step.shape:
            same[step.output] = step.inputs[0]
        else:
            step.rewrite(Op.RESHAPE, step.inputs[:1])
    trace.substitute(same)
    trace.drop_dead()
