"""The computation graph: one network as flat integer arrays.

A graph of N nodes and E edges is two arrays: a table of nodes, one row of `WIDTH` int32 values
each, in topological order; and the inputs of every node in the order of its arguments, in CSR form.
Everything else (costs, pictures, ONNX files, modules, features) is read from these.
"""

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from onnx_bench.errors import GraphError
from onnx_bench.files import atomic_file
from onnx_bench.operators import COMMUTATIVE, VOCABULARY_VERSION, Op

GRAPH_FORMAT = 2
MAX_RANK = 8
Shape = tuple[int, ...]
IntArray = npt.NDArray[np.int32]

# Where each field of a node lies in its row. Shapes leave the batch out and are padded with zeros.
OP = 0
IN_SHAPE = slice(1, 9)
OUT_SHAPE = slice(9, 17)
KERNEL = slice(17, 19)
STRIDE = slice(19, 21)
DILATION = slice(21, 23)
PADDING = slice(23, 27)  # top, left, bottom, right
GROUPS = 27
BIAS = 28
PARAMETERS = 29
ACTIVATION = 30
ATTRIBUTES = slice(31, 39)
WIDTH = 39


class Node(NamedTuple):
    """One operator of a network, decoded: what its row of the table says.

    `attributes` are the operator's own integers: SLICE (axis, start), CONCAT (axis,), TRANSPOSE the
    permutation, ATTENTION (heads, key length), pools (count padding, ceil). Trailing zeros are not
    kept. `activation` is the operator fused onto the node, UNKNOWN where there is none.
    """

    op: Op
    in_shape: Shape
    out_shape: Shape
    kernel: tuple[int, int] = (0, 0)
    stride: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (0, 0)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 0
    bias: bool = False
    parameters: int = 0
    activation: Op = Op.UNKNOWN
    attributes: tuple[int, ...] = ()

    def encode(self) -> bytes:
        """The node's row of the table as raw bytes (`WIDTH` int32 values)."""
        if max(len(self.in_shape), len(self.out_shape)) > MAX_RANK:
            raise GraphError(f"{self.op.label} has more than {MAX_RANK} axes: it does not fit")
        row = np.zeros(WIDTH, np.int32)
        try:
            row[OP], row[GROUPS], row[BIAS] = self.op, self.groups, self.bias
            row[PARAMETERS], row[ACTIVATION] = self.parameters, self.activation
            row[KERNEL], row[STRIDE], row[DILATION] = self.kernel, self.stride, self.dilation
            row[PADDING] = self.padding
            for field, values in (
                (IN_SHAPE, self.in_shape),
                (OUT_SHAPE, self.out_shape),
                (ATTRIBUTES, self.attributes),
            ):
                row[field.start : field.start + len(values)] = values
        except (OverflowError, ValueError) as error:
            raise GraphError(f"{self.op.label} does not fit the node table: {error}") from None
        return row.tobytes()

    def attribute(self, position: int) -> int:
        """The operator's integer at `position`, 0 where it was left out."""
        return self.attributes[position] if position < len(self.attributes) else 0


@lru_cache(maxsize=1 << 16)
def decode(row: bytes) -> Node:
    """The node that a row of the table, as raw bytes, stands for: the inverse of `encode`."""
    values = [int(v) for v in np.frombuffer(row, np.int32)]
    return Node(
        Op(values[OP]),
        _strip(values[IN_SHAPE]),
        _strip(values[OUT_SHAPE]),
        (values[17], values[18]),
        (values[19], values[20]),
        (values[21], values[22]),
        (values[23], values[24], values[25], values[26]),
        values[GROUPS],
        bool(values[BIAS]),
        values[PARAMETERS],
        Op(values[ACTIVATION]),
        _strip(values[ATTRIBUTES]),
    )


def _strip(values: list[int]) -> Shape:
    while values and values[-1] == 0:
        values = values[:-1]
    return tuple(values)


@dataclass(frozen=True, eq=False)
class ComputationGraph:
    """One network: operators with shapes and attributes, and the edges between them. Immutable.

    Args:
        nodes_NK: int32 table, one row of `WIDTH` values a node, in topological order.
        input_ptr: int32 of N + 1 values; the inputs of node i are
            `inputs[input_ptr[i]:input_ptr[i + 1]]`, in the order of its arguments.
        inputs: int32 of E node numbers, each smaller than the node that reads it.
        name: for people; no part of the network's identity.

    Raises:
        GraphError: from `validate`, if the arrays do not describe a network.

    Two graphs are equal when their hashes are, that is up to the order of independent nodes.
    """

    nodes_NK: IntArray
    input_ptr: IntArray
    inputs: IntArray
    name: str = ""

    def __len__(self) -> int:
        return len(self.nodes_NK)

    @property
    def num_edges(self) -> int:
        return len(self.inputs)

    @property
    def ops(self) -> IntArray:
        """Operator number of each node, shape (N,)."""
        return self.nodes_NK[:, OP]

    @property
    def parameters(self) -> int:
        """Trainable parameters of the whole network."""
        return int(self.nodes_NK[:, PARAMETERS].sum(dtype=np.int64))

    @property
    def coverage(self) -> float:
        """Share of the operators, inputs and outputs aside, that the vocabulary knows; 0 to 1."""
        counts = np.bincount(self.ops, minlength=len(Op))
        operators = len(self) - counts[Op.INPUT] - counts[Op.OUTPUT]
        return float(1 - counts[Op.UNKNOWN] / max(operators, 1))

    @property
    def edge_index(self) -> IntArray:
        """(2, E): the node that produces and the node that reads, edge by edge."""
        readers = np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.input_ptr))
        return np.stack([self.inputs, readers])

    def node(self, index: int) -> Node:
        """The decoded node at `index`."""
        return decode(self.nodes_NK[index].tobytes())

    def inputs_of(self, index: int) -> list[int]:
        """The nodes that `index` reads, in the order of its arguments."""
        chunk = self.inputs[self.input_ptr[index] : self.input_ptr[index + 1]]
        return [int(i) for i in chunk]

    def walk(self) -> Iterator[tuple[int, Node, list[int]]]:
        """(index, node, inputs) of every node, producers before readers."""
        for index in range(len(self)):
            yield index, self.node(index), self.inputs_of(index)

    def nodes_of(self, op: Op) -> list[int]:
        """Indices of the nodes of one operator."""
        return [int(i) for i in np.flatnonzero(self.ops == op)]

    @cached_property
    def hash(self) -> str:
        """32 hex digits: equal for isomorphic networks, different for others with rare exceptions.

        A Weisfeiler-Lehman colouring that follows the order of the computation: a digest of what
        each node computes (its row and its inputs' digests), then of how its result is read. Inputs
        of commutative operators are sorted; the order of independent nodes does not matter. As
        every such colouring it is blind to how equal branches are paired: with two equal
        convolutions a and b, f(a + b) + f(a + b) and f(a + a) + f(b + b) get one hash.
        """
        forward: list[bytes] = []
        commutative = {int(op) for op in COMMUTATIVE}
        rows, ops = [row.tobytes() for row in self.nodes_NK], self.ops.tolist()
        read_by: list[list[bytes]] = [[] for _ in rows]
        all_inputs = [self.inputs_of(i) for i in range(len(self))]
        for row, op, inputs in zip(rows, ops, all_inputs, strict=True):
            below = [forward[i] for i in inputs]
            forward.append(_digest(row, *(sorted(below) if op in commutative else below)))
        colours: list[bytes] = []
        for index in reversed(range(len(rows))):
            colour = _digest(forward[index], *sorted(read_by[index]))
            colours.append(colour)
            ordered = ops[index] not in commutative
            for position, source in enumerate(all_inputs[index]):
                read_by[source].append(colour + bytes([position % 256 if ordered else 0]))
        return _digest(*sorted(colours)).hex()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ComputationGraph) and self.hash == other.hash

    def __hash__(self) -> int:
        return int(self.hash[:15], 16)

    def validate(self) -> "ComputationGraph":
        """Returns the graph itself, or raises GraphError where the arrays are not a network."""
        nodes, ptr = self.nodes_NK, self.input_ptr
        if nodes.ndim != 2 or nodes.shape[1] != WIDTH or len(nodes) == 0:
            raise GraphError(f"node table has shape {nodes.shape}, expected (at least 1, {WIDTH})")
        if ptr.ndim != 1 or self.inputs.ndim != 1:
            raise GraphError("input_ptr and inputs must have one axis")
        if len(ptr) != len(nodes) + 1 or ptr[0] != 0 or ptr[-1] != len(self.inputs):
            raise GraphError("input_ptr must hold N + 1 values from 0 to the number of edges")
        if (np.diff(ptr) < 0).any():
            raise GraphError("input_ptr must not fall")
        sources, readers = self.edge_index
        if ((sources < 0) | (sources >= readers)).any():
            raise GraphError(
                "a node reads one that does not come before it: a cycle or a bad order"
            )
        if not np.isin(nodes[:, [OP, ACTIVATION]], [int(op) for op in Op]).all():
            raise GraphError("the node table holds operators that this vocabulary does not know")
        return self

    def save(self, path: Path | str) -> None:
        """Writes the graph as a compressed `.npz` of plain arrays."""
        with atomic_file(Path(path)) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(
                stream,
                version=np.array([GRAPH_FORMAT, VOCABULARY_VERSION]),
                nodes=self.nodes_NK,
                input_ptr=self.input_ptr,
                inputs=self.inputs,
                name=np.array(self.name),
            )

    @classmethod
    def load(cls, path: Path | str) -> "ComputationGraph":
        """Reads a graph that `save` wrote; nothing is unpickled.

        Raises:
            GraphError: the file is no graph, or of another format or vocabulary version.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                version = tuple(int(v) for v in file["version"])
                names = ("nodes", "input_ptr", "inputs")
                nodes, input_ptr, inputs = (file[name].astype(np.int32) for name in names)
                name = str(file["name"])
        except _UNREADABLE as error:
            raise GraphError(f"{path}: not a saved computation graph ({error})") from None
        if version != (GRAPH_FORMAT, VOCABULARY_VERSION):
            raise GraphError(
                f"{path}: graph format and vocabulary {version}, this version reads "
                f"{(GRAPH_FORMAT, VOCABULARY_VERSION)}; build the graph again from its source"
            )
        try:
            return cls(nodes, input_ptr, inputs, name).validate()
        except GraphError as error:
            raise GraphError(f"{path}: {error}") from None


# What numpy raises for files that are cut short, damaged, or no archive of arrays at all.
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, TypeError, BadZipFile, zlib.error)


def _digest(*parts: bytes) -> bytes:
    return hashlib.blake2b(b"".join(parts), digest_size=16).digest()
