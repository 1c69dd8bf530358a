"""Layout: where values lie between two operators that compute.

Pre: attention is one step. Post: no step only rearranges: a reader names the shape in which it
reads (`read_as`), and reads the computing step itself. What is left are SLICE, where only a part is
read, and SHUFFLE, where the same shape is read in another order. Both are decided by the entries
that arrive, not by the steps that took them there, so every spelling of a split or a roll is one.
"""

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from onnx_bench.graph import Shape
from onnx_bench.operators import Op
from onnx_bench.trace import Step, Trace, Value

MOVES = frozenset({Op.RESHAPE, Op.TRANSPOSE, Op.SLICE, Op.EXPAND, Op.IDENTITY, Op.CONCAT})
_REDUCTIONS = frozenset({Op.REDUCE_MEAN, Op.REDUCE_SUM, Op.REDUCE_MAX})
MAX_ENTRIES = 1 << 22
"""Larger tensors are taken to be read whole: to follow their entries would take too long."""
MAX_MOVES = 64
"""Moves in a row that are followed; networks have a dozen at most."""

Move = tuple[Any, ...]
View = tuple[Value, tuple[Move, ...]]
"""A computed value and the moves that lead from it to another.

Where a value is written in another shape than it lies in, the first move is the shape it lies in.
"""


def drop(trace: Trace) -> None:
    """Lets every step that computes read what was computed."""
    _Dropping(trace).run()
    trace.drop_dead()


class _Dropping:
    """The trace while its layout is dropped."""

    def __init__(self, trace: Trace) -> None:
        self._trace, self._steps = trace, list[Step]()
        self._views: dict[Value, View] = {}
        self._parts: dict[tuple[Value, Move], Value] = {}
        self._given: dict[Value, Shape] = {}
        self._moves: dict[Value, int] = {}

    def run(self) -> None:
        for step in self._trace.steps:
            if not self._follow(step):
                self._compute(step)
        self._trace.outputs = [self._read(value) for value in self._trace.outputs]
        self._trace.steps = self._steps

    def _view(self, value: Value) -> View:
        return self._views.get(value, (value, ()))

    def _shape(self, value: Value) -> Shape:
        """The shape that a value had, whatever the one is in which it is written now."""
        return self._given.get(value, value.shape)

    def _follow(self, step: Step) -> bool:
        """Takes note of a step that only moves, instead of keeping it."""
        chosen = step.op == Op.GATHER and step.inputs[0].size == step.output.size
        if not (step.op in MOVES or chosen) or len(step.data_inputs) < len(step.inputs):
            return False
        views = [self._view(value) for value in step.inputs]
        root, before = views[0]
        if any(other is not root for other, _ in views) or not self._is_short(step):
            return False
        if "read_as" in step.attributes:
            before = (*before, ("reshape", step.attributes["read_as"][0]))
        move: Move
        match step.op:
            case Op.TRANSPOSE:
                move = ("transpose", step.attributes["permutation"])
            case Op.SLICE:
                a = step.attributes
                move = ("slice", a["axis"], a["start"], step.shape[a["axis"]], a.get("step", 1))
            case Op.EXPAND:
                move = ("expand", step.shape)
            case Op.CONCAT:
                moves = tuple(chain for _, chain in views)
                self._views[step.output] = (root, (("concat", step.attributes["axis"], moves),))
                return True
            case _:
                move = ("reshape", step.shape)
        self._views[step.output] = (root, (*before, move))
        return True

    def _is_short(self, step: Step) -> bool:
        """Whether the moves up to a step are few enough to be followed; counts them."""
        count = 1 + sum(self._moves.get(value, 0) for value in step.inputs)
        self._moves[step.output] = count
        grows = step.op in (Op.EXPAND, Op.CONCAT) and step.output.size > MAX_ENTRIES
        if count > MAX_MOVES or grows:
            self._moves[step.output] = 0
            return False
        return True

    def _compute(self, step: Step) -> None:
        data = step.data_inputs
        reads = step.attributes.get("read_as", [])
        reads = [*reads, *(self._shape(value) for value in data[len(reads) :])]
        step.attributes["read_as"] = [canonical(step.op, shape) for shape in reads]
        read = self._spread if step.op == Op.CONCAT else self._read
        step.inputs = [v if v.constant else read(v) for v in step.inputs]
        self._steps.append(step)
        for output in step.outputs:
            written = step.attributes.get("written_as", _written(step.op, output.shape))
            if written != output.shape:
                self._views[output] = (output, (("lies", output.shape),))
                self._given[output], output.shape = output.shape, written

    def _read(self, value: Value) -> Value:
        """The computed value, or the part of it, that a step reads."""
        root, chain = self._view(value)
        found = arrival(root.shape, chain, self._shape(value)) if chain else ("whole",)
        if found == ("whole",):
            return root
        if (root, found) not in self._parts:
            self._parts[root, found] = self._part(root, found)
        return self._parts[root, found]

    def _spread(self, value: Value) -> Value:
        """The same, for a reader whose result holds every copy of what was spread out."""
        whole, shape = self._read(value), self._shape(value)
        return whole if prod(shape) <= whole.size else self._place(Op.EXPAND, whole, shape)

    def _part(self, root: Value, found: Move) -> Value:
        kind, *rest = found
        if kind == "shuffle":
            return self._place(Op.SHUFFLE, root, root.shape)
        if kind == "part":
            return self._place(Op.GATHER, root, (1, rest[0]))
        value = root
        for axis, start, length, stride in rest:
            shape = (*value.shape[:axis], length, *value.shape[axis + 1 :])
            value = self._place(Op.SLICE, value, shape, axis=axis, start=start, step=stride)
        return value

    def _place(self, op: Op, x: Value, shape: Shape, **attributes: int) -> Value:
        self._steps.append(Step(op, [x], [Value(shape)], attributes))
        return self._steps[-1].output


def canonical(op: Op, shape: Shape) -> Shape:
    """The shape in which products and norms of the last axis are written: (1, tokens, features)."""
    if op in (Op.LINEAR, Op.RMS_NORM, Op.LAYER_NORM) and len(shape) > 1:
        tokens = prod(shape[:-1])
        return (1, tokens, shape[-1]) if tokens > 1 else (1, shape[-1])
    if op == Op.MATMUL and len(shape) > 2:
        maps = prod(shape[:-2])
        return (1, maps, *shape[-2:]) if maps > 1 else (1, *shape[-2:])
    return shape


def _written(op: Op, shape: Shape) -> Shape:
    """The shape of a result: of reductions it lacks the axes that they may keep or not."""
    if op in _REDUCTIONS:
        return (shape[0], *(d for d in shape[1:] if d > 1)) if shape else shape
    return canonical(op, shape)


@lru_cache(maxsize=4096)
def arrival(shape: Shape, chain: tuple[Move, ...], read: Shape) -> Move:
    """Which entries of a tensor arrive at the end of a chain of moves.

    Returns:
        ("whole",), in whatever layout; ("shuffle",) if the same shape holds them in another order;
        ("slice", (axis, start, length, step), ...) for a box; ("part", number, first) else.
    """
    total = prod(shape)
    if max(total, prod(read)) > MAX_ENTRIES:
        return ("whole",)
    entries = _moved(np.arange(total, dtype=np.int32).reshape(shape), chain)
    seen = np.zeros(total, bool)
    seen[entries.reshape(-1)] = True
    count = int(seen.sum())
    if count == total:
        written = chain[0][1] if chain[0][0] == "lies" else shape
        same = _squeezed(entries.shape) == _squeezed(written)
        moved = same and not (entries.reshape(-1) == np.arange(total)).all()
        return ("shuffle",) if moved else ("whole",)
    box, cuts = seen.reshape(shape), []
    for axis, length in enumerate(shape):
        chosen = np.flatnonzero(box.any(axis=tuple(i for i in range(len(shape)) if i != axis)))
        steps = np.unique(np.diff(chosen))
        if len(steps) > 1:
            break
        if len(chosen) < length:
            cuts.append((axis, int(chosen[0]), len(chosen), int(steps[0]) if len(steps) else 1))
    else:
        if count * prod(shape[axis] for axis, *_ in cuts) == total * prod(n for _, _, n, _ in cuts):
            return ("slice", *cuts)
    return ("part", count, int(np.flatnonzero(seen)[0]))


def _squeezed(shape: Shape) -> Shape:
    return tuple(d for d in shape if d > 1)


def _moved(entries: Any, chain: tuple[Move, ...]) -> Any:
    for name, *rest in chain:
        match name:
            case "lies" | "reshape":
                entries = entries.reshape(rest[0])
            case "transpose":
                entries = entries.transpose(rest[0])
            case "slice":
                axis, start, length, step = rest
                entries = np.take(entries, start + step * np.arange(length), axis)
            case "expand":
                entries = _spread(entries, rest[0])
            case _:
                axis, chains = rest
                entries = np.concatenate([_moved(entries, c) for c in chains], axis)
    return entries


def _spread(entries: Any, shape: Shape) -> Any:
    """Broadcast or tiled to a shape: which of both does not matter to which entries arrive."""
    try:
        return np.broadcast_to(entries, shape)
    except ValueError:
        return np.resize(entries, shape)
