"""From a computation graph to a module that runs and trains.

The one engine behind every label that we make and every score that runs a network. Weights are
named after the node, `n12.weight`, as in the exported ONNX model, so that a `state_dict` fits both.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from onnx_bench.errors import GraphError
from onnx_bench.graph import ComputationGraph, Node
from onnx_bench.operators import ACTIVATIONS, Op

Function = Callable[..., Tensor]


class GraphModule(nn.Module):
    """Runs a graph node by node. Inputs carry a batch axis in front of the graph's shapes.

    Returns the output tensor, or a tuple of them where the graph has several.
    """

    def __init__(self, graph: ComputationGraph) -> None:
        super().__init__()
        self._steps: list[tuple[int, Function, list[int]]] = []
        self._inputs = graph.nodes_of(Op.INPUT)
        self._outputs = graph.nodes_of(Op.OUTPUT)
        for index, node, inputs in graph.walk():
            if node.op == Op.INPUT:
                continue
            layer = _layer(node)
            if layer is not None:
                self.add_module(f"n{index}", layer)
            step = layer if layer is not None else _function(node)
            if node.op in (Op.ADD, Op.MUL):
                step = _aligned(step, [len(graph.node(i).out_shape) for i in inputs])
            self._steps.append((index, _activated(step, node.activation), inputs))
        self._last_use = {source: index for index, _, inputs in self._steps for source in inputs}

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        if len(inputs) != len(self._inputs):
            raise GraphError(f"the network has {len(self._inputs)} inputs, got {len(inputs)}")
        values: dict[int, Tensor] = dict(zip(self._inputs, inputs, strict=True))
        results: dict[int, Tensor] = {}
        for index, step, sources in self._steps:
            values[index] = step(*(values[s] for s in sources))
            if index in self._outputs:
                results[index] = values[index]
            for source in sources:
                if self._last_use[source] == index:
                    values.pop(source, None)  # frees memory where no gradient holds it
        outputs = tuple(results.values())
        return outputs[0] if len(outputs) == 1 else outputs


def to_torch(graph: ComputationGraph) -> GraphModule:
    """The runnable, trainable module of any graph, with torch's default initialisation.

    Raises:
        GraphError: the graph holds an operator outside the vocabulary.
    """
    return GraphModule(graph)


class Position(nn.Module):
    """Adds a learned tensor, drawn as for vision transformers (normal, deviation .02)."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape))
        nn.init.trunc_normal_(self.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight


class BatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation over axis 1 of inputs of any rank."""

    def _check_input_dim(self, input: Tensor) -> None:
        """Any rank will do."""


def _layer(node: Node) -> nn.Module | None:
    """The module of an operator that has weights."""
    match node.op:
        case Op.CONV:
            return Conv(node)
        case Op.LINEAR:
            return nn.Linear(node.in_shape[-1], node.out_shape[-1], node.bias)
        case Op.BATCH_NORM:
            return BatchNorm(node.in_shape[0])
        case Op.LAYER_NORM:
            return nn.LayerNorm(node.in_shape[-1])
        case Op.POSITION:
            return Position(node.in_shape)
        case _:
            return None


class Conv(nn.Conv2d):
    """Convolution whose padding may differ from side to side."""

    def __init__(self, node: Node) -> None:
        self.sides = _torch_padding(node)
        top, left, bottom, right = node.padding
        even = (top, left) == (bottom, right)
        super().__init__(
            node.in_shape[0],
            node.out_shape[0],
            node.kernel,
            node.stride,
            (top, left) if even else 0,
            node.dilation,
            node.groups,
            node.bias,
        )
        self.even = even

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input if self.even else F.pad(input, self.sides))


def _torch_padding(node: Node) -> tuple[int, int, int, int]:
    top, left, bottom, right = node.padding
    return (left, right, top, bottom)


def _activated(step: Function, activation: Op) -> Function:
    """`step` followed by the activation fused onto its node, if there is one."""
    if activation == Op.UNKNOWN:
        return step
    function = _ACTIVATION[activation]
    return lambda *xs: function(step(*xs))


_ACTIVATION: dict[Op, Function] = {
    Op.RELU: F.relu,
    Op.RELU6: F.relu6,
    Op.SIGMOID: torch.sigmoid,
    Op.TANH: torch.tanh,
    Op.GELU: F.gelu,
    Op.SILU: F.silu,
    Op.HARD_SWISH: F.hardswish,
    Op.HARD_SIGMOID: F.hardsigmoid,
}


def _function(node: Node) -> Function:
    """The function of an operator without weights."""
    if node.op in ACTIVATIONS:
        return _ACTIVATION[node.op]
    if node.op not in _FUNCTIONS:
        raise GraphError(f"cannot run operator {node.op.label!r}: it is outside the vocabulary")
    return _FUNCTIONS[node.op](node)


def _aligned(step: Function, ranks: list[int]) -> Function:
    """`step` on inputs of one rank: else the batch of a smaller one would meet another axis."""
    if len(set(ranks)) == 1:
        return step
    missing = [max(ranks) - rank for rank in ranks]

    def run(*xs: Tensor) -> Tensor:
        pairs = zip(xs, missing, strict=True)
        return step(*(x.reshape(len(x), *(1,) * count, *x.shape[1:]) for x, count in pairs))

    return run


def _max_pool(node: Node) -> Function:
    top, left, bottom, right = node.padding
    even = (top, left) == (bottom, right)
    sides, ceil = _torch_padding(node), bool(node.attribute(1))
    if ceil and not even:
        raise GraphError("max_pool: uneven padding together with ceil cannot be run")

    def run(x: Tensor) -> Tensor:
        if not even:
            x = F.pad(x, sides, value=float("-inf"))
        inner = (top, left) if even else (0, 0)
        return F.max_pool2d(x, node.kernel, node.stride, inner, ceil_mode=ceil)

    return run


def _avg_pool(node: Node) -> Function:
    top, left, bottom, right = node.padding
    counted, ceil = bool(node.attribute(0)), bool(node.attribute(1))
    if (top, left) == (bottom, right):
        return lambda x: F.avg_pool2d(x, node.kernel, node.stride, (top, left), ceil, counted)
    if ceil:
        raise GraphError("avg_pool: uneven padding together with ceil cannot be run")
    sides = _torch_padding(node)

    def run(x: Tensor) -> Tensor:
        mean = F.avg_pool2d(F.pad(x, sides), node.kernel, node.stride)
        if counted:
            return mean
        inside = F.pad(torch.ones_like(x[:1, :1]), sides)
        return mean / F.avg_pool2d(inside, node.kernel, node.stride)

    return run


def _attention(node: Node) -> Function:
    heads = node.attribute(0)

    def split(x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], heads, -1).transpose(1, 2)

    def run(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        y = F.scaled_dot_product_attention(split(query), split(key), split(value))
        return y.transpose(1, 2).flatten(2)

    return run


def _slice(node: Node) -> Function:
    axis, start = node.attribute(0), node.attribute(1)
    length = node.out_shape[axis]
    return lambda x: x.narrow(axis + 1, start, length)


def _transpose(node: Node) -> Function:
    axes = (0, *(node.attribute(i) + 1 for i in range(len(node.in_shape))))
    return lambda x: x.permute(axes)


def _sum(*xs: Tensor) -> Tensor:
    total = xs[0] + xs[1]
    for x in xs[2:]:
        total = total + x
    return total


def _product(*xs: Tensor) -> Tensor:
    total = xs[0] * xs[1]
    for x in xs[2:]:
        total = total * x
    return total


def _same(x: Tensor) -> Tensor:
    return x


_FUNCTIONS: dict[Op, Callable[[Node], Function]] = {
    Op.OUTPUT: lambda _: _same,
    Op.IDENTITY: lambda _: _same,
    Op.ZERO: lambda _: torch.zeros_like,
    Op.SOFTMAX: lambda _: lambda x: x.softmax(-1),
    Op.ADD: lambda _: _sum,
    Op.MUL: lambda _: _product,
    Op.CONCAT: lambda node: lambda *xs: torch.cat(xs, node.attribute(0) + 1),
    Op.MATMUL: lambda _: torch.matmul,
    Op.ATTENTION: _attention,
    Op.MAX_POOL: _max_pool,
    Op.AVG_POOL: _avg_pool,
    Op.GLOBAL_AVG_POOL: lambda _: lambda x: x.mean((2, 3), keepdim=True),
    Op.MEAN: lambda _: lambda x: x.mean(1),
    Op.SLICE: _slice,
    Op.RESHAPE: lambda node: lambda x: x.reshape(-1, *node.out_shape),
    Op.TRANSPOSE: _transpose,
}
