"""Which rule of signal propagation each operator follows, read from the rows of a node table."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from onnx_bench.cost import activations_N
from onnx_bench.graph import (
    ACTIVATION,
    ATTRIBUTES,
    IN_SHAPE,
    KERNEL,
    OP,
    OUT_SHAPE,
    STRIDE,
    IntArray,
)
from onnx_bench.operators import Op

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Int64Array = npt.NDArray[np.int64]

WEIGHTED = (Op.CONV, Op.CONV_TRANSPOSE, Op.LINEAR, Op.EMBEDDING, Op.LSTM, Op.GRU, Op.RNN)
_RECURRENT = (Op.LSTM, Op.GRU, Op.RNN)
_NORMS = (
    Op.BATCH_NORM,
    Op.LAYER_NORM,
    Op.GROUP_NORM,
    Op.INSTANCE_NORM,
    Op.RMS_NORM,
    Op.LOCAL_NORM,
    Op.NORMALIZE,
)
_SUMS, _PRODUCTS = (Op.ADD, Op.SUB), (Op.MUL, Op.DIV, Op.MATMUL)
_MEANS = (Op.AVG_POOL, Op.GLOBAL_AVG_POOL, Op.MEAN, Op.REDUCE_MEAN, Op.ATTENTION)
_MAXIMA = (Op.MAX_POOL, Op.GLOBAL_MAX_POOL, Op.REDUCE_MAX)
_WINDOWED = (Op.AVG_POOL, Op.MAX_POOL)


class Rules(NamedTuple):
    """What N nodes do to the signals that they read, each array of shape (N,)."""

    values_N: FloatArray
    """Values that the node puts out."""
    has_one_place_N: BoolArray
    """Whether it puts out channels alone, without space or tokens."""
    is_sum_N: BoolArray
    is_product_N: BoolArray
    is_weighted_N: BoolArray
    is_unit_N: BoolArray
    """Whether variance is 1 behind it, before its activation."""
    is_mean_N: BoolArray
    is_maximum_N: BoolArray
    window_N: FloatArray
    """Places that a mean or a maximum is taken over."""
    shared_N: FloatArray
    """Those of them that belong to the next window too."""
    uses_N: FloatArray
    """Windows that each place belongs to."""
    is_embedding_N: BoolArray
    is_zero_N: BoolArray
    activation_N: Int64Array
    """Operator of the activation; one without a map is the identity."""

    def at(self, nodes: Int64Array) -> "Rules":
        """The rules of some of the nodes."""
        return Rules._make(column[nodes] for column in self)


def rules(rows_RK: IntArray) -> Rules:
    """The rules of the rows of a node table."""
    ops, out_shape_R8 = rows_RK[:, OP].astype(np.int64), rows_RK[:, OUT_SHAPE]
    values_R = activations_N(rows_RK).astype(np.float64)
    rank_R = (out_shape_R8 > 0).sum(axis=1)
    channels_R = np.where(rank_R == 2, out_shape_R8[:, 1], np.maximum(out_shape_R8[:, 0], 1))
    window_R, shared_R, uses_R = _windows(rows_RK, values_R)
    fused_R = rows_RK[:, ACTIVATION].astype(np.int64)
    own_R = np.where(np.isin(ops, _RECURRENT), Op.TANH, ops)
    return Rules(
        values_R,
        values_R <= channels_R,
        np.isin(ops, _SUMS),
        np.isin(ops, _PRODUCTS),
        np.isin(ops, WEIGHTED),
        np.isin(ops, WEIGHTED + _NORMS),
        np.isin(ops, _MEANS),
        np.isin(ops, _MAXIMA),
        window_R,
        shared_R,
        uses_R,
        ops == Op.EMBEDDING,
        ops == Op.ZERO,
        np.where(fused_R == Op.UNKNOWN, own_R, fused_R),
    )


def _windows(rows_RK: IntArray, values_R: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """`window_N`, `shared_N` and `uses_N` of `Rules`."""
    ops, kernel_R2 = rows_RK[:, OP], np.maximum(rows_RK[:, KERNEL], 1).astype(np.float64)
    read_R = np.maximum(rows_RK[:, IN_SHAPE].astype(np.float64), 1).prod(axis=1)
    across_R2 = np.where(rows_RK[:, KERNEL][:, 1:] == 0, [1, 0], [0, 1])  # to the next window
    moved_R2 = kernel_R2 - across_R2 * np.maximum(rows_RK[:, STRIDE], 1)
    is_windowed_R, is_attention_R = np.isin(ops, _WINDOWED), ops == Op.ATTENTION
    keys_R = np.maximum(rows_RK[:, ATTRIBUTES][:, 1], 1)
    window_R = np.select(
        [is_windowed_R, is_attention_R], [kernel_R2.prod(axis=1), keys_R], read_R / values_R
    )
    window_R = np.maximum(window_R, 1)
    shared_R = np.select(
        [is_windowed_R, is_attention_R], [np.maximum(moved_R2, 0).prod(axis=1), window_R], 0.0
    )
    uses_R = np.clip(window_R * values_R / read_R, 1, window_R)
    return window_R, np.minimum(shared_R, window_R), uses_R
