"""Recurrent cells of NAS-Bench-NLP (Klyuchnikov et al., IEEE Access 2022) as language models.

A cell turns the layer's input x and its previous states h0, h1, ... into its new states new0, new1,
...; new0 is what the layer gives to the next. The text names each step, its operation and what it
reads: `a=linear(x,h0);new0=tanh(a)` is the plain recurrent network. `parse` also reads the recipes
of the benchmark's own logs, `{"f": {"op": "linear", "input": ["x", "h_prev_0"]}, ...}`, and gives
the steps names of its own. `linear` has a matrix for each input and one bias, `blend(z,a,b)` is
z a + (1 - z) b.

The network is that of AWD-LSTM: three layers of 400 -> 600 -> 600 -> 400 values around a table of
33,278 words (WikiText-2) that embeds and decodes. The graph is one time step, so that it counts
each weight once: its inputs are the row of the table that belongs to the word, 400 values, and the
previous states of each layer, its results the scores of all words and the new states. To look up a
row takes no arithmetic; the table itself is the decoder's weight.
"""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from onnx_bench.builder import GraphBuilder
from onnx_bench.families.base import Family
from onnx_bench.graph import ComputationGraph
from onnx_bench.operators import Op

WORDS, EMBEDDING, HIDDEN, LAYERS = 33_278, 400, 600, 3
MAX_STATES, MAX_STEPS, MAX_LINEAR = 3, 24, 3
INPUTS = {
    "linear": (1, MAX_LINEAR),
    "blend": (3, 3),
    "prod": (2, 2),
    "sum": (2, 2),
    "tanh": (1, 1),
    "sigm": (1, 1),
    "leaky_relu": (1, 1),
}
"""Fewest and most inputs of each operation."""
ACTIVATIONS = {"tanh": Op.TANH, "sigm": Op.SIGMOID, "leaky_relu": Op.LEAKY_RELU}
_STEP = re.compile(r"(\w+)=(\w+)\(([\w,]*)\)", re.ASCII)
_STATE = re.compile(r"(?:h|new)(0|[1-9]\d*)", re.ASCII)
_THEIRS = re.compile(r"h_(prev|new)_(\d+)", re.ASCII)


class Step(NamedTuple):
    """One operation of a cell."""

    name: str
    operation: str
    inputs: tuple[str, ...]


Cell = tuple[Step, ...]
"""The steps, each behind those that it reads."""


class NasBenchNlp(Family[Cell]):
    """Cells of up to 24 steps and 3 states."""

    name = "nasbench-nlp"
    example = "a=linear(x,h0);new0=tanh(a)"
    source = "Klyuchnikov et al., IEEE Access 2022"

    def parse(self, text: str) -> Cell:
        steps = self._recipe(text) if text.lstrip().startswith("{") else self._steps(text)
        why = _fault(steps)
        if why:
            raise self.refuse(text, why)
        return _named(_ordered(steps))

    def _steps(self, text: str) -> Cell:
        matches = [_STEP.fullmatch(part) for part in text.split(";")]
        found = [Step(m[1], m[2], tuple(m[3].split(","))) for m in matches if m]
        if len(found) < len(matches):
            raise self.refuse(text, "is not of the form NAME=OPERATION(INPUT,...);...")
        return tuple(found)

    def _recipe(self, text: str) -> Cell:
        """The steps of a recipe of the benchmark's logs."""
        try:
            recipe = json.loads(text)
            steps = [(name, step["op"], [*step["input"]]) for name, step in recipe.items()]
        except (ValueError, TypeError, KeyError, AttributeError):
            raise self.refuse(text, "is no JSON of the form NAME: {op, input}") from None
        names = [name for name, _, inputs in steps for name in (name, *inputs)]
        if not all(isinstance(name, str) for name in [*names, *(op for _, op, _ in steps)]):
            raise self.refuse(text, "is no JSON of the form NAME: {op, input}")
        ours = {name: _ours(name) for name in names}
        return tuple(
            Step(ours[name], _operation(op), tuple(ours[i] for i in inputs))
            for name, op, inputs in steps
        )

    def format(self, spec: Cell) -> str:
        return ";".join(f"{s.name}={s.operation}({','.join(s.inputs)})" for s in spec)

    def sample(self, rng: np.random.Generator) -> Cell:
        """Steps that read earlier ones, of which some become the new states (section 3.1)."""
        while True:
            cell = _random(rng)
            if cell is not None and not _fault(cell):
                return _named(_ordered(cell))

    def neighbours(self, spec: Cell) -> list[Cell]:
        """Another operation or another input of a step, a step more, or a step less."""
        found = (_named(_ordered(other)) for other in _changes(spec) if not _fault(other))
        return [other for other in dict.fromkeys(found) if other != spec]

    def build(self, spec: Cell) -> ComputationGraph:
        g = GraphBuilder()
        x, results = g.input(EMBEDDING), []
        states = sum(step.name.startswith("new") for step in spec)
        for layer in range(LAYERS):
            width = HIDDEN if layer < LAYERS - 1 else EMBEDDING
            previous = {f"h{i}": g.input(width) for i in range(states)}
            values = _layer(g, spec, {"x": x, **previous}, width)
            x = values["new0"]
            results += [values[f"new{i}"] for i in range(states)]
        g.output(g.linear(x, WORDS))
        for result in results:
            g.output(result)
        return g.build(f"{self.name}:{self.format(spec)}")


def _layer(g: GraphBuilder, cell: Cell, values: dict[str, int], width: int) -> dict[str, int]:
    """Adds one cell behind the nodes of `values`; returns them and those of its steps."""
    values = dict(values)
    for step in cell:
        read = [values[name] for name in step.inputs]
        match step.operation:
            case "linear":
                products = [g.linear(x, width, bias=i == 0) for i, x in enumerate(read)]
                values[step.name] = g.add(*products)
            case "blend":
                # One minus z: a shift, as z times minus one is no operator of the vocabulary.
                values[step.name] = g.add(g.mul(read[0], read[1]), g.mul(g.shift(read[0]), read[2]))
            case "prod":
                values[step.name] = g.mul(*read)
            case "sum":
                values[step.name] = g.add(*read)
            case activation:
                values[step.name] = g.unary(ACTIVATIONS[activation], read[0])
    return values


# names


def _ours(name: str) -> str:
    """The name of a value of a recipe; `:` keeps other names apart from x, h0 and new0."""
    match = _THEIRS.fullmatch(name)
    if match is None:
        return name if name == "x" else f":{name}"
    return f"{'h' if match[1] == 'prev' else 'new'}{int(match[2])}"


def _operation(name: str) -> str:
    return name.removeprefix("activation_").removeprefix("elementwise_")


def _letters() -> Iterator[str]:
    """a to w, which no input is called, then with numbers behind."""
    letters = "abcdefgijklmnopqrstuvw"
    yield from letters
    yield from (f"{letter}{i}" for i in range(1, MAX_STEPS) for letter in letters)


def _named(cell: Cell) -> Cell:
    """The same steps with a, b, c, ... for the names of all but the new states."""
    letters = _letters()
    names = {s.name: s.name if _STATE.fullmatch(s.name) else next(letters) for s in cell}
    return tuple(
        Step(names[s.name], s.operation, tuple(names.get(i, i) for i in s.inputs)) for s in cell
    )


# what a cell may be


def _fault(cell: Cell) -> str:
    """What is wrong with a cell, empty where nothing is."""
    names = [step.name for step in cell]
    if len(set(names)) < len(names):
        return "names two steps alike"
    states = sum(name.startswith("new") and bool(_STATE.fullmatch(name)) for name in names)
    if not 1 <= states <= MAX_STATES or not all(f"new{i}" in names for i in range(states)):
        return f"does not compute the new states new0 to new{MAX_STATES - 1} or the first of them"
    if len(cell) > MAX_STEPS:
        return f"has {len(cell)} steps, expected at most {MAX_STEPS}"
    given = {"x", *(f"h{i}" for i in range(states))}
    for step in cell:
        fault = _step_fault(step, given, {*names})
        if fault:
            return fault
    return _reach_fault(cell, given, states)


def _step_fault(step: Step, given: set[str], names: set[str]) -> str:
    name = step.name.removeprefix(":")
    if step.operation not in INPUTS:
        return f"has the operation {step.operation!r} at {name!r}, not in {tuple(INPUTS)}"
    least, most = INPUTS[step.operation]
    if not least <= len(step.inputs) <= most:
        expected = f"{least}" if least == most else f"{least} to {most}"
        return f"gives {step.operation} {len(step.inputs)} inputs at {name!r}, expected {expected}"
    if step.name in given or (step.name.startswith("h") and _STATE.fullmatch(step.name)):
        return f"computes {name!r}, which is an input"
    unknown = [i.removeprefix(":") for i in step.inputs if i not in given and i not in names]
    if unknown:
        return f"reads {unknown[0]!r} at {name!r}, which nothing computes"
    if len(set(step.inputs)) < len(step.inputs):
        return f"reads a value twice at {name!r}"
    if "x" in step.inputs and step.operation != "linear":
        return f"reads x at {name!r}, expected a linear there: x may be of another width"
    return ""


def _reach_fault(cell: Cell, given: set[str], states: int) -> str:
    """Whether the steps have an order, and whether all inputs and all steps are needed."""
    if len(_ordered(cell)) < len(cell):
        return "goes round in a circle"
    reads = {step.name: step.inputs for step in cell}
    found: set[str] = set()
    waiting = [f"new{i}" for i in range(states)]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += reads.get(name, ())
    unread = [name for name in (*sorted(given, reverse=True), *reads) if name not in found]
    return f"makes no use of {unread[0].removeprefix(':')!r}" if unread else ""


def _ordered(cell: Cell) -> Cell:
    """The steps, each behind those that it reads and else as they were; less those in circles."""
    waiting, done = list(cell), list[Step]()
    known = {step.name for step in cell}
    while waiting:
        ready = next((s for s in waiting if not any(i in known for i in s.inputs)), None)
        if ready is None:
            break
        waiting.remove(ready)
        known.discard(ready.name)
        done.append(ready)
    return tuple(done)


# other cells


def _random(rng: np.random.Generator) -> Cell | None:
    """Steps that read x, states or earlier steps, an activation behind each linear map."""
    states = int(rng.integers(1, MAX_STATES + 1))
    wanted = states + int(rng.integers(3, 10))
    given = ["x", *(f"h{i}" for i in range(states))]
    steps = list[Step]()
    activated = list[str]()
    while len(steps) < wanted:
        name = f":{len(steps)}"
        operation = ("linear", "linear", "linear", "blend", "prod", "sum")[rng.integers(6)]
        if operation == "linear":
            sources, count = [*given, *activated], (2, 2, 2, 2, 3)[rng.integers(5)]
        else:
            sources, count = [*given[1:], *(s.name for s in steps)], INPUTS[operation][0]
        if count > len(sources):
            continue
        chosen = rng.choice(len(sources), count, replace=False)
        steps.append(Step(name, operation, tuple(sources[i] for i in chosen)))
        if operation == "linear":
            activated.append(f"{name}a")
            kind = (*ACTIVATIONS,)[rng.integers(len(ACTIVATIONS))]
            steps.append(Step(activated[-1], kind, (name,)))
    if states > len(steps):
        return None
    ends = rng.choice(len(steps), states, replace=False)
    return _without_idle(_renamed(steps, {steps[i].name: f"new{k}" for k, i in enumerate(ends)}))


def _renamed(steps: list[Step], names: dict[str, str]) -> Cell:
    return tuple(
        Step(names.get(s.name, s.name), s.operation, tuple(names.get(i, i) for i in s.inputs))
        for s in steps
    )


def _without_idle(cell: Cell) -> Cell:
    """The cell without the steps that no new state needs."""
    while True:
        read = {name for step in cell for name in step.inputs}
        kept = tuple(s for s in cell if s.name in read or s.name.startswith("new"))
        if len(kept) == len(cell):
            return cell
        cell = kept


def _changes(cell: Cell) -> Iterator[Cell]:
    """Cells one change away, some of them faulty."""
    states = sum(step.name.startswith("new") for step in cell)
    given = ["x", *(f"h{i}" for i in range(states))]
    for at, step in enumerate(cell):
        front, behind = cell[:at], cell[at + 1 :]
        earlier = [*given, *(s.name for s in front)]
        for operation, (least, most) in INPUTS.items():
            if least <= len(step.inputs) <= most and operation != step.operation:
                yield (*front, step._replace(operation=operation), *behind)
        for place, read in enumerate(step.inputs):
            for other in earlier:
                if other not in step.inputs:
                    inputs = (*step.inputs[:place], other, *step.inputs[place + 1 :])
                    yield (*front, step._replace(inputs=inputs), *behind)
            if step.operation == "linear":
                rest = (*step.inputs[:place], *step.inputs[place + 1 :])
                yield (*front, step._replace(inputs=rest), *behind)
            # a step more between the two, a step less where one was
            for operation in ACTIVATIONS:
                added = Step("", operation, (read,))
                inputs = (*step.inputs[:place], "", *step.inputs[place + 1 :])
                yield (*front, added, step._replace(inputs=inputs), *behind)
        if step.operation == "linear":
            for other in earlier:
                if other not in step.inputs:
                    yield (*front, step._replace(inputs=(*step.inputs, other)), *behind)
        if step.operation in ACTIVATIONS and not step.name.startswith("new"):
            yield (*front, *_renamed(list(behind), {step.name: step.inputs[0]}))
