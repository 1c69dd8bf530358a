"""The canonical form: passes that give one network one graph, whoever wrote it down.

A pass rewrites a trace in place and never changes what the network computes. `SIMPLIFY` gives the
atomic form, every operator its own node; `fuse` the fused form, which is blind to the spelling:
batch normalisation folded, attention one operator, activations on their producers, and layout
implied by the shapes in which nodes read their inputs.
"""

from collections.abc import Callable

from onnx_bench.canonical import (
    activations,
    attention,
    axes,
    batch_norm,
    constants,
    dead,
    einsum,
    fusion,
    joins,
    layout,
    linear,
    noops,
    norms,
    padding,
    pooling,
    scalars,
    spelling,
    twins,
    views,
    zeros,
)
from onnx_bench.graph import ComputationGraph
from onnx_bench.lowering import lift, lower
from onnx_bench.trace import Trace

Pass = Callable[[Trace], None]

SIMPLIFY: tuple[Pass, ...] = (
    dead.drop,
    spelling.undo,
    noops.drop,
    einsum.expand,
    activations.recognise,
    norms.recognise,
    axes.turn,
    linear.recognise,
    pooling.unify,
    constants.absorb,
    views.merge,
    noops.drop,
    dead.drop,
)
"""Passes to the atomic form, in order."""
FUSE: tuple[Pass, ...] = (
    dead.drop,
    scalars.drop,
    noops.drop,
    zeros.drop,
    twins.merge,
    activations.recognise,
    attention.recognise,
    pooling.unify_lines,
    layout.drop,
    padding.absorb,
    batch_norm.fold,
    joins.flatten,
    fusion.fuse,
    dead.drop,
)
"""Passes from the atomic to the fused form, in order."""


def simplify(trace: Trace) -> None:
    """Brings a trace to the atomic form."""
    for rewrite in SIMPLIFY:
        rewrite(trace)


def fuse(graph: ComputationGraph) -> ComputationGraph:
    """The fused form of a graph.

    Equal for one network whether it was built, recorded or exported, with batch normalisation
    folded or not. Parameters are those that the shapes ask for: folded normalisation leaves a bias,
    tied weights count each time, and a constant counts as if it were learned. Layout is not kept,
    so a fused graph is for reading, comparing and predicting; the atomic one runs.
    """
    trace = lift(graph)
    for rewrite in FUSE:
        rewrite(trace)
    return lower(trace)
