"""Dead code: steps whose results nothing reads.

Pre: any trace. Post: every step lies on a way to a result of the network.
"""

from onnx_bench.trace import Trace


def drop(trace: Trace) -> None:
    """Drops the steps that no result of the network needs."""
    trace.drop_dead()
