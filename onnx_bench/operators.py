"""The vocabulary of atomic operators.

An operator's number is part of every saved graph and checkpoint: new ones are appended, none is
renumbered, and `VOCABULARY_VERSION` rises with every change.
"""

from enum import IntEnum

VOCABULARY_VERSION = 1


class Op(IntEnum):
    """One primitive operator. `UNKNOWN` stands for everything that is not in the vocabulary."""

    UNKNOWN = 0
    INPUT = 1
    OUTPUT = 2
    # with weights
    CONV = 3
    LINEAR = 4
    BATCH_NORM = 5
    LAYER_NORM = 6
    POSITION = 7  # adds a learned tensor of the input's own shape (position embedding)
    # activations
    RELU = 8
    RELU6 = 9
    SIGMOID = 10
    TANH = 11
    GELU = 12
    SILU = 13
    HARD_SWISH = 14
    HARD_SIGMOID = 15
    SOFTMAX = 16  # over the last axis
    # joins
    ADD = 17
    MUL = 18
    CONCAT = 19
    MATMUL = 20
    ATTENTION = 21  # scaled dot-product attention of (query, key, value)
    # pooling
    MAX_POOL = 22
    AVG_POOL = 23
    GLOBAL_AVG_POOL = 24  # (C, H, W) -> (C, 1, 1)
    MEAN = 25  # over the tokens: (T, C) -> (C,)
    # moving data
    SLICE = 26
    RESHAPE = 27
    TRANSPOSE = 28
    IDENTITY = 29
    ZERO = 30  # a tensor of zeros of the input's shape: the `none` edge of cell spaces

    @property
    def label(self) -> str:
        """The operator's name as tables and messages print it."""
        return self.name.lower()


ACTIVATIONS = frozenset(
    {Op.RELU, Op.RELU6, Op.SIGMOID, Op.TANH, Op.GELU, Op.SILU, Op.HARD_SWISH, Op.HARD_SIGMOID}
)
COMMUTATIVE = frozenset({Op.ADD, Op.MUL})
"""Joins whose inputs may be swapped without changing the network."""

ONNX_UNARY = {
    Op.RELU: "Relu",
    Op.SIGMOID: "Sigmoid",
    Op.TANH: "Tanh",
    Op.GELU: "Gelu",
    Op.HARD_SWISH: "HardSwish",
    Op.IDENTITY: "Identity",
    Op.GLOBAL_AVG_POOL: "GlobalAveragePool",
}
"""Operators that are one ONNX operator with no attribute, in both directions."""
