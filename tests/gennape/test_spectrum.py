"""Laplacian eigenvalues against networkx, known graphs, and the bounds that hold for all."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gennape.features import spectrum as module
from gennape.features.spectrum import PADDING, spectra, spectrum
from onnx_bench.families import build_spec, family


def edges(*pairs: tuple[int, int]) -> np.ndarray:
    return np.array(pairs, np.int32).reshape(-1, 2).T


@st.composite
def wirings(draw: st.DrawFn) -> tuple[int, np.ndarray]:
    nodes = draw(st.integers(1, 12))
    pairs = st.tuples(st.integers(0, nodes - 1), st.integers(0, nodes - 1))
    return nodes, edges(*draw(st.lists(pairs, max_size=30)))


@settings(max_examples=60)
@given(wirings())
def test_eigenvalues_are_those_that_networkx_finds(wiring: tuple[int, np.ndarray]) -> None:
    nodes, edges_2E = wiring
    graph = nx.Graph()
    graph.add_nodes_from(range(nodes))
    graph.add_edges_from((int(a), int(b)) for a, b in edges_2E.T if a != b)
    expected = np.sort(nx.normalized_laplacian_spectrum(graph))
    found = spectrum(nodes, edges_2E, q=5)
    np.testing.assert_allclose(found[:nodes], expected[:5], atol=1e-9)
    assert (found[nodes:] == PADDING).all()


def test_a_path_of_three_has_zero_one_and_two() -> None:
    np.testing.assert_allclose(spectrum(3, edges((0, 1), (1, 2)), 3), [0, 1, 2], atol=1e-12)


def test_there_is_a_zero_for_each_part() -> None:
    found = spectrum(6, edges((0, 1), (2, 3), (4, 5)), 6)
    np.testing.assert_allclose(found, [0, 0, 0, 2, 2, 2], atol=1e-12)


def test_direction_doubles_and_loops_do_not_count() -> None:
    plain = spectrum(4, edges((0, 1), (1, 2), (2, 3)), 4)
    other = spectrum(4, edges((1, 0), (1, 2), (1, 2), (2, 3), (2, 2)), 4)
    np.testing.assert_allclose(plain, other, atol=1e-12)


def test_lanczos_finds_what_the_dense_solver_does(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = build_spec(f"nasbench201:{family('nasbench201').example}")
    dense = spectrum(len(graph), graph.edge_index)
    monkeypatch.setattr(module, "DENSE", 0)
    np.testing.assert_allclose(spectrum(len(graph), graph.edge_index), dense, atol=1e-6)


def test_spectra_of_many_are_those_of_each() -> None:
    members = family("digits-cells")
    rng = np.random.default_rng(0)
    graphs = [members.build(members.sample(rng)) for _ in range(6)]
    found = spectra([*graphs, graphs[0]])
    assert found.shape == (7, 21)
    expected = [spectrum(len(graph), graph.edge_index) for graph in [*graphs, graphs[0]]]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_no_graphs_have_no_spectra() -> None:
    assert spectra([]).shape == (0, 21)
