"""Scaled dot-product attention: softmax(q k^T) v as one operator.

Pre: single numbers are dropped, softmax is one step. Post: a product with what a softmax gives of a
product, and nothing else reads, is ATTENTION of (query, key, value, ...), where masks and biases
that are computed follow. Independent of the order of terms and factors.
`heads` counts the score maps of one input: heads, times windows where attention is local.
"""

from collections.abc import Callable, Mapping
from math import prod

from onnx_bench.operators import Op
from onnx_bench.trace import Step, Trace, Value

_BEFORE = {Op.SCALE, Op.SHIFT, Op.POSITION, Op.ADD, Op.SUB, Op.MUL, Op.DIV, Op.CLIP, Op.MAXIMUM}
_BEFORE |= {Op.WHERE, Op.RESHAPE, Op.EXPAND, Op.IDENTITY}
_AFTER = {Op.WHERE, Op.SCALE, Op.SHIFT, Op.RESHAPE, Op.EXPAND, Op.IDENTITY, Op.MUL, Op.SLICE}
_MOST = 24
"""Most values between the scores and the result: masks, guards and layout."""

Readers = Mapping[Value, list[Step]]


def recognise(trace: Trace) -> None:
    """Rewrites the last product of each such pattern, and gives every attention one form."""
    steps, readers, results = list[Step](), trace.readers(), set(trace.outputs)
    for step in trace.steps:
        if _is_product(step):
            steps += _product(step, readers, results)
        elif step.op == Op.ATTENTION:
            _one_form(step)
        steps.append(step)
    trace.steps = steps
    trace.drop_dead()


def _product(step: Step, readers: Readers, results: set[Value]) -> list[Step]:
    """Recognises attention by its last product; gives the step that turns the keys around."""
    weights, value = step.inputs
    found = _search(weights, lambda s: s.op == Op.SOFTMAX, _AFTER, 6)
    if found is None or weights.shape[-1] != value.shape[-2]:
        return []
    softmax, after = found
    found = _search(softmax.inputs[0], _is_product, _BEFORE, 12)
    if found is None or not _leads_to(found[0].output, step, readers, results):
        return []
    scores, further = found[0], [*found[1], *after]
    query, key = scores.inputs
    maps, rank = prod(scores.shape[:-2]), len(key.shape)
    order = (*range(rank - 2), rank - 1, rank - 2)
    turned = Value((*key.shape[:-2], key.shape[-1], key.shape[-2]))
    turn = Step(Op.TRANSPOSE, [key], [turned], {"permutation": order})
    _set(step, [query, turned, value, *further], maps, query.shape, key.shape[-1])
    return [turn]


def _one_form(step: Step) -> None:
    """Attention that a door found: (1, ..., heads, T, D), or (1, T, C) with the heads inside C."""
    query, key = step.inputs[:2]
    given = step.attributes.get("read_as", [query.shape])[0]
    heads = step.attributes["heads"]
    inside = len(given) <= 3
    maps = heads if inside else prod(given[:-2])
    if not inside and given[-3] != heads and heads:
        maps = prod(given[:-3]) * heads
    keys = step.attributes.get("keys") or key.shape[-2]
    shape = (1, given[-2], given[-1] // maps) if inside else given
    _set(step, step.inputs, maps, shape, keys)


def _set(step: Step, inputs: list[Value], maps: int, query: tuple[int, ...], keys: int) -> None:
    width = prod(step.shape) // (query[-2] * maps)
    reads = [(1, query[-2], maps * query[-1])]
    out = (1, query[-2], maps * width)
    inputs = [value for value in inputs if not value.constant]  # masks and biases of positions
    step.rewrite(Op.ATTENTION, inputs, heads=maps, keys=keys, read_as=reads, written_as=out)


def _is_product(step: Step) -> bool:
    return step.op == Op.MATMUL and len(step.data_inputs) == 2


def _search(
    value: Value,
    is_wanted: Callable[[Step], bool],
    between: set[Op],
    depth: int,
    vain: dict[Value, int] | None = None,
) -> tuple[Step, list[Value]] | None:
    """A step behind masks, biases, guards and layout, and what was computed of those.

    `vain` keeps how deep a value has been searched in vain, so that none is searched again.
    """
    vain = {} if vain is None else vain
    step = value.producer
    if step is None or vain.get(value, 0) >= depth:
        return None
    if is_wanted(step):
        return step, []
    if step.op not in between:
        return None
    data = step.data_inputs
    for candidate in data:
        found = _search(candidate, is_wanted, between, depth - 1, vain)
        if found is not None:
            others = (v for v in data if v is not candidate and not _is_guard(v, candidate))
            return found[0], [*found[1], *others]
    vain[value] = depth
    return None


def _is_guard(condition: Value, value: Value) -> bool:
    """Whether a condition asks for nothing but the value that it guards."""
    test = condition.made_by(Op.COMPARE)
    return test is not None and test.data_inputs == [value]


def _leads_to(value: Value, end: Step, readers: Readers, results: set[Value]) -> bool:
    """Whether all that is made of a value goes into one step, and nowhere else."""
    seen, new = {value}, [value]
    while new:
        value = new.pop()
        made = [v for step in readers[value] if step is not end for v in step.outputs]
        new += (fresh := set(made) - seen)
        seen |= fresh
        if value in results or len(seen) > _MOST:
            return False
    return True
