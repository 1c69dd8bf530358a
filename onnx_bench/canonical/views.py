"""Chains of reshapes and of transpositions.

Pre: any trace. Post: no reshape reads a reshape, no transposition a transposition; what is left of
a chain is one step or none. Steps of our own exporter stay, each stands for a node.
"""

from onnx_bench.operators import Op
from onnx_bench.trace import Trace


def merge(trace: Trace) -> None:
    """Lets the last of a chain read what the first reads."""
    for step in trace.of(Op.RESHAPE, Op.TRANSPOSE):
        before = step.inputs[0].made_by(step.op) if step.inputs else None
        if before is None or step.origin or before.origin:
            continue
        attributes = {}
        if step.op == Op.TRANSPOSE:
            first, then = before.attributes["permutation"], step.attributes["permutation"]
            attributes["permutation"] = tuple(first[axis] for axis in then)
        step.rewrite(step.op, before.inputs, **attributes)
    trace.drop_dead()
