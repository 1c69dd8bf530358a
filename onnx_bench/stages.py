"""The stages of a network: runs of nodes that work at one resolution."""

from collections import Counter
from heapq import heappop, heappush
from itertools import groupby
from math import prod
from typing import NamedTuple

import numpy as np

from onnx_bench.cost import activations_N, macs_N, parameters_N
from onnx_bench.graph import ComputationGraph, Node, Shape
from onnx_bench.operators import Op

Resolution = tuple[int, ...]
"""3, H, W of images (further axes follow); 2, T, C of tokens; nothing where one place is left."""
Run = tuple[Resolution, list[int]]

INTERRUPTION = 32
"""The most nodes that a stage holds at other resolutions in one piece: attention written out."""
ENDS = (Op.INPUT, Op.OUTPUT)


class Stage(NamedTuple):
    """A run of nodes that work at one resolution."""

    name: str
    """The resolution, as "32×32" or "16×64 tokens"; "head" behind the last image or token."""
    nodes: tuple[int, ...]
    """Their numbers, rising."""
    operators: dict[str, int]
    """Nodes of each operator, inputs and outputs of the network aside, in alphabetical order."""
    out_shape: Shape
    """What its last node at this resolution gives."""
    macs: int
    parameters: int
    activations: int


def stages(graph: ComputationGraph) -> list[Stage]:
    """Splits a network where the resolution of its tensors changes; each node is in one stage.

    A stage is a longest run of nodes of one resolution: H x W of images (C, H, W), T x C of tokens.
    Runs are those of the topological order that leaves a resolution as late as it can, and goes on
    with the largest: so parallel branches do not cut each other up. Three rules more:

    - What comes back to the resolution belongs to the stage: squeeze-excitation, the wide half of a
      transformer block, attention written out. Up to `INTERRUPTION` nodes, no strided window.
    - A run of as few without weights and MACs (an input, a reshape) belongs to the stage behind.
    - Behind the last image or token is the head, whatever it holds.
    """
    nodes = [node for _, node, _ in graph.walk()]
    keys = [_resolution(node.out_shape) for node in nodes]
    sums = [count(graph.nodes_NK) for count in (macs_N, parameters_N, activations_N)]
    runs = [(key, list(run)) for key, run in groupby(_order(graph, keys), keys.__getitem__)]
    works = ((sums[0] > 0) | (sums[1] > 0)).tolist()
    runs = _forward(_absorb(runs, nodes, keys), works)
    found = []
    for number, (key, run) in enumerate(runs, 1):
        last = [i for i in run if keys[i] == key][-1]
        operators = Counter(nodes[i].op.label for i in run if nodes[i].op not in ENDS)
        found.append(
            Stage(
                _name(key, is_last=1 < number == len(runs)),
                tuple(sorted(run)),
                dict(sorted(operators.items())),
                nodes[last].out_shape,
                *(int(sums_N[run].sum()) for sums_N in sums),
            )
        )
    return found


def _name(key: Resolution, is_last: bool) -> str:
    if not key:
        return "head" if is_last else "vectors"
    return "×".join(map(str, key[1:])) + (" tokens" if key[0] == 2 else "")


def _resolution(shape: Shape) -> Resolution:
    if len(shape) >= 3:
        return (3, *shape[1:]) if prod(shape[1:]) > 1 else ()
    return (2, *shape) if len(shape) == 2 and shape[0] > 1 else ()


def _order(graph: ComputationGraph, keys: list[Resolution]) -> list[int]:
    """Nodes in topological order, one resolution as long as any node of it is ready."""
    waits = np.diff(graph.input_ptr).tolist()
    readers: list[list[int]] = [[] for _ in waits]
    for source, reader in graph.edge_index.T.tolist():
        readers[source].append(reader)
    ready: dict[Resolution, list[int]] = {}
    for i, count in enumerate(waits):
        if count == 0:
            ready.setdefault(keys[i], []).append(i)
    order: list[int] = []
    key: Resolution = ()
    while len(order) < len(waits):
        if not ready.get(key):
            ready.pop(key, None)
            key = max(ready, key=lambda k: (_places(k), -ready[k][0]))
        i = heappop(ready[key])
        order.append(i)
        for reader in readers[i]:
            waits[reader] -= 1
            if waits[reader] == 0:
                heappush(ready.setdefault(keys[reader], []), reader)
    return order


def _places(key: Resolution) -> int:
    """Pixels or tokens; 0 where one place is left."""
    return prod(key[1:]) if key[:1] == (3,) else key[1] if key else 0


def _absorb(runs: list[Run], nodes: list[Node], keys: list[Resolution]) -> list[Run]:
    """Joins a run with those behind it as far as its resolution comes back soon."""
    found: list[Run] = []
    at = 0
    while at < len(runs):
        key, run = runs[at]
        at += 1
        while key and (back := _return(key, runs[at : at + INTERRUPTION + 1], nodes, keys)):
            run = run + [i for _, more in runs[at : at + back] for i in more]
            at += back
        found.append((key, run))
    return found


def _return(key: Resolution, runs: list[Run], nodes: list[Node], keys: list[Resolution]) -> int:
    """How many runs it takes to come back to resolution `key`; 0 if that is too far."""
    length = 0
    for number, (other, run) in enumerate(runs, 1):
        if other == key:
            return number
        length += len(run)
        strided = any(keys[i] and max(nodes[i].stride) > 1 for i in run)
        if strided or length > INTERRUPTION:
            break
    return 0


def _forward(runs: list[Run], works: list[bool]) -> list[Run]:
    """Puts short runs that compute nothing before the next one, into its stage."""
    found: list[Run] = []
    idle: list[int] = []
    for number, (key, run) in enumerate(runs, 1):
        is_idle = len(run) <= INTERRUPTION and not any(works[i] for i in run)
        if is_idle and number < len(runs):
            idle += run
        else:
            before = found.pop()[1] if found and found[-1][0] == key else []
            found.append((key, before + idle + run))
            idle = []
    return found
