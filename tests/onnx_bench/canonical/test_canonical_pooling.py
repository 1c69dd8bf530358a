"""Pooling over a whole image, of which there are many spellings, and pools that leave something."""

from typing import Any

import pytest
from canonical_models import (
    IMAGE,
    TOKENS,
    assert_computes,
    assert_settled,
    labels,
    model_of,
    raw,
    through,
)
from onnx_models import Dims, Line

from onnx_bench import shapes
from onnx_bench.builder import GraphBuilder
from onnx_bench.canonical import fuse, pooling
from onnx_bench.graph import ComputationGraph, Node
from onnx_bench.onnx_import import from_onnx
from onnx_bench.operators import Op

WHOLE = {"kernel_shape": [6, 8]}
AXES: dict[str, Any] = {
    "space": [2, 3],
    "back": [-1, -2],
    "height": [2],
    "width": [3],
    "both": [1, 2],
    "tokens": [1],
    "last": [2],
    "vector": [0, -1],
    "nothing": [0, 4],
}


def _pooled(op: Op, flat: bool) -> ComputationGraph:
    g = GraphBuilder()
    x = g.input(4, 6, 8)
    pooled = g.global_avg_pool(x) if op == Op.GLOBAL_AVG_POOL else g.place(_row_of_the_largest(), x)
    g.output(g.flatten(pooled) if flat else pooled)
    return g.build()


def _row_of_the_largest() -> Any:
    return shapes.row(Node(Op.GLOBAL_MAX_POOL, (4, 6, 8), (4, 1, 1)))


MEANS: list[list[Line]] = [
    [("GlobalAveragePool", "x", "y")],
    [("AveragePool", "x", "y", WHOLE)],
    [("AveragePool", "x", "y", {**WHOLE, "strides": [6, 8], "count_include_pad": 1})],
    [("ReduceMean", "x space", "y")],
    [("ReduceMean", "x back", "y", {"keepdims": 1})],
]
FLAT_MEANS: list[list[Line]] = [
    [("GlobalAveragePool", "x", "p"), ("Flatten", "p", "y")],
    [("AveragePool", "x", "p", WHOLE), ("Reshape", "p vector", "y")],
    [("ReduceMean", "x space", "y", {"keepdims": 0})],
    [("ReduceMean", "x back", "p"), ("Squeeze", "p space", "y")],
]
LARGEST: list[list[Line]] = [
    [("GlobalMaxPool", "x", "y")],
    [("ReduceMax", "x space", "y")],
    [("ReduceMax", "x back", "y", {"keepdims": 1})],
]
FLAT_LARGEST: list[list[Line]] = [
    [("GlobalMaxPool", "x", "p"), ("Flatten", "p", "y")],
    [("ReduceMax", "x space", "y", {"keepdims": 0})],
]


@pytest.mark.parametrize(
    ("op", "flat", "spellings"),
    [
        (Op.GLOBAL_AVG_POOL, False, MEANS),
        (Op.GLOBAL_AVG_POOL, True, FLAT_MEANS),
        (Op.GLOBAL_MAX_POOL, False, LARGEST),
        (Op.GLOBAL_MAX_POOL, True, FLAT_LARGEST),
    ],
)
def test_spellings_of_one_pool(op: Op, flat: bool, spellings: list[list[Line]]) -> None:
    graph = _pooled(op, flat)
    for lines in spellings:
        model = model_of(lines, IMAGE, AXES)
        assert from_onnx(model) == graph
        assert_computes(graph, model)


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([("AveragePool", "x", "y", {"kernel_shape": [6, 7]})], ["avg_pool"]),
        ([("AveragePool", "x", "y", {**WHOLE, "pads": [1, 0, 1, 0]})], ["avg_pool"]),
        ([("ReduceMean", "x width", "y")], ["reduce_mean"]),
        ([("ReduceMean", "x both", "y")], ["reduce_mean"]),
        ([("ReduceSum", "x space", "y")], ["reduce_sum"]),
        ([("ReduceMax", "x height", "y")], ["reduce_max"]),
        ([("MaxPool", "x", "y", {"kernel_shape": [6, 7]})], ["max_pool"]),
    ],
)
def test_pools_that_leave_something(lines: list[Line], found: list[str]) -> None:
    assert labels(from_onnx(model_of(lines, IMAGE, AXES))) == found


def test_a_mean_over_one_axis_after_the_other_is_not_taken_for_one() -> None:
    lines: list[Line] = [("ReduceMean", "x width", "p"), ("ReduceMean", "p height", "y")]
    assert labels(from_onnx(model_of(lines, IMAGE, AXES))) == ["reduce_mean"] * 2


@pytest.mark.parametrize(("keep", "found"), [(0, ["mean"]), (1, ["mean", "reshape"])])
def test_mean_of_the_tokens(keep: int, found: list[str]) -> None:
    model = model_of([("ReduceMean", "x tokens", "y", {"keepdims": keep})], TOKENS, AXES)
    assert labels(from_onnx(model)) == found
    assert_computes(from_onnx(model), model)


def test_mean_of_the_features_is_not_that_of_the_tokens() -> None:
    model = model_of([("ReduceMean", "x last", "y", {"keepdims": 0})], TOKENS, AXES)
    assert labels(from_onnx(model)) == ["reduce_mean"]


def test_pool_over_an_image_of_one_row_is_that_of_a_sequence() -> None:
    sequence: dict[str, Dims] = {"x": ("batch", 4, 8)}
    row: list[Line] = [
        ("Unsqueeze", "x height", "i"),
        ("GlobalAveragePool", "i", "p"),
        ("Flatten", "p", "y"),
    ]
    mean: list[Line] = [("ReduceMean", "x last", "y", {"keepdims": 0})]
    one, other = (from_onnx(model_of(lines, sequence, AXES)) for lines in (row, mean))
    assert one != other
    assert fuse(one) == fuse(other)
    image = from_onnx(model_of(MEANS[0], IMAGE))
    assert labels(fuse(image)) == ["global_avg_pool"]


@pytest.mark.parametrize("lines", [*MEANS, *FLAT_MEANS, *LARGEST, *FLAT_LARGEST])
def test_nothing_is_left_to_unify(lines: list[Line]) -> None:
    trace = raw(model_of(lines, IMAGE, AXES))
    assert_settled(pooling.unify, through(trace, pooling.unify))
