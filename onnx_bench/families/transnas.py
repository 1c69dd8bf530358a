"""What both spaces of TransNAS-Bench-101 (Duan et al., CVPR 2021) share: stem, tasks and heads.

An encoder reads an image of 256 x 256 pixels (its stem leaves a quarter of each side) and the task
sets what follows: a linear layer behind the global average (75 objects, 47 scenes, 9 numbers of the
room's layout), or a decoder back to the size of the image (17 classes a pixel; three colours for
the autoencoder and the normals, whose discriminator only training has). Classes and decoders are
those of the authors' public code.

`jigsaw` reads nine patches of 64 x 64 as (9, 3, 64, 64). They share the encoder: its nodes keep the
axis of the patches in front, as if it were more of the batch. The nine results are laid behind each
other as channels, averaged over space and read by a linear layer of 1,000 permutations.
"""

from abc import abstractmethod
from collections.abc import Mapping
from math import log2
from typing import Any, ClassVar, TypeVar

from onnx_bench.builder import GraphBuilder
from onnx_bench.errors import SpecError
from onnx_bench.families.base import Family
from onnx_bench.families.nasbench201 import relu_conv_bn
from onnx_bench.graph import ComputationGraph
from onnx_bench.operators import Op

TASKS = (
    "class_scene",
    "class_object",
    "room_layout",
    "jigsaw",
    "segmentsemantic",
    "normal",
    "autoencoder",
)
OUTPUTS = {"class_scene": 47, "class_object": 75, "room_layout": 9, "jigsaw": 1000}
"""Values that the tasks with a linear head give."""
IMAGE, PATCHES, PATCH = 256, 9, 64
STEM_CHANNELS = 64
SEGMENTS = 17
Spec = TypeVar("Spec")


class TransNas(Family[Spec]):
    """A space of encoders, each with the head of one of the seven tasks.

    Args:
        task: one of `TASKS`.
    """

    source = "Duan et al., CVPR 2021"
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {task: {"task": task} for task in TASKS}

    def __init__(self, task: str = "class_scene") -> None:
        if task not in TASKS:
            raise SpecError(f"{self.name} has no task {task!r}; there are {', '.join(TASKS)}")
        self.task = task

    @abstractmethod
    def encode(self, g: GraphBuilder, x: int, spec: Spec) -> int:
        """The encoder behind the stem: (64, H, W) to (C, h, w)."""

    def build(self, spec: Spec) -> ComputationGraph:
        g = GraphBuilder()
        if self.task == "jigsaw":
            x = g.input(PATCHES, 3, PATCH, PATCH)
            x = g.stamp_each(x, self._encoder, spec)
        else:
            x = self._encoder(g, g.input(3, IMAGE, IMAGE), spec)
        g.output(g.stamp(x, _head, self.task))
        return g.build(f"{self.name}:{self.format(spec)}")

    def _encoder(self, g: GraphBuilder, x: int, spec: Spec) -> int:
        return self.encode(g, g.stamp(x, _stem), spec)


def _stem(g: GraphBuilder, x: int) -> int:
    x = g.batch_norm(g.conv(x, STEM_CHANNELS // 2, 3, 2))
    return relu_conv_bn(g, x, STEM_CHANNELS, 3, 2)


def _head(g: GraphBuilder, x: int, task: str) -> int:
    if task == "segmentsemantic":
        return _segmentation(g, x)
    if task in ("normal", "autoencoder"):
        return _generator(g, x)
    if task == "jigsaw":
        patches, channels, *size = g.shape(x)
        x = g.reshape(x, patches * channels, *size)
    return g.linear(g.flatten(g.global_avg_pool(x)), OUTPUTS[task])


def _doublings(g: GraphBuilder, x: int) -> int:
    """How often the size must double to be the image's."""
    return int(log2(IMAGE // g.shape(x)[1]))


def _segmentation(g: GraphBuilder, x: int) -> int:
    """Seven layers from 1,024 channels down to 32, of which the last ones double the size."""
    doublings = _doublings(g, x)
    x = _layer(g, x, 1024)
    for step in range(5):
        x = _layer(g, x, g.shape(x)[0] // 2, double=step >= 6 - doublings)
    x = _layer(g, x, g.shape(x)[0], double=True)
    return g.conv(x, SEGMENTS, 3, bias=True)


def _generator(g: GraphBuilder, x: int) -> int:
    """Thirteen layers; every other one doubles the size, the later ones first to be chosen."""
    doublings = _doublings(g, x)
    x = _layer(g, x, 1024)
    between = (1024, 512, 128, 64, 32, 32)
    doubling = (512, 256, 64, 32, 16, 16)
    for step, (plain, wide) in enumerate(zip(between, doubling, strict=True)):
        x = _layer(g, x, plain)
        x = _layer(g, x, wide, double=step >= 6 - doublings)
    return g.unary(Op.TANH, g.conv(x, 3, 3, bias=True))


def _layer(g: GraphBuilder, x: int, channels: int, double: bool = False) -> int:
    if double:
        x = g.conv_transpose(x, channels, 3, 2, padding=1, output_padding=1, bias=True)
    else:
        x = g.conv(x, channels, 3, bias=True)
    return g.unary(Op.LEAKY_RELU, g.batch_norm(x))
