"""Widths, places and windows, as told by the rows of a node table.

Channels are in front of the axes of space where a window slides, and on the last axis elsewhere.
"""

import numpy as np
import numpy.typing as npt

from onnx_bench.cost import activations_N
from onnx_bench.graph import ATTRIBUTES, DILATION, IN_SHAPE, KERNEL, OP, OUT_SHAPE, IntArray
from onnx_bench.operators import Op

FloatArray = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]
CONVOLUTIONS = (Op.CONV, Op.CONV_TRANSPOSE)
WINDOWS = (*CONVOLUTIONS, Op.AVG_POOL, Op.MAX_POOL)


def widths(rows_RK: IntArray) -> Int64Array:
    """Channels that each operator reads, shape (R,); 1 where it reads nothing."""
    return _channels(rows_RK, rows_RK[:, IN_SHAPE])


def places(rows_RK: IntArray) -> Int64Array:
    """Places that share one operator's weights, shape (R,): pixels or tokens of its output."""
    return activations_N(rows_RK) // _channels(rows_RK, rows_RK[:, OUT_SHAPE])


def kernel_sizes(rows_RK: IntArray) -> Int64Array:
    """The longest side of each window, shape (R,); 0 where nothing slides."""
    sizes = np.maximum(rows_RK[:, KERNEL].max(axis=1, initial=0), _depths(rows_RK))
    return np.where(np.isin(rows_RK[:, OP], WINDOWS), sizes, 0).astype(np.int64)


def reaches(rows_RK: IntArray) -> FloatArray:
    """What each operator adds to the receptive field, in sides of its input, shape (R,).

    (kernel - 1) * dilation / side along the axis where that is most; 1 for attention, which sees
    everything; 0 where nothing slides.
    """
    kernel, shape = rows_RK[:, KERNEL].astype(np.int64), rows_RK[:, IN_SHAPE]
    rank, lines = (shape > 0).sum(axis=1), kernel[:, 1] == 0
    axes_R2 = np.stack([np.where(lines, rank - 1, rank - 2), rank - 1], axis=1)
    sides = np.maximum(np.take_along_axis(shape, np.maximum(axes_R2, 0), axis=1), 1)
    growth = np.maximum(kernel - 1, 0) * np.maximum(rows_RK[:, DILATION], 1) / sides
    slides = np.isin(rows_RK[:, OP], WINDOWS)
    seen = np.where(rows_RK[:, OP] == Op.ATTENTION, 1.0, 0.0)
    return np.where(slides, growth.max(axis=1, initial=0.0), seen)


def _channels(rows_RK: IntArray, shapes_RA: IntArray) -> Int64Array:
    space = np.where(rows_RK[:, KERNEL][:, 1] == 0, 1, np.where(_depths(rows_RK) > 0, 3, 2))
    behind = np.where(np.isin(rows_RK[:, OP], WINDOWS), space, 0)
    axis = np.maximum((shapes_RA > 0).sum(axis=1) - 1 - behind, 0)
    found = np.take_along_axis(shapes_RA, axis[:, None], axis=1)[:, 0]
    return np.maximum(found, 1).astype(np.int64)


def _depths(rows_RK: IntArray) -> Int64Array:
    """The kernel along a third axis of space, shape (R,); 0 where there is none."""
    third = rows_RK[:, ATTRIBUTES][:, 2]
    return np.where(np.isin(rows_RK[:, OP], WINDOWS), third, 0).astype(np.int64)
