"""Hierarchical NAS-Bench-201 (Schrodi et al., NeurIPS 2023): a grammar down to the convolutions.

The grammar is the paper's, as its public code has it: D2, D1 and D0 lay out the network, DOWN
halves the size, C groups cells, CELL is the cell of NAS-Bench-201 and each of its edges an OPS,
whose convolutions choose activation, kernel and normalisation (CONVBLOCK). A production's first
word says how its parts are wired: LinearN one after another, ResidualN with a path beside, Cell as
in NAS-Bench-201. All members halve the size twice, from 16 channels to 64.

The text is the derivation, `(D2 Linear3 (D1 ...) (D1 ...) (D0 ...))`, assumed to be how the
authors' code prints it. A cell whose `zero` edges cut its output from its input is no member. Layer
normalisation has a scale and a shift of the whole (C, H, W), as there.

There are some 10^376 members; the paper's 10^446 counts a production that its grammar lists two
times as two.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from onnx_bench.builder import GraphBuilder
from onnx_bench.families.base import Family
from onnx_bench.families.hnasbench201_grammar import (
    BLOCK,
    RES_BLOCK,
    START,
    TOPOLOGIES,
    Tree,
    drawn,
    exchanges,
    first,
    read,
    write,
)
from onnx_bench.families.nasbench201 import EDGES, classifier, reduction, stem
from onnx_bench.graph import ComputationGraph, Shape
from onnx_bench.operators import Op

CHANNELS = 16


class HNasBench201(Family[Tree]):
    """The derivations of the full grammar.

    Args:
        input_shape: (C, H, W).
        classes: outputs of the last linear.
    """

    name = "hnasbench201"
    source = "Schrodi et al., NeurIPS 2023"
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "cifar100": {"classes": 100},
        "imagenet16": {"input_shape": (3, 16, 16), "classes": 120},
        "addnist": {"input_shape": (3, 28, 28), "classes": 20},
        "cifartile": {"input_shape": (3, 64, 64), "classes": 4},
    }

    def __init__(self, input_shape: Shape = (3, 32, 32), classes: int = 10) -> None:
        self.input_shape, self.classes = input_shape, classes

    def parse(self, text: str) -> Tree:
        try:
            return read(text)
        except ValueError as error:
            raise self.refuse(text, str(error)) from None

    def format(self, spec: Tree) -> str:
        return write(spec)

    def sample(self, rng: np.random.Generator) -> Tree:
        """A production at random for each symbol; `zero` only where the cell stays connected."""
        return drawn(rng, START)

    def neighbours(self, spec: Tree) -> list[Tree]:
        """One production exchanged, whose parts stay as far as both have them.

        A part that only the new production has is a copy of the last of its kind, or else the
        first that the grammar lists.
        """
        changed = dict.fromkeys(exchanges(spec))
        changed.pop(spec, None)
        return list(changed)

    def build(self, spec: Tree) -> ComputationGraph:
        g = GraphBuilder()
        x = g.stamp(g.input(*self.input_shape), stem, CHANNELS)
        x = _wire(g, x, spec)
        g.output(g.stamp(x, classifier, self.classes))
        return g.build(f"{self.name}:{self.format(spec)}")


def _wire(g: GraphBuilder, x: int, tree: Tree) -> int:
    """The network of a derivation, behind `x`."""
    if tree.symbol == "CELL":
        return _cell(g, x, tree.parts)
    if tree.symbol == BLOCK:
        return g.stamp(x, reduction, 2 * g.shape(x)[0])
    edges = TOPOLOGIES[tree.terminal]
    arriving: dict[int, list[int]] = {}
    values = {0: x}
    for (source, target), part in zip(edges, tree.parts, strict=True):
        if source not in values:
            values[source] = g.add(*arriving[source])
        arriving.setdefault(target, []).append(_wire(g, values[source], part))
    return g.add(*arriving[edges[-1][1]])


def _cell(g: GraphBuilder, x: int, parts: tuple[Tree, ...]) -> int:
    """What `_wire` would do, but faster: most of a network is in its cells."""
    arriving: list[list[int]] = [[], [], [], []]
    nodes = [x]
    for part, (source, target) in zip(parts, EDGES, strict=True):
        y = nodes[source]
        arriving[target].append(y if part.terminal == "id" else g.stamp(y, _operation, part))
        if source == target - 1:
            nodes.append(g.add(*arriving[target]))
    return nodes[-1]


def _operation(g: GraphBuilder, x: int, tree: Tree) -> int:
    match tree.terminal:
        case "zero":
            return g.zero(x)
        case "avg_pool":
            return g.avg_pool(x, 3)
    act, conv, norm = (part.terminal for part in tree.parts[0].parts)
    x = g.unary({"relu": Op.RELU, "hardswish": Op.HARD_SWISH, "mish": Op.MISH}[act], x)
    if conv == "dconv3x3o":
        x = g.depthwise(x, 3)
    else:
        x = g.conv(x, g.shape(x)[0], 3 if conv == "conv3x3o" else 1)
    match norm:
        case "batch":
            return g.batch_norm(x)
        case "instance":
            return g.instance_norm(x)
        case _:
            return g.reshape(g.layer_norm(g.flatten(x)), *g.shape(x))


def _example() -> Tree:
    """A small member: one convolution and five other edges in each of its cells."""
    conv = Tree("OPS", "Linear1", (first("CONVBLOCK"),))
    plain, pool, zero = (Tree("OPS", name) for name in ("id", "avg_pool", "zero"))
    cell = Tree("CELL", "Cell", (conv, zero, plain, zero, zero, pool))
    c = Tree("C", "Linear2", (cell, cell))
    down = Tree("DOWN", "Linear2", (cell, RES_BLOCK))
    d1 = Tree("D1", "Linear3", (c, c, down))
    return Tree("D2", "Linear3", (d1, d1, Tree("D0", "Linear3", (c, c, cell))))


HNasBench201.example = HNasBench201().format(_example())
