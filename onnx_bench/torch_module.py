"""From a computation graph to a module that runs and trains.

The one engine behind every label that we make and every score that runs a network. Weights are
named after the node, `n12.weight`, as in the exported ONNX model, so that a `state_dict` fits both.
"""

from functools import partial

from torch import Tensor, nn

from onnx_bench import rows
from onnx_bench.errors import GraphError
from onnx_bench.graph import ComputationGraph, Node, Shape
from onnx_bench.operators import Op
from onnx_bench.torch_functions import ACTIVATION, FUNCTIONS, Function
from onnx_bench.torch_weighted import LAYERS


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
            with rows.named(index, node, "run"):
                step = self._step(index, node, [graph.node(i).out_shape for i in inputs])
            self._steps.append((index, step, inputs))
        self._last_use = {source: index for index, _, inputs in self._steps for source in inputs}

    def _step(self, index: int, node: Node, in_shapes: list[Shape]) -> Function:
        """What runs a node; its module, where it has weights, becomes a part of this one."""
        rows.check(node, in_shapes)
        skipped, core = rows.lead(node), rows.core(node)
        layer = LAYERS[node.op](core, in_shapes) if node.op in LAYERS else None
        if layer is not None:
            self.add_module(f"n{index}", layer)
        step: Function = layer if layer is not None else FUNCTIONS[node.op](core)
        if skipped:
            step = partial(_folded, step, skipped, node.out_shape)
        if node.op in rows.BROADCASTS and len({len(shape) for shape in in_shapes}) > 1:
            step = partial(_aligned, step, [len(shape) for shape in in_shapes])
        if node.activation != Op.UNKNOWN:
            step = partial(_followed, step, ACTIVATION[node.activation])
        return step

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
    """The runnable, trainable module of a graph, with torch's default initialisation.

    What rows do not keep is taken as `rows` says. EMBEDDING takes the whole part of its input,
    modulo the rows of its table.

    Raises:
        GraphError: a node whose row does not say enough to run it.
    """
    return GraphModule(graph)


# These are partial functions and no closures, so that a copy of a module copies what they hold.


def _folded(step: Function, skipped: int, shape: Shape, *xs: Tensor) -> Tensor:
    """`step` with the axes that lie along the batch made part of it."""
    return step(*(x.flatten(0, skipped) for x in xs)).reshape(-1, *shape)


def _aligned(step: Function, ranks: list[int], *xs: Tensor) -> Tensor:
    """`step` on inputs of one rank: else the batch of a smaller one would meet another axis."""
    missing = (max(ranks) - rank for rank in ranks)
    pairs = zip(xs, missing, strict=True)
    return step(*(x.reshape(len(x), *(1,) * count, *x.shape[1:]) for x, count in pairs))


def _followed(step: Function, activation: Function, *xs: Tensor) -> Tensor:
    """`step` and the activation that is fused onto its node."""
    return activation(step(*xs))
