"""What holds of every table of whole-graph numbers: documented, finite, of the graph alone."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from gennape.features import paths, structure, typical
from gennape.features.feature import Feature
from gennape.features.waves import Waves
from onnx_bench.collections import GraphCollection
from onnx_bench.graph import ComputationGraph
from tests.gennape.feature_graphs import cells, doubling, examples, renumbered

Table = Callable[..., npt.NDArray[np.float64]]
TABLES = {
    "structure": (structure.structure, structure.FEATURES, 1e-12),
    "paths": (paths.paths, paths.FEATURES, 1e-9),
    "typical": (typical.typical, typical.FEATURES, 1e-9),
}
pytestmark = pytest.mark.parametrize(
    ("table", "features", "rtol"), TABLES.values(), ids=TABLES.keys()
)


def of(table: Table, *graphs: ComputationGraph) -> npt.NDArray[np.float64]:
    return table(GraphCollection.from_graphs(graphs))


def test_every_graph_has_finite_numbers_in_their_range(
    table: Table, features: tuple[Feature, ...], rtol: float
) -> None:
    del rtol
    found = of(table, *examples().values(), doubling(3))
    assert found.shape == (len(examples()) + 1, len(features))
    for column, feature in zip(found.T, features, strict=True):
        assert np.isfinite(column).all(), feature.name
        assert feature.range[0] <= column.min() <= column.max() <= feature.range[1], feature.name


def test_every_number_is_documented_once(
    table: Table, features: tuple[Feature, ...], rtol: float
) -> None:
    del table, rtol
    assert len({f.name for f in features}) == len(features)
    assert all(all((f.meaning, f.unit, f.why)) and f.range[0] < f.range[1] for f in features)


@pytest.mark.parametrize("name", ["darts", "autoformer", "nasbench-nlp"])
def test_the_order_of_nodes_does_not_matter(
    name: str, table: Table, features: tuple[Feature, ...], rtol: float
) -> None:
    del features
    graph = examples()[name]
    other = renumbered(graph, 1)
    assert other.inputs.tolist() != graph.inputs.tolist()
    np.testing.assert_allclose(of(table, other), of(table, graph), rtol=rtol)


def test_other_graphs_of_the_collection_do_not_matter(
    table: Table, features: tuple[Feature, ...], rtol: float
) -> None:
    del features
    graphs = list(examples().values())
    alone = np.concatenate([of(table, graph) for graph in graphs])
    np.testing.assert_allclose(of(table, *graphs), alone, rtol=rtol)
    np.testing.assert_allclose(of(table, *graphs[::-1])[::-1], alone, rtol=rtol)


def test_waves_that_are_known_are_used(
    table: Table, features: tuple[Feature, ...], rtol: float
) -> None:
    del features, rtol
    graphs = GraphCollection.from_graphs(cells(0))
    np.testing.assert_array_equal(table(graphs, Waves.of(graphs)), table(graphs))


def test_no_graphs_have_no_numbers(
    table: Table, features: tuple[Feature, ...], rtol: float
) -> None:
    del rtol
    assert of(table).shape == (0, len(features))
