"""One network by its specification, as an ONNX export and as a PyTorch module: one fused graph.

The modules are written here from the published definitions, not from our builders.
"""

import io
import warnings
from collections.abc import Callable
from functools import cache
from typing import cast

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from onnx_bench.canonical import fuse
from onnx_bench.families import build_spec, family
from onnx_bench.graph import ComputationGraph
from onnx_bench.onnx_import import from_onnx
from onnx_bench.torch_import import from_torch

# NAS-Bench-201: https://github.com/D-X-Y/AutoDL-Projects


class ReluConvBn(nn.Sequential):
    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        super().__init__(nn.ReLU(), conv, nn.BatchNorm2d(outputs))


class Nothing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mul(0.0)


def edge(operation: str, channels: int) -> nn.Module:
    match operation:
        case "none":
            return Nothing()
        case "skip_connect":
            return nn.Identity()
        case "avg_pool_3x3":
            return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
        case _:
            return ReluConvBn(channels, channels, int(operation[-1]))


class Cell201(nn.Module):
    def __init__(self, text: str, channels: int) -> None:
        super().__init__()
        self.nodes = nn.ModuleList(
            nn.ModuleList(edge(item.partition("~")[0], channels) for item in node.split("|")[1:-1])
            for node in text.split("+")
        )

    def forward(self, x: Tensor) -> Tensor:
        values = [x]
        for node in self.nodes:
            edges = cast(nn.ModuleList, node)
            values.append(sum(e(v) for e, v in zip(edges, values, strict=True)))  # type: ignore[arg-type]
        return values[-1]


class Reduction(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.a = ReluConvBn(inputs, 2 * inputs, 3, stride=2)
        self.b = ReluConvBn(2 * inputs, 2 * inputs, 3)
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, stride=2), nn.Conv2d(inputs, 2 * inputs, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.shortcut(x) + self.b(self.a(x)))


def nasbench201(text: str, channels: int = 16, cells: int = 5, inputs: int = 3) -> nn.Module:
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
    ]
    for stage in range(3):
        width = channels << stage
        layers += [Reduction(width // 2)] if stage else []
        layers += [Cell201(text, width) for _ in range(cells)]
    layers += [nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(width, 10))


# NAS-Bench-101: https://github.com/google-research/nasbench


class ConvBnRelu(nn.Sequential):
    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        super().__init__(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def widths(inputs: int, outputs: int, matrix: list[list[int]]) -> list[int]:
    """Channels of each vertex, as `compute_vertex_channels` of the benchmark has them."""
    last = len(matrix) - 1
    channels = [inputs] + [0] * (last - 1) + [outputs]
    if last == 1:
        return channels
    share = [v for v in range(1, last) if matrix[v][last]]
    for rank, v in enumerate(share):
        channels[v] = outputs // len(share) + (1 if rank < outputs % len(share) else 0)
    for v in reversed(range(1, last)):
        if not matrix[v][last]:
            channels[v] = max(channels[w] for w in range(v + 1, last) if matrix[v][w])
    return channels


class Cell101(nn.Module):
    def __init__(
        self, matrix: list[list[int]], names: list[str], inputs: int, outputs: int
    ) -> None:
        super().__init__()
        self.matrix, self.last = matrix, len(matrix) - 1
        self.channels = widths(inputs, outputs, matrix)
        self.inner, self.projections = nn.ModuleDict(), nn.ModuleDict()
        for v in range(1, self.last):
            kernel = {"conv3x3-bn-relu": 3, "conv1x1-bn-relu": 1}.get(names[v], 0)
            width = self.channels[v]
            pool = nn.MaxPool2d(3, stride=1, padding=1)
            self.inner[str(v)] = ConvBnRelu(width, width, kernel) if kernel else pool
        for v in range(1, self.last + 1):
            if matrix[0][v]:
                self.projections[str(v)] = ConvBnRelu(inputs, self.channels[v], 1)

    def forward(self, x: Tensor) -> Tensor:
        made, last = {0: x}, self.last
        for v in range(1, last):
            width = self.channels[v]
            terms = [made[w][:, :width] for w in range(1, v) if self.matrix[w][v]]
            if self.matrix[0][v]:
                terms.append(self.projections[str(v)](x))
            made[v] = self.inner[str(v)](sum(terms[1:], terms[0]))
        parts = [made[v] for v in range(1, last) if self.matrix[v][last]]
        if not parts:
            return cast(Tensor, self.projections[str(last)](x))
        y = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
        return y + self.projections[str(last)](x) if self.matrix[0][last] else y


def nasbench101(text: str) -> nn.Module:
    bits, _, operations = text.partition(":")
    names = operations.split(",")
    size = len(names)
    matrix = [[int(bit) for bit in bits[i * size : (i + 1) * size]] for i in range(size)]
    layers: list[nn.Module] = [ConvBnRelu(3, 128, 3)]
    width = 128
    for stack in range(3):
        layers += [nn.MaxPool2d(2, stride=2)] if stack else []
        for cell in range(3):
            grown = 2 * width if stack and not cell else width
            layers.append(Cell101(matrix, names, width, grown))
            width = grown
    return nn.Sequential(*layers, Mean(), nn.Linear(width, 10))


class Mean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


# digits


class Residual(nn.Module):
    def __init__(self, body: nn.Module, shortcut: nn.Module, last: nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut, self.last = body, shortcut, last

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.last(self.body(x) + self.shortcut(x)))


def conv_bn(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


def chain(text: str) -> nn.Module:
    kind, *rest = text.split("-")
    layers: list[nn.Module] = []
    width = 1
    for stage in range(3):
        new, depth, kernel = (int(value[1:]) for value in rest[3 * stage : 3 * stage + 3])
        for block in range(depth):
            stride = 2 if stage and not block else 1
            first = nn.Sequential(conv_bn(width, new, kernel, stride), nn.ReLU())
            if kind == "plain":
                layers.append(first)
            else:
                same = width == new and stride == 1
                shortcut = nn.Identity() if same else conv_bn(width, new, 1, stride)
                body = nn.Sequential(first, conv_bn(new, new, kernel))
                layers.append(Residual(body, shortcut, nn.ReLU()))
            width = new
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


class Squeeze(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(channels // 4, 2)
        self.down, self.up = nn.Conv2d(channels, hidden, 1), nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.up(F.relu(self.down(F.adaptive_avg_pool2d(x, 1))))
        return x * torch.sigmoid(gate)


def bottlenecks(text: str) -> nn.Module:
    name, *rest = text.split("-")
    act: Callable[[], nn.Module] = {"relu": nn.ReLU, "silu": nn.SiLU}[name]
    layers: list[nn.Module] = [conv_bn(1, 8, 3, 2), act()]
    width = 8
    for stage in range(3):
        options = rest[5 * stage : 5 * stage + 5]
        expansion, kernel, new, depth, squeeze = (int(v.lstrip("ekwds")) for v in options)
        for block in range(depth):
            stride = 2 if stage == 2 and not block else 1
            wide = width * expansion
            parts: list[nn.Module] = [conv_bn(width, wide, 1), act()] if expansion > 1 else []
            parts += [conv_bn(wide, wide, kernel, stride, groups=wide), act()]
            parts += [Squeeze(wide)] if squeeze else []
            body = nn.Sequential(*parts, conv_bn(wide, new, 1))
            same = width == new and stride == 1
            layers.append(Residual(body, nn.Identity(), nn.Identity()) if same else body)
            width = new
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, width = x.shape
        q, k, v = (
            layer(x).reshape(n, tokens, self.heads, -1).transpose(1, 2)
            for layer in (self.q, self.k, self.v)
        )
        y = F.scaled_dot_product_attention(q, k, v)
        return cast(Tensor, self.out(y.transpose(1, 2).reshape(n, tokens, width)))


class AcrossTokens(nn.Module):
    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.map = nn.Linear(tokens, tokens)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.map(x.transpose(1, 2)).transpose(1, 2))


class Tokens(nn.Module):
    def __init__(self, text: str) -> None:
        super().__init__()
        patch, width, ratio = (int(value[1:]) for value in text.split("-")[:3])
        tokens = (8 // patch) ** 2
        self.patches = nn.Conv2d(1, width, patch, patch)
        self.position = nn.Parameter(torch.randn(1, tokens, width))
        blocks: list[nn.Module] = []
        for mixer in text.split("-")[3:]:
            if mixer == "skip":
                continue
            if mixer != "ff":
                mix = AcrossTokens(tokens) if mixer == "mlp" else Attention(width, int(mixer[4:]))
                blocks.append(nn.Sequential(nn.LayerNorm(width), mix))
            wide = nn.Linear(width, width * ratio)
            narrow = nn.Linear(width * ratio, width)
            blocks.append(nn.Sequential(nn.LayerNorm(width), wide, nn.GELU(), narrow))
        self.blocks = nn.ModuleList(blocks)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2) + self.position
        for block in self.blocks:
            x = x + block(x)
        return cast(Tensor, self.head(self.norm(x).mean(1)))


# the three ways

MODULES: dict[str, tuple[Callable[[str], nn.Module], int]] = {
    "nasbench101": (nasbench101, 3),
    "nasbench201": (nasbench201, 6),
    "digits-cells": (lambda text: nasbench201(text, channels=8, cells=1, inputs=1), 6),
    "digits-chains": (chain, 6),
    "digits-mbconv": (bottlenecks, 6),
    "digits-tokens": (Tokens, 6),
}
SAMPLES = [(name, seed) for name, (_, count) in MODULES.items() for seed in range(count)]


@cache
def specification(name: str, seed: int) -> tuple[str, tuple[int, ...]]:
    """A member of a family, and the shape of its input."""
    members = family(name)
    shape = (1, 3, 32, 32) if name.startswith("nasbench") else (1, 1, 8, 8)
    return members.format(members.sample(np.random.default_rng(seed))), shape


def module_of(name: str, seed: int) -> nn.Module:
    torch.manual_seed(0)
    return MODULES[name][0](specification(name, seed)[0])


def built(name: str, seed: int) -> ComputationGraph:
    return fuse(build_spec(f"{name}:{specification(name, seed)[0]}"))


def exported(module: nn.Module, shape: tuple[int, ...], training: bool) -> onnx.ModelProto:
    mode = torch.onnx.TrainingMode.TRAINING if training else torch.onnx.TrainingMode.EVAL
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.train(training),
            (torch.randn(shape),),
            stream,
            training=mode,
            do_constant_folding=not training,
            opset_version=17,
            dynamo=False,
        )
    return onnx.load_from_string(stream.getvalue())


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize(("name", "seed"), SAMPLES)
def test_the_export_is_the_specified_network(name: str, seed: int, training: bool) -> None:
    model = exported(module_of(name, seed), specification(name, seed)[1], training)
    assert fuse(from_onnx(model)) == built(name, seed)


@pytest.mark.parametrize(("name", "seed"), SAMPLES)
def test_the_module_is_the_specified_network(name: str, seed: int) -> None:
    with torch.device("meta"):
        module = module_of(name, seed)
    assert fuse(from_torch(module, specification(name, seed)[1])) == built(name, seed)


@pytest.mark.parametrize("name", MODULES)
def test_another_member_is_another_network(name: str) -> None:
    assert len({built(name, seed).hash for seed in range(MODULES[name][1])}) == MODULES[name][1]
