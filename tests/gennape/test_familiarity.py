"""Which networks are familiar: distances against a naive loop, limits, and what is refused."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gennape.familiarity import NEIGHBOURS, OTHERS, SAMPLE, Known, Reference, drawn
from onnx_bench.errors import GennapeError

Values = npt.NDArray[np.float64]
SCALES = np.array([1.0, 100.0, 0.01, 5.0])


def cloud(count: int, centre: float = 0.0, seed: int = 0) -> Values:
    """Points around a centre, each feature with a scale of its own; as floats of an encoder."""
    rng = np.random.default_rng(seed)
    points = (rng.standard_normal((count, 4)) + centre) * SCALES
    return points.astype(np.float32).astype(np.float64)


def reference(**clouds: Values) -> Reference:
    families = [family for family, points in clouds.items() for _ in points]
    found = Reference.of(np.concatenate([*clouds.values()]), families)
    assert found is not None
    return found


def naive_distance(point: Values, sample: Values, deviation: Values) -> float:
    distances = [np.sqrt((((point - other) / deviation) ** 2).sum()) for other in sample]
    return float(np.mean(sorted(distances)[:NEIGHBOURS]))


def test_distances_are_those_of_a_naive_loop() -> None:
    known = reference(cells=cloud(30), chains=cloud(20, centre=4, seed=1))
    points = cloud(10, centre=2, seed=2)
    found = known.judge(points)
    for point, family, distance in zip(points, *found, strict=True):
        each = {
            own.family: naive_distance(point, own.embedding_RF, known.deviation_F) / own.limit
            for own in known.known
        }
        assert distance == pytest.approx(min(each.values()))
        assert family == min(each, key=lambda name: each[name])


def test_the_limit_of_few_networks_is_taken_from_each_without_itself() -> None:
    points = cloud(30)
    (own,) = reference(cells=points).known
    deviation = points.std(axis=0)
    distances = [
        naive_distance(points[i], np.delete(points, i, axis=0), deviation) for i in range(30)
    ]
    assert own.limit == pytest.approx(max(distances))  # ceil(31 * 0.95) = 30 of 30


def test_the_limit_of_many_is_that_of_networks_outside_the_sample() -> None:
    points = cloud(SAMPLE + 400)
    (own,) = reference(cells=points).known
    kept = {tuple(row) for row in own.embedding_RF}
    assert len(kept) == SAMPLE
    others = [row for row in points if tuple(row) not in kept]
    deviation = own.embedding_RF.std(axis=0)
    distances = sorted(naive_distance(row, own.embedding_RF, deviation) for row in others)
    assert own.limit == pytest.approx(distances[381 - 1])  # ceil(401 * 0.95)


@pytest.mark.parametrize("count", [50, 3000])
def test_one_in_twenty_of_the_familys_own_networks_is_strange(count: int) -> None:
    known = reference(cells=cloud(count))
    strange = (known.judge(cloud(5000, seed=9)).distance_N > 1).mean()
    assert 0.01 < strange < 0.10


def test_networks_of_another_kind_are_strange_and_each_has_its_nearest_family() -> None:
    known = reference(cells=cloud(100), chains=cloud(100, centre=10, seed=1))
    found = known.judge(np.concatenate([cloud(5, seed=2), cloud(5, 10, 3), cloud(5, 100, 4)]))
    assert found.family_N.tolist() == ["cells"] * 5 + ["chains"] * 10
    assert (found.distance_N[10:] > 10).all()
    assert (found.distance_N[:10] < 2).all()


def test_the_scale_of_a_feature_does_not_matter() -> None:
    points, others = cloud(60), cloud(9, centre=1, seed=5)
    found = reference(cells=points).judge(others).distance_N
    same = reference(cells=points / SCALES).judge(others / SCALES).distance_N
    np.testing.assert_allclose(found, same)


def test_a_feature_that_never_moves_does_not_drown_the_others() -> None:
    still = np.c_[cloud(100), np.full(100, 7.0)]
    moved = np.c_[cloud(100, seed=1), np.full(100, 7.0 + 1e-6)]
    assert (reference(cells=still).judge(moved).distance_N > 1).mean() < 0.15


def test_equal_embeddings_are_near_and_others_are_strange() -> None:
    known = reference(cells=np.zeros((10, 4)))
    near, far = known.judge([np.zeros(4), np.ones(4)]).distance_N
    assert near == 0
    assert far > 1


def test_families_that_are_too_small_are_left_out() -> None:
    found = reference(cells=cloud(NEIGHBOURS + 1), chains=cloud(NEIGHBOURS, centre=3))
    assert [own.family for own in found.known] == ["cells"]
    assert Reference.of(cloud(NEIGHBOURS), ["cells"] * NEIGHBOURS) is None


def test_the_same_seed_keeps_the_same_networks() -> None:
    points, families = cloud(1000), ["cells"] * 1000
    one, same, other = (Reference.of(points, families, seed=seed) for seed in (0, 0, 1))
    assert one is not None
    assert same is not None
    assert other is not None
    np.testing.assert_array_equal(one.known[0].embedding_RF, same.known[0].embedding_RF)
    assert (one.known[0].embedding_RF != other.known[0].embedding_RF).any()


def test_what_joins_keeps_what_is_known() -> None:
    cells, chains = cloud(100), cloud(40, centre=10, seed=1)
    known = reference(cells=cells)
    both = known.joined(chains, ["chains"] * 40)
    assert [own.family for own in both.known] == ["cells", "chains"]
    assert both.known[0] is known.known[0]
    assert (known.judge(chains).distance_N > 1).all()
    assert (both.judge(chains).distance_N > 1).mean() < 0.15
    np.testing.assert_array_equal(
        both.judge(cells).distance_N <= known.judge(cells).distance_N, True
    )
    assert known.joined(chains[:3], ["chains"] * 3) is known


def test_of_each_family_some_rows_are_drawn() -> None:
    families = ["cells", "chains"] * 2000
    rows = np.arange(100, 3900)
    found = drawn(families, rows, seed=3)
    assert {family: len(own) for family, own in found.items()} == dict.fromkeys(
        families, SAMPLE + OTHERS
    )
    for family, own in found.items():
        assert len(set(own.tolist())) == len(own)
        assert set(own) <= set(rows)
        assert {families[row] for row in own} == {family}


def test_a_reference_gives_itself_back() -> None:
    known = reference(cells=cloud(30), chains=cloud(20, centre=4, seed=1))
    back = Reference.from_parts(known.to_dict(), known.tensors())
    points = cloud(10, centre=2, seed=2)
    for one, other in zip(known.judge(points), back.judge(points), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("networks", [30, 19], "49|50"),
        ("networks", [49, 1], "'chains' has embeddings of shape"),
        ("limits", [1.0], "zip"),
        ("limits", [1.0, 0.0], "limit of 0"),
        ("limits", [1.0, "far"], "far"),
        ("families", ["cells"], "zip"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(part: str, value: Any, message: str) -> None:
    known = reference(cells=cloud(30), chains=cloud(20, centre=4, seed=1))
    with pytest.raises((GennapeError, ValueError), match=message):
        Reference.from_parts(known.to_dict() | {part: value}, known.tensors())


def test_a_reference_without_its_embeddings_says_so() -> None:
    known = reference(cells=cloud(30))
    with pytest.raises(ValueError, match="lack the reference's embedding"):
        Reference.from_parts(known.to_dict(), {"deviation": known.tensors()["deviation"]})


@pytest.mark.parametrize(
    "known",
    [
        (),
        (Known("cells", cloud(30)[:, :3], 1.0),),
        (Known("cells", np.full((30, 4), np.nan), 1.0),),
        (Known("cells", cloud(30), -1.0),),
    ],
    ids=["none", "width", "nan", "limit"],
)
def test_numbers_that_are_no_reference_are_refused(known: tuple[Known, ...]) -> None:
    with pytest.raises(GennapeError, match="reference"):
        Reference(known, np.ones(4))


def test_deviations_that_are_none_are_refused() -> None:
    with pytest.raises(GennapeError, match="deviation"):
        Reference((Known("cells", cloud(30), 1.0),), np.zeros(4))


@pytest.mark.parametrize("points", [np.zeros((2, 3)), np.zeros(4)])
def test_embeddings_of_another_width_are_refused(points: Values) -> None:
    with pytest.raises(GennapeError, match="expected"):
        reference(cells=cloud(30)).judge(points)


def test_the_nearest_family_is_the_nearest_however_wide_another_is() -> None:
    rng = np.random.default_rng(0)
    narrow, wide = rng.normal(size=(300, 2)) * 0.1, 50 + 20 * rng.normal(size=(300, 2))
    both = Reference.of(np.concatenate([narrow, wide]), ["narrow"] * 300 + ["wide"] * 300)
    assert both is not None
    found = both.judge(np.array([[3.0, 3.0]]))
    assert found.family_N.tolist() == ["narrow"]
    assert found.distance_N[0] > 1
