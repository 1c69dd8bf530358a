"""Which networks of a pool to label next, against formulas written out and networks spelt anew."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gennape.acquisition import GOALS, Goal, suggest
from gennape.acquisition.choosing import (
    NOISE,
    Unexplained,
    herded,
    highest_bound,
    novelty,
    similarity,
    typical_distance,
)
from gennape.acquisition.suggestion import points, standard
from gennape.batch import EncodedGraphs
from gennape.checkpoint import Checkpoint
from gennape.features.whole import FEATURES
from gennape.inference import Predictor
from gennape.models.performance import PerformanceModel
from onnx_bench.canonical import fuse
from onnx_bench.errors import GennapeError
from onnx_bench.families import build_spec
from onnx_bench.graph import ComputationGraph

Points = npt.NDArray[np.float64]
CELL = "nasbench201:|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|"
SAME = "nasbench201:|nor_conv_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|"


@pytest.fixture(scope="module")
def fused(graphs: list[ComputationGraph]) -> EncodedGraphs:
    return EncodedGraphs([fuse(graph) for graph in graphs])


@pytest.fixture(scope="module")
def checkpoint_of_fused(make_model: Callable[..., PerformanceModel]) -> Checkpoint:
    return Checkpoint(make_model("gnn", hidden=8, layers=1), form="fused")


def cloud(count: int = 30, width: int = 3, seed: int = 0) -> Points:
    return np.random.default_rng(seed).normal(size=(count, width))


def kernel(one: Points, other: Points, length: float) -> float:
    return float(np.exp(-np.sum((one - other) ** 2) / (2 * length**2)))


def left(point: Points, seen: list[int], length: float) -> Points:
    """The variance of a Gaussian process, computed from nothing."""
    if not seen:
        return np.ones(len(point))
    gram = np.array([[kernel(point[i], point[j], length) for j in seen] for i in seen])
    cross = np.array([[kernel(p, point[j], length) for j in seen] for p in point])
    weights = np.linalg.solve(gram + NOISE * np.eye(len(seen)), cross.T)
    return np.asarray(1 - np.einsum("nk,kn->n", cross, weights))


def test_similarity_and_typical_distance_are_their_formulas() -> None:
    point = cloud(20)
    assert similarity(point[:3], point, 0.7)[1, 5] == pytest.approx(kernel(point[1], point[5], 0.7))
    each = [np.linalg.norm(point[i] - point[j]) for i in range(20) for j in range(i)]
    assert typical_distance(point) == pytest.approx(np.median(each))
    assert typical_distance(np.zeros((4, 2))) == typical_distance(np.zeros((1, 2))) == 1.0


def test_what_is_unexplained_is_that_of_the_process_after_each_label() -> None:
    point, rows = cloud(), [3, 17, 3, 8, 29, 0]
    process = Unexplained(point, 0.9, len(rows))
    for place, row in enumerate(rows):
        np.testing.assert_allclose(process.variance_N, left(point, rows[:place], 0.9), atol=1e-10)
        process.label(row)
    np.testing.assert_allclose(process.variance_N, left(point, rows, 0.9), atol=1e-10)


@pytest.mark.parametrize("taken", [[], [4, 11]])
def test_the_highest_bound_is_chosen_each_time(taken: list[int]) -> None:
    point, merit = cloud(), cloud(30, 1, seed=1)[:, 0]
    expected = list(taken)
    for _ in range(6):
        bound = merit + 1.5 * np.sqrt(left(point, expected, 1.1))
        bound[expected] = -np.inf
        expected.append(int(bound.argmax()))
    assert highest_bound(point, taken, 6, 1.1, merit, 1.5).tolist() == expected[len(taken) :]


@pytest.mark.parametrize("taken", [[], [4, 11]])
def test_herding_is_its_formula(taken: list[int]) -> None:
    point, length = cloud(300, 2), 0.6
    gram = np.exp(-((point[:, None] - point) ** 2).sum(axis=2) / (2 * length**2))
    expected = list(taken)
    for _ in range(5):
        merit = gram.mean(axis=1) - gram[:, expected].sum(axis=1) / (len(expected) + 1)
        merit[expected] = -np.inf
        expected.append(int(merit.argmax()))
    assert herded(point, taken, 5, length).tolist() == expected[len(taken) :]


def test_herding_takes_many_where_many_are_and_leaves_outliers() -> None:
    rng = np.random.default_rng(0)
    many, few = rng.normal(0, 0.3, (60, 2)), rng.normal(5, 0.3, (20, 2))
    point = np.concatenate([many, few, [[40.0, 40.0]]])
    chosen = herded(point, [], 8, 1.0)
    assert [int((chosen < 60).sum()), int((chosen >= 60).sum())] == [6, 2]
    assert 80 not in chosen
    assert 80 in highest_bound(point, [], 8, 1.0, np.zeros(81), 1.0)
    assert (herded(point, np.arange(60), 2, 1.0) >= 60).all()


def test_everything_can_be_chosen_once() -> None:
    point = np.repeat(cloud(5), 2, axis=0)
    assert sorted(herded(point, [2], 9, 1.0)) == [0, 1, 3, 4, 5, 6, 7, 8, 9]
    assert sorted(highest_bound(point, [2], 9, 1.0, np.zeros(10), 1.0)) == sorted(
        {*range(10)} - {2}
    )


def test_novelty_is_what_all_before_leave() -> None:
    point, taken, chosen = cloud(), [2, 5], np.array([9, 9, 1])
    found = novelty(point, taken, chosen, 0.8)
    for place, row in enumerate(chosen):
        before = [*taken, *chosen[:place]]
        assert found[place] == pytest.approx(left(point, before, 0.8)[row])
    assert found[1] < 2 * NOISE


def test_numbers_that_do_not_move_and_one_network_make_points() -> None:
    one = points(torch.ones(1, len(FEATURES)), np.zeros(1))
    assert np.isfinite(one).all()
    assert not points(torch.ones(4, len(FEATURES)), standard(np.full(4, 3.0))).any()


# suggest


@pytest.mark.parametrize("goal", GOALS)
def test_neither_labelled_networks_nor_doubles_are_suggested(
    goal: Goal, checkpoint_of_fused: Checkpoint, graphs: list[ComputationGraph]
) -> None:
    cell, same = build_spec(CELL), build_spec(SAME)
    assert cell.hash != same.hash
    predictor = Predictor(checkpoint_of_fused)
    pool = [same, *graphs[:8], *graphs[:8], cell]
    found = predictor.suggest(pool, 6, labelled=[*graphs[6:12], cell], goal=goal)
    assert sorted(found.row_K) == [1, 2, 3, 4, 5, 6]
    every = predictor.suggest(pool, 9, goal=goal)
    assert sorted(every.row_K) == [0, *range(1, 9)]


@pytest.mark.parametrize("goal", GOALS)
def test_the_order_of_the_pool_makes_no_difference(
    goal: Goal, checkpoint_of_fused: Checkpoint, fused: EncodedGraphs
) -> None:
    order = np.random.default_rng(3).permutation(len(fused))
    known = fused.take(np.arange(5))
    found = suggest(checkpoint_of_fused, fused, 9, known, goal)
    again = suggest(checkpoint_of_fused, fused, 9, known, goal)
    moved = suggest(checkpoint_of_fused, fused.take(order), 9, fused.take(np.arange(5)[::-1]), goal)
    np.testing.assert_array_equal(found.row_K, again.row_K)
    np.testing.assert_array_equal(order[moved.row_K], found.row_K)
    np.testing.assert_allclose(moved.new_K, found.new_K, atol=1e-9)


def test_what_is_told_of_each_is_what_the_predictor_says(
    checkpoint_of_fused: Checkpoint, fused: EncodedGraphs
) -> None:
    predictor = Predictor(checkpoint_of_fused)
    found = predictor.suggest(fused, 7)
    said = predictor.assess(fused)
    np.testing.assert_allclose(found.score_K, said.score_N[found.row_K], rtol=1e-5)
    np.testing.assert_array_equal(found.family_K, said.family_N[found.row_K])
    assert found.new_K[0] == 1
    assert ((found.new_K >= 0) & (found.new_K <= 1)).all()
    later = predictor.suggest(fused, 7, labelled=fused.take(found.row_K[:3]))
    np.testing.assert_allclose(later.new_K[0], found.new_K[3])
    np.testing.assert_array_equal(later.row_K[:4], found.row_K[3:])


@pytest.mark.parametrize("lower", [False, True])
def test_the_search_begins_with_what_is_predicted_best(
    lower: bool, checkpoint_of_fused: Checkpoint, fused: EncodedGraphs
) -> None:
    predictor = Predictor(replace(checkpoint_of_fused, lower_is_better=lower))
    found = predictor.suggest(fused, 1, goal="find-best")
    score = predictor.assess(fused).score_N
    assert score[found.row_K[0]] == pytest.approx(score.min() if lower else score.max())


def test_a_checkpoint_of_atomic_graphs_suggests_too(
    trained: Predictor, graphs: list[ComputationGraph]
) -> None:
    found = trained.suggest(graphs, 4, labelled=graphs[:3])
    assert len({*found.row_K.tolist()}) == 4
    assert found.row_K.min() >= 3
    assert (found.family_K != "").all()


def test_texts_and_files_are_networks(
    trained: Predictor, networks: tuple[str, ...], tmp_path: Path
) -> None:
    build_spec(networks[3]).save(tmp_path / "net.npz")
    found = trained.suggest([*networks[:6], tmp_path / "net.npz"], 5, labelled=networks[3])
    assert sorted(found.row_K) == [0, 1, 2, 4, 5]


@pytest.mark.parametrize(
    ("pool", "known", "count", "goal", "message"),
    [
        (5, 0, 0, "explore", "0 networks are asked for, expected 1 or more"),
        (0, 0, 1, "explore", "the pool is empty"),
        (5, 5, 1, "explore", "nothing is left to suggest: all 5 networks are labelled"),
        (5, 2, 4, "explore", "and 3 are left: the pool's 5, less 0 spelt anew and 2 labelled"),
        (5, 0, 1, "exploit", "goal is 'exploit', expected one of"),
    ],
)
def test_what_cannot_be_suggested_is_said(
    pool: int,
    known: int,
    count: int,
    goal: Goal,
    message: str,
    checkpoint_of_fused: Checkpoint,
    fused: EncodedGraphs,
) -> None:
    some, labelled = fused.take(np.arange(pool)), fused.take(np.arange(known))
    with pytest.raises(GennapeError, match=message):
        suggest(checkpoint_of_fused, some, count, labelled, goal)
