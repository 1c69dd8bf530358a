"""Node features of the GENNAPE paper, from the rows of a graph's node table.

Mills et al., AAAI 2023, and its public k-GNN baseline: the operator's type, the resolution vector
[H_in, H_out, W_in, W_out, C_in, C_out], two kernel sizes, and whether there is a bias.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from onnx_bench.graph import (
    BIAS,
    GROUPS,
    IN_SHAPE,
    KERNEL,
    OP,
    OUT_SHAPE,
    IntArray,
)
from onnx_bench.operators import Op

OPERATOR_TYPES = (*(op.label for op in Op), "depthwise")
"""Operator types as the encoders see them, by number; checkpoints record the list."""
DEPTHWISE = len(Op)
MAX_SIZE, MAX_CHANNELS, MAX_KERNEL = 256.0, 512.0, 7

FloatArray = npt.NDArray[np.float32]


class NodeFeatures(NamedTuple):
    """Features of N nodes: numbers into embeddings, and one real vector."""

    type_N: IntArray
    """Operator type, 0 to `len(OPERATOR_TYPES) - 1`."""
    resolution_N6: FloatArray
    """[H_in, H_out, W_in, W_out] / 256 and [C_in, C_out] / 512. Not clipped."""
    kernel_N2: IntArray
    """Kernel height and width, 0 where there is none, at most 7."""
    bias_N: IntArray
    """1 where the operator has a bias."""


def node_features(rows_NK: IntArray) -> NodeFeatures:
    """Features of each row of a node table.

    Images (C, H, W) give their own sizes; tokens (T, C) count as H = T, W = 1; vectors as a pixel.
    """
    ops = rows_NK[:, OP]
    in_chw, out_chw = _as_image(rows_NK[:, IN_SHAPE]), _as_image(rows_NK[:, OUT_SHAPE])
    depthwise = (ops == Op.CONV) & (rows_NK[:, GROUPS] > 1) & (rows_NK[:, GROUPS] == in_chw[:, 0])
    resolution = np.stack(
        [
            in_chw[:, 1] / MAX_SIZE,
            out_chw[:, 1] / MAX_SIZE,
            in_chw[:, 2] / MAX_SIZE,
            out_chw[:, 2] / MAX_SIZE,
            in_chw[:, 0] / MAX_CHANNELS,
            out_chw[:, 0] / MAX_CHANNELS,
        ],
        axis=1,
    )
    return NodeFeatures(
        np.where(depthwise, DEPTHWISE, ops).astype(np.int32),
        resolution.astype(np.float32),
        np.clip(rows_NK[:, KERNEL], 0, MAX_KERNEL),
        rows_NK[:, BIAS].astype(np.int32),
    )


def _as_image(shapes_NR: IntArray) -> IntArray:
    """(C, H, W) of each shape: (T, C) becomes (C, T, 1) and (C,) becomes (C, 1, 1)."""
    rank = (shapes_NR > 0).sum(axis=1)[:, None]
    tokens = np.stack([shapes_NR[:, 1], shapes_NR[:, 0], np.ones(len(shapes_NR))], axis=1)
    image = np.where(rank == 2, tokens, np.where(rank == 0, 0, np.maximum(shapes_NR[:, :3], 1)))
    return image.astype(np.int32)
