"""NAS-Bench-MR (Ding et al., ICLR 2022): branches of several resolutions that exchange features.

Stem of two 3x3 convolutions of stride 2; four stages, the k-th with k parallel branches, each of
half the size of the one before. A stage is a number of modules, all alike: the branches are fused,
then each goes through its residual blocks of two 3x3 convolutions. A fused branch is the ReLU of a
sum over its neighbours: a 3x3 convolution of its own, one of stride 2 from the larger branch and,
doubled by the nearest value, a 1x1 one from the smaller; a new branch is a 3x3 convolution of
stride 2 of the last fused one. Head of classification: all branches in the size of the smallest,
1x1 convolution, global average, 1x1 convolution with a bias. Every other convolution has its
normalisation and ReLU.

The text joins the benchmark's 27 numbers with `_`: the stem's two widths; for each stage its
modules, the blocks of each branch and the width of each branch; the head's width. Modules and
blocks are 1 to 4, widths multiples of 8 up to 128. The published parameters and FLOPs are those of
this network with 50 classes at 128 pixels. The networks of segmentation, whose branches meet in the
size of the largest, and of video are not built.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from onnx_bench.builder import GraphBuilder
from onnx_bench.families.base import ChoiceFamily
from onnx_bench.families.mbconv import conv_bn
from onnx_bench.graph import ComputationGraph
from onnx_bench.operators import Op

COUNTS = tuple(str(count) for count in range(1, 5))
WIDTHS = tuple(str(width) for width in range(8, 129, 8))
STEM, STAGES = 2, 4
LARGER, SAME = -1, 0
"""Where a fused branch reads, beside the smaller branch behind it."""


class Stage(NamedTuple):
    """Alike modules of as many branches as there are widths, from the largest to the smallest."""

    modules: int
    blocks: tuple[int, ...]
    widths: tuple[int, ...]


def _choices() -> Iterator[tuple[str, ...]]:
    yield from (WIDTHS,) * STEM
    for branches in range(1, STAGES + 1):
        yield from (COUNTS,) * (1 + branches) + (WIDTHS,) * branches
    yield WIDTHS


class NasBenchMR(ChoiceFamily):
    """Networks of the multi-resolution space, for classification.

    Args:
        pixels: height and width of the images, a multiple of 32.
        classes: outputs of the last convolution.
    """

    name = "nasbench-mr"
    example = "8_8_1_1_8_1_1_1_8_8_1_1_1_1_8_8_8_1_1_1_1_1_8_8_8_8_8"
    source = "Ding et al., ICLR 2022"
    choices = tuple(_choices())

    def __init__(self, pixels: int = 128, classes: int = 50) -> None:
        self.pixels, self.classes = pixels, classes

    def parse(self, text: str) -> tuple[str, ...]:
        return self.check(text, tuple(text.split("_")))

    def format(self, spec: tuple[str, ...]) -> str:
        return "_".join(spec)

    def build(self, spec: tuple[str, ...]) -> ComputationGraph:
        numbers = [int(value) for value in spec]
        g = GraphBuilder()
        x = g.input(3, self.pixels, self.pixels)
        for width in numbers[:STEM]:
            x = g.stamp(x, conv_bn, width, 3, 2, Op.RELU)
        branches = [x]
        for stage in _stages(numbers[STEM:-1]):
            for _ in range(stage.modules):
                branches = _fused(g, branches, stage.widths)
                both = zip(branches, stage.blocks, strict=True)
                branches = [g.stamp(x, _blocks, number) for x, number in both]
        g.output(_head(g, branches, numbers[-1], self.classes))
        return g.build(f"{self.name}:{self.format(spec)}")


def _stages(numbers: Sequence[int]) -> Iterator[Stage]:
    start = 0
    for branches in range(1, STAGES + 1):
        blocks, widths, end = (start + 1 + part * branches for part in range(3))
        yield Stage(numbers[start], tuple(numbers[blocks:widths]), tuple(numbers[widths:end]))
        start = end


def _fused(g: GraphBuilder, branches: list[int], widths: Sequence[int]) -> list[int]:
    """The branches after an exchange between neighbours, and new ones if there are more widths."""
    fused: list[int] = []
    for i, width in enumerate(widths):
        if i < len(branches):
            near = range(max(i - 1, 0), min(i + 2, len(branches)))
            fused.append(g.relu(g.add(*(g.stamp(branches[j], _path, width, j - i) for j in near))))
        else:
            fused.append(g.stamp(fused[-1], _path, width, LARGER))
    return fused


def _path(g: GraphBuilder, x: int, width: int, where: int) -> int:
    if where in (LARGER, SAME):
        return conv_bn(g, x, width, 3, 2 if where == LARGER else 1, Op.RELU)
    _, height, length = g.shape(x)
    return g.resize(conv_bn(g, x, width, 1, 1, Op.RELU), 2 * height, 2 * length)


def _blocks(g: GraphBuilder, x: int, number: int) -> int:
    width = g.shape(x)[0]
    for _ in range(number):
        y = conv_bn(g, x, width, 3, 1, Op.RELU)
        x = g.relu(g.add(x, g.batch_norm(g.conv(y, width, 3))))
    return x


def _head(g: GraphBuilder, branches: list[int], width: int, classes: int) -> int:
    # The authors interpolate linearly here; a graph knows one kind of resizing.
    smallest = g.shape(branches[-1])[1:]
    x = g.concat(*(g.resize(branch, *smallest) for branch in branches))
    x = g.global_avg_pool(conv_bn(g, x, width, 1, 1, Op.RELU))
    return g.flatten(g.conv(x, classes, bias=True))
