"""Specialists of families beside a generalist, against loops over the formula."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from gennape.metrics import spearman
from gennape.models.heads import HEADS
from gennape.models.nearness import nearness
from gennape.models.specialists import (
    KEPT,
    NEAREST,
    Lessons,
    Specialist,
    SpecialistsHead,
    within,
)
from onnx_bench.errors import GennapeError

PLACE, NUMBERS = 2, 4
FAMILIES = ("east", "west")
Labels = npt.NDArray[np.float64]


def family(centre: float, count: int = 300, seed: int = 0) -> tuple[Tensor, Labels]:
    """What a head reads of networks around a place, and what is right there: score turned round."""
    rng = np.random.default_rng([seed, int(10 * abs(centre))])
    score = rng.normal(size=count)
    place = np.column_stack([np.full(count, centre), np.zeros(count)]) + rng.normal(
        size=(count, PLACE)
    )
    numbers = np.column_stack([score, -score, 2 * score, rng.normal(size=count)])
    label = -score + 0.1 * numbers[:, 3]
    return torch.from_numpy(np.column_stack([score, place, numbers])).float(), label


def ranks(label: Labels) -> Labels:
    found = np.argsort(np.argsort(label)).astype(float)
    standard: Labels = (found - found.mean()) / found.std()
    return standard


@pytest.fixture(scope="module")
def lessons() -> Lessons:
    parts = [family(100.0), family(-100.0)]
    target = torch.from_numpy(np.concatenate([ranks(label) for _, label in parts]))
    names = [name for name in FAMILIES for _ in range(300)]
    return Lessons(torch.cat([part for part, _ in parts]), target, names)


@pytest.fixture(scope="module")
def head(lessons: Lessons) -> SpecialistsHead:
    made = HEADS["specialists"](1 + PLACE + NUMBERS, families=FAMILIES, place=PLACE)
    assert isinstance(made, SpecialistsHead)
    made.learn(lessons)
    return made.eval()


def test_a_stranger_hears_what_all_families_say(head: SpecialistsHead) -> None:
    read, label = family(0.0)
    assert (head.belonging(read) == 0).all()
    numbers = read[:, 1 + PLACE :]
    torch.testing.assert_close(head(read), read[:, 0] + head.common(numbers))
    # All families say that the generalist has it the wrong way round.
    assert spearman(head(read).numpy(), label) > spearman(read[:, 0].numpy(), label)


@pytest.mark.parametrize("centre", [100.0, -100.0])
def test_in_a_family_its_specialist_is_heard(head: SpecialistsHead, centre: float) -> None:
    read, label = family(centre, seed=7)
    assert spearman(read[:, 0].numpy(), label) < -0.9
    inner = torch.from_numpy(np.abs(read[:, 0].numpy()) < 1.5)  # tails are left to the generalist
    assert spearman(head(read)[inner].numpy(), label[inner]) > 0.9


def test_scores_are_the_formula(head: SpecialistsHead) -> None:
    read = torch.cat([family(c, 40, 3)[0] for c in (100.0, 97.0, 0.0, -100.0)])
    read[::7, 1] -= 4  # some lie at the edge
    degree_BS = head.belonging(read)
    assert bool(((degree_BS > 0) & (degree_BS < 1)).any())
    for row, degree_S, found in zip(read, degree_BS, head(read), strict=True):
        expected = float(row[0])
        added = 0.0
        for place, degree in enumerate(degree_S.tolist()):
            own = head.specialists[place]
            assert isinstance(own, Specialist)
            gaps = sorted(float((row[1:3] - point).norm()) for point in own.point_KP)
            distance = sum(gaps[:NEAREST]) / NEAREST / float(own.limit)
            assert degree == pytest.approx(min(max((1.25 - distance) / 0.25, 0), 1), abs=1e-4)
            added += degree * float(own.forest(row[None, 3:]))
        total = float(degree_S.sum())
        common = float(head.common(row[None, 3:]))
        expected += added / max(1.0, total) + (1 - min(1.0, total)) * common
        assert float(found) == pytest.approx(expected, abs=1e-5)


def test_who_is_left_out_says_nothing_and_can_come_back(
    head: SpecialistsHead, lessons: Lessons
) -> None:
    read, _ = family(100.0)
    before = head(read)
    head.leave_out(["east"], lessons)
    alone = SpecialistsHead(1 + PLACE + NUMBERS, ("west",), PLACE)
    own = lessons.rows("west")
    alone.learn(Lessons(lessons.read_NR[own], lessons.rank_N[own], ["west"] * len(own)))
    torch.testing.assert_close(head(read), alone(read))
    head.leave_out(FAMILIES, lessons)
    assert torch.equal(head(read), read[:, 0])
    head.leave_out([], lessons)
    assert torch.equal(head(read), before)


def test_the_same_seed_teaches_the_same_and_a_saved_head_is_the_head(
    head: SpecialistsHead, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    read = torch.cat([family(c, 50, 9)[0] for c in (100.0, -100.0)])
    save_file(head.state_dict(), tmp_path / "head.safetensors")
    again = SpecialistsHead(1 + PLACE + NUMBERS, FAMILIES, PLACE)
    again.load_state_dict(load_file(tmp_path / "head.safetensors"))
    assert torch.equal(again(read), head(read))


def test_most_of_a_family_lies_within_its_limit() -> None:
    place_NP = torch.from_numpy(np.random.default_rng(0).normal(size=(2000, 5))).float()
    own = Specialist(5, 1, 1, 1)
    own.settle(place_NP, 0)
    fresh = torch.from_numpy(np.random.default_rng(1).normal(size=(2000, 5))).float()
    assert float((own.distance(fresh) <= 1).float().mean()) == pytest.approx(0.95, abs=0.02)


def test_a_small_family_is_known_by_each_but_itself() -> None:
    place_NP = torch.from_numpy(np.random.default_rng(0).normal(size=(30, 3))).float()
    own = Specialist(3, 1, 1, 1)
    own.settle(place_NP, 0)
    assert int((own.point_KP[:, 0] < 1e5).sum()) == 30 < KEPT
    gaps = nearness(place_NP, place_NP, NEAREST, itself=True)
    assert float(own.limit) == pytest.approx(float(torch.quantile(gaps, 0.95)))
    assert float(gaps.min()) > 0


def test_scores_beyond_the_tails_are_as_the_tails() -> None:
    score = torch.cat([torch.tensor([-1000.0]), torch.linspace(0, 1, 99)])
    kept = within(score, 0.05)
    assert float(kept.min()) > -1
    assert torch.equal(kept[20:90], score[20:90])


WRONG: list[tuple[str, Callable[[], object]]] = [
    ("names that differ", lambda: SpecialistsHead(9, ("a", "a"), 2)),
    ("names that differ", lambda: SpecialistsHead(9, (), 2)),
    ("more than 1", lambda: SpecialistsHead(9, ("a",), 2, reach=1.0)),
    ("hold no score", lambda: SpecialistsHead(3, ("a",), 2)),
    ("too small", lambda: Specialist(2, 1, 1, 1).settle(torch.zeros(4, 2), 0)),
]


@pytest.mark.parametrize(("message", "act"), WRONG)
def test_what_is_wrong_is_said(message: str, act: Callable[[], object]) -> None:
    with pytest.raises(GennapeError, match=message):
        act()
