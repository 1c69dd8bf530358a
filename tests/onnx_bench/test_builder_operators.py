"""The builder's newer operators against torch: shapes, and how much there is to learn."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from onnx_bench.builder import GraphBuilder
from onnx_bench.errors import GraphError

Pair = tuple[int, int]


def pairs(low: int, high: int) -> st.SearchStrategy[Pair]:
    return st.tuples(st.integers(low, high), st.integers(low, high))


@settings(max_examples=150)
@given(
    groups=st.integers(1, 3),
    size=pairs(1, 9),
    kernel=pairs(1, 5),
    stride=pairs(1, 4),
    padding=pairs(0, 4),
    added=pairs(0, 4),
    dilation=pairs(1, 3),
)
def test_conv_transpose_has_the_shape_of_torch(
    groups: int, size: Pair, kernel: Pair, stride: Pair, padding: Pair, added: Pair, dilation: Pair
) -> None:
    image = (2 * groups, *size)
    weight = torch.empty(2 * groups, 3, *kernel)
    try:
        result = F.conv_transpose2d(
            torch.empty(1, *image), weight, None, stride, padding, added, groups, dilation
        )
        expected = tuple(result.shape[1:]) if result.numel() else None
    except RuntimeError:
        expected = None
    g = GraphBuilder()
    setup = (kernel, stride, (*padding, *padding), added, dilation, groups)
    try:
        got = g.shape(g.conv_transpose(g.input(*image), 3 * groups, *setup))
    except GraphError:
        got = None
    assert got == expected


@pytest.mark.parametrize(
    ("block", "module"),
    [
        (
            lambda g: g.conv1d(g.input(4, 9), 6, 3, groups=2, bias=True),
            nn.Conv1d(4, 6, 3, groups=2),
        ),
        (
            lambda g: g.conv_transpose(g.input(4, 5, 6), 6, (3, 2), groups=2, bias=True),
            nn.ConvTranspose2d(4, 6, (3, 2), groups=2),
        ),
        (lambda g: g.group_norm(g.input(6, 4), 3), nn.GroupNorm(3, 6)),
        (lambda g: g.instance_norm(g.input(6, 4)), nn.InstanceNorm1d(6, affine=True)),
        (lambda g: g.rms_norm(g.input(6, 4)), nn.RMSNorm(4)),
        (lambda g: g.prelu(g.input(6, 4)), nn.PReLU()),
        (lambda g: g.prelu(g.input(6, 4), per_channel=True), nn.PReLU(6)),
        (lambda g: g.embedding(g.input(7), 100, 3), nn.Embedding(100, 3)),
        (lambda g: g.lstm(g.input(7, 3), 5), nn.LSTM(3, 5)),
        (lambda g: g.lstm(g.input(7, 3), 5, True, False), nn.LSTM(3, 5, 1, False, False, 0, True)),
        (lambda g: g.gru(g.input(7, 3), 5, bidirectional=True), nn.GRU(3, 5, bidirectional=True)),
        (lambda g: g.rnn(g.input(7, 3), 5), nn.RNN(3, 5)),
        (lambda g: g.scale(g.input(6, 4)), nn.Identity()),
        (lambda g: g.scale(g.input(6, 4), 6), nn.Linear(6, 1, bias=False)),
        (lambda g: g.shift(g.input(6, 4), 24), nn.Linear(24, 1, bias=False)),
    ],
)
def test_parameters_are_those_of_torch(
    block: Callable[[GraphBuilder], int], module: nn.Module
) -> None:
    g = GraphBuilder()
    block(g)
    assert g.build().parameters == sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    "block",
    [
        lambda g, x: g.pad(x, 3, 4, 5),
        lambda g, x: g.resize(x, 4, 5),
        lambda g, x: g.expand(x, 3, 4, 5),
    ],
)
def test_a_move_to_the_same_shape_adds_no_node(block: Callable[[GraphBuilder, int], int]) -> None:
    g = GraphBuilder()
    x = g.input(3, 4, 5)
    assert block(g, x) == x
    assert len(g) == 1
