"""Modules are recorded as the networks that they are, without a weight or a value."""

import io
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from onnx_bench.canonical import fuse
from onnx_bench.cost import cost
from onnx_bench.errors import ModuleError
from onnx_bench.graph import ComputationGraph
from onnx_bench.onnx_import import from_onnx
from onnx_bench.operators import Op
from onnx_bench.torch_import import from_torch, import_torch

Shape = tuple[int, ...]


class Apply(nn.Module):
    """A function as a module, between two linear maps so that its input is computed."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *xs: Tensor) -> Any:
        return self.function(*xs)


class Recurrent(nn.Module):
    """The last output of a recurrent layer."""

    def __init__(self, kind: type[nn.RNNBase], **settings: Any) -> None:
        super().__init__()
        self.layer = kind(6, 5, **settings)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[0]


class Packed(nn.Module):
    """Attention whose queries, keys and values come from one linear map."""

    def __init__(self, split: str, scale: str = "call") -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(8, 24), nn.Linear(8, 8)
        self.split, self.scale = split, scale

    def forward(self, x: Tensor) -> Tensor:
        b, t, c = x.shape
        packed = self.qkv(x)
        match self.split:
            case "chunk":
                parts = [y.reshape(b, t, 2, 4).transpose(1, 2) for y in packed.chunk(3, dim=-1)]
            case "unbind":
                parts = list(packed.reshape(b, t, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0))
            case "index":
                whole = packed.view(b, t, 3, 2, 4).permute(2, 0, 3, 1, 4)
                parts = [whole[0], whole[1], whole[2]]
            case _:
                parts = [packed[..., i * 8 : (i + 1) * 8].view(b, t, 2, 4) for i in range(3)]
                parts = [y.permute(0, 2, 1, 3) for y in parts]
        q, k, v = parts
        match self.scale:
            case "call":
                y = F.scaled_dot_product_attention(q, k, v)
            case "before":
                y = (q * 0.5 @ k.mT).softmax(-1) @ v
            case _:
                y = F.softmax(torch.matmul(q, k.transpose(-2, -1)) / 2.0, dim=-1) @ v
        return self.out(y.transpose(1, 2).reshape(b, t, c))


MODULES: dict[str, tuple[Callable[[], nn.Module], Shape]] = {
    "convolutions": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU6(),
            nn.Conv2d(8, 8, (3, 5), padding="same", groups=4),
            nn.GELU(),
            nn.ConvTranspose2d(8, 4, 3, 2, output_padding=1),
            nn.GroupNorm(2, 4),
            nn.SiLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, 10),
        ),
        (1, 3, 16, 16),
    ),
    "lines": (
        lambda: nn.Sequential(nn.Conv1d(6, 8, 3, dilation=2), nn.BatchNorm1d(8), nn.MaxPool1d(2)),
        (1, 6, 20),
    ),
    "volumes": (
        lambda: nn.Sequential(nn.Conv3d(2, 4, (3, 2, 1), (1, 2, 1)), nn.ELU(), nn.MaxPool3d(2)),
        (1, 2, 8, 8, 8),
    ),
    "lstm": (lambda: Recurrent(nn.LSTM, batch_first=True), (1, 7, 6)),
    "gru both ways": (lambda: Recurrent(nn.GRU, bidirectional=True), (7, 1, 6)),
    "two layers": (lambda: Recurrent(nn.LSTM, num_layers=2, batch_first=True), (1, 7, 6)),
    "encoder layer": (
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2),
        (1, 5, 8),
    ),
    "packed attention": (lambda: Packed("chunk"), (1, 5, 8)),
    "resized": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 1), nn.Upsample(scale_factor=2), nn.PixelShuffle(2)),
        (1, 3, 4, 4),
    ),
}


@pytest.mark.parametrize("name", MODULES)
def test_parameters_are_those_of_the_module(name: str) -> None:
    make, shape = MODULES[name]
    module = make()
    found = import_torch(module, shape)
    assert found.graph.parameters == sum(p.numel() for p in module.parameters())
    assert (found.unknown, found.coverage) == ({}, (1, 1, 1))


@pytest.mark.parametrize("name", MODULES)
def test_the_recorder_and_the_exporter_give_one_fused_graph(name: str) -> None:
    make, shape = MODULES[name]
    module = _trained(make())
    recorded = fuse(from_torch(module, shape))
    assert fuse(from_onnx(_exported(module.eval(), shape))) == recorded
    assert cost(recorded).macs == cost(from_torch(module, shape)).macs


def test_every_spelling_of_attention_is_one_graph() -> None:
    spellings = [
        fuse(from_torch(Packed(split, scale), (1, 5, 8)))
        for split in ("chunk", "unbind", "index", "slice")
        for scale in ("call", "before", "after")
    ]
    assert len({graph.hash for graph in spellings}) == 1
    (attention,) = spellings[0].nodes_of(Op.ATTENTION)
    node = spellings[0].node(attention)
    assert (node.in_shape, node.attributes) == ((5, 8), (2, 5))
    assert len(spellings[0].inputs_of(attention)) == 3
    assert cost(spellings[0]).macs == 5 * 8 * 24 + 2 * 5 * 5 * 8 + 5 * 8 * 8


def test_a_module_on_the_meta_device_is_recorded_and_stays_there() -> None:
    with torch.device("meta"):
        module = nn.Sequential(nn.Linear(10_000, 200_000), nn.ReLU(), nn.Linear(200_000, 10))
    module.train()
    graph = from_torch(module, (1, 10_000))
    assert cost(graph).macs == 10_000 * 200_000 + 200_000 * 10
    assert all(p.device.type == "meta" for p in module.parameters())
    assert module.training
    assert module[0].training


def test_recording_leaves_weights_and_statistics_alone() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5)).train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    first, second = from_torch(module, (1, 3, 8, 8)), from_torch(module, (1, 3, 8, 8))
    assert first == second
    assert module.state_dict().keys() == before.keys()
    assert all(torch.equal(module.state_dict()[name], before[name]) for name in before)
    assert module[2].training


def test_tied_weights_count_once() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(50, 8)
            self.head = nn.Linear(8, 50, bias=False)
            self.head.weight = self.table.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.table(x))

    graph = from_torch(Tied(), torch.zeros(1, 7, dtype=torch.long))
    assert graph.parameters == 50 * 8
    assert cost(graph).macs == 7 * 8 * 50
    assert fuse(graph).parameters == 2 * 50 * 8  # by shape


def test_constants_are_no_nodes_and_learned_ones_are_counted() -> None:
    class Biased(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Parameter(torch.zeros(9, 4))
            self.register_buffer("index", torch.arange(6) % 3)

        def forward(self, x: Tensor) -> Tensor:
            mask = torch.ones(6, 6, device=x.device).tril()[:1, :4]
            return x + self.table[self.index] * 2 + mask

    graph = from_torch(Biased(), (1, 6, 4))
    assert [graph.node(i).op for i in range(len(graph))] == [
        Op.INPUT,
        Op.POSITION,
        Op.SHIFT,
        Op.OUTPUT,
    ]
    assert graph.parameters == 36


def test_what_is_written_into_a_tensor_is_part_of_it() -> None:
    def write(x: Tensor) -> Tensor:
        y = torch.zeros(1, 4, 8)
        y[:, 1] = x.relu()
        y[:, 2:].add_(1)
        return y.exp()

    graph = from_torch(Apply(write), (1, 8))
    labels = [node.op for _, node, _ in graph.walk()]
    assert Op.RELU in labels
    assert labels.count(Op.SCATTER) == 2
    assert labels[-2:] == [Op.EXP, Op.OUTPUT]


def test_in_place_functions_are_the_functions() -> None:
    def in_place(x: Tensor) -> Tensor:
        x = x * 2
        x += 1
        return x.relu_().mul_(x.sigmoid())

    def out_of_place(x: Tensor) -> Tensor:
        y = (x * 2 + 1).relu()
        return y * y.sigmoid()

    assert from_torch(Apply(in_place), (1, 8)) == from_torch(Apply(out_of_place), (1, 8))


def test_functions_outside_the_vocabulary_are_named() -> None:
    found = import_torch(Apply(lambda x: torch.special.bessel_j0(x.relu()) + 1), (1, 8))
    assert found.unknown == {"special_bessel_j0": 1}
    assert found.coverage.nodes == pytest.approx(2 / 3)
    assert found.graph.node(2).out_shape == (8,)


@pytest.mark.parametrize(
    ("function", "shapes", "reason"),
    [
        (lambda x: x if x.sum() > 0 else -x, (1, 8), r"__bool__ in test_torch_import.py, line \d+"),
        (lambda x: x[: int(x.argmax())], (1, 8), "depends on its data"),
        (lambda x: x @ torch.zeros(3, 3), (1, 8), r"forward fails on inputs of shape \[\(1, 8\)\]"),
        (lambda x: x.shape, (1, 8), "no result is a tensor"),
        (lambda _: torch.zeros(3), (1, 8), "no result is a tensor that depends on the input"),
        (lambda x, y: x + y, (1, 8), "missing 1 required positional argument"),
        (lambda x: x, (), "no input is given"),
        (lambda x: x, [None], "is no tensor and no shape"),
        (lambda x: x.reshape(1, *(2,) * 10), (1, 1024), "1 to 8 axes"),
    ],
)
def test_what_cannot_be_recorded_is_one_line(
    function: Callable[..., Any], shapes: Any, reason: str
) -> None:
    with pytest.raises(ModuleError, match=reason) as caught:
        from_torch(Apply(function), shapes)
    assert "\n" not in str(caught.value)


def test_a_module_that_recurses_for_ever_is_one_line() -> None:
    def recurse(x: Tensor) -> Tensor:
        return recurse(x + 1)

    with pytest.raises(ModuleError, match="forward fails"):
        from_torch(Apply(recurse), (1, 8))


def test_several_inputs_and_outputs() -> None:
    module = Apply(lambda x, y: {"sum": x + y, "rest": [x.relu(), (y.exp(),)]})
    graph = from_torch(module, [(1, 8), torch.zeros(1, 8)])
    assert len(graph.nodes_of(Op.INPUT)) == 2
    assert len(graph.nodes_of(Op.OUTPUT)) == 3


def test_a_larger_batch_is_the_same_network() -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 4))
    assert from_torch(module, (5, 3, 8, 8)) == from_torch(module, (1, 3, 8, 8))


def _trained(module: nn.Module) -> nn.Module:
    """Weights that differ: exporters share those that are equal and drop those that are zero."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.is_floating_point():
                tensor.add_(torch.rand(tensor.shape, generator=generator) * 0.1)
    return module


def _exported(module: nn.Module, shape: Shape) -> Any:
    import onnx

    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (torch.zeros(shape),), stream, dynamo=False, opset_version=17)
    return onnx.load_model_from_string(stream.getvalue())


def test_equal_modules_are_equal_graphs() -> None:
    """The order in which independent parts are called does not matter."""

    class Branches(nn.Module):
        def __init__(self, swapped: bool) -> None:
            super().__init__()
            self.a, self.b, self.swapped = nn.Linear(8, 8), nn.Linear(8, 8), swapped

        def forward(self, x: Tensor) -> Tensor:
            if self.swapped:
                right = self.b(x).relu()
                return self.a(x).tanh() + right
            left = self.a(x).tanh()
            return left + self.b(x).relu()

    graphs: list[ComputationGraph] = [from_torch(Branches(s), (1, 8)) for s in (False, True)]
    assert graphs[0] == graphs[1]
