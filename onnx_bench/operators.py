"""The vocabulary of atomic operators.

An operator's number is part of every saved graph and checkpoint: new ones are appended, none is
renumbered, and `VOCABULARY_VERSION` rises with every change.
"""

from enum import IntEnum

VOCABULARY_VERSION = 2


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
    # version 2, for networks of any origin
    # with weights
    CONV_TRANSPOSE = 31
    EMBEDDING = 32  # rows of a learned table, chosen by the input
    LSTM = 33  # one layer, one direction or both
    GRU = 34
    RNN = 35
    GROUP_NORM = 36
    INSTANCE_NORM = 37
    RMS_NORM = 38
    PRELU = 39
    SCALE = 40  # times a constant: one number, or a learned tensor
    SHIFT = 41  # plus a constant that POSITION does not describe
    # activations
    LEAKY_RELU = 42
    ELU = 43  # with SELU and CELU
    SOFTPLUS = 44
    MISH = 45
    CLIP = 46
    # functions of one value
    EXP = 47
    LOG = 48
    SQRT = 49  # with its reciprocal
    POWER = 50  # also of two tensors
    ABS = 51
    ERF = 52
    SINE = 53  # sine, cosine and the like
    ROUND = 54  # rounding, sign and truth values: no gradient passes
    NORMALIZE = 55  # divides by the length along an axis
    LOCAL_NORM = 56  # local response normalisation
    # joins
    SUB = 57
    DIV = 58
    MAXIMUM = 59
    MINIMUM = 60
    COMPARE = 61  # comparison and logic
    WHERE = 62  # (condition, one, other)
    # reductions
    GLOBAL_MAX_POOL = 63
    REDUCE_MEAN = 64
    REDUCE_SUM = 65
    REDUCE_MAX = 66  # with minimum and product
    CUMULATE = 67  # running sums and products
    RANK = 68  # order: argmax, top-k, sort
    # moving data
    PAD = 69
    RESIZE = 70
    EXPAND = 71
    GATHER = 72  # entries that computed or constant indices choose
    SCATTER = 73  # writes entries into a tensor
    SHUFFLE = 74  # the same values in other places of the same shape
    SAMPLE = 75  # interpolates where a grid points
    FOURIER = 76  # discrete Fourier transforms

    @property
    def label(self) -> str:
        """The operator's name as tables and messages print it."""
        return self.name.lower()


ACTIVATIONS = frozenset(
    {
        Op.RELU,
        Op.RELU6,
        Op.SIGMOID,
        Op.TANH,
        Op.GELU,
        Op.SILU,
        Op.HARD_SWISH,
        Op.HARD_SIGMOID,
        Op.LEAKY_RELU,
        Op.ELU,
        Op.SOFTPLUS,
        Op.MISH,
        Op.CLIP,
    }
)
"""Functions of one value that nothing is learned for; the fused form joins them to a producer."""
COMMUTATIVE = frozenset({Op.ADD, Op.MUL, Op.MAXIMUM, Op.MINIMUM})
"""Joins whose inputs may be swapped without changing the network."""

ONNX_UNARY = {
    Op.RELU: "Relu",
    Op.SIGMOID: "Sigmoid",
    Op.TANH: "Tanh",
    Op.GELU: "Gelu",
    Op.HARD_SWISH: "HardSwish",
    Op.IDENTITY: "Identity",
    Op.GLOBAL_AVG_POOL: "GlobalAveragePool",
    Op.GLOBAL_MAX_POOL: "GlobalMaxPool",
    Op.SOFTPLUS: "Softplus",
    Op.MISH: "Mish",
    Op.EXP: "Exp",
    Op.LOG: "Log",
    Op.ABS: "Abs",
    Op.ERF: "Erf",
}
"""Operators that are one ONNX operator with no attribute, in both directions."""

GATES = {Op.LSTM: 4, Op.GRU: 3, Op.RNN: 1}
"""Products with the input that each step of a recurrent layer takes."""
