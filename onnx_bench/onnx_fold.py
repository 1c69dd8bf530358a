"""Arithmetic on constants while a model is read: what exporters compute shapes with.

Single operators run in the reference implementation that comes with ONNX. Only operators that
cannot grow without bounds are run, and results stay small.
"""

from math import prod
from typing import Any

import numpy as np

from onnx_bench.onnx_model import Call
from onnx_bench.trace import Data, Value

MAX_FOLDED = 1 << 16
"""Most values of a result: enough for the attention mask of 256 tokens."""

ELEMENTWISE = frozenset(
    [
        "Abs",
        "Add",
        "And",
        "Cast",
        "Ceil",
        "Clip",
        "Cos",
        "Div",
        "Equal",
        "Exp",
        "Floor",
        "Greater",
        "GreaterOrEqual",
        "IsNaN",
        "Less",
        "LessOrEqual",
        "Log",
        "Max",
        "Min",
        "Mod",
        "Mul",
        "Neg",
        "Not",
        "Or",
        "Pow",
        "Reciprocal",
        "Round",
        "Sign",
        "Sin",
        "Sqrt",
        "Sub",
        "Sum",
        "Where",
        "Xor",
        "BitShift",
        "BitwiseAnd",
        "BitwiseOr",
    ]
)
MOVES = frozenset(
    [
        "Concat",
        "Gather",
        "GatherElements",
        "GatherND",
        "Shape",
        "Size",
        "Slice",
        "Split",
        "Squeeze",
        "Unsqueeze",
        "Reshape",
        "Transpose",
        "Trilu",
        "ArgMax",
        "ArgMin",
        "CumSum",
        "ReduceMax",
        "ReduceMin",
        "ReduceProd",
        "ReduceSum",
        "ScatterND",
        "ScatterElements",
        "NonZero",
        "Flatten",
    ]
)
_SAFE = ELEMENTWISE | MOVES
_GROWING = frozenset({"ConstantOfShape", "Expand", "Range", "Tile"})


def fold(call: Call, inputs: list[Value | None], opset: int) -> list[Data] | None:
    """The results of an operator whose inputs are all known; None where it is not for us to run."""
    if any(value is not None and value.data is None for value in inputs):
        return None
    arrays = [None if value is None else value.data for value in inputs]
    if call.operator not in _SAFE and not _stays_small(call.operator, arrays):
        return None
    if call.operator in ELEMENTWISE and _broadcast_size(arrays) > MAX_FOLDED:
        return None
    if call.operator == "Cast":
        return _cast(call, arrays[0])
    # As long to import as ONNX itself, and most networks calculate nothing.
    from onnx.reference import ReferenceEvaluator
    from onnx.reference.ops import load_op

    context = {
        "log": lambda *_: None,
        "opsets": {"": opset},
        "verbose": 0,
        "new_ops": None,
        "existing_functions": {},
        "evaluator_cls": ReferenceEvaluator,
    }
    try:
        # torch's exporter divides integers by zero behind guards: numpy's warnings are no news.
        with np.errstate(all="ignore"):
            results = load_op("", call.operator, opset)(call.proto, context).run(*arrays)
    except Exception:  # damaged models make it fail in every way
        return None
    found = [np.asarray(result) for result in results]
    return found if sum(array.size for array in found) <= MAX_FOLDED else None


def _broadcast_size(arrays: list[Any]) -> int:
    """How many values broadcasting these gives; more than allowed where it fails."""
    try:
        return prod(np.broadcast_shapes(*(np.shape(a) for a in arrays if a is not None)))
    except ValueError:
        return MAX_FOLDED + 1


def _stays_small(operator: str, arrays: list[Any]) -> bool:
    """Whether an operator whose result may be of any size gives a small one."""
    if operator not in _GROWING:
        return False
    try:
        if operator == "Range":
            start, limit, step = (float(np.asarray(a).reshape(-1)[0]) for a in arrays)
            return step != 0 and abs((limit - start) / step) <= MAX_FOLDED
        sizes = [int(d) for d in np.asarray(arrays[-1]).reshape(-1)]
        grown = prod(abs(d) for d in sizes)
        return grown * (arrays[0].size if operator != "ConstantOfShape" else 1) <= MAX_FOLDED
    except (TypeError, ValueError, IndexError, OverflowError, AttributeError):
        return False


_KINDS = {1: "f4", 10: "f4", 16: "f4", 11: "f8", 6: "i4", 7: "i8", 9: "?", 2: "u1", 3: "i1"}


def _cast(call: Call, array: Any) -> list[Data] | None:
    kind = _KINDS.get(call.integer("to", 0))
    if kind is None:
        return None
    with np.errstate(all="ignore"):
        return [np.asarray(array).astype(kind)]
