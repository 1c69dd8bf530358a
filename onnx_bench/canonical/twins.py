"""Twins: exporters compute once what a network writes twice, as each edge of a cell its own ReLU.

Pre: any trace. Post: no two steps without weights, whose rows say all that they compute,
do the same to the same values. Products stay, so that the work of a network does.
"""

from onnx_bench.operators import ACTIVATIONS, COMMUTATIVE, Op
from onnx_bench.trace import Step, Trace, Value

_TELLING = (ACTIVATIONS - {Op.CLIP}) | COMMUTATIVE
_TELLING |= {Op.SOFTMAX, Op.NORMALIZE, Op.EXP, Op.LOG, Op.ABS, Op.ERF, Op.ZERO, Op.IDENTITY}
_TELLING |= {Op.MAX_POOL, Op.AVG_POOL, Op.GLOBAL_AVG_POOL, Op.GLOBAL_MAX_POOL, Op.MEAN}
_TELLING |= {Op.SUB, Op.DIV, Op.CONCAT, Op.SLICE}


def merge(trace: Trace) -> None:
    """Lets readers of the second of such steps read the first."""
    first: dict[object, Value] = {}
    same: dict[Value, Value] = {}
    for step in trace.of(*_TELLING):
        inputs = [same.get(value, value) for value in step.inputs]
        if any(value.constant for value in inputs):
            continue
        found = first.setdefault(_deed(step, inputs), step.output)
        if found is not step.output:
            same[step.output] = found
    trace.substitute(same)
    trace.drop_dead()


def _deed(step: Step, inputs: list[Value]) -> object:
    """Equal for steps that do the same."""
    read = [id(value) for value in inputs]
    if step.op in COMMUTATIVE:
        read.sort()
    return step.op, step.shape, tuple(read), repr(sorted(step.attributes.items()))
