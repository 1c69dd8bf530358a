"""A module that was recorded as a graph runs as the module does, in torch and as an ONNX model."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from test_onnx_export import run
from torch import Tensor, nn
from torch.nn import functional as F

from onnx_bench.onnx_export import to_onnx
from onnx_bench.torch_import import from_torch
from onnx_bench.torch_module import to_torch


class _Sequence(nn.Module):
    """What a recurrent layer gives at its last step, classified."""

    def __init__(self, layer: nn.Module, width: int) -> None:
        super().__init__()
        self.layer, self.head = layer, nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.head(self.layer(x)[0][:, -1])
        return result


class _Words(nn.Module):
    """An embedding that reads whole numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(11, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.head(self.table(x.long()).mean(1))
        return result


class _Scale(nn.Module):
    """A learned factor for each feature."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


class _Transformer(nn.Module):
    """A class token, positions, attention and scaled residuals."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.position = nn.Parameter(torch.randn(1, 6, 8))
        self.inward, self.outward = nn.Linear(8, 24), nn.Linear(8, 8)
        self.scale, self.norm, self.head = _Scale(8), nn.LayerNorm(8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.position
        split = self.inward(x).reshape(len(x), 6, 3, 2, 4).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(*split.unbind(0))
        x = x + self.scale(self.outward(seen.transpose(1, 2).flatten(2)))
        result: Tensor = self.head(self.norm(x)[:, 0])
        return result


class _Frames(nn.Module):
    """A convolutional network over frames that lie along the batch."""

    def __init__(self) -> None:
        super().__init__()
        layers = (nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x.flatten(0, 1)).mean((2, 3)).reshape(len(x), -1, 4).mean(1)


MODULES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "lines": (
        lambda: nn.Sequential(
            nn.Conv1d(3, 6, 3, stride=2, padding=1),
            nn.BatchNorm1d(6),
            nn.LeakyReLU(),
            nn.MaxPool1d(2),
            nn.AvgPool1d(3, 1, 1),
            nn.ConvTranspose1d(6, 2, 3, stride=2),
            nn.PReLU(2),
            nn.Flatten(),
            nn.Linear(18, 2),
        ),
        (3, 16),
    ),
    "volumes": (
        lambda: nn.Sequential(
            nn.Conv3d(2, 4, (3, 2, 1), padding=1, stride=(1, 2, 1), groups=2),
            nn.InstanceNorm3d(4),
            nn.ELU(),
            nn.MaxPool3d(2),
            nn.AdaptiveAvgPool3d(1),
        ),
        (2, 4, 6, 6),
    ),
    "decoder": (
        lambda: nn.Sequential(
            nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
            nn.GroupNorm(3, 6),
            nn.Mish(),
            nn.Upsample(scale_factor=2),
            nn.Hardtanh(),
        ),
        (4, 5, 5),
    ),
    "norms": (
        lambda: nn.Sequential(
            nn.GroupNorm(1, 6),
            nn.PReLU(),
            nn.InstanceNorm2d(6, affine=True),
            nn.LayerNorm([5, 5]),
            nn.RMSNorm(5, eps=1e-5),
            nn.Softplus(),
        ),
        (6, 5, 5),
    ),
    "lstm": (lambda: _Sequence(nn.LSTM(8, 6, batch_first=True), 6), (5, 8)),
    "gru": (lambda: _Sequence(nn.GRU(8, 6, batch_first=True, bidirectional=True), 12), (5, 8)),
    "two rnns": (lambda: _Sequence(nn.RNN(8, 6, num_layers=2, batch_first=True), 6), (5, 8)),
    "words": (_Words, (5,)),
    "transformer": (_Transformer, (5, 8)),
    "frames": (_Frames, (5, 3, 8, 8)),
}


def _filled(module: nn.Module, given: nn.Module) -> nn.Module:
    """The module with the weights of another whose layers have the same order."""
    for own, other in (
        (module.parameters(), given.parameters()),
        (module.buffers(), given.buffers()),
    ):
        for mine, theirs in zip(own, other, strict=True):
            mine.data = theirs.data.reshape(mine.shape).clone()
    return module.eval()


@pytest.mark.parametrize("name", MODULES)
def test_a_recorded_module_runs_as_it_did(name: str) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    make, shape = MODULES[name]
    module = make().eval()
    graph = from_torch(module, (1, *shape))
    copy = _filled(to_torch(graph), module)
    x = torch.rand(2, *shape) * 3
    with torch.no_grad():
        expected = module(x)
        torch.testing.assert_close(copy(x), expected, rtol=1e-4, atol=1e-5)
    weights = {key: tensor.numpy() for key, tensor in copy.state_dict().items()}
    (result,) = run(to_onnx(graph, weights), x.numpy())
    np.testing.assert_allclose(result, expected.numpy(), rtol=1e-4, atol=1e-5)
