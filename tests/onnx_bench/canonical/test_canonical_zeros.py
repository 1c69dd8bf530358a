"""Sums have no zeros; what else reads one keeps it."""

from canonical_models import TOKENS, alike, fused_through, labels, macs, model_of, network
from onnx_models import Line

from onnx_bench.builder import GraphBuilder
from onnx_bench.canonical import fuse, zeros
from onnx_bench.onnx_import import from_onnx


def test_a_sum_has_no_zeros() -> None:
    assert alike(
        lambda g, x: g.add(g.relu(x), g.zero(x), g.sigmoid(x)),
        lambda g, x: g.add(g.sigmoid(x), g.relu(x)),
    )


def test_a_sum_of_one_term_is_the_term() -> None:
    assert alike(lambda g, x: g.relu(g.add(g.zero(x), x)), lambda g, x: g.relu(x))
    assert alike(
        lambda g, x: g.relu(g.add(g.add(g.zero(x), x), g.zero(g.relu(x)))),
        lambda g, x: g.relu(x),
    )


def test_a_sum_of_zeros_is_one_zero() -> None:
    assert alike(
        lambda g, x: g.relu(g.add(g.zero(x), g.zero(x), g.add(g.zero(x), g.zero(x)))),
        lambda g, x: g.relu(g.zero(x)),
    )


def test_a_zero_that_no_sum_reads_stays() -> None:
    assert labels(fuse(network(lambda g, x: g.mul(x, g.zero(x))))) == ["zero", "mul"]
    assert labels(fuse(network(lambda g, x: g.concat(x, g.zero(x))))) == ["zero", "concat"]


def test_a_zero_that_widens_a_sum_leaves_its_shape() -> None:
    wide = fuse(network(lambda g, x: g.add(g.slice(x, 0, 1), g.zero(x))))
    assert wide.node(len(wide) - 1).out_shape == (3, 4, 4)


def test_products_with_zero_are_the_edge_of_a_cell() -> None:
    constants = {"nought": 0.0}
    lines: list[Line] = [("Mul", "x nought", "z"), ("Relu", "x", "r"), ("Add", "z r", "y")]
    graph = from_onnx(model_of(lines, TOKENS, constants))
    assert labels(graph) == ["zero", "relu", "add"]
    assert labels(fuse(graph)) == ["relu"]


def test_nothing_is_left() -> None:
    def block(g: GraphBuilder, x: int) -> int:
        y = g.relu(g.conv(x, 3, 3))
        y = g.add(g.add(y, g.zero(x)), g.add(x, g.sigmoid(x)), g.sigmoid(x))
        return g.relu(g.add(y, g.zero(y)))

    graph = network(block)
    once = fused_through(graph, zeros.drop)
    assert fused_through(once, zeros.drop) == once
    assert macs(once) == macs(graph)
