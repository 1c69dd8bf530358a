"""Zeros around an image that only a convolution reads are the convolution's own padding.

Pre: layout is implicit. Post: no zeros that are added to both axes of space, and to them alone, are
read by one convolution only. Pooling keeps them: a maximum of zeros is not one of nothing.
"""

from onnx_bench.operators import Op
from onnx_bench.trace import Trace, Value


def absorb(trace: Trace) -> None:
    """Lets the convolution read what is padded."""
    uses = trace.uses()
    for step in trace.of(Op.CONV):
        pad = step.inputs[0].made_by(Op.PAD)
        window = len(step.attributes["kernel"])
        if pad is None or uses[step.inputs[0]] > 1 or not pad.attributes.get("zeros"):
            continue
        added, rank = pad.attributes["padding"], len(pad.shape)
        outside = (*added[: rank - window], *added[rank : 2 * rank - window])
        if any(outside) or step.attributes.get("read_as", [pad.shape])[0] != pad.shape:
            continue
        sides = (*added[rank - window : rank], *added[2 * rank - window :])
        own: tuple[int, ...] = step.attributes["padding"]
        x: Value = pad.inputs[0]
        step.inputs = [x, *step.inputs[1:]]
        step.attributes["padding"] = tuple(a + b for a, b in zip(own, sides, strict=True))
        step.attributes["read_as"] = pad.attributes.get("read_as", [x.shape])
    trace.drop_dead()
