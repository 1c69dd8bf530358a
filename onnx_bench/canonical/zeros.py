"""Zeros: the `none` edge of a cell adds nothing to the sum that it ends in.

Pre: ZERO is recognised. Post: no sum reads a ZERO beside another term; a sum of one term is that
term, and a sum of nothing but zeros is one ZERO.
"""

from onnx_bench.operators import Op
from onnx_bench.trace import Trace, Value


def drop(trace: Trace) -> None:
    """Takes zeros out of sums."""
    same: dict[Value, Value] = {}
    for step in trace.of(Op.ADD):
        terms = [same.get(value, value) for value in step.inputs]
        kept = [value for value in terms if not value.made_by(Op.ZERO)] or terms[:1]
        if len(kept) == 1 and kept[0].shape == step.shape:
            same[step.output] = kept[0]
        else:
            step.inputs = kept
    trace.substitute(same)
    trace.drop_dead()
