"""The spectrum of a graph: the smallest eigenvalues of its normalised Laplacian.

GENNAPE (Mills et al., AAAI 2023) compares networks by the q = 21 smallest eigenvalues of
L = I - D^-1/2 A D^-1/2, A the adjacency of the underlying undirected graph. They lie in [0, 2];
as many are zero as the graph has parts.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh
from scipy.sparse import csr_array
from scipy.sparse.linalg import eigsh

from gennape.features.store import stored
from onnx_bench.collections import GraphCollection
from onnx_bench.graph import ComputationGraph, IntArray

Q = 21
PADDING = 2.0
"""Stands for the eigenvalues that a graph of fewer than q nodes lacks: the largest there can be."""
DENSE = 400
"""Up to so many nodes all rows at once are faster than Lanczos steps."""

FloatArray = npt.NDArray[np.float64]


def spectrum(nodes: int, edges_2E: IntArray, q: int = Q) -> FloatArray:
    """The q smallest eigenvalues, ascending, shape (q,); 2 where there are fewer nodes.

    Args:
        nodes: how many nodes the graph has.
        edges_2E: its edges; direction, doubles and loops do not count.
    """
    count = min(q, nodes)
    found = np.full(q, PADDING)
    if nodes <= DENSE or nodes <= 4 * q:
        matrix = np.zeros((nodes, nodes))
        matrix[edges_2E[0], edges_2E[1]] = matrix[edges_2E[1], edges_2E[0]] = 1.0
        np.fill_diagonal(matrix, 0.0)
        scale = _inverse_root(matrix.sum(axis=0))
        # Eigenvalues of L are one less those of the scaled adjacency; no node without edges has 1.
        laplacian = np.diag((scale > 0).astype(float)) - scale[:, None] * matrix * scale
        found[:count] = eigh(laplacian, eigvals_only=True, subset_by_index=(0, count - 1))
    else:
        found[:count] = _by_lanczos(nodes, edges_2E, count)
    bounded: FloatArray = np.clip(found, 0.0, PADDING)
    return bounded


def spectra(graphs: Iterable[ComputationGraph], q: int = Q) -> npt.NDArray[np.float32]:
    """The spectra of many graphs, shape (G, q); equal wirings are computed once."""
    known: dict[bytes, FloatArray] = {}
    rows = []
    for graph in graphs:
        edges = graph.edge_index
        key = len(graph).to_bytes(4, "little") + edges.tobytes()
        if key not in known:
            known[key] = spectrum(len(graph), edges, q)
        rows.append(known[key])
    return np.array(rows, np.float32).reshape(-1, q)


def spectra_of(graphs: GraphCollection, q: int = Q) -> npt.NDArray[np.float32]:
    """The spectra of a collection, shape (G, q), from the cache where they were computed before."""
    return stored("spectra", f"spectra 1 {q}", graphs, q, lambda: spectra(graphs, q))


def _inverse_root(degrees: FloatArray) -> FloatArray:
    return np.divide(1.0, np.sqrt(degrees), out=np.zeros_like(degrees), where=degrees > 0)


def _by_lanczos(nodes: int, edges_2E: IntArray, count: int) -> FloatArray:
    kept = edges_2E[:, edges_2E[0] != edges_2E[1]]
    pairs = np.concatenate([kept, kept[::-1]], axis=1)
    ones = np.ones(pairs.shape[1])
    adjacency = csr_array((ones, (pairs[0], pairs[1])), shape=(nodes, nodes))
    adjacency.sum_duplicates()
    adjacency.data[:] = 1.0
    scale = _inverse_root(np.asarray(adjacency.sum(axis=0), np.float64).ravel())
    diagonal = csr_array((scale, (np.arange(nodes), np.arange(nodes))), shape=(nodes, nodes))
    scaled = diagonal @ adjacency @ diagonal
    largest = eigsh(
        scaled,
        k=count,
        which="LA",
        return_eigenvectors=False,
        v0=np.ones(nodes),
        ncv=min(nodes - 1, 4 * count),
    )
    values: FloatArray = np.sort(1.0 - largest)
    return values
