"""Node features of networks made by hand, against numbers worked out by hand."""

from collections.abc import Callable

import numpy as np
import pytest

from gennape.features.nodes import (
    DEPTHWISE,
    MAX_KERNEL,
    OPERATOR_TYPES,
    NodeFeatures,
    node_features,
)
from onnx_bench.builder import GraphBuilder
from onnx_bench.graph import ComputationGraph
from onnx_bench.operators import Op

Step = Callable[[GraphBuilder, int], int]


def features_of(step: Step, *shape: int) -> NodeFeatures:
    """Features of the one node that `step` adds behind an input of that shape."""
    g = GraphBuilder()
    index = step(g, g.input(*shape))
    every = node_features(g.build().nodes_NK)
    return NodeFeatures(*(part[index : index + 1] for part in every))


def resolution(*values: float) -> object:
    """[H_in, H_out, W_in, W_out] in pixels and [C_in, C_out], as the encoders see them."""
    return pytest.approx([v / 256 for v in values[:4]] + [v / 512 for v in values[4:]])


def test_types_are_the_vocabulary_and_depthwise() -> None:
    assert len(OPERATOR_TYPES) == len(Op) + 1
    assert OPERATOR_TYPES[:-1] == tuple(op.label for op in sorted(Op))
    assert OPERATOR_TYPES[DEPTHWISE] == "depthwise"


def test_a_convolution_gives_its_sizes_kernel_and_bias() -> None:
    found = features_of(lambda g, x: g.conv(x, 16, (3, 5), stride=(2, 1), bias=True), 3, 32, 20)
    assert found.type_N.tolist() == [Op.CONV]
    assert found.resolution_N6[0].tolist() == resolution(32, 16, 20, 20, 3, 16)
    assert found.kernel_N2.tolist() == [[3, 5]]
    assert found.bias_N.tolist() == [1]


def test_a_convolution_without_bias_says_so() -> None:
    assert features_of(lambda g, x: g.conv(x, 16, 3), 3, 8, 8).bias_N.tolist() == [0]


def test_one_filter_a_channel_is_depthwise() -> None:
    found = features_of(lambda g, x: g.depthwise(x, 5, stride=2), 24, 16, 16)
    assert found.type_N.tolist() == [DEPTHWISE]
    assert found.resolution_N6[0].tolist() == resolution(16, 8, 16, 8, 24, 24)
    assert found.kernel_N2.tolist() == [[5, 5]]


@pytest.mark.parametrize(
    ("channels", "features", "groups", "expected"),
    [(8, 16, 8, DEPTHWISE), (8, 8, 2, Op.CONV), (8, 8, 1, Op.CONV), (1, 4, 1, Op.CONV)],
)
def test_only_as_many_groups_as_input_channels_are_depthwise(
    channels: int, features: int, groups: int, expected: int
) -> None:
    found = features_of(lambda g, x: g.conv(x, features, 3, groups=groups), channels, 8, 8)
    assert found.type_N.tolist() == [expected]


def test_a_linear_map_of_tokens_counts_tokens_as_height() -> None:
    found = features_of(lambda g, x: g.linear(x, 128), 49, 64)
    assert found.type_N.tolist() == [Op.LINEAR]
    assert found.resolution_N6[0].tolist() == resolution(49, 49, 1, 1, 64, 128)
    assert found.kernel_N2.tolist() == [[0, 0]]
    assert found.bias_N.tolist() == [1]


def test_a_linear_map_of_a_vector_is_one_pixel() -> None:
    found = features_of(lambda g, x: g.linear(x, 10, bias=False), 64)
    assert found.resolution_N6[0].tolist() == resolution(1, 1, 1, 1, 64, 10)
    assert found.bias_N.tolist() == [0]


def test_flattening_goes_from_image_to_vector() -> None:
    found = features_of(lambda g, x: g.flatten(x), 4, 3, 2)
    assert found.type_N.tolist() == [Op.RESHAPE]
    assert found.resolution_N6[0].tolist() == resolution(3, 1, 2, 1, 4, 24)


def test_transposing_a_matrix_swaps_height_and_channels() -> None:
    found = features_of(lambda g, x: g.transpose(x, 1, 0), 49, 64)
    assert found.resolution_N6[0].tolist() == resolution(49, 64, 1, 1, 64, 49)


def test_the_input_gives_the_shape_that_it_has() -> None:
    found = features_of(lambda _, x: x, 3, 224, 160)
    assert found.type_N.tolist() == [Op.INPUT]
    assert found.resolution_N6[0, [1, 3, 5]].tolist() == pytest.approx(
        [224 / 256, 160 / 256, 3 / 512]
    )
    assert found.kernel_N2.tolist() == [[0, 0]]
    assert found.bias_N.tolist() == [0]


@pytest.mark.parametrize(("size", "expected"), [(7, 7), (8, 7), (11, 7), (1, 1)])
def test_kernels_above_seven_count_as_seven(size: int, expected: int) -> None:
    found = features_of(lambda g, x: g.conv(x, 4, size, padding=0), 3, 16, 16)
    assert found.kernel_N2.tolist() == [[expected, expected]]
    assert expected <= MAX_KERNEL


def test_large_images_and_many_channels_are_not_clipped() -> None:
    found = features_of(lambda g, x: g.conv(x, 2048, 1), 1024, 512, 384)
    assert found.resolution_N6[0].tolist() == pytest.approx([2, 2, 1.5, 1.5, 2, 4])


def test_features_are_of_the_types_that_the_encoders_take(graphs: list[ComputationGraph]) -> None:
    found = node_features(np.concatenate([graph.nodes_NK for graph in graphs]))
    assert [part.dtype.name for part in found] == ["int32", "float32", "int32", "int32"]
    assert set(np.unique(found.type_N)) <= set(range(len(OPERATOR_TYPES)))
    assert set(np.unique(found.bias_N)) == {0, 1}
    assert found.kernel_N2.min() == 0
    assert found.kernel_N2.max() <= MAX_KERNEL


def test_features_of_a_node_do_not_depend_on_the_others(graphs: list[ComputationGraph]) -> None:
    rows = graphs[0].nodes_NK
    whole = node_features(rows)
    for index in range(len(rows)):
        alone = node_features(rows[index : index + 1])
        for part, single in zip(whole, alone, strict=True):
            np.testing.assert_array_equal(part[index : index + 1], single)
