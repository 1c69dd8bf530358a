"""Several labels a network: values in their places, doubles merged, figures that are right."""

import numpy as np
import pandas as pd
import pytest

from onnx_bench.builder import GraphBuilder
from onnx_bench.collections import GraphCollection
from onnx_bench.collections.datasheet import datasheet
from onnx_bench.collections.datasheet_tables import headline, markdown, tables
from onnx_bench.collections.figure import draw
from onnx_bench.collections.figure import save as save_figure
from onnx_bench.collections.isomorphism import keys
from onnx_bench.collections.labelled import (
    LabelledCollection,
    Measured,
    Origin,
    labels_of,
)
from onnx_bench.collections.merging import merged
from onnx_bench.cost import cost
from onnx_bench.errors import CollectionError, LabelError
from onnx_bench.families import family_of
from onnx_bench.graph import ComputationGraph

ACCURACY = Measured("cifar10-test-12", "cifar10", "accuracy", "test", 12, True, True, "MIT")
LOSS = Measured("ptb-val-3", "ptb", "loss", "val", 3, False, False, "")
NETWORKS = ("nasbench201:a", "nasbench201:b", "digits-cells:c", "net.onnx")


def net(width: int, zero: bool = False) -> ComputationGraph:
    g = GraphBuilder()
    x = g.linear(g.input(4), width)
    g.output(g.add(g.relu(x), g.sigmoid(x), *([g.zero(x)] if zero else [])))
    return g.build(str(width))


def row(graph: int, label: Measured, value: float, seed: int | None = None) -> dict[str, object]:
    return {
        "graph": graph,
        "network": NETWORKS[graph],
        "label": label.name,
        "task": label.task,
        "metric": label.metric,
        "split": label.split,
        "epochs": label.epochs,
        "seed": seed,
        "value": value,
        "provenance": "by hand",
    }


@pytest.fixture
def collection() -> LabelledCollection:
    """Four networks of which the first two are one; the last one has no accuracy."""
    graphs = GraphCollection.from_graphs([net(3), net(3, zero=True), net(5), net(7)])
    runs = [(0, 80, 0), (0, 82, 1), (1, 84, 0), (1, 90, 1), (2, 70, 0), (2, 70, 1)]
    rows = [row(graph, ACCURACY, value, seed) for graph, value, seed in runs]
    rows += [row(2, LOSS, 4.5), row(3, LOSS, 3.5)]
    origins = (Origin("table.csv", "by hand", "", "MIT", 4, ("row 9: no network",)),)
    return LabelledCollection(
        graphs, NETWORKS, labels_of(rows), (ACCURACY, LOSS), origins, keys=keys(graphs)
    )


def test_values_are_means_in_the_places_of_their_graphs(collection: LabelledCollection) -> None:
    np.testing.assert_array_equal(collection.values("cifar10-test-12"), [81, 87, 70, np.nan])
    np.testing.assert_array_equal(collection.values("ptb-val-3"), [np.nan, np.nan, 4.5, 3.5])
    np.testing.assert_array_equal(collection.values(), collection.values("cifar10"))
    assert collection.tasks == ("cifar10-test-12", "ptb-val-3")


def test_a_table_holds_who_has_the_label_and_higher_is_better(
    collection: LabelledCollection,
) -> None:
    table = collection.table("ptb")
    assert table.networks == ("digits-cells:c", "net.onnx")
    assert table.kinds == ("digits-cells", "onnx")
    assert table.values.tolist() == [-4.5, -3.5]
    assert (table.label, table.source) == ("ptb-val-3", "table.csv")
    assert collection.table().values.tolist() == [81, 87, 70]


def test_an_unknown_label_is_an_error_that_lists_them(collection: LabelledCollection) -> None:
    with pytest.raises(LabelError, match="'speed' is no label: choose cifar10-test-12, ptb-val-3"):
        collection.values("speed")


def test_a_task_of_several_labels_has_to_be_told_apart(collection: LabelledCollection) -> None:
    other = Measured("cifar10-val-12", "cifar10", "accuracy", "val", 12, True, True, "MIT")
    several = LabelledCollection(collection.graphs, NETWORKS, collection.labels, (ACCURACY, other))
    with pytest.raises(LabelError, match="several labels: choose cifar10-test-12, cifar10-val-12"):
        several.label("cifar10")
    assert several.label("cifar10-val-12") is other


def test_a_collection_without_labels_says_so(collection: LabelledCollection) -> None:
    bare = LabelledCollection(collection.graphs, NETWORKS, labels_of([]), ())
    with pytest.raises(LabelError, match="has no labels"):
        bare.values()
    with pytest.raises(CollectionError, match="is not known"):
        bare.groups()
    assert datasheet(bare)["distinct"] is None


def test_taking_moves_labels_and_keys_along(collection: LabelledCollection) -> None:
    taken = collection.take([3, 1])
    assert taken.networks == ("net.onnx", "nasbench201:b")
    assert [graph.name for graph in taken.graphs] == ["7", "3"]
    np.testing.assert_array_equal(taken.values("ptb"), [3.5, np.nan])
    np.testing.assert_array_equal(taken.values("cifar10"), [np.nan, 87])
    assert taken.keys is not None
    assert collection.keys is not None
    np.testing.assert_array_equal(taken.keys.key_G16, collection.keys.key_G16[[3, 1]])
    with pytest.raises(CollectionError, match="twice"):
        collection.take([0, 0])


def test_doubles_become_one_with_the_labels_of_all(collection: LabelledCollection) -> None:
    result = merged(collection)
    assert str(result) == "4 networks, 3 different: 1 merged"
    assert result.doubles == 1
    assert result.collection.networks == ("nasbench201:a", "digits-cells:c", "net.onnx")
    np.testing.assert_array_equal(result.collection.values("cifar10"), [84, 70, np.nan])
    np.testing.assert_array_equal(result.collection.values("ptb"), [np.nan, 4.5, 3.5])
    assert result.collection.labels["network"].tolist()[0] == "nasbench201:a"
    spread = result.spread.set_index(["graph", "label"]).loc[(0, "cifar10-test-12")]
    assert (spread["value"], spread["count"], spread["networks"]) == (84, 4, 2)
    assert spread["spread"] == pytest.approx(np.std([80, 82, 84, 90], ddof=1))
    assert len(np.unique(result.collection.groups())) == 3


def test_merging_again_changes_nothing(collection: LabelledCollection) -> None:
    once = merged(collection).collection
    again = merged(once)
    assert again.doubles == 0
    pd.testing.assert_frame_equal(again.collection.labels, once.labels)


def test_labels_of_one_name_take_the_stricter_terms() -> None:
    other = Measured("cifar10-test-12", "cifar10", "accuracy", "test", 12, True, False, "GPL")
    both = ACCURACY.joined(other)
    assert (both.ships, both.licence) == (False, "MIT; GPL")
    assert ACCURACY.joined(ACCURACY) == ACCURACY
    with pytest.raises(CollectionError, match="do not go together"):
        ACCURACY.joined(Measured("cifar10-test-12", "a", "loss", "test", 1, False, True, ""))


def test_families_are_read_off_the_texts() -> None:
    texts = ("nasbench201@cifar100:|a|", "models/a.onnx", "unheard:of")
    assert [family_of(text) for text in texts] == ["nasbench201", "onnx", "onnx"]


# the datasheet


def test_the_datasheet_counts_families(collection: LabelledCollection) -> None:
    sheet = datasheet(collection)
    assert (sheet["networks"], sheet["distinct"]) == (4, 3)
    first = sheet["families"][0]
    assert (first["family"], first["networks"], first["distinct"]) == ("nasbench201", 2, 1)
    assert first["nodes"] == {"min": 6, "median": 6, "max": 7}
    macs = cost(net(3)).macs
    assert first["macs"] == {"min": macs, "median": macs, "max": macs}
    assert first["parameters"]["max"] == 15
    assert sheet["sources"][0]["skipped"] == 1


def test_the_datasheet_tells_the_noise(collection: LabelledCollection) -> None:
    accuracy, loss = datasheet(collection)["labels"]
    assert (accuracy["networks"], accuracy["measurements"], accuracy["runs"]) == (3, 6, 2)
    assert (accuracy["min"], accuracy["median"], accuracy["max"]) == (70, 81, 87)
    variances = [np.var(runs, ddof=1) for runs in ([80, 82], [84, 90], [70, 70])]
    assert accuracy["std_between_runs"] == pytest.approx(np.sqrt(np.mean(variances)), abs=1e-4)
    assert accuracy["std_between_twins"] == pytest.approx(np.std([81, 87], ddof=1), abs=1e-4)
    assert accuracy["spearman_between_runs"] is None  # three networks say nothing
    assert (loss["runs"], loss["std_between_runs"], loss["better"]) == (1, None, "lower")
    assert (loss["ships"], loss["licence"]) == (False, "")


def test_ranks_of_two_runs_are_compared_over_networks_that_have_both() -> None:
    rng = np.random.default_rng(0)
    first = rng.normal(size=30)
    second = first + 0.5 * rng.normal(size=30)
    graphs = GraphCollection.from_graphs([net(3)] * 31)
    rows = [{**row(0, ACCURACY, v, 0), "graph": i} for i, v in enumerate(first)]
    rows += [{**row(0, ACCURACY, v, 1), "graph": i} for i, v in enumerate(second)]
    rows += [{**row(0, ACCURACY, 99.0, 0), "graph": 30}]
    several = LabelledCollection(graphs, NETWORKS[:1] * 31, labels_of(rows), (ACCURACY,))
    (found,) = datasheet(several)["labels"]
    expected = pd.Series(first).corr(pd.Series(second), method="spearman")
    assert found["spearman_between_runs"] == pytest.approx(expected, abs=1e-4)


def test_the_page_has_a_row_for_each_part(collection: LabelledCollection) -> None:
    sheet = datasheet(collection)
    page = markdown(sheet)
    assert "4 networks of 3 families, 3 of them different; 2 labels." in page
    assert "| nasbench201 | 2 | 1 | 6 to 7 | 15 | 12 |" in page
    assert "| ptb-val-3 | loss (lower is better) | 2 | 3.5 | 4 | 4.5 | 1 | - | - | no |" in page
    assert "| table.csv | 4 | 1 | by hand | MIT |" in page
    assert [table.title for table in tables(sheet)] == ["Families", "Labels", "Sources"]
    assert headline(sheet).startswith("4 networks")


def test_bars_in_names_do_not_break_the_page(collection: LabelledCollection) -> None:
    sheet = datasheet(collection)
    sheet["sources"][0]["name"] = "a|b"
    assert r"| a\|b | 4 |" in markdown(sheet)


# the figure


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf"])
def test_figures_are_the_same_file_each_time(
    collection: LabelledCollection, suffix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    one, other = (tmp_path_factory.mktemp("figure") / f"stats{suffix}" for _ in range(2))
    for path in (one, other):
        save_figure(collection, path)
    assert one.read_bytes() == other.read_bytes()
    assert one.stat().st_size > 2000


def test_a_figure_has_a_row_for_each_family(collection: LabelledCollection) -> None:
    figure = draw(collection)
    left, right = figure.axes
    assert [axes.get_title(loc="left") for axes in (left, right)] == [
        "cifar10-test-12, accuracy, %",
        "parameters",
    ]
    names = [text.get_text().splitlines()[0] for text in left.get_yticklabels()]
    assert names == ["nasbench201", "digits-cells", "onnx"]
    assert [text.get_text() for text in left.texts] == ["no such label"]
    assert draw(collection, "ptb").axes[0].get_title(loc="left") == (
        "ptb-val-3, loss, lower is better"
    )


def test_a_figure_without_labels_shows_sizes(collection: LabelledCollection) -> None:
    bare = LabelledCollection(collection.graphs, NETWORKS, labels_of([]), ())
    assert len(draw(bare).axes) == 1
    with pytest.raises(LabelError):
        draw(bare, "accuracy")


def test_another_kind_of_figure_is_refused(
    collection: LabelledCollection, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.raises(CollectionError, match=r"expected one of \.svg, \.png, \.pdf"):
        save_figure(collection, tmp_path_factory.mktemp("figure") / "stats.txt")
