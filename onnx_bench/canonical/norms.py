"""Normalisations from their arithmetic: layer, RMS and group normalisation, unit length.

Pre: no no-ops between the parts. Post: what divides a tensor by its own spread is one step, with
the scale and shift that follow. Statistics may be spelt with powers, products or square roots.
"""

from collections.abc import Mapping

from onnx_bench.operators import Op
from onnx_bench.trace import Step, Trace, Value

_LARGEST_GUARD = 0.1
NORMS = (Op.LAYER_NORM, Op.RMS_NORM, Op.GROUP_NORM, Op.INSTANCE_NORM)


def recognise(trace: Trace) -> None:
    """Rewrites the last step of each such pattern; then takes along scales and shifts."""
    for step in trace.steps:
        if step.origin:
            continue
        if step.op in (Op.DIV, Op.MUL) and len(step.inputs) == 2:
            _quotient(step)
        elif step.op == Op.RESHAPE:
            _grouped(step)
        if step.op == Op.GROUP_NORM and step.attributes["groups"] == step.shape[1]:
            step.op = Op.INSTANCE_NORM
    trace.drop_dead()
    uses = trace.uses()
    for step in trace.steps:
        if not step.origin and step.op in (Op.MUL, Op.ADD, Op.SCALE, Op.SHIFT, Op.POSITION):
            _affine(step, uses)
    trace.drop_dead()


def _quotient(step: Step) -> None:
    """x / sqrt(mean(x^2)) and its like."""
    pairs = [(step.inputs[0], step.inputs[1])]
    if step.op == Op.MUL:
        pairs.append((step.inputs[1], step.inputs[0]))
    for x, divisor in pairs:
        under = _root(divisor) if step.op == Op.DIV else _inverse_root(divisor)
        if under is None or x.constant:
            continue
        mean = _through(under).made_by(Op.REDUCE_MEAN)
        if mean is not None and _square(mean.inputs[0]) is x and _is_last(mean):
            axes = mean.attributes["axes"]
            centred = _centred(x, axes)
            op = Op.RMS_NORM if centred is None else Op.LAYER_NORM
            step.rewrite(op, [x if centred is None else centred], axes=len(axes))
            return
    if step.op == Op.DIV:
        length = _length(step.inputs[1])
        if length is not None and length[0] is step.inputs[0]:
            step.rewrite(Op.NORMALIZE, step.inputs[:1], axis=length[1])


def _root(value: Value) -> Value | None:
    """What is under a square root."""
    step = value.made_by(Op.SQRT, Op.POWER, Op.EXPAND)
    if step is None:
        return None
    if step.op == Op.EXPAND:
        return _root(step.inputs[0])
    if step.op == Op.SQRT:
        return None if step.attributes.get("inverse") else step.inputs[0]
    return step.inputs[0] if exponent(step) == 0.5 else None


def _inverse_root(value: Value) -> Value | None:
    """What is under a square root that divides one."""
    step = value.made_by(Op.SQRT, Op.POWER, Op.DIV)
    if step is None:
        return None
    if step.op == Op.SQRT:
        return step.inputs[0] if step.attributes.get("inverse") else None
    if step.op == Op.DIV:
        return _root(step.inputs[1]) if step.inputs[0].is_number(1) else None
    power = exponent(step)
    if power == -0.5:
        return step.inputs[0]
    return _root(step.inputs[0]) if power == -1 else None


def exponent(step: Step) -> float | None:
    """The exponent of a POWER, where it is a known number."""
    if "exponent" in step.attributes:
        return float(step.attributes["exponent"])
    if len(step.inputs) < 2 or step.inputs[1].number is None:
        return None
    return round(step.inputs[1].number, 4)


def _keeps(step: Step) -> bool:
    """Whether a reduction leaves its axes, of one entry, where they were."""
    axes = step.attributes.get("axes", ())
    kept = tuple(1 if i in axes else d for i, d in enumerate(step.inputs[0].shape))
    return bool(axes) and step.shape == kept


def _is_last(step: Step) -> bool:
    """Whether it reduces the last axes, and not the batch: rows of LAYER_NORM name no others."""
    if not _keeps(step):
        return False
    rank, axes = len(step.inputs[0].shape), step.attributes["axes"]
    return 0 not in axes and axes == tuple(range(rank - len(axes), rank))


def _through(value: Value) -> Value:
    """The value without the small number that guards a division."""
    step = value.made_by(Op.ADD, Op.MAXIMUM, Op.CLIP)
    if step is None or len(step.data_inputs) != 1:
        return value
    guards = (v.number for v in step.inputs if v.constant)
    small = all(number is not None and 0 <= number < _LARGEST_GUARD for number in guards)
    return step.data_inputs[0] if small else value


def _square(value: Value) -> Value | None:
    """What the value is the square of."""
    step = value.made_by(Op.POWER, Op.MUL)
    if step is None:
        return None
    if step.op == Op.MUL:
        return step.inputs[0] if step.inputs[0] is step.inputs[1] else None
    return step.inputs[0] if exponent(step) == 2 else None


def _centred(value: Value, axes: tuple[int, ...]) -> Value | None:
    """x, if the value is x minus its own mean."""
    step = value.made_by(Op.SUB)
    if step is None:
        return None
    mean = step.inputs[1].made_by(Op.REDUCE_MEAN)
    if mean is None or mean.inputs[0] is not step.inputs[0] or not _keeps(mean):
        return None
    return step.inputs[0] if mean.attributes["axes"] == axes else None


def _length(value: Value) -> tuple[Value, int] | None:
    """(x, axis), if the value is the length of x along an axis, guarded or spread out."""
    for _ in range(4):
        step = value.made_by(Op.EXPAND)
        inner = step.inputs[0] if step is not None else _through(value)
        if inner is value:
            break
        value = inner
    under = _root(value)
    total = (value if under is None else _through(under)).made_by(Op.REDUCE_SUM)
    if total is None or not _keeps(total) or len(total.attributes["axes"]) != 1:
        return None
    (axis,) = total.attributes["axes"]
    if under is None:
        return (total.inputs[0], axis) if total.attributes.get("norm") == "l2" else None
    x = _square(total.inputs[0])
    return None if x is None else (x, axis)


def _grouped(step: Step) -> None:
    """Group normalisation as exporters spell it: instance normalisation between two reshapes."""
    inner = step.inputs[0].made_by(Op.INSTANCE_NORM, Op.LAYER_NORM)
    before = inner.inputs[0].made_by(Op.RESHAPE) if inner is not None else None
    if inner is None or before is None or before.inputs[0].shape != step.shape:
        return
    x, grouped = before.inputs[0], before.shape
    if len(grouped) < 3 or len(x.shape) < 3 or x.shape[1] % grouped[1] or grouped[0] != x.shape[0]:
        return
    inside = inner.op == Op.INSTANCE_NORM or inner.attributes.get("axes") == len(grouped) - 2
    if inside and all(map(_is_neutral, inner.inputs[1:], (1.0, 0.0))):
        step.rewrite(Op.GROUP_NORM, [x], groups=grouped[1])


def _is_neutral(weight: Value, neutral: float) -> bool:
    """Whether a scale or shift changes nothing; one of unknown values is taken to be none."""
    return weight.data is None or bool((weight.data == neutral).all())


def _affine(step: Step, uses: Mapping[Value, int]) -> None:
    """Takes a scale or a shift into the normalisation before it."""
    data = step.data_inputs
    constants = [value for value in step.inputs if value.constant]
    if len(data) != 1 or len(constants) != 1 or data[0].shape != step.shape:
        return
    norm, weight = data[0].made_by(*NORMS), constants[0]
    if norm is None or uses[data[0]] > 1 or weight.size == 1:
        return
    rank, scales = len(step.shape), step.op in (Op.MUL, Op.SCALE)
    taken, wide = len(norm.inputs) - 1, (1,) * (rank - len(weight.shape)) + weight.shape
    if norm.op in (Op.LAYER_NORM, Op.RMS_NORM):
        axes = norm.attributes["axes"]
        expected = (*(1,) * (rank - axes), *step.shape[rank - axes :])
        if wide == expected and taken == (0 if scales else 1):
            step.rewrite(norm.op, [*norm.inputs, weight], **norm.attributes)
    elif wide == (1, step.shape[1], *(1,) * (rank - 2)):
        # Exporters give the inner normalisation a scale of ones, and put the real one behind it.
        fresh = scales and taken == 2 and all(map(_is_neutral, norm.inputs[1:], (1.0, 0.0)))
        if fresh or taken == (0 if scales else 1):
            kept = norm.inputs[:1] if scales else norm.inputs
            step.rewrite(norm.op, [*kept, weight], **norm.attributes)
