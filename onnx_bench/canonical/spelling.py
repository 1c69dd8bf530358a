"""What our own exporter needs several steps for, told by the node that it notes on each.

Pre: any trace. Post: a product of many that was written as a chain is one step again; so is a layer
that was written between moves of its axes (recurrent layers, pools over frames).
"""

from onnx_bench.operators import GATES, Op
from onnx_bench.trace import Step, Trace

_POOLS = {Op.REDUCE_MEAN: Op.GLOBAL_AVG_POOL, Op.REDUCE_MAX: Op.GLOBAL_MAX_POOL}


def undo(trace: Trace) -> None:
    """Makes one step of the steps of one node."""
    for step in trace.of(Op.MUL):
        factors = []
        for value in step.inputs:
            inner = value.made_by(Op.MUL)
            chained = inner is not None and inner.origin == step.origin != ""
            factors += inner.inputs if inner is not None and chained else [value]
        step.inputs = factors
    for core in list(trace.of(*GATES, *_POOLS)):
        op = _POOLS.get(core.op, core.op)
        if core.origin.endswith(f".{op.label}"):
            _join(core, op, [step for step in trace.steps if step.origin == core.origin])
    trace.drop_dead()


def _join(core: Step, op: Op, parts: list[Step]) -> None:
    """Lets the last of a node's steps be the whole."""
    weights = [value for value in core.inputs if value.constant]
    parts[-1].rewrite(op, [parts[0].inputs[0], *weights], **core.attributes)
    for step in parts[:-1]:
        step.origin = ""
