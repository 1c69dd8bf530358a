"""Activations from what exporters and old code write them as.

Pre: no no-ops between the parts. Post: a product that spells SiLU, GELU, HardSwish, Mish or a
quotient that spells HardSigmoid is that operator. Independent of the order of factors and terms.
"""

from collections.abc import Mapping
from math import pi, prod, sqrt

from onnx_bench.canonical.norms import exponent
from onnx_bench.operators import Op
from onnx_bench.trace import Step, Trace, Value


def recognise(trace: Trace) -> None:
    """Rewrites the last step of each such pattern."""
    uses = trace.uses()
    for step in trace.steps:
        if step.op in (Op.MUL, Op.DIV):
            _product(step, uses)
        elif step.op == Op.LOG:
            _softplus(step)
    trace.drop_dead()


def _product(step: Step, uses: Mapping[Value, int]) -> None:
    factors, number = _factors(step.output)
    if len(factors) == 1:
        _hard_sigmoid(step, factors[0], number)
    # First the operands as they are: what is gated may be a product itself.
    direct = (step.inputs, 1.0) if step.op == Op.MUL else ([], 1.0)
    for operands, before in (direct, (factors, number)):
        if len(operands) != 2 or any(f.shape != step.shape or f.constant for f in operands):
            continue
        for x, gate in (operands, operands[::-1]):
            # A gate that is read elsewhere is a result of its own.
            op = None if uses[gate] > 1 else _gated(x, gate, before, step.origin)
            if op is not None:
                step.rewrite(op, [x])
                return


def _factors(value: Value, depth: int = 4) -> tuple[list[Value], float]:
    """The data that a product multiplies, through nested products, and the number in front."""
    step = value.made_by(Op.MUL, Op.DIV)
    if step is None or depth == 0 or len(step.inputs) != 2:
        return [value], 1.0
    one, other = step.inputs
    if step.op == Op.DIV:
        number = other.number
        if not number:
            return [value], 1.0
        factors, before = _factors(one, depth - 1)
        return factors, before / number
    factors, number = [], 1.0
    for operand in (one, other):
        if operand.number is not None:
            number *= operand.number
        elif operand.constant:
            return [value], 1.0
        else:
            more, before = _factors(operand, depth - 1)
            factors += more
            number *= before
    return factors, number


def _near(number: float, expected: float) -> bool:
    return abs(number - expected) < 2e-3 * abs(expected)


def _gated(x: Value, gate: Value, number: float, origin: str) -> Op | None:
    """The activation that x times this gate, and a number, is."""
    made = gate.producer
    if made is None or (origin and made.origin != origin):
        return None
    match made.op:
        case Op.SIGMOID if _near(number, 1):
            return _sigmoid_gate(x, made.inputs[0])
        case Op.HARD_SIGMOID if made.inputs[0] is x and _near(number, 1):
            return Op.HARD_SWISH
        case Op.RELU6 if _near(number, 1 / 6) and _shifted(made.inputs[0], 3) is x:
            return Op.HARD_SWISH
        case Op.TANH if _near(number, 1):
            inner = made.inputs[0].made_by(Op.SOFTPLUS)
            return Op.MISH if inner is not None and inner.inputs[0] is x else None
        case Op.ADD if _near(number, 0.5):
            return Op.GELU if _is_gelu_gate(x, _shifted(gate, 1)) else None
        case _:
            return None


def _sigmoid_gate(x: Value, inner: Value) -> Op | None:
    if inner is x:
        return Op.SILU
    factors, number = _factors(inner)
    return Op.GELU if factors == [x] and _near(number, 1.702) else None


def _is_gelu_gate(x: Value, inner: Value | None) -> bool:
    """Whether 1 + inner, halved, is the gate of GELU or of its approximation by tanh."""
    step = inner.made_by(Op.ERF, Op.TANH) if inner is not None else None
    if step is None:
        return False
    if step.op == Op.ERF:
        factors, number = _factors(step.inputs[0])
        return factors == [x] and _near(number, 1 / sqrt(2))
    return _is_cubic(step.inputs[0], x)


def _is_cubic(value: Value, x: Value) -> bool:
    """Whether the value is sqrt(2 / pi) (x + 0.044715 x^3): tried at two points."""
    for point in (1.0, 3.0):
        found = _at(value, x, point)
        if found is None or not _near(found, sqrt(2 / pi) * (point + 0.044715 * point**3)):
            return False
    return True


def _at(value: Value, x: Value, point: float, depth: int = 8) -> float | None:
    """What sums, products and powers of x and of numbers give where x is `point`."""
    if value is x or value.number is not None:
        return point if value is x else value.number
    step = value.made_by(Op.ADD, Op.MUL, Op.POWER)
    if step is None or depth == 0:
        return None
    parts = [_at(operand, x, point, depth - 1) for operand in step.inputs]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    if step.op == Op.POWER:
        times = exponent(step)
        return prod([known[0]] * int(times)) if times in (2, 3) else None
    return sum(known) if step.op == Op.ADD else prod(known)


def _shifted(value: Value, by: float) -> Value | None:
    """x, if the value is x plus this number."""
    step = value.made_by(Op.ADD)
    if step is None or len(step.inputs) != 2:
        return None
    one, other = step.inputs
    if other.is_number(by):
        return one
    return other if one.is_number(by) else None


def _hard_sigmoid(step: Step, factor: Value, number: float) -> None:
    made = factor.made_by(Op.RELU6)
    if made is None or not _near(number, 1 / 6):
        return
    x = _shifted(made.inputs[0], 3)
    if x is not None:
        step.rewrite(Op.HARD_SIGMOID, [x])


def _softplus(step: Step) -> None:
    inner = _shifted(step.inputs[0], 1)
    made = inner.made_by(Op.EXP) if inner is not None else None
    if made is not None and prod(made.shape) == prod(step.shape):
        step.rewrite(Op.SOFTPLUS, made.inputs)
