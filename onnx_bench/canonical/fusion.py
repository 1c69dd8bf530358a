"""Activations on their producers: convolution, normalisation and ReLU are one node.

Pre: normalisation is folded. Post: no activation is the only reader of a weighted operator or a sum
that has none yet.
"""

from onnx_bench.operators import ACTIVATIONS, Op
from onnx_bench.trace import Trace, Value

_CARRIERS = frozenset(
    {
        Op.CONV,
        Op.CONV_TRANSPOSE,
        Op.LINEAR,
        Op.BATCH_NORM,
        Op.LAYER_NORM,
        Op.RMS_NORM,
        Op.GROUP_NORM,
        Op.INSTANCE_NORM,
        Op.ADD,
    }
)


def fuse(trace: Trace) -> None:
    """Lets readers of the activation read its producer, which takes note of it."""
    uses = trace.uses()
    same: dict[Value, Value] = {}
    for step in trace.of(*ACTIVATIONS):
        x = step.inputs[0]
        carrier = x.made_by(*_CARRIERS)
        if carrier is not None and uses[x] == 1 and "activation" not in carrier.attributes:
            carrier.attributes["activation"] = step.op
            same[step.output] = x
    trace.substitute(same)
    trace.drop_dead()
