"""What holds for every benchmark, whatever it is: declarations, and the tables where they are."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from onnx_bench.benchmarks import BENCHMARKS, Benchmark, benchmark
from onnx_bench.benchmarks.base import LONG
from onnx_bench.families import FAMILIES, is_spec
from onnx_bench.overview import benchmark_rows, where

SPLITS = {"train", "val", "test", ""}
PERCENT = {"accuracy", "robust-accuracy"}
BUILT = 20
SMALLEST = 100


@pytest.fixture(params=BENCHMARKS)
def declared(request: pytest.FixtureRequest) -> Benchmark:
    return benchmark(request.param)


@pytest.fixture
def found(declared: Benchmark, data_root: Path) -> Benchmark:
    """The benchmark, whose table is there."""
    if where(declared, data_root) is None:
        pytest.skip(f"{declared.home(data_root) / declared.table} is not there")
    return declared


def test_a_benchmark_says_what_it_is(declared: Benchmark) -> None:
    assert benchmark(declared.name) is declared
    assert BENCHMARKS[declared.name].replace("_", "-") == declared.name
    assert all((declared.title, declared.source, declared.licence, declared.folder))
    assert declared.families
    assert set(declared.families) <= set(FAMILIES)
    assert declared.subsets


def test_labels_are_named_once_and_complete(declared: Benchmark) -> None:
    names = [label.name for label in declared.labels]
    assert len(set(names)) == len(names) > 0
    for label in declared.labels:
        assert label.name == label.name.strip().lower().replace(" ", "-")
        assert label.task
        assert label.metric
        assert label.columns
        assert label.split in SPLITS
        assert label.epochs is None or label.epochs > 0
        assert math.isfinite(label.scale)
        assert label.scale != 0
        if label.metric in PERCENT:
            assert label.higher_is_better


@pytest.mark.data
def test_the_default_label_is_read_and_some_networks_are_built(
    found: Benchmark, data_root: Path
) -> None:
    table = found.read(data_root)
    assert len(table) >= SMALLEST
    assert table.label == found.labels[0].name
    assert set(table.kinds) <= set(found.families)
    assert len(set(table.values)) > 20
    some = table.take(np.linspace(0, len(table) - 1, BUILT).astype(int))
    assert all(is_spec(text) for text in some.networks)
    if "timm" in found.families:
        pytest.importorskip("timm")
    assert all(graph.parameters > 0 for graph in some.graphs())


@pytest.mark.data
def test_values_are_finite_and_in_the_range_of_their_metric(
    found: Benchmark, data_root: Path
) -> None:
    frame = found.frame(data_root)
    for label in found.labels:
        values = found.values(frame, label).dropna().to_numpy()
        assert len(values) >= SMALLEST, label.name
        assert np.isfinite(values).all(), label.name
        assert values.min() < values.max(), label.name
        if label.metric in PERCENT:
            assert values.min() >= 0, label.name
            assert 1 < values.max() <= 100, label.name


@pytest.mark.data
def test_every_subset_has_rows_and_only_rows_of_all(found: Benchmark, data_root: Path) -> None:
    frame = found.frame(data_root)
    for name, mask in found.subsets.items():
        assert 0 < mask(frame).sum() <= len(frame), name


@pytest.mark.data
def test_the_long_table_has_a_row_for_each_measurement(found: Benchmark, data_root: Path) -> None:
    long, frame = found.long(data_root), found.frame(data_root)
    assert tuple(long.columns) == LONG
    expected = 0
    for label in found.labels:
        for column in set(label.columns) & set(frame.columns):
            expected += int((frame[column].notna() & (frame[column] != label.missing)).sum())
    assert len(long) == expected
    assert not long.drop(columns=["epochs", "seed"]).isna().any(axis=None)
    for label in found.labels:
        part = long[long["label"] == label.name]
        runs = set(range(len(label.columns))) if len(label.columns) > 1 else set()
        assert set(part["seed"].dropna()) <= runs
        assert (part["task"] == label.task).all()


@pytest.mark.data
def test_what_is_listed_is_what_is_read(data_root: Path) -> None:
    rows = {row["name"]: row for row in benchmark_rows(data_root)}
    json.dumps(rows)
    assert list(rows) == list(BENCHMARKS)
    for name, row in rows.items():
        assert row["found"] == (where(benchmark(name), data_root) is not None)
        if row["found"]:
            assert row["networks"] == len(benchmark(name).frame(data_root))
