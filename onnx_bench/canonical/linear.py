"""Biases: the constant that is added to a product with a weight belongs to it.

Pre: products with a matrix of weights are LINEAR (the doors see to it). Post: no LINEAR or CONV
without a bias is followed, and read only, by the addition of one number per output feature.
"""

from onnx_bench.operators import Op
from onnx_bench.trace import Step, Trace, Value


def recognise(trace: Trace) -> None:
    """Joins each such addition to the product before it."""
    uses = trace.uses()
    for step in trace.of(Op.ADD):
        if len(step.inputs) != 2:
            continue
        for x, bias in (step.inputs, step.inputs[::-1]):
            product = x.made_by(Op.LINEAR, Op.CONV)
            if product and uses[x] == 1 and _fits(step, product, bias):
                step.rewrite(product.op, [*product.inputs, bias], **product.attributes)
                break
    trace.drop_dead()


def _fits(step: Step, product: Step, bias: Value) -> bool:
    """Whether the constant is a bias of this product."""
    if not bias.constant or len(product.inputs) != 2 or product.shape != step.shape:
        return False
    if product.origin != step.origin:
        return False
    space = 0 if product.op == Op.LINEAR else len(step.shape) - 2
    features = step.shape[-1 - space]
    expected = (features, *(1,) * space)
    if step.origin and bias.shape != expected:
        return False  # our own exporter gives positions a leading axis
    # A vector's position and its bias look alike: a bias it is.
    return bias.shape[-1 - space :] == expected and bias.size == features
