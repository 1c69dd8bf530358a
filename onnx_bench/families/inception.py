"""Inception (Mills et al., AAAI 2023): four stages of equal blocks of parallel paths, on CIFAR-10.

Stem conv3x3 to 32 channels; four stages of 2 to 6 blocks at 32, 64, 128 and 256 channels, the
first block of all but the first stage halving the image; conv3x3 to 512, global average, linear.
A block has one to four paths; each is a chain of operations, one or more of `CONVOLUTIONS` and at
most one of `SUPPLEMENTS`. The paths share the block's width evenly, of three the first has half of
it, and none has less than 16 channels; they are concatenated, brought to the block's width by a
1x1 convolution where they do not have it, and the input is added where nothing is halved. Inside,
a path may be half as wide or twice as wide as it ends.

The text: operations joined by `+`, with `/2` or `*2` behind a path of another width inside; paths
joined by `|` in brackets, behind the number of blocks; stages joined by `,`:
`2(conv3x3+conv5x5/2|maxpool3x3+conv3x3),2(depthwise3x3),3(conv3x3),6(inception_p5x5)`.

All of it is what the authors' PyTorch code says, which has a bias, batch normalisation and ReLU6
at nearly every convolution. Their paper speaks of three stages of 2 to 4 blocks instead: we follow
the code. No label or count of a single network is published in the open.
"""

import re
from collections.abc import Iterator
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np

from onnx_bench.builder import GraphBuilder
from onnx_bench.families.base import Family
from onnx_bench.families.two_path import Operations, draw_operations, mixed, near_operations
from onnx_bench.graph import ComputationGraph
from onnx_bench.operators import Op

CONVOLUTIONS = (
    *("conv3x3", "inception_s3x3", "inception_p3x3", "depthwise3x3"),
    *("conv5x5", "depthwise5x5", "inception_s5x5", "inception_p5x5"),
)
SUPPLEMENTS = ("conv1x1", "avgpool3x3", "maxpool3x3", "double1x1")
POOLS = ("avgpool3x3", "maxpool3x3")
CHANGES = ("", "/2", "*2")
CHANGE_ODDS = (0.6, 0.3, 0.1)
STAGES, STEM, LAST, CLASSES = 4, 32, 512, 10
BLOCKS = (2, 3, 4, 5, 6)
OPERATIONS = {1: (1, 3), 2: (1, 4), 3: (2, 8), 4: (2, 10)}
"""By the number of paths: the fewest operations of each, the most of all."""
MIN_WIDTH = 16


class Path(NamedTuple):
    """A chain of operations, and how its width inside differs."""

    operations: Operations
    change: str = ""


class Stage(NamedTuple):
    """How many equal blocks, and the paths of each."""

    blocks: int
    paths: tuple[Path, ...]


Spec = tuple[Stage, ...]


def size() -> int:
    """How many networks there are; paths have an order."""
    number, supplements, pools = len(CONVOLUTIONS), len(SUPPLEMENTS), len(POOLS)

    def paths(length: int) -> int:
        if length == 1:
            return number
        changeable: int = number**length + length * supplements * number ** (length - 1)
        # a pool and one convolution leave no second operation to change the width back
        fixed = length * pools * number if length == 2 else 0
        return (changeable - fixed) * len(CHANGES) + fixed

    blocks = 0
    for count, (least, most) in OPERATIONS.items():
        lengths = product(range(least, most + 1), repeat=count)
        blocks += sum(prod(map(paths, each)) for each in lengths if sum(each) <= most)
    return prod([len(BLOCKS) * blocks] * STAGES)


class Inception(Family[Spec]):
    """The networks of Inception."""

    name = "inception"
    example = "2(conv3x3),2(depthwise3x3|conv1x1+inception_s3x3),2(conv3x3),2(inception_p3x3)"
    source = "Mills et al., AAAI 2023"
    size = float(size())

    def parse(self, text: str) -> Spec:
        stages = [re.fullmatch(r"(\d)\((.*)\)", stage, re.ASCII) for stage in text.split(",")]
        spec = tuple(
            Stage(int(stage[1]), tuple(_path(path) for path in stage[2].split("|")))
            for stage in stages
            if stage
        )
        if len(spec) != len(stages):
            raise self.refuse(text, "is not of the form N(path|path),N(path),...")
        if why := _problem(spec):
            raise self.refuse(text, why)
        return spec

    def format(self, spec: Spec) -> str:
        return ",".join(
            f"{blocks}({'|'.join('+'.join(path.operations) + path.change for path in paths)})"
            for blocks, paths in spec
        )

    def sample(self, rng: np.random.Generator) -> Spec:
        return tuple(
            Stage(int(rng.choice(BLOCKS)), _draw_paths(rng, int(rng.choice(list(OPERATIONS)))))
            for _ in range(STAGES)
        )

    def neighbours(self, spec: Spec) -> list[Spec]:
        """One operation or path more, less or another; another width inside; other block counts.

        A path that is added repeats the one before it.
        """
        found = [
            (*spec[:i], other, *spec[i + 1 :])
            for i, stage in enumerate(spec)
            for other in _near(stage)
        ]
        return [other for other in dict.fromkeys(found) if other != spec and not _problem(other)]

    def build(self, spec: Spec) -> ComputationGraph:
        g = GraphBuilder()
        x = g.stamp(g.input(3, 32, 32), _conv, STEM, 3)
        for i, (blocks, paths) in enumerate(spec):
            x = g.stamp(x, _block, paths, STEM << i, 2 if i else 1)
            x = g.repeat(x, blocks - 1, _block, paths, STEM << i, 1)
        x = g.flatten(g.global_avg_pool(g.stamp(x, _conv, LAST, 3)))
        g.output(g.linear(x, CLASSES))
        return g.build(f"{self.name}:{self.format(spec)}")


def _path(text: str) -> Path:
    change = text[-2:] if text[-2:] in CHANGES else ""
    return Path(tuple(text.removesuffix(change).split("+")), change)


def _problem(spec: Spec) -> str:
    """Why these stages make no network; empty where they do."""
    if len(spec) != STAGES:
        return f"has {len(spec)} stages, expected {STAGES}"
    for blocks, paths in spec:
        if blocks not in BLOCKS:
            return f"has {blocks} blocks in a stage, expected {BLOCKS[0]} to {BLOCKS[-1]}"
        if len(paths) not in OPERATIONS:
            return f"has {len(paths)} paths in a block, expected 1 to {len(OPERATIONS)}"
        least, most = OPERATIONS[len(paths)]
        numbers = [len(path.operations) for path in paths]
        if min(numbers) < least or sum(numbers) > most:
            return (
                f"has {'+'.join(map(str, numbers))} operations in {len(paths)} paths, expected "
                f"{least} or more in each and {most} at most"
            )
        for path in paths:
            if not mixed(path.operations, CONVOLUTIONS, SUPPLEMENTS):
                return (
                    f"has the path {'+'.join(path.operations)}, expected one or more of "
                    f"{', '.join(CONVOLUTIONS)} and at most one of {', '.join(SUPPLEMENTS)}"
                )
            if path.change and not _may_change(path.operations):
                return f"has {path.change} behind {'+'.join(path.operations)}, which cannot change"
    return ""


def _may_change(operations: Operations) -> bool:
    return sum(operation not in POOLS for operation in operations) > 1


def _draw_paths(rng: np.random.Generator, number: int) -> tuple[Path, ...]:
    least, left = OPERATIONS[number]
    paths = []
    for after in reversed(range(number)):
        length = int(rng.integers(least, left - least * after + 1))
        left -= length
        operations = draw_operations(rng, length, CONVOLUTIONS, SUPPLEMENTS)
        change = str(rng.choice(CHANGES, p=CHANGE_ODDS)) if _may_change(operations) else ""
        paths.append(Path(operations, change))
    return tuple(paths)


def _near(stage: Stage) -> Iterator[Stage]:
    for blocks in BLOCKS:
        yield stage._replace(blocks=blocks)
    paths = stage.paths
    for i, path in enumerate(paths):
        for change in CHANGES:
            yield stage._replace(paths=(*paths[:i], path._replace(change=change), *paths[i + 1 :]))
        for other in near_operations(path.operations, CONVOLUTIONS, SUPPLEMENTS):
            yield stage._replace(paths=(*paths[:i], Path(other, path.change), *paths[i + 1 :]))
        yield stage._replace(paths=paths[:i] + paths[i + 1 :])
    yield stage._replace(paths=(*paths, paths[-1]))


def _block(g: GraphBuilder, x: int, paths: tuple[Path, ...], width: int, stride: int) -> int:
    shares = (2, 1, 1) if len(paths) == 3 else (1,) * len(paths)
    ends = [
        _chain(g, x, path, max(MIN_WIDTH, width * share // sum(shares)), stride)
        for path, share in zip(paths, shares, strict=True)
    ]
    y = g.concat(*ends)
    if g.shape(y)[0] != width:
        y = g.batch_norm(g.conv(y, width, bias=True))
    return g.add(x, y) if g.shape(x) == g.shape(y) else y


def _chain(g: GraphBuilder, x: int, path: Path, width: int, stride: int) -> int:
    """The first operation that can brings the inner width, the last one the width of the end.

    The first convolution has the stride.
    """
    inside = max(MIN_WIDTH, {"": width, "/2": width // 2, "*2": width * 2}[path.change])
    able = [i for i, operation in enumerate(path.operations) if operation not in POOLS]
    for i, operation in enumerate(path.operations):
        goal = inside if i == able[0] else width if i == able[-1] else g.shape(x)[0]
        if operation in CONVOLUTIONS:
            x = _operation(g, x, operation, goal, stride)
            stride = 1
        else:
            x = _operation(g, x, operation, goal, 1)
    return x


def _operation(g: GraphBuilder, x: int, operation: str, width: int, stride: int) -> int:
    kernel = int(operation[-1])
    match re.split(r"\d", operation, maxsplit=1)[0]:
        case "conv":
            return _conv(g, x, width, kernel, stride)
        case "double":
            return _conv(g, _conv(g, x, width, kernel), width, kernel)
        case "depthwise":
            if g.shape(x)[0] != width:
                x = g.conv(x, width)
            x = g.conv(x, width, kernel, stride, groups=width, bias=True)
            return g.unary(Op.RELU6, g.batch_norm(x))
        case "inception_s":
            x = g.unary(Op.RELU6, _flat(g, x, width, kernel, stride))
            return g.unary(Op.RELU6, _tall(g, x, width, kernel, stride))
        case "inception_p":
            return _parallel(g, x, width, kernel, stride)
        case "avgpool":
            return g.batch_norm(g.avg_pool(x, kernel, count_padding=True))
        case _:
            return g.batch_norm(g.max_pool(x, kernel))


def _conv(g: GraphBuilder, x: int, width: int, kernel: int, stride: int = 1) -> int:
    return g.unary(Op.RELU6, g.batch_norm(g.conv(x, width, kernel, stride, bias=True)))


def _flat(g: GraphBuilder, x: int, width: int, kernel: int, stride: int) -> int:
    return g.batch_norm(g.conv(x, width, (1, kernel), (1, stride), bias=True))


def _tall(g: GraphBuilder, x: int, width: int, kernel: int, stride: int) -> int:
    return g.batch_norm(g.conv(x, width, (kernel, 1), (stride, 1), bias=True))


def _parallel(g: GraphBuilder, x: int, width: int, kernel: int, stride: int) -> int:
    """A row for half of the channels and a column for the others; both, where the image halves."""
    left = _flat(g, x, width // 2, kernel, stride)
    right = _tall(g, x, width - width // 2, kernel, stride)
    if stride > 1:
        left = _tall(g, left, width // 2, kernel, stride)
        right = _flat(g, right, width - width // 2, kernel, stride)
    joined = g.concat(g.unary(Op.RELU6, left), g.unary(Op.RELU6, right))
    return g.unary(Op.RELU6, joined)
