"""Steps that change nothing: identities, casts, dropout, reshapes to the same shape.

Pre: any trace. Post: no step gives back its input, but those that our own exporter wrote for a node
of a graph that does.
"""

from onnx_bench.operators import Op
from onnx_bench.trace import Step, Trace, Value

_NEUTRAL = {Op.ADD: 0.0, Op.SUB: 0.0, Op.MUL: 1.0, Op.DIV: 1.0, Op.POWER: 1.0}


def drop(trace: Trace) -> None:
    """Lets readers of such a step read what it reads."""
    same: dict[Value, Value] = {}
    for step in trace.steps:
        source = _source(step)
        if source is not None:
            same[step.output] = source
            step.origin = ""
    trace.substitute(same)
    trace.drop_dead()


def _source(step: Step) -> Value | None:
    """The input that the step gives back, if it does nothing else."""
    if step.origin and not _is_spelling(step):
        return None
    x = step.inputs[0] if step.inputs else None
    if x is None or step.op == Op.UNKNOWN:
        return None
    same = x.shape == step.shape
    match step.op:
        case Op.IDENTITY:
            return x
        case Op.RESHAPE:
            return x if same or step.origin else None
        case Op.EXPAND | Op.SLICE | Op.PAD | Op.RESIZE:
            return x if same and step.attributes.get("step", 1) == 1 else None
        case Op.TRANSPOSE:
            axes = step.attributes["permutation"]
            return x if axes == tuple(range(len(axes))) else None
        case Op.CONCAT:
            return x if same and len(step.inputs) == 1 else None
        case Op.WHERE:
            return _guarded(step)
        case Op.AVG_POOL | Op.MAX_POOL:
            one = all(k == 1 for k in (*step.attributes["kernel"], *step.attributes["stride"]))
            return x if one and same else None
        case op if op in _NEUTRAL and len(step.inputs) == 2:
            return _unchanged(step, _NEUTRAL[op])
        case _:
            return None


def _is_spelling(step: Step) -> bool:
    """Whether our exporter needed this step to spell another operator."""
    label = step.origin.rpartition(".")[2]
    return step.op in (Op.IDENTITY, Op.RESHAPE) and label != step.op.label


def _unchanged(step: Step, neutral: float) -> Value | None:
    """The other operand of a join with its neutral element."""
    one, other = step.inputs
    if other.is_number(neutral) and one.shape == step.shape:
        return one
    swaps = step.op in (Op.ADD, Op.MUL)
    return other if swaps and one.is_number(neutral) and other.shape == step.shape else None


def _guarded(step: Step) -> Value | None:
    """What a guard against not-a-number lets through: where(isnan(x), 0, x)."""
    if len(step.inputs) != 3:
        return None
    condition, one, other = step.inputs
    test = condition.made_by(Op.COMPARE)
    if test is None or test.inputs != [other] or test.attributes:
        return None
    return other if one.constant and other.shape == step.shape else None
