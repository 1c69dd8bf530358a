"""Encoders without a graph network: nothing, and principal components of numbers."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from gennape.batch import EncodedGraphs
from gennape.models.encoder import ENCODERS
from gennape.models.numbers import NoEncoder, NumbersEncoder
from onnx_bench.canonical import fuse
from onnx_bench.errors import GennapeError
from onnx_bench.graph import ComputationGraph


@pytest.fixture(scope="module")
def encoded(graphs: list[ComputationGraph]) -> EncodedGraphs:
    return EncodedGraphs(fuse(graph) for graph in graphs)


def test_nothing_is_said_of_a_graph(encoded: EncodedGraphs) -> None:
    found = ENCODERS["none"]()(encoded.batch(range(5)))
    assert found.shape == (5, 0) == (5, NoEncoder().out_features)


def test_points_are_principal_components(encoded: EncodedGraphs) -> None:
    encoder = NumbersEncoder(components=4, numbers=213)
    encoder.prepare(encoded.whole_GD)
    found = encoder(encoded.batch(range(len(encoded)), whole=True)).numpy()
    table = encoder.table.standardised(encoded.whole_GD).double().numpy()
    expected = PCA(4, svd_solver="full").fit(table)
    whole = table @ expected.components_.T
    whole /= whole[:, 0].std()
    signs = np.sign((found * whole).sum(0))
    np.testing.assert_allclose(found * signs, whole, atol=1e-3)


def test_batches_have_the_numbers_that_it_reads(encoded: EncodedGraphs) -> None:
    encoder = NumbersEncoder(components=3)
    encoder.prepare(encoded.whole_GD)
    assert encoder.reads_whole
    assert torch.isfinite(encoder(encoded.batch([0, 1], whole=True))).all()


def test_there_are_no_more_components_than_numbers() -> None:
    with pytest.raises(GennapeError, match="190 components of 189 numbers"):
        NumbersEncoder(components=190)
