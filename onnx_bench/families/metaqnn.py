"""MetaQNN (Baker et al., ICLR 2017): chains of convolutions and pools for CIFAR-10.

The text is the benchmark's own: `C(n,f,s)` a convolution to n channels that keeps the size,
`P(f,s)` a max-pool, `FC(n)` a linear layer, `GAP(10)` a 1x1 convolution to ten channels and their
means, `SM(10)` the classifier, `D(i,n)` dropout of i/(2n). `choices` says what may follow what.

Dropout adds no node: a network that answers drops nothing. Where it lies follows from the other
layers (`with_dropout`), so it is no part of the specification; a text may leave it out.

From the authors' code: every convolution and linear layer has a bias and a ReLU, none has batch
normalisation, and a linear layer of ten outputs stands at the end even behind GAP. That the
benchmark's networks were trained so is assumed. So is it that pools round sizes down: the code
reckons so, as do the benchmark's parameter counts, but the Caffe that it writes for rounds up.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from onnx_bench.builder import GraphBuilder
from onnx_bench.families.base import Family
from onnx_bench.graph import ComputationGraph

SIZE, CLASSES, DEPTH_LIMIT, FC_LIMIT = 32, 10, 18, 2
WIDTHS, KERNELS, POOLS = (64, 128, 256, 512), (1, 3, 5), ((5, 3), (3, 2), (2, 2))
FEATURES = (128, 256, 512)
FC_SIZE = 7  # the largest image that a linear layer reads

_LAYER = r"([A-Z]+)\((\d{1,4}(?:,\d{1,4})*)\)"
_CHAIN = re.compile(rf"\[{_LAYER}(?:, *{_LAYER})*\]", re.ASCII)


class Layer(NamedTuple):
    """A layer as the text has it: `C(64,3,1)` is ("C", (64, 3, 1))."""

    kind: str
    numbers: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.kind}({','.join(map(str, self.numbers))})"


Chain = tuple[Layer, ...]
"""All layers but dropout and the classifier."""

GAP, SOFTMAX = Layer("GAP", (CLASSES,)), Layer("SM", (CLASSES,))
LAYERS = (
    *(Layer("C", (width, kernel, 1)) for width in WIDTHS for kernel in KERNELS),
    *(Layer("P", pool) for pool in POOLS),
    *(Layer("FC", (features,)) for features in FEATURES),
    GAP,
)


class State(NamedTuple):
    """Where a chain stands: its last layer, the size of the image, how many layers it has."""

    last: Layer | None = None
    size: int = SIZE
    depth: int = 0
    linear: int = 0


@cache
def choices(state: State) -> Chain:
    """The layers that may come next; each chain of at least one layer may also end.

    A convolution comes first. Windows are smaller than the image, which counts as 8 pixels wide
    above 7 and as 4 above 3. No pool follows a pool. Linear layers read images up to 7 pixels wide,
    are at most two and do not widen. Nothing follows GAP.
    """
    last, size = state.last, state.size
    if state.depth == DEPTH_LIMIT or last == GAP:
        return ()
    if last is not None and last.kind == "FC":
        return tuple(
            layer
            for layer in LAYERS
            if layer.kind == "FC" and layer.numbers <= last.numbers and state.linear < FC_LIMIT
        )
    counted = 8 if size > 7 else 4 if size > 3 else 1
    return tuple(
        layer
        for layer in LAYERS
        if (layer.kind == "C" and layer.numbers[1] < counted)
        or (layer.kind == "P" and layer.numbers[0] < counted and last and last.kind == "C")
        or (layer.kind == "FC" and size <= FC_SIZE)
        or (layer == GAP and last)
    )


def after(state: State, layer: Layer) -> State:
    """Where a chain stands with one layer more."""
    size = state.size
    if layer.kind == "P":
        window, stride = layer.numbers
        size = (size - window) // stride + 1
    return State(layer, size, state.depth + 1, state.linear + (layer.kind == "FC"))


@cache
def _members(state: State) -> int:
    return (state.last is not None) + sum(_members(after(state, layer)) for layer in choices(state))


def with_dropout(chain: Chain) -> list[Layer]:
    """The chain with the classifier and dropout, after every second layer and each linear one.

    The probabilities rise evenly to a half, which the place behind the classifier counts for too.
    """
    kinds = [layer.kind for layer in (*chain, chain[-1])]
    places = [i for i, kind in enumerate(kinds) if kind != "GAP" and (i % 2 == 1 or kind == "FC")]
    layers = [*chain, SOFTMAX]
    for number in range(len(places), 0, -1):
        if places[number - 1] < len(chain):
            layers.insert(places[number - 1] + 1, Layer("D", (number, len(places))))
    return layers


class MetaQNN(Family[Chain]):
    """Chains of 1 to 18 layers on 32 x 32 colour images."""

    name = "metaqnn"
    example = "[C(64,3,1), P(5,3), D(1,1), GAP(10), SM(10)]"
    source = "Baker et al., ICLR 2017"
    size = float(_members(State()))

    def parse(self, text: str) -> Chain:
        if not _CHAIN.fullmatch(text):
            raise self.refuse(text, "is not of the form [C(n,f,s), P(f,s), ..., SM(10)]")
        layers = [
            Layer(kind, tuple(map(int, numbers.split(","))))
            for kind, numbers in re.findall(_LAYER, text)
        ]
        chain = tuple(layer for layer in layers[:-1] if layer.kind != "D")
        if layers[-1] != SOFTMAX or not chain:
            raise self.refuse(text, f"has no layers that end in {SOFTMAX}")
        state = State()
        for layer in chain:
            if layer not in choices(state):
                before = f"after {state.last}" if state.last else "at the start"
                raise self.refuse(text, f"has {layer} {before} on {state.size} pixels")
            state = after(state, layer)
        if layers not in (with_dropout(chain), [*chain, SOFTMAX]):
            raise self.refuse(text, f"has other dropout than {self.format(chain)}")
        return chain

    def format(self, spec: Chain) -> str:
        return f"[{', '.join(map(str, with_dropout(spec)))}]"

    def sample(self, rng: np.random.Generator) -> Chain:
        """The walk of MetaQNN's first, random agent: each layer, or the end, is equally likely."""
        state, chain = State(), list[Layer]()
        while True:
            allowed = choices(state)
            place = int(rng.integers(len(allowed) + bool(chain)))
            if place == len(allowed):
                return tuple(chain)
            chain.append(allowed[place])
            state = after(state, allowed[place])

    def neighbours(self, spec: Chain) -> list[Chain]:
        """One layer more, less or exchanged."""
        found = [spec[:i] + spec[i + 1 :] for i in range(len(spec))]
        found += [(*spec[:i], new, *spec[i + 1 :]) for i in range(len(spec)) for new in LAYERS]
        found += [(*spec[:i], new, *spec[i:]) for i in range(len(spec) + 1) for new in LAYERS]
        return [chain for chain in dict.fromkeys(found) if chain != spec and _is_valid(chain)]

    def build(self, spec: Chain) -> ComputationGraph:
        g = GraphBuilder()
        x = g.input(3, SIZE, SIZE)
        for layer in spec:
            x = g.stamp(x, _layer, layer)
        g.output(g.linear(_flat(g, x), CLASSES))
        return g.build(f"{self.name}:{self.format(spec)}")


def _is_valid(chain: Sequence[Layer]) -> bool:
    state = State()
    for layer in chain:
        if layer not in choices(state):
            return False
        state = after(state, layer)
    return bool(chain)


def _layer(g: GraphBuilder, x: int, layer: Layer) -> int:
    match layer:
        case ("C", (width, kernel, stride)):
            return g.relu(g.conv(x, width, kernel, stride, bias=True))
        case ("P", (window, stride)):
            return g.max_pool(x, window, stride, padding=0)
        case ("FC", (features,)):
            return g.relu(g.linear(_flat(g, x), features))
        case _:
            return g.global_avg_pool(g.relu(g.conv(x, CLASSES, bias=True)))


def _flat(g: GraphBuilder, x: int) -> int:
    return x if len(g.shape(x)) == 1 else g.flatten(x)
