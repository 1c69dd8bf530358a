"""The macro space of TransNAS-Bench-101 (Duan et al., CVPR 2021): 3,256 skeletons, seven tasks.

The text is `64-MODULES-basic`: 64 channels behind the stem, then four to six modules of two
residual blocks each. A module is a digit: 1 keeps the shape, 2 doubles the channels, 3 halves the
size, 4 does both, in its first block. One to three modules widen and one to four shrink.
"""

import re
from collections.abc import Iterator
from itertools import product

import numpy as np

from onnx_bench.builder import GraphBuilder
from onnx_bench.families.nasbench201 import relu_conv_bn
from onnx_bench.families.transnas import TransNas

KINDS = "1234"
WIDER, SMALLER = "24", "34"
LENGTHS, WIDENINGS, REDUCTIONS = (4, 5, 6), (1, 2, 3), (1, 2, 3, 4)
_PATTERN = re.compile(r"64-([1-4]+)-basic", re.ASCII)


class TransNasMacro(TransNas[str]):
    """The skeletons of TransNAS-Bench-101, for one of its tasks; a member is its digits."""

    name = "transnas-macro"
    example = "64-3431-basic"
    size = 3256

    def parse(self, text: str) -> str:
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise self.refuse(text, "is not of the form 64-MODULES-basic with digits 1 to 4")
        modules = match[1]
        if not _valid(modules):
            raise self.refuse(
                text,
                f"has {len(modules)} modules, {_count(modules, WIDER)} that widen and "
                f"{_count(modules, SMALLER)} that shrink, expected 4 to 6, 1 to 3 and 1 to 4",
            )
        return modules

    def format(self, spec: str) -> str:
        return f"64-{spec}-basic"

    def sample(self, rng: np.random.Generator) -> str:
        """Uniform over all members."""
        return MEMBERS[rng.integers(len(MEMBERS))]

    def neighbours(self, spec: str) -> list[str]:
        """One module exchanged, added or taken away."""
        changed = [
            *(spec[:i] + kind + spec[i + 1 :] for i in range(len(spec)) for kind in KINDS),
            *(spec[:i] + kind + spec[i:] for i in range(len(spec) + 1) for kind in KINDS),
            *(spec[:i] + spec[i + 1 :] for i in range(len(spec))),
        ]
        return [other for other in dict.fromkeys(changed) if other != spec and _valid(other)]

    def encode(self, g: GraphBuilder, x: int, spec: str) -> int:
        for kind in spec:
            channels = g.shape(x)[0] * (1 + (kind in WIDER))
            x = g.stamp(x, _module, channels, 1 + (kind in SMALLER))
        return x


def _module(g: GraphBuilder, x: int, channels: int, stride: int) -> int:
    return _block(g, _block(g, x, channels, stride), channels, 1)


def _block(g: GraphBuilder, x: int, channels: int, stride: int) -> int:
    y = relu_conv_bn(g, relu_conv_bn(g, x, channels, 3, stride), channels, 3)
    if g.shape(x) != g.shape(y):
        x = g.batch_norm(g.conv(x, channels, 1, stride))
    return g.add(x, y)


def _count(modules: str, kinds: str) -> int:
    return sum(kind in kinds for kind in modules)


def _valid(modules: str) -> bool:
    return (
        len(modules) in LENGTHS
        and _count(modules, WIDER) in WIDENINGS
        and _count(modules, SMALLER) in REDUCTIONS
    )


def _members() -> Iterator[str]:
    for length in LENGTHS:
        yield from filter(_valid, map("".join, product(KINDS, repeat=length)))


MEMBERS = tuple(_members())
