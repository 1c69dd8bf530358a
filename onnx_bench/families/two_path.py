"""Two-Path (Mills et al., AAAI 2023): two chains of blocks side by side, on CIFAR-10.

Stem conv3x3 to 32 channels and conv3x3 of stride 2; two paths of 2 to 4 blocks, two of which halve
the image and double the channels; both paths concatenated, conv3x3 to 512, global average, linear.
A block is a chain of one to three operations, one of them a convolution (`CONVOLUTIONS`) and at
most one of the others (`SUPPLEMENTS`); its first convolution has the stride and the new width, and
its input is added where nothing is halved.

The text: operations joined by `+`, blocks by `,`, paths by `|`; a block that halves ends in `/2`:
`conv3x3+avgpool3x3/2,conv5x5/2|double3x3/2,conv3x3,conv3x3/2`.

All of it is what the authors' PyTorch code says, with batch normalisation and ReLU6 behind every
convolution; no label or count of a single network is published in the open.
"""

import re
from collections.abc import Iterator
from itertools import product
from math import comb
from typing import NamedTuple

import numpy as np

from onnx_bench.builder import GraphBuilder
from onnx_bench.families.base import Family
from onnx_bench.families.hiaml import inception_s
from onnx_bench.families.mbconv import conv_bn
from onnx_bench.graph import ComputationGraph
from onnx_bench.operators import Op

CONVOLUTIONS = (
    *("conv3x3", "double3x3", "conv5x5"),
    *("bottleneck-r2-k3", "bottleneck-r4-k3", "bottleneck-e2-k3"),
    *("inception_s3x3", "inception_s5x5"),
)
SUPPLEMENTS = ("conv1x1", "bottleneck-r2-k1", "bottleneck-e2-k1", "avgpool3x3", "maxpool3x3")
MAX_OPERATIONS, PATHS, REDUCTIONS = 3, 2, 2
BLOCKS = (2, 3, 4)
STEM, LAST, CLASSES = 32, 512, 10

Operations = tuple[str, ...]


class Block(NamedTuple):
    """A chain of operations, and whether it halves the image."""

    operations: Operations
    halves: bool


Path = tuple[Block, ...]


def size() -> int:
    """How many networks there are; the two paths have an order."""
    convolutions, supplements = len(CONVOLUTIONS), len(SUPPLEMENTS)
    block = sum(
        convolutions**n + (n > 1) * n * supplements * convolutions ** (n - 1)
        for n in range(1, MAX_OPERATIONS + 1)
    )
    path: int = sum(comb(blocks, REDUCTIONS) * block**blocks for blocks in BLOCKS)
    return path * path


class TwoPath(Family[tuple[Path, ...]]):
    """The networks of Two-Path."""

    name = "two-path"
    example = "conv3x3/2,conv3x3+avgpool3x3/2|inception_s3x3/2,bottleneck-r4-k3/2"
    source = "Mills et al., AAAI 2023"
    size = float(size())

    def parse(self, text: str) -> tuple[Path, ...]:
        paths = tuple(tuple(_block(block) for block in path.split(",")) for path in text.split("|"))
        if why := _problem(paths):
            raise self.refuse(text, why)
        return paths

    def format(self, spec: tuple[Path, ...]) -> str:
        return "|".join(
            ",".join("+".join(operations) + "/2" * halves for operations, halves in path)
            for path in spec
        )

    def sample(self, rng: np.random.Generator) -> tuple[Path, ...]:
        return tuple(_draw_path(rng) for _ in range(PATHS))

    def neighbours(self, spec: tuple[Path, ...]) -> list[tuple[Path, ...]]:
        """One operation more, less or another; one block more or less; one halving elsewhere.

        A block that is added is a `conv3x3`.
        """
        found = [
            (*spec[:i], other, *spec[i + 1 :])
            for i, path in enumerate(spec)
            for other in _near(path)
        ]
        return [other for other in dict.fromkeys(found) if other != spec and not _problem(other)]

    def build(self, spec: tuple[Path, ...]) -> ComputationGraph:
        g = GraphBuilder()
        x = g.stamp(g.input(3, 32, 32), _stem)
        ends = []
        for path in spec:
            y = x
            for block in path:
                y = g.stamp(y, _apply, block)
            ends.append(y)
        g.output(g.stamp(g.concat(*ends), _head))
        return g.build(f"{self.name}:{self.format(spec)}")


def mixed(operations: Operations, convolutions: Operations, supplements: Operations) -> bool:
    """Whether operations are known, at least one convolution and at most one supplement."""
    supplementary = sum(operation in supplements for operation in operations)
    known = supplementary + sum(operation in convolutions for operation in operations)
    return known == len(operations) > supplementary and supplementary <= 1


def draw_operations(
    rng: np.random.Generator, number: int, convolutions: Operations, supplements: Operations
) -> Operations:
    """Operations as the authors draw them: a convolution first, then of either kind, shuffled."""
    drawn = [convolutions[rng.integers(len(convolutions))]]
    allowed = convolutions + supplements
    for _ in range(number - 1):
        drawn.append(allowed[rng.integers(len(allowed))])
        if drawn[-1] in supplements:
            allowed = convolutions
    return tuple(drawn[i] for i in rng.permutation(number))


def near_operations(
    operations: Operations, convolutions: Operations, supplements: Operations
) -> Iterator[Operations]:
    """One operation less, another, or one more; not all of them may be allowed."""
    for i in range(len(operations)):
        yield operations[:i] + operations[i + 1 :]
    for new in convolutions + supplements:
        for i in range(len(operations)):
            yield (*operations[:i], new, *operations[i + 1 :])
        for i in range(len(operations) + 1):
            yield (*operations[:i], new, *operations[i:])


def _block(text: str) -> Block:
    return Block(tuple(text.removesuffix("/2").split("+")), text.endswith("/2"))


def _problem(paths: tuple[Path, ...]) -> str:
    """Why these paths make no network; empty where they do."""
    if len(paths) != PATHS:
        return f"has {len(paths)} paths, expected {PATHS}"
    for path in paths:
        if len(path) not in BLOCKS:
            return f"has a path of {len(path)} blocks, expected {BLOCKS[0]} to {BLOCKS[-1]}"
        if (halvings := sum(block.halves for block in path)) != REDUCTIONS:
            return f"has a path with {halvings} blocks that end in /2, expected {REDUCTIONS}"
        for operations, _ in path:
            if len(operations) > MAX_OPERATIONS:
                return f"has a block of {len(operations)} operations, expected 1 to 3"
            if not mixed(operations, CONVOLUTIONS, SUPPLEMENTS):
                return (
                    f"has the block {'+'.join(operations)}, expected one or more of "
                    f"{', '.join(CONVOLUTIONS)} and at most one of {', '.join(SUPPLEMENTS)}"
                )
    return ""


def _draw_path(rng: np.random.Generator) -> Path:
    blocks = int(rng.choice(BLOCKS))
    halving = rng.permutation(blocks)[:REDUCTIONS].tolist()
    return tuple(
        Block(
            draw_operations(
                rng, int(rng.integers(1, MAX_OPERATIONS + 1)), CONVOLUTIONS, SUPPLEMENTS
            ),
            i in halving,
        )
        for i in range(blocks)
    )


def _near(path: Path) -> Iterator[Path]:
    for i, (operations, halves) in enumerate(path):
        for other in near_operations(operations, CONVOLUTIONS, SUPPLEMENTS):
            yield (*path[:i], Block(other, halves), *path[i + 1 :])
        yield path[:i] + path[i + 1 :]
    for i in range(len(path) + 1):
        yield (*path[:i], Block(("conv3x3",), False), *path[i:])
    for i, j in product(range(len(path)), repeat=2):
        if path[i].halves and not path[j].halves:
            moved = list(path)
            moved[i], moved[j] = path[i]._replace(halves=False), path[j]._replace(halves=True)
            yield tuple(moved)


def _stem(g: GraphBuilder, x: int) -> int:
    return conv_bn(g, conv_bn(g, x, STEM, 3, 1, Op.RELU6), STEM, 3, 2, Op.RELU6)


def _head(g: GraphBuilder, x: int) -> int:
    x = g.global_avg_pool(conv_bn(g, x, LAST, 3, 1, Op.RELU6))
    return g.linear(g.flatten(x), CLASSES)


def _apply(g: GraphBuilder, x: int, block: Block) -> int:
    y, stride = x, 2 if block.halves else 1
    width = g.shape(x)[0] * stride
    for operation in block.operations:
        if operation in CONVOLUTIONS:
            y = _operation(g, y, operation, width, stride)
            stride = 1
        else:
            y = _operation(g, y, operation, g.shape(y)[0], 1)
    return y if block.halves else g.add(x, y)


def _operation(g: GraphBuilder, x: int, operation: str, width: int, stride: int) -> int:
    arriving = g.shape(x)[0]
    kernel = int(operation[-1])
    match re.split(r"\d", operation, maxsplit=1)[0]:
        case "conv":
            return conv_bn(g, x, width, kernel, stride, Op.RELU6)
        case "double":
            x = conv_bn(g, x, arriving, kernel, stride, Op.RELU6)
            return conv_bn(g, x, width, kernel, 1, Op.RELU6)
        case "inception_s":
            return inception_s(g, x, width, kernel, stride)
        case "bottleneck-r":
            hidden = arriving // int(operation.removeprefix("bottleneck-r")[0])
        case "bottleneck-e":
            hidden = arriving * int(operation.removeprefix("bottleneck-e")[0])
        case "avgpool":
            return g.batch_norm(g.avg_pool(x, kernel, count_padding=True))
        case _:
            return g.batch_norm(g.max_pool(x, kernel))
    x = conv_bn(g, x, hidden, kernel, stride, Op.RELU6)
    return conv_bn(g, x, width, kernel, 1, Op.RELU6)
