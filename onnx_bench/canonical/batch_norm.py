"""Batch normalisation folded into the product before it, as exporters do for inference.

Pre: layout is implicit. Post: no BATCH_NORM, nor a scale and shift per channel, is the only reader
of a convolution or linear map; those that took one in have a bias.
"""

from onnx_bench.operators import Op
from onnx_bench.trace import Step, Trace, Value, Weight

_PRODUCTS = (Op.CONV, Op.CONV_TRANSPOSE, Op.LINEAR)


def fold(trace: Trace) -> None:
    """Lets readers of the normalisation read the product."""
    uses = trace.uses()
    same: dict[Value, Value] = {}
    for step in trace.of(Op.BATCH_NORM, Op.SCALE, Op.SHIFT):
        x = same.get(step.inputs[0], step.inputs[0])
        product = x.made_by(*_PRODUCTS)
        if product is None or uses[step.inputs[0]] != 1 or len(product.data_inputs) != 1:
            continue
        if _per_channel(step, product):
            same[step.output] = x
            if len(product.inputs) == 2 and step.op != Op.SCALE:
                product.inputs.append(_bias(product))
    trace.substitute(same)
    trace.drop_dead()


def _channels(product: Step) -> int:
    shape = product.shape
    if product.op == Op.LINEAR:
        return shape[-1]
    return shape[len(shape) - len(product.attributes["kernel"]) - 1]


def _per_channel(step: Step, product: Step) -> bool:
    """Whether the step has one number for each channel of the product; no image, no halves."""
    channels = _channels(product)
    if step.op != Op.BATCH_NORM:
        return product.op != Op.LINEAR and step.inputs[1].size == channels
    reads = step.attributes.get("read_as", [step.inputs[0].shape])[0]
    return len(reads) > 1 and reads[1] == channels


def _bias(product: Step) -> Value:
    channels = _channels(product)
    weight = Weight(f"bias {id(product)}", channels)
    return Value((channels,), constant=True, weights=frozenset({weight}))
