"""A product of many, which our exporter writes as a chain, is one step again."""

import pytest
from canonical_models import (
    assert_settled,
    labels,
    model_of,
    raw,
)
from onnx_models import Line

from onnx_bench.builder import GraphBuilder
from onnx_bench.canonical import spelling
from onnx_bench.onnx_export import to_onnx
from onnx_bench.onnx_import import from_onnx
from onnx_bench.operators import Op


@pytest.mark.parametrize("factors", [2, 3, 4, 5])
def test_our_own_product_of_many_is_one_again(factors: int) -> None:
    g = GraphBuilder()
    x = g.input(4, 6)
    g.output(g.mul(x, *(g.unary(Op.RELU, x) for _ in range(factors - 1))))
    model = to_onnx(g.build())
    trace = raw(model)
    assert labels(trace).count("mul") == factors - 1
    spelling.undo(trace)
    assert labels(trace).count("mul") == 1
    assert_settled(spelling.undo, trace)
    assert from_onnx(model) == g.build()


def test_products_of_others_are_left_to_fusion() -> None:
    lines: list[Line] = [("Relu", "x", "r"), ("Mul", "x r", "p"), ("Mul", "p r", "y")]
    trace = raw(model_of(lines))
    spelling.undo(trace)
    assert labels(trace).count("mul") == 2


def test_our_own_product_of_products_stays_two() -> None:
    g = GraphBuilder()
    x = g.input(4, 6)
    y = g.relu(x)
    g.output(g.mul(g.mul(x, y, x), y, x))
    assert from_onnx(to_onnx(g.build())) == g.build()
