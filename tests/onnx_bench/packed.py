"""Comparing collections, for the tests of everything that keeps them."""

import numpy as np

from onnx_bench.collections import GraphCollection

ARRAYS = ("rows_RK", "row_M", "node_ptr", "edges_2E", "edge_ptr")


def assert_same_arrays(got: GraphCollection, expected: GraphCollection) -> None:
    """Every array bit for bit, its type, and the names."""
    for name in ARRAYS:
        mine, other = getattr(got, name), getattr(expected, name)
        assert (name, mine.dtype, mine.shape) == (name, other.dtype, other.shape)
        np.testing.assert_array_equal(mine, other, err_msg=name)
    assert list(got.names) == list(expected.names)
