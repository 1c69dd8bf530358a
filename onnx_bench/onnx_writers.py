"""Writing a graph in ONNX: the model while it grows, and the table of what writes each operator.

The operators are in `onnx_functions.py` and, those with weights, in `onnx_weighted.py`: one ONNX
node for each node of the graph where ONNX has the operator, else the fewest that compute it. Each
carries the name of the graph node that it belongs to as metadata (`ORIGIN`): where two networks
would be written with the same operators (SiLU, and a product with a sigmoid), this tells them
apart.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from onnx_bench import rows
from onnx_bench.errors import GraphError
from onnx_bench.graph import ComputationGraph, Node, Shape
from onnx_bench.operators import ONNX_UNARY, Op

OPSET = 23  # the first with Attention
IR_VERSION = 11  # what opset 23 asks for
BATCH = "batch"
ORIGIN = "onnx_bench.node"

Array = npt.NDArray[np.float32]
Source = Callable[[str, Shape, Op], Array]
"""(name, shape, operator) -> the weight of that name."""


class Site(NamedTuple):
    """One node of the graph and the ONNX values that it reads and writes."""

    name: str
    node: Node
    inputs: list[str]
    in_shapes: list[Shape]
    output: str

    @property
    def prefix(self) -> str:
        """What the names of its weights begin with."""
        return self.name.split(".")[0]

    @property
    def origin(self) -> str:
        """The node itself, also where the site is a part of it."""
        return ".".join(self.name.split(".")[:2])


class Writer:
    """The ONNX graph while it grows."""

    def __init__(self, graph: ComputationGraph, source: Source) -> None:
        self.proto = onnx.GraphProto(name=graph.name or "network")
        self._graph, self._source = graph, source
        self._values: list[str] = _value_names(graph)
        self._scalars: dict[float, str] = {}

    def write(self, index: int, node: Node, inputs: list[int]) -> None:
        """Adds one node of the graph."""
        value = self._values[index]
        site = Site(
            f"n{index}.{node.op.label}",
            node,
            [self._values[i] for i in inputs],
            [self._graph.node(i).out_shape for i in inputs],
            value,
        )
        if rows.lead(node):
            self._write_folded(site)
        else:
            self._write(site)
        self._declare(node, value)

    def _write(self, site: Site) -> None:
        op = site.node.op
        if op in WRITERS:
            WRITERS[op](self, site)
        elif op in ONNX_UNARY:
            self.emit(site, ONNX_UNARY[op], *site.inputs)
        else:
            raise GraphError(f"no writer knows the operator {op.label}")

    def _write_folded(self, site: Site) -> None:
        """Writes a node with the axes that lie along the batch made part of it, and back."""
        skipped = rows.lead(site.node)
        inner_shapes = [shape[skipped:] for shape in site.in_shapes]
        inputs = []
        for rank, (value, shape) in enumerate(zip(site.inputs, inner_shapes, strict=True)):
            part = f"input_{rank}"
            wanted = self.ints(site, f"{part}.shape", -1, *shape)
            inputs.append(self.emit(site, "Reshape", value, wanted, part=part))
        name = f"{site.name}.core"
        self._write(Site(name, rows.core(site.node), inputs, inner_shapes, name))
        back = self.ints(site, "shape", -1, *site.node.out_shape)
        self.emit(site, "Reshape", name, back)

    def _declare(self, node: Node, value: str) -> None:
        """Says the shape of a node's value."""
        info = helper.make_tensor_value_info(value, TensorProto.FLOAT, [BATCH, *node.out_shape])
        ends = {Op.INPUT: self.proto.input, Op.OUTPUT: self.proto.output}
        if node.op in ends or not value.startswith("output"):
            ends.get(node.op, self.proto.value_info).append(info)

    def emit(
        self, site: Site, operator: str, *inputs: str, part: str = "", **attributes: Any
    ) -> str:
        """Adds an ONNX node; `part` names one that is not the last of its graph node."""
        name = f"{site.name}.{part}" if part else site.name
        output = name if part else site.output
        proto = helper.make_node(operator, inputs, [output], name, **attributes)
        proto.metadata_props.add(key=ORIGIN, value=site.origin)
        self.proto.node.append(proto)
        return output

    def weight(self, site: Site, role: str, shape: Shape) -> Array:
        """The array `n3.role` of the node."""
        return self._source(f"{site.prefix}.{role}", shape, site.node.op)

    def learned(self, site: Site, role: str, shape: Shape) -> str:
        """The initialiser that holds a weight under its own name."""
        return self.tensor(f"{site.prefix}.{role}", self.weight(site, role, shape))

    def tensor(self, name: str, array: npt.NDArray[Any]) -> str:
        """Adds an initialiser; returns its name."""
        kind = TensorProto.INT64 if array.dtype.kind == "i" else TensorProto.FLOAT
        self.proto.initializer.add(
            name=name, dims=array.shape, data_type=kind, raw_data=array.tobytes()
        )
        return name

    def ints(self, site: Site, role: str, *values: int) -> str:
        """An initialiser of a few integers: a shape, axes, bounds."""
        return self.tensor(f"{site.name}.{role}", np.array(values, "<i8"))

    def filled(self, site: Site, role: str, shape: Shape, value: float) -> str:
        """A constant of one number throughout, which nothing is learned of."""
        sizes = self.ints(site, f"{role}.shape", *shape)
        return self.emit(site, "Expand", self.scalar(value), sizes, part=role)

    def scalar(self, value: float) -> str:
        """The initialiser of a number, one for all nodes."""
        if value not in self._scalars:
            self._scalars[value] = self.tensor(f"scalar.{value:g}", np.array(value, "<f4"))
        return self._scalars[value]


def _value_names(graph: ComputationGraph) -> list[str]:
    """The ONNX value of each node; what an OUTPUT reads is itself `output` where it can be."""
    names = [f"n{i}" for i in range(len(graph))]
    for op in (Op.INPUT, Op.OUTPUT):
        for rank, index in enumerate(graph.nodes_of(op)):
            names[index] = f"{op.label}_{rank}" if rank else op.label
    for index in graph.nodes_of(Op.OUTPUT):
        (source,) = graph.inputs_of(index)
        if names[source] == f"n{source}":
            names[source] = names[index]
    return names


Write = Callable[[Writer, Site], object]
WRITERS: dict[Op, Write] = {Op.INPUT: lambda _writer, _site: None}
"""What writes each operator, where `ONNX_UNARY` does not say it all."""


def writes(*ops: Op) -> Callable[[Write], Write]:
    """Registers the function that writes these operators."""

    def register(write: Write) -> Write:
        WRITERS.update(dict.fromkeys(ops, write))
        return write

    return register
