"""The four families of the embedded benchmark `digits`: small enough to label on the spot.

All read 8x8 grey images and answer ten classes. They differ as families do: in what their members
choose (wiring, depth and width, bottlenecks, token mixing), not only in size.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from string import ascii_lowercase
from typing import Any, ClassVar, TypeVar

from onnx_bench.builder import GraphBuilder
from onnx_bench.families.base import ChoiceFamily
from onnx_bench.families.nasbench201 import NasBench201
from onnx_bench.graph import ComputationGraph
from onnx_bench.operators import Op

INPUT_SHAPE = (1, 8, 8)
CLASSES = 10
STAGES = 3
T = TypeVar("T")


class DigitsCells(NasBench201):
    """Cells of NAS-Bench-201, one a stage, 8 channels wide at first."""

    name = "digits-cells"
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def __init__(self) -> None:
        super().__init__(channels=8, cells=1, input_shape=INPUT_SHAPE, classes=CLASSES)


class DigitsChains(ChoiceFamily):
    """Plain and residual chains of three stages at 8, 4 and 2 pixels.

    The text: `plain` or `residual`, then width, depth and kernel of each stage.
    """

    name = "digits-chains"
    example = "residual-w8-d1-k3-w16-d2-k3-w16-d1-k3"
    choices = (
        ("plain", "residual"),
        *(("w4", "w8", "w12", "w16"), ("d1", "d2", "d3"), ("k1", "k3", "k5")) * STAGES,
    )

    def build(self, spec: tuple[str, ...]) -> ComputationGraph:
        g = GraphBuilder()
        block = residual_block if spec[0] == "residual" else plain_block
        x = g.input(*INPUT_SHAPE)
        for stage, (width, depth, kernel) in enumerate(portions(numbers(spec[1:]), 3)):
            x = block(g, x, width, kernel, 2 if stage else 1)
            for _ in range(depth - 1):
                x = block(g, x, width, kernel, 1)
        classify(g, x)
        return g.build(f"{self.name}:{self.format(spec)}")


class DigitsMBConv(ChoiceFamily):
    """Inverted bottlenecks (MobileNetV2, V3) of three stages at 4, 4 and 2 pixels.

    The text: the activation, then expansion, kernel, width, depth and squeeze-excitation by stage.
    """

    name = "digits-mbconv"
    example = "relu-e2-k3-w8-d1-se0-e2-k3-w16-d1-se1-e4-k3-w16-d1-se0"
    choices = (
        ("relu", "silu"),
        *(
            ("e1", "e2", "e4"),
            ("k3", "k5"),
            ("w4", "w8", "w16", "w24"),
            ("d1", "d2"),
            ("se0", "se1"),
        )
        * STAGES,
    )

    def build(self, spec: tuple[str, ...]) -> ComputationGraph:
        g, act = GraphBuilder(), Op[spec[0].upper()]
        x = g.unary(act, g.batch_norm(g.conv(g.input(*INPUT_SHAPE), 8, 3, stride=2)))
        for stage, settings in enumerate(portions(numbers(spec[1:]), 5)):
            expansion, kernel, width, depth, squeeze = settings
            for i in range(depth):
                stride = 2 if stage == STAGES - 1 and i == 0 else 1
                x = mbconv_block(g, x, act, expansion, kernel, width, stride, bool(squeeze))
        classify(g, x)
        return g.build(f"{self.name}:{self.format(spec)}")


class DigitsTokens(ChoiceFamily):
    """Small vision transformers and mixers: patches, then up to four blocks, then the mean token.

    The text: patch size, width, ratio of the feed-forward part, and what mixes the tokens in each
    block: `attnH` attention of H heads, `mlp` a linear map over the tokens, `ff` nothing, and
    `skip` for no block at all.
    """

    name = "digits-tokens"
    choices = (
        ("p2", "p4"),
        ("c8", "c16", "c24", "c32"),
        ("r1", "r2", "r4"),
        *(("attn1", "attn4", "mlp", "ff", "skip"),) * 4,
    )
    example = "p2-c16-r2-attn4-mlp-skip-skip"

    def build(self, spec: tuple[str, ...]) -> ComputationGraph:
        g = GraphBuilder()
        patch, width, ratio = numbers(spec[:3])
        x = g.conv(g.input(*INPUT_SHAPE), width, patch, patch, padding=0, bias=True)
        tokens = g.shape(x)[1] * g.shape(x)[2]
        x = g.position(g.transpose(g.reshape(x, width, tokens), 1, 0))
        for mixer in spec[3:]:
            if mixer != "skip":
                x = _token_block(g, x, mixer, ratio)
        g.output(g.linear(g.mean(g.layer_norm(x)), CLASSES))
        return g.build(f"{self.name}:{self.format(spec)}")


def number(value: str) -> int:
    """What stands behind the letters: 8 of `w8`."""
    return int(value.lstrip(ascii_lowercase))


def numbers(values: Iterable[str]) -> list[int]:
    """The number of each value."""
    return [number(value) for value in values]


def portions(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """`size` values at a time: the settings of one stage after the other."""
    return (values[start : start + size] for start in range(0, len(values), size))


def plain_block(g: GraphBuilder, x: int, width: int, kernel: int, stride: int) -> int:
    """Convolution, batch normalisation, ReLU."""
    return g.relu(g.batch_norm(g.conv(x, width, kernel, stride)))


def residual_block(g: GraphBuilder, x: int, width: int, kernel: int, stride: int) -> int:
    """Two convolutions beside a shortcut, which is a convolution where the shapes differ."""
    y = plain_block(g, x, width, kernel, stride)
    y = g.batch_norm(g.conv(y, width, kernel))
    if g.shape(x) != g.shape(y):
        x = g.batch_norm(g.conv(x, width, 1, stride))
    return g.relu(g.add(x, y))


def mbconv_block(
    g: GraphBuilder,
    x: int,
    act: Op,
    expansion: int,
    kernel: int,
    width: int,
    stride: int,
    squeeze: bool,
) -> int:
    """An inverted bottleneck: wider, depthwise, narrower; a shortcut where the shapes agree."""
    y = x
    if expansion > 1:
        y = g.unary(act, g.batch_norm(g.conv(y, g.shape(y)[0] * expansion)))
    y = g.unary(act, g.batch_norm(g.depthwise(y, kernel, stride)))
    if squeeze:
        hidden = max(g.shape(y)[0] // 4, 2)
        gate = g.relu(g.conv(g.global_avg_pool(y), hidden, bias=True))
        y = g.mul(y, g.sigmoid(g.conv(gate, g.shape(y)[0], bias=True)))
    y = g.batch_norm(g.conv(y, width))
    return g.add(x, y) if g.shape(x) == g.shape(y) else y


def _token_block(g: GraphBuilder, x: int, mixer: str, ratio: int) -> int:
    tokens, width = g.shape(x)
    if mixer == "mlp":
        mixed = g.transpose(g.linear(g.transpose(g.layer_norm(x), 1, 0), tokens), 1, 0)
        x = g.add(x, mixed)
    elif mixer.startswith("attn"):
        y = g.layer_norm(x)
        query, key, value = (g.linear(y, width) for _ in range(3))
        y = g.attention(query, key, value, heads=int(mixer.removeprefix("attn")))
        x = g.add(x, g.linear(y, width))
    y = g.gelu(g.linear(g.layer_norm(x), width * ratio))
    return g.add(x, g.linear(y, width))


def classify(g: GraphBuilder, x: int) -> None:
    """The mean over the image and a linear map to the classes: the end of the network."""
    g.output(g.linear(g.flatten(g.global_avg_pool(x)), CLASSES))
