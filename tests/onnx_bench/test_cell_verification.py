"""Published figures of cells and skeletons: the counters' rules, and rows of every table."""

from pathlib import Path

import pytest

from onnx_bench.benchmarks import benchmark
from onnx_bench.builder import GraphBuilder
from onnx_bench.cost import cost
from onnx_bench.families import build_spec
from onnx_bench.graph import ComputationGraph
from onnx_bench.verification import Check, checks
from onnx_bench.verification.counting import naslib_flops, thop_flops

ROWS = 150
FAMILIES = {
    "nasbench101": 151_644,
    "nasbench201": 15_625,
    "nats-sss": 32_768,
    "nasbench-macro": 6_561,
    "transnas-micro": 711,
    "transnas-macro": 662,
    "darts": 545,
}
"""How many rows of each table are compared."""


@pytest.fixture
def graph() -> ComputationGraph:
    g = GraphBuilder()
    x = g.relu(g.batch_norm(g.conv(g.input(3, 8, 8), 4, 3)))
    x = g.max_pool(g.add(g.avg_pool(x, 3), x), 2, 2, padding=0)
    g.output(g.linear(g.flatten(g.global_avg_pool(x)), 10))
    return g.build()


MACS = 4 * 8 * 8 * 27 + 4 * 10
VALUES = 4 * 8 * 8


def test_what_naslib_counts(graph: ComputationGraph) -> None:
    assert cost(graph).macs == MACS
    assert naslib_flops(graph) == MACS + (2 + 1 + 9) * VALUES + 4 * 5 * 5


def test_what_thop_counts(graph: ComputationGraph) -> None:
    assert thop_flops(graph) == MACS + (4 + 1) * VALUES + 4 * 17


def some(check: Check) -> list[tuple[str, float | str]]:
    """Rows from all over the table."""
    pairs = list(zip(check.networks, check.published, strict=True))
    return pairs[:: max(1, len(pairs) // ROWS)]


@pytest.mark.data
@pytest.mark.parametrize("family", FAMILIES)
def test_figures_of_our_networks_are_the_published_ones(family: str, data_root: Path) -> None:
    largest = 0
    for check in checks(family, data_root):
        largest = max(largest, len(check.networks))
        for text, published in some(check):
            ours = check.ours(build_spec(text) if check.reads == "graph" else text)
            if isinstance(ours, str) or isinstance(published, str):
                assert ours == published, text
            else:
                assert abs(ours - published) <= check.tolerance, (text, check.what)
    assert largest == FAMILIES[family]


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "rows", "labels", "best"),
    [
        ("nats-sss", 32_768, 1, 93.65),
        ("nasbench-macro", 6_561, 1, 93.13),
        ("transnas-micro", 4_096, 7, 54.94),
        ("transnas-macro", 3_256, 7, 57.41),
        ("darts", 545, 2, 94.37),
    ],
)
def test_labels_of_the_tables(
    name: str, rows: int, labels: int, best: float, data_root: Path
) -> None:
    table = benchmark(name).read(data_root)
    assert len(table) == rows
    assert len(benchmark(name).labels) == labels
    assert table.values.max() == pytest.approx(best, abs=0.01)
    assert set(table.kinds) == {name}


@pytest.mark.data
def test_runs_of_nasbench_macro_are_apart(data_root: Path) -> None:
    long = benchmark("nasbench-macro").long(data_root)
    first = long[long["network"] == "nasbench-macro:02012100"]
    assert first["value"].round(2).tolist() == [89.47, 88.95, 89.17]
    assert first["seed"].tolist() == [0, 1, 2]
