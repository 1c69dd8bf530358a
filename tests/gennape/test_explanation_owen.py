"""Owen values: against all orders, one by one."""

from collections.abc import Iterator, Sequence
from itertools import chain, permutations, product

import numpy as np
import pytest

from gennape.explanation.owen import BoolArray, FloatArray, owen, shapley

Groups = Sequence[Sequence[int]]
PLAYERS = 6
GROUPS = ((0, 4), (3,), (1, 2, 5))


class Drawn:
    """A game of random values, without any structure; two columns."""

    def __init__(self, players: int, seed: int = 0) -> None:
        values = np.random.default_rng(seed).normal(size=(1 << players, 2))
        self.values, self.bits, self.calls = values, 1 << np.arange(players), 0

    def __call__(self, present_SP: BoolArray) -> FloatArray:
        self.calls += 1
        return self.values[present_SP @ self.bits]


def orders(groups: Groups) -> Iterator[list[int]]:
    """All orders of players in which those of a group follow one another."""
    inner = [list(permutations(group)) for group in groups]
    for chosen in product(*inner):
        for order in permutations(chosen):
            yield list(chain.from_iterable(order))


def naive(game: Drawn, players: int, groups: Groups) -> FloatArray:
    """The mean of what each player adds over all these orders."""
    total, count = np.zeros((players, 2)), 0
    for order in orders(groups):
        present = np.zeros((len(order) + 1, players), bool)
        for place, player in enumerate(order):
            present[place + 1 :, player] = True
        total[order] += np.diff(game(present), axis=0)
        count += 1
    return total / count


def ends(game: Drawn, players: int) -> FloatArray:
    """The game with all players, less that with none."""
    first, last = game(np.array([[False] * players, [True] * players]))
    return last - first


@pytest.mark.parametrize("players", [1, 2, 5])
def test_players_by_themselves_have_their_exact_shapley_value(players: int) -> None:
    game, groups = Drawn(players), [[player] for player in range(players)]
    draws = owen(game, players, groups)
    expected = naive(game, players, groups)
    np.testing.assert_allclose(draws, np.broadcast_to(expected, draws.shape), atol=1e-12)


def test_groups_have_their_exact_shapley_value_in_every_draw() -> None:
    game = Drawn(PLAYERS)
    draws, expected = owen(game, PLAYERS, GROUPS, rounds=2), naive(game, PLAYERS, GROUPS)
    assert draws.shape == (6, PLAYERS, 2)
    for group in GROUPS:
        for draw in draws:
            np.testing.assert_allclose(draw[[*group]].sum(0), expected[[*group]].sum(0))
    np.testing.assert_allclose(draws.sum(1), np.broadcast_to(ends(game, PLAYERS), (6, 2)))


def test_the_mean_of_many_draws_is_the_owen_value() -> None:
    game = Drawn(PLAYERS, seed=3)
    draws, expected = owen(game, PLAYERS, GROUPS, rounds=400), naive(game, PLAYERS, GROUPS)
    error = draws.std(axis=0, ddof=1) / len(draws) ** 0.5
    assert (error < 0.05).all()
    assert (np.abs(draws.mean(axis=0) - expected) < 4 * error + 1e-9).all()


def test_values_depend_on_groups() -> None:
    game = Drawn(PLAYERS, seed=3)
    alone = [[player] for player in range(PLAYERS)]
    assert np.abs(naive(game, PLAYERS, GROUPS) - naive(game, PLAYERS, alone)).max() > 0.05


def test_a_sum_is_exact_and_who_adds_nothing_has_nothing() -> None:
    weights = np.array([[2.0, 1.0], [-1.0, 0.0], [0.0, 0.0], [0.5, 4.0], [3.0, 0.0], [0.0, 1.0]])
    draws = owen(lambda present: present @ weights + 7.0, PLAYERS, GROUPS)
    np.testing.assert_allclose(draws, np.broadcast_to(weights, draws.shape), atol=1e-12)
    assert (draws[:, 2] == 0).all()


def test_who_adds_nothing_has_exactly_nothing_in_a_game_that_is_no_sum() -> None:
    game = Drawn(PLAYERS)
    blind = np.arange(PLAYERS) != 2
    draws = owen(lambda present: game(present & blind), PLAYERS, GROUPS)
    assert (draws[:, 2] == 0).all()
    assert (draws[:, 1] != 0).all()


def test_who_is_in_no_group_is_never_there() -> None:
    def game(present: BoolArray) -> FloatArray:
        assert not present[:, 5].any()
        return present.sum(axis=1, keepdims=True).astype(float)

    draws = owen(game, PLAYERS, [[0, 1], [2, 3, 4]])
    assert (draws[:, 5] == 0).all()
    np.testing.assert_allclose(draws[:, :5], 1)


def test_a_group_whose_sum_is_left_to_chance_still_sums_to_its_value() -> None:
    def both(present: BoolArray) -> FloatArray:  # either of two others is enough
        return (present[:, 0] & present[:, 1] & (present[:, 2] | present[:, 3]))[:, None] * 1.0

    draws = owen(both, 4, [[0, 1], [2], [3]])
    np.testing.assert_allclose(draws[:, :2].sum(axis=(1, 2)), 2 / 3)
    np.testing.assert_allclose(draws.sum(axis=(1, 2)), 1)


def test_the_same_seed_draws_the_same_in_one_call() -> None:
    games = [Drawn(PLAYERS) for _ in range(3)]
    one, same, other = (
        owen(game, PLAYERS, GROUPS, seed=seed) for game, seed in zip(games, (5, 5, 6), strict=True)
    )
    assert (one == same).all()
    assert (one != other).any()
    assert [game.calls for game in games] == [1, 1, 1]


def test_shapley_of_a_majority() -> None:
    votes = np.array([0, 0, 0, 1, 0, 1, 1, 1], float)[:, None]  # two of three are enough
    assert [shapley(votes, player)[0] for player in range(3)] == pytest.approx([1 / 3] * 3)
