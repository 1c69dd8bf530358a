"""Which entries arrive behind moves, and in which shape they are read."""

from typing import Any

import numpy as np
import pytest
from canonical_models import labels, model_of
from onnx_models import Dims, Line

from onnx_bench.builder import GraphBuilder
from onnx_bench.canonical import fuse
from onnx_bench.canonical.layout import arrival
from onnx_bench.graph import ComputationGraph
from onnx_bench.onnx_import import from_onnx

IMAGE: dict[str, Dims] = {"x": ("batch", 4, 6, 8)}
CONSTANTS: dict[str, Any] = {
    "u": np.random.default_rng(13).normal(size=(8, 5)),
    "rows": [0, 24, 8],
    "rows5": [0, 24, 5],
}


def _fused(lines: list[Line]) -> ComputationGraph:
    return fuse(from_onnx(model_of(lines, IMAGE, CONSTANTS)))


def test_products_of_the_last_axis_forget_the_others() -> None:
    flat: list[Line] = [("Reshape", "x rows", "f"), ("MatMul", "f u", "p"), ("Relu", "p", "y")]
    deep: list[Line] = [("MatMul", "x u", "p"), ("Reshape", "p rows5", "q"), ("Relu", "q", "y")]
    assert _fused(flat) == _fused(deep)


def test_a_reader_names_the_shape_in_which_it_reads() -> None:
    g = GraphBuilder()
    x = g.linear(g.input(4, 6), 5, bias=False)
    g.output(g.conv(g.reshape(x, 4, 5, 1), 3))
    graph = fuse(g.build())
    assert labels(graph) == ["linear", "conv"]
    assert (graph.node(1).out_shape, graph.node(2).in_shape) == ((4, 5), (4, 5, 1))


def test_an_image_read_behind_a_linear_map_keeps_its_shape() -> None:
    g = GraphBuilder()
    g.output(g.conv(g.linear(g.input(3, 4, 6), 5, bias=False), 2, 3))
    graph = fuse(g.build())
    assert (graph.node(1).out_shape, graph.node(2).in_shape) == ((12, 5), (3, 4, 5))


@pytest.mark.parametrize(
    ("shape", "chain", "expected"),
    [
        ((4, 6), (("reshape", (24,)),), ("whole",)),
        ((4, 6), (("transpose", (1, 0)),), ("whole",)),
        ((4, 4), (("transpose", (1, 0)),), ("shuffle",)),
        ((4, 6), (("expand", (3, 4, 6)),), ("whole",)),
        ((4, 6), (("slice", 1, 2, 3, 1),), ("slice", (1, 2, 3, 1))),
        ((4, 6), (("slice", 1, 1, 3, 2),), ("slice", (1, 1, 3, 2))),
        ((4, 6), (("slice", 1, 5, 1, 1),), ("slice", (1, 5, 1, 1))),
        ((4, 6), (("slice", 1, 5, 6, -1),), ("shuffle",)),
        ((4, 6), (("reshape", (24,)), ("slice", 0, 6, 6, 1)), ("slice", (0, 1, 1, 1))),
        (
            (4, 6),
            (("slice", 0, 1, 2, 1), ("slice", 1, 0, 2, 1)),
            ("slice", (0, 1, 2, 1), (1, 0, 2, 1)),
        ),
        ((4, 6), (("reshape", (24,)), ("slice", 0, 5, 3, 1)), ("part", 3, 5)),
        ((1 << 12, 1 << 12), (("slice", 0, 0, 1, 1),), ("whole",)),
    ],
)
def test_which_entries_arrive(shape: Any, chain: Any, expected: Any) -> None:
    assert arrival(shape, chain, shape) == expected
