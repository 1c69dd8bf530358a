"""How each operator with weights runs in torch: from a row to a module.

The modules are torch's own where it has them, with its initialisation, and read tensors with the
batch in front of the row's shapes.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from onnx_bench import rows
from onnx_bench.graph import Node, Shape
from onnx_bench.operators import Op
from onnx_bench.torch_functions import Function

_CONV: tuple[Function, ...] = (F.conv1d, F.conv2d, F.conv3d)
_CONV_TRANSPOSE: tuple[Function, ...] = (
    F.conv_transpose1d,
    F.conv_transpose2d,
    F.conv_transpose3d,
)


class Conv(_ConvNd):
    """Convolution over one to three axes, whose padding may differ from side to side."""

    def __init__(self, node: Node) -> None:
        window = rows.window(node)
        none = (0,) * len(window.kernel)
        self.sides, self.even = window.sides, window.before == window.after
        super().__init__(
            node.in_shape[0],
            node.out_shape[0],
            window.kernel,
            window.stride,
            window.before if self.even else none,
            window.dilation,
            transposed=False,
            output_padding=none,
            groups=node.groups,
            bias=node.bias,
            padding_mode="zeros",
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x if self.even else F.pad(x, self.sides)
        settings = (self.stride, self.padding, self.dilation, self.groups)
        return _CONV[len(self.stride) - 1](x, self.weight, self.bias, *settings)


class ConvTranspose(_ConvNd):
    """Transposed convolution, cut on each side to its output's shape."""

    def __init__(self, node: Node) -> None:
        window = rows.window(node)
        pairs = zip(rows.output_padding(node), window.after, strict=True)
        self.before, self.shape = window.before, node.out_shape
        super().__init__(
            node.in_shape[0],
            node.out_shape[0],
            window.kernel,
            window.stride,
            (0,) * len(window.kernel),
            window.dilation,
            transposed=True,
            output_padding=tuple(max(added - cut, 0) for added, cut in pairs),
            groups=node.groups,
            bias=node.bias,
            padding_mode="zeros",
        )

    def forward(self, x: Tensor) -> Tensor:
        settings = (self.stride, 0, self.output_padding, self.groups, self.dilation)
        x = _CONV_TRANSPOSE[len(self.stride) - 1](x, self.weight, self.bias, *settings)
        for axis, start in enumerate(self.before, 2):
            x = x.narrow(axis, start, self.shape[axis - 1])
        return x


class BatchNorm(_BatchNorm):
    """Batch normalisation over axis 1 of inputs of any rank."""

    def __init__(self, node: Node) -> None:
        super().__init__(node.in_shape[0], rows.EPSILON, affine=bool(rows.affine(node)))

    def _check_input_dim(self, input: Tensor) -> None:
        """Any rank will do."""


class GroupNorm(nn.GroupNorm):
    """Normalisation of groups of channels; also of single values, which torch's own refuses."""

    def __init__(self, node: Node) -> None:
        channels, roles = node.in_shape[0], rows.affine(node)
        groups = node.groups if node.op == Op.GROUP_NORM else channels
        super().__init__(groups, channels, rows.EPSILON, affine=bool(roles))
        if roles == ("weight",):
            self.register_parameter("bias", None)

    def forward(self, x: Tensor) -> Tensor:
        return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


def _layer_norm(node: Node, _: list[Shape]) -> nn.Module:
    shape, roles = list(rows.normed_shape(node)), rows.affine(node)
    return nn.LayerNorm(shape, rows.EPSILON, bool(roles), bias="bias" in roles)


def _rms_norm(node: Node, _: list[Shape]) -> nn.Module:
    return nn.RMSNorm(list(rows.normed_shape(node)), rows.EPSILON, bool(rows.affine(node)))


class Position(nn.Module):
    """Adds a learned tensor, drawn as for vision transformers (normal, deviation .02)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape))
        nn.init.trunc_normal_(self.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight


class Shift(nn.Module):
    """Adds a learned constant, zero at first."""

    def __init__(self, shape: Shape, in_rank: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(shape))
        self.missing = max(len(shape) - in_rank, 0)

    def forward(self, x: Tensor) -> Tensor:
        return self._aligned(x) + self.weight

    def _aligned(self, x: Tensor) -> Tensor:
        """The input in as many axes as the constant has: else its batch would meet another."""
        return x.reshape(len(x), *(1,) * self.missing, *x.shape[1:])


class Scale(Shift):
    """Multiplies by a learned constant, one at first."""

    def __init__(self, shape: Shape, in_rank: int) -> None:
        super().__init__(shape, in_rank)
        nn.init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self._aligned(x) * self.weight


def _constant(kind: type[Shift]) -> "Layer":
    def make(node: Node, _: list[Shape]) -> nn.Module | None:
        shape = rows.constant_shape(node)
        return None if shape is None else kind(shape, len(node.in_shape))

    return make


class Embedding(nn.Embedding):
    """Rows of a learned table, chosen by the whole parts of numbers, modulo the number of rows."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.long() % self.num_embeddings)


def _embedding(node: Node, _: list[Shape]) -> nn.Module:
    return Embedding(node.attribute(0), node.out_shape[-1])


class Token(nn.Module):
    """Puts a tensor in front of its inputs: a learned one, or zeros where nothing is learned."""

    def __init__(self, shape: Shape, axis: int, learned: bool) -> None:
        super().__init__()
        self.axis, self.shape = axis, shape
        if learned:
            self.weight = nn.Parameter(torch.empty(shape))
            nn.init.trunc_normal_(self.weight, std=0.02)
        self.learned = learned

    def forward(self, *xs: Tensor) -> Tensor:
        token = self.weight if self.learned else xs[0].new_zeros(self.shape)
        return torch.cat([token.expand(len(xs[0]), *self.shape), *xs], self.axis + 1)


def _token(node: Node, in_shapes: list[Shape]) -> nn.Module | None:
    shape = rows.lacking(node, in_shapes)
    return None if shape is None else Token(shape, node.attribute(0), node.parameters > 0)


class Product(nn.Module):
    """Matrix product with a learned tensor on the left or the right."""

    def __init__(self, shape: Shape, right: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape))
        nn.init.normal_(self.weight, std=shape[-2 if right else -1] ** -0.5)
        self.right = right

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight if self.right else self.weight @ x


def _product(node: Node, in_shapes: list[Shape]) -> nn.Module | None:
    return Product(*rows.operand(node)) if len(in_shapes) == 1 else None


class LSTM(nn.LSTM):
    """One layer, the batch in front; gives what each step gives, and no states."""

    def __init__(self, node: Node) -> None:
        super().__init__(*_sizes(node), bias=node.bias, batch_first=True, **_directions(node))
        self.shapes = (node.in_shape, node.out_shape)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return _by_step(super().forward, x, *self.shapes)


class GRU(nn.GRU):
    """As `LSTM`."""

    def __init__(self, node: Node) -> None:
        super().__init__(*_sizes(node), bias=node.bias, batch_first=True, **_directions(node))
        self.shapes = (node.in_shape, node.out_shape)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return _by_step(super().forward, x, *self.shapes)


class RNN(nn.RNN):
    """As `LSTM`, with tanh."""

    def __init__(self, node: Node) -> None:
        super().__init__(*_sizes(node), bias=node.bias, batch_first=True, **_directions(node))
        self.shapes = (node.in_shape, node.out_shape)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return _by_step(super().forward, x, *self.shapes)


def _sizes(node: Node) -> tuple[int, int]:
    layer = rows.recurrent(node)
    return layer.width, layer.hidden


def _directions(node: Node) -> dict[str, bool]:
    return {"bidirectional": rows.recurrent(node).directions == 2}


def _by_step(
    layer: Callable[..., tuple[Tensor, object]], x: Tensor, given: Shape, out: Shape
) -> Tensor:
    """The result of each step; an axis of one where the batch was is set aside."""
    return layer(x.reshape(-1, given[0], given[-1]))[0].reshape(-1, *out)


Layer = Callable[[Node, list[Shape]], nn.Module | None]

LAYERS: dict[Op, Layer] = {
    Op.CONV: lambda node, _: Conv(node),
    Op.CONV_TRANSPOSE: lambda node, _: ConvTranspose(node),
    Op.LINEAR: lambda node, _: nn.Linear(node.in_shape[-1], node.out_shape[-1], node.bias),
    Op.BATCH_NORM: lambda node, _: BatchNorm(node),
    Op.GROUP_NORM: lambda node, _: GroupNorm(node),
    Op.INSTANCE_NORM: lambda node, _: GroupNorm(node),
    Op.LAYER_NORM: _layer_norm,
    Op.RMS_NORM: _rms_norm,
    Op.POSITION: lambda node, _: Position(node.in_shape),
    Op.SCALE: _constant(Scale),
    Op.SHIFT: _constant(Shift),
    Op.PRELU: lambda node, _: nn.PReLU(*rows.slopes(node)),
    Op.EMBEDDING: _embedding,
    Op.LSTM: lambda node, _: LSTM(node),
    Op.GRU: lambda node, _: GRU(node),
    Op.RNN: lambda node, _: RNN(node),
    Op.CONCAT: _token,
    Op.MATMUL: _product,
}
"""The module of each operator that has weights; None where it has none in this place."""
