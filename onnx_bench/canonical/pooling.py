"""Pooling over the whole image, of which there are four spellings.

Pre: reductions name their axes. Post: a mean or maximum over both axes of space of an image is
GLOBAL_AVG_POOL or GLOBAL_MAX_POOL, with a reshape where the axes go; one over the tokens is MEAN.
"""

from onnx_bench.operators import Op
from onnx_bench.trace import Step, Trace, Value

_GLOBAL = {Op.REDUCE_MEAN: Op.GLOBAL_AVG_POOL, Op.REDUCE_MAX: Op.GLOBAL_MAX_POOL}


def unify(trace: Trace) -> None:
    """Rewrites reductions over space, and windows as large as the image."""
    steps: list[Step] = []
    for step in trace.steps:
        if step.op in _GLOBAL and len(step.inputs[0].shape) == 4:
            steps += _image(step)
        elif step.op == Op.AVG_POOL and not step.origin and _is_whole(step):
            step.rewrite(Op.GLOBAL_AVG_POOL, step.inputs)
        elif step.op == Op.REDUCE_MEAN and len(step.inputs[0].shape) == 3:
            steps += _tokens(step)
        steps.append(step)
    trace.steps = steps


def _image(step: Step) -> list[Step]:
    """Makes the step a global pool; where it drops the axes, a pool goes in front of it."""
    x = step.inputs[0]
    if step.attributes.get("axes") != (2, 3) or step.attributes.get("norm"):
        return []
    pooled = (*x.shape[:2], 1, 1)
    op = _GLOBAL[step.op]
    return _kept(step, op, x, pooled)


def _tokens(step: Step) -> list[Step]:
    x = step.inputs[0]
    if step.attributes.get("axes") != (1,):
        return []
    return _kept(step, Op.MEAN, x, (x.shape[0], x.shape[2]))


def _kept(step: Step, op: Op, x: Value, shape: tuple[int, ...]) -> list[Step]:
    """The step as `op` of this result's shape, behind a new step where its own shape is another."""
    if step.shape == shape:
        step.rewrite(op, [x])
        return []
    before = Step(op, [x], [Value(shape)], origin=step.origin)
    step.rewrite(Op.RESHAPE, [before.output])
    return [before]


def _is_whole(step: Step) -> bool:
    x, a = step.inputs[0], step.attributes
    space = x.shape[2:]
    return len(space) == 2 and tuple(a["kernel"]) == space and not any(a["padding"])


def unify_lines(trace: Trace) -> None:
    """Pooling over an image of one row, as exporters spell that of a sequence, is a mean.

    Pre: pooling is unified, layout explicit.
    """
    for step in trace.of(Op.GLOBAL_AVG_POOL):
        channels, *space = step.inputs[0].shape[-3:]
        if 1 in space:
            reads = [(1, channels, max(space))]
            step.rewrite(Op.REDUCE_MEAN, step.inputs, read_as=reads)
