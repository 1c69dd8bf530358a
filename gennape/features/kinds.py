"""Kinds of operators that many families share, as told by the rows of a node table."""

import numpy as np
import numpy.typing as npt

from gennape.features.extents import CONVOLUTIONS, kernel_sizes, widths
from onnx_bench.graph import ACTIVATION, GROUPS, OP, IntArray
from onnx_bench.operators import ACTIVATIONS, GATES, Op

BoolArray = npt.NDArray[np.bool_]

KINDS = {
    "pointwise": "1x1 convolutions",
    "kernel3": "convolutions with a kernel of 2 or 3, depthwise ones aside",
    "larger": "convolutions with a kernel over 3, depthwise ones aside",
    "depthwise": "depthwise convolutions",
    "linear": "linear maps and recurrent layers",
    "product": "products of two computed tensors: matrix products and attention",
    "avg_pool": "average pools with a window",
    "max_pool": "maximum pools with a window",
    "add": "additions and subtractions",
    "concat": "concatenations",
    "multiply": "multiplications and divisions value by value: gates",
    "norm": "normalisations that no convolution absorbs",
    "activation": "activations, alone or fused onto another operator",
}
"""The kinds in their order, in words. A node is of one, or of none, and may have an activation."""
CONVOLVING = ("pointwise", "kernel3", "larger", "depthwise")
WEIGHTED = (*CONVOLVING, "linear")
WORKING = (*WEIGHTED, "product")
"""What the rest of a network is counted against: the operators that multiply and accumulate."""

_POOLS = {"avg_pool": Op.AVG_POOL, "max_pool": Op.MAX_POOL}
_MEMBERS: dict[str, tuple[Op, ...]] = {
    "linear": (Op.LINEAR, *GATES),
    "product": (Op.MATMUL, Op.ATTENTION),
    "add": (Op.ADD, Op.SUB),
    "concat": (Op.CONCAT,),
    "multiply": (Op.MUL, Op.DIV),
    "norm": (
        Op.BATCH_NORM,
        Op.LAYER_NORM,
        Op.GROUP_NORM,
        Op.INSTANCE_NORM,
        Op.RMS_NORM,
        Op.LOCAL_NORM,
    ),
}


def kinds(rows_RK: IntArray) -> dict[str, BoolArray]:
    """Which rows are of each kind of `KINDS`, in its order; each of shape (R,)."""
    ops, size = rows_RK[:, OP], kernel_sizes(rows_RK)
    conv = np.isin(ops, CONVOLUTIONS)
    depthwise = conv & (rows_RK[:, GROUPS] > 1) & (rows_RK[:, GROUPS] == widths(rows_RK))
    full = conv & ~depthwise
    found = {
        "pointwise": full & (size == 1),
        "kernel3": full & (size > 1) & (size <= 3),
        "larger": full & (size > 3),
        "depthwise": depthwise,
        "activation": (rows_RK[:, ACTIVATION] != Op.UNKNOWN)
        | np.isin(ops, [*ACTIVATIONS, Op.PRELU]),
    }
    found |= {kind: np.isin(ops, members) for kind, members in _MEMBERS.items()}
    found |= {kind: (ops == op) & (size > 1) for kind, op in _POOLS.items()}
    return {kind: found[kind] for kind in KINDS}


def any_of(found: dict[str, BoolArray], names: tuple[str, ...]) -> BoolArray:
    """Which rows are of one of the named kinds, shape (R,)."""
    joined: BoolArray = np.logical_or.reduce([found[name] for name in names])
    return joined
