"""How each operator of the vocabulary is written in ONNX.

One ONNX node for each node of the graph where ONNX has the operator, else the fewest that compute
it. Each carries the name of the graph node that it belongs to as metadata (`ORIGIN`): where two
networks would be written with the same operators (SiLU, and a product with a sigmoid), this tells
them apart.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from onnx_bench.graph import ComputationGraph, Node, Shape
from onnx_bench.operators import ONNX_UNARY, Op

OPSET = 23  # the first with Attention
IR_VERSION = 11  # what opset 23 asks for
BATCH = "batch"
ORIGIN = "onnx_bench.node"
EPSILON = 1e-5

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
        if node.op in _WRITERS:
            _WRITERS[node.op](self, site)
        elif node.op in ONNX_UNARY:
            self.emit(site, ONNX_UNARY[node.op], *site.inputs)
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
        proto.metadata_props.add(key=ORIGIN, value=site.name)
        self.proto.node.append(proto)
        return output

    def weight(self, site: Site, role: str, shape: Shape) -> Array:
        """The array `n3.role` of the node."""
        return self._source(f"{_prefix(site)}.{role}", shape, site.node.op)

    def learned(self, site: Site, role: str, shape: Shape) -> str:
        """The initialiser that holds a weight under its own name."""
        return self.tensor(f"{_prefix(site)}.{role}", self.weight(site, role, shape))

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

    def scalar(self, value: float) -> str:
        """The initialiser of a number, one for all nodes."""
        if value not in self._scalars:
            self._scalars[value] = self.tensor(f"scalar.{value:g}", np.array(value, "<f4"))
        return self._scalars[value]


def _prefix(site: Site) -> str:
    return site.name.partition(".")[0]


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


# one writer for each operator that is more than a name

_WRITERS: dict[Op, Callable[[Writer, Site], object]] = {Op.INPUT: lambda _writer, _site: None}


def _writes(*ops: Op) -> Callable[[Callable[[Writer, Site], object]], None]:
    def register(function: Callable[[Writer, Site], object]) -> None:
        _WRITERS.update(dict.fromkeys(ops, function))

    return register


@_writes(Op.OUTPUT)
def _output(w: Writer, site: Site) -> None:
    # An input, or a value that has the name of another output already, needs a second name.
    if site.inputs[0] != site.output:
        w.emit(site, "Identity", *site.inputs)


@_writes(Op.CONV)
def _conv(w: Writer, site: Site) -> None:
    node = site.node
    channels = node.out_shape[0]
    weights = [w.learned(site, "weight", (channels, node.in_shape[0] // node.groups, *node.kernel))]
    if node.bias:
        weights.append(w.learned(site, "bias", (channels,)))
    window: dict[str, Any] = {"dilations": node.dilation, "group": node.groups, **_window(node)}
    w.emit(site, "Conv", *site.inputs, *weights, **window)


def _window(node: Node) -> dict[str, Any]:
    return {"kernel_shape": node.kernel, "strides": node.stride, "pads": node.padding}


@_writes(Op.LINEAR)
def _linear(w: Writer, site: Site) -> None:
    node = site.node
    features = node.out_shape[-1]
    shape = (features, node.in_shape[-1])
    bias = [w.learned(site, "bias", (features,))] if node.bias else []
    if len(node.in_shape) == 1:
        weight = w.learned(site, "weight", shape)
        w.emit(site, "Gemm", *site.inputs, weight, *bias, transB=1)
        return
    weight = w.tensor(f"{_prefix(site)}.weight.T", w.weight(site, "weight", shape).T)
    part = "matmul" if bias else ""
    product = w.emit(site, "MatMul", *site.inputs, weight, part=part)
    if bias:
        w.emit(site, "Add", product, *bias)


@_writes(Op.BATCH_NORM)
def _batch_norm(w: Writer, site: Site) -> None:
    shape = site.node.in_shape[:1]
    roles = ("weight", "bias", "running_mean", "running_var")
    weights = [w.learned(site, role, shape) for role in roles]
    w.emit(site, "BatchNormalization", *site.inputs, *weights, epsilon=EPSILON)


@_writes(Op.LAYER_NORM)
def _layer_norm(w: Writer, site: Site) -> None:
    weights = [w.learned(site, role, site.node.in_shape[-1:]) for role in ("weight", "bias")]
    w.emit(site, "LayerNormalization", *site.inputs, *weights, axis=-1, epsilon=EPSILON)


@_writes(Op.POSITION)
def _position(w: Writer, site: Site) -> None:
    array = w.weight(site, "weight", site.node.in_shape)
    # The leading axis tells a position from a bias.
    w.emit(site, "Add", *site.inputs, w.tensor(f"{_prefix(site)}.weight", array[None]))


@_writes(Op.RELU6)
def _relu6(w: Writer, site: Site) -> None:
    w.emit(site, "Clip", *site.inputs, w.scalar(0), w.scalar(6))


@_writes(Op.SILU)
def _silu(w: Writer, site: Site) -> None:
    gate = w.emit(site, "Sigmoid", *site.inputs, part="sigmoid")
    w.emit(site, "Mul", *site.inputs, gate)


@_writes(Op.HARD_SIGMOID)
def _hard_sigmoid(w: Writer, site: Site) -> None:
    w.emit(site, "HardSigmoid", *site.inputs, alpha=1 / 6, beta=0.5)


@_writes(Op.SOFTMAX)
def _softmax(w: Writer, site: Site) -> None:
    w.emit(site, "Softmax", *site.inputs, axis=-1)


@_writes(Op.ZERO)
def _zero(w: Writer, site: Site) -> None:
    w.emit(site, "Mul", *site.inputs, w.scalar(0))


@_writes(Op.ADD)
def _add(w: Writer, site: Site) -> None:
    terms = _aligned(w, site)
    w.emit(site, "Add" if len(terms) == 2 else "Sum", *terms)


@_writes(Op.MUL)
def _mul(w: Writer, site: Site) -> None:
    product, *factors = _aligned(w, site)
    for rank, factor in enumerate(factors[:-1]):
        product = w.emit(site, "Mul", product, factor, part=f"product_{rank}")
    w.emit(site, "Mul", product, factors[-1])


def _aligned(w: Writer, site: Site) -> list[str]:
    """The node's inputs in one rank: else the batch of a smaller one would meet another axis."""
    values = []
    for rank, (value, shape) in enumerate(zip(site.inputs, site.in_shapes, strict=True)):
        missing = len(site.node.out_shape) - len(shape)
        if missing:
            part = f"input_{rank}"
            axes = w.ints(site, f"{part}.axes", *range(1, missing + 1))
            value = w.emit(site, "Unsqueeze", value, axes, part=part)
        values.append(value)
    return values


@_writes(Op.CONCAT)
def _concat(w: Writer, site: Site) -> None:
    w.emit(site, "Concat", *site.inputs, axis=site.node.attribute(0) + 1)


@_writes(Op.MATMUL)
def _matmul(w: Writer, site: Site) -> None:
    w.emit(site, "MatMul", *site.inputs)


@_writes(Op.ATTENTION)
def _attention(w: Writer, site: Site) -> None:
    heads = site.node.attribute(0)
    w.emit(site, "Attention", *site.inputs, q_num_heads=heads, kv_num_heads=heads)


@_writes(Op.MAX_POOL)
def _max_pool(w: Writer, site: Site) -> None:
    node = site.node
    w.emit(site, "MaxPool", *site.inputs, ceil_mode=node.attribute(1), **_window(node))


@_writes(Op.AVG_POOL)
def _avg_pool(w: Writer, site: Site) -> None:
    node = site.node
    counts: dict[str, Any] = {
        "count_include_pad": node.attribute(0),
        "ceil_mode": node.attribute(1),
    }
    w.emit(site, "AveragePool", *site.inputs, **counts, **_window(node))


@_writes(Op.MEAN)
def _mean(w: Writer, site: Site) -> None:
    w.emit(site, "ReduceMean", *site.inputs, w.ints(site, "axes", 1), keepdims=0)


@_writes(Op.SLICE)
def _slice(w: Writer, site: Site) -> None:
    axis, start = site.node.attribute(0), site.node.attribute(1)
    end = start + site.node.out_shape[axis]
    bounds = [
        w.ints(site, role, value)
        for role, value in (("starts", start), ("ends", end), ("axes", axis + 1))
    ]
    w.emit(site, "Slice", *site.inputs, *bounds)


@_writes(Op.RESHAPE)
def _reshape(w: Writer, site: Site) -> None:
    # 0 keeps the batch, whatever its size.
    w.emit(site, "Reshape", *site.inputs, w.ints(site, "shape", 0, *site.node.out_shape))


@_writes(Op.TRANSPOSE)
def _transpose(w: Writer, site: Site) -> None:
    node = site.node
    permutation = [node.attribute(axis) + 1 for axis in range(len(node.in_shape))]
    w.emit(site, "Transpose", *site.inputs, perm=[0, *permutation])
