"""NAS-Bench-MACRO (Su et al., CVPR 2021): inverted bottlenecks or nothing in each of eight layers.

The text has a digit for each layer: 0 identity, 1 a bottleneck of expansion 3 and kernel 3, 2 one
of expansion 6 and kernel 5. The skeleton, for CIFAR-10: stem conv3x3 of 32 channels; stages of two,
three and three layers with 64, 128 and 256 channels, whose first layers have stride 2; conv1x1 of
1,280 channels, global average, linear. An identity that changes shape is a strided 1x1 convolution
with its normalisation.
"""

from onnx_bench.builder import GraphBuilder
from onnx_bench.families.base import ChoiceFamily
from onnx_bench.graph import ComputationGraph

IDENTITY, SMALL, LARGE = "012"
BOTTLENECKS = {SMALL: (3, 3), LARGE: (6, 5)}
"""Expansion and kernel."""
STAGES = ((64, 2), (128, 3), (256, 3))
"""Channels and layers."""
STEM, HEAD = 32, 1280


class NasBenchMacro(ChoiceFamily):
    """The operations of the eight layers in the benchmark's skeleton."""

    name = "nasbench-macro"
    example = "01201201"
    source = "Su et al., CVPR 2021"
    choices = ((IDENTITY, SMALL, LARGE),) * sum(layers for _, layers in STAGES)

    def parse(self, text: str) -> tuple[str, ...]:
        return self.check(text, tuple(text))

    def format(self, spec: tuple[str, ...]) -> str:
        return "".join(spec)

    def build(self, spec: tuple[str, ...]) -> ComputationGraph:
        g = GraphBuilder()
        x = g.stamp(g.input(3, 32, 32), _conv_bn_relu, STEM, 3)
        operations = iter(spec)
        for channels, layers in STAGES:
            for layer in range(layers):
                x = g.stamp(x, _layer, next(operations), channels, 1 if layer else 2)
        g.output(g.stamp(x, _head))
        return g.build(f"{self.name}:{self.format(spec)}")


def _conv_bn_relu(g: GraphBuilder, x: int, channels: int, kernel: int = 1) -> int:
    return g.relu(g.batch_norm(g.conv(x, channels, kernel)))


def _layer(g: GraphBuilder, x: int, operation: str, channels: int, stride: int) -> int:
    same = g.shape(x)[0] == channels and stride == 1
    if operation == IDENTITY:
        return x if same else g.batch_norm(g.conv(x, channels, 1, stride))
    expansion, kernel = BOTTLENECKS[operation]
    y = _conv_bn_relu(g, x, g.shape(x)[0] * expansion)
    y = g.relu(g.batch_norm(g.depthwise(y, kernel, stride)))
    y = g.batch_norm(g.conv(y, channels))
    return g.add(x, y) if same else y


def _head(g: GraphBuilder, x: int) -> int:
    x = g.global_avg_pool(_conv_bn_relu(g, x, HEAD))
    return g.linear(g.flatten(x), 10)
