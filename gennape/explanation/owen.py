"""Owen values: what each player of a game brings, where players stand in groups.

Shapley's value (1953) is the mean of what a player adds over all orders in which players arrive;
Lundberg and Lee (NeurIPS 2017) explain models by it. Owen's (1977) is the same over the orders in
which groups arrive whole. So what a group brings is its Shapley value in the game between groups,
and its players share exactly that.

With few groups their values are found exactly, from every coalition of them. Players are sampled:
orders in antithetic pairs, one the other read backwards, in which each group comes at each place
equally often (Castro et al., 2009; Mitchell et al., JMLR 2022). What a group adds in a sampled
order is a control variate whose mean is known: it takes what is left to chance out of the sums.
"""

from collections.abc import Callable, Iterator, Sequence
from math import factorial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
TINY = 1e-300
Game = Callable[[BoolArray], FloatArray]
"""From which of P players are there, (S, P), to what they bring, in C respects, (S, C)."""


class _Order(NamedTuple):
    """Players of one group that arrive behind some other groups."""

    before: int
    """Those, bit by bit."""
    players: IntArray


def owen(
    game: Game, players: int, groups: Sequence[Sequence[int]], rounds: int = 1, seed: int = 0
) -> FloatArray:
    """Draws of what each player brings, shape (D, P, C): their mean is the estimate.

    In each draw players of a group sum to its Shapley value, and all of them to the game with all
    players less the game with none. Players of no group bring nothing: they are never there.

    Args:
        game: called once, with all coalitions.
        players: P.
        groups: G of them, of one player or more each; 2^G coalitions are looked at.
        rounds: D is rounds times G; more make errors smaller.
        seed: of the orders.
    """
    member_GP = np.zeros((len(groups), players), bool)
    for member_P, group in zip(member_GP, groups, strict=True):
        member_P[list(group)] = True
    coalition_AP = _bits(len(groups)) @ member_GP
    rng = np.random.default_rng(seed)
    orders = [[*_orders(rng, team, g, len(groups), rounds)] for g, team in enumerate(member_GP)]
    between = [_between(coalition_AP[o.before], o.players) for own in orders for o in own]
    values = game(np.concatenate([coalition_AP, *between]))
    coalition_AC, between_SC = np.split(values, [len(coalition_AP)])
    draws_DPC = np.zeros((rounds * len(groups), players, values.shape[1]))
    start = 0
    for g, own in enumerate(orders):
        end = start + sum(len(o.players) - 1 for o in own)
        added_TIC = _added(own, coalition_AC, between_SC[start:end], 1 << g)
        draws_DPC[:, member_GP[g]] = _drawn(added_TIC, shapley(coalition_AC, g))
        start = end
    return draws_DPC


def shapley(coalition_AC: FloatArray, player: int) -> FloatArray:
    """What one of G players brings, shape (C,), exactly.

    Args:
        coalition_AC: the values of all 2^G coalitions; player g is there where bit g is set.
    """
    count = (len(coalition_AC) - 1).bit_length()
    without = np.array([a for a in range(len(coalition_AC)) if not a >> player & 1])
    sizes = [int(a).bit_count() for a in without]
    weight_A = [factorial(s) * factorial(count - s - 1) / factorial(count) for s in sizes]
    added_AC = coalition_AC[without | 1 << player] - coalition_AC[without]
    found: FloatArray = np.asarray(weight_A) @ added_AC
    return found


def _bits(groups: int) -> BoolArray:
    """Which groups each coalition holds, shape (2^G, G)."""
    held: BoolArray = (np.arange(1 << groups)[:, None] >> np.arange(groups) & 1).astype(bool)
    return held


def _orders(
    rng: np.random.Generator, member_P: BoolArray, group: int, groups: int, rounds: int
) -> Iterator[_Order]:
    """Orders of the players of one group in pairs, each group at every place."""
    own, others = np.flatnonzero(member_P), np.delete(np.arange(groups), group)
    everyone = int(np.sum(1 << others))
    for _ in range(rounds):
        for place in range(groups):
            before = int(np.sum(1 << rng.permutation(others)[:place]))
            players = rng.permutation(own)
            yield _Order(before, players)
            yield _Order(everyone - before, players[::-1])


def _between(before_P: BoolArray, players: IntArray) -> BoolArray:
    """The coalitions from the first of these players there to all but the last."""
    states = np.tile(before_P, (len(players) - 1, 1))
    states[:, players] = np.tri(len(players) - 1, len(players), dtype=bool)
    return states


def _added(
    orders: Sequence[_Order], coalition_AC: FloatArray, between_SC: FloatArray, own: int
) -> FloatArray:
    """What each of a group's I players adds in each of T orders, shape (T, I, C)."""
    before = np.array([[order.before] for order in orders])
    inner_TMC = between_SC.reshape(len(orders), -1, between_SC.shape[1])
    way_TMC = np.concatenate([coalition_AC[before], inner_TMC, coalition_AC[before | own]], axis=1)
    steps_TIC = np.diff(way_TMC, axis=1)
    place_TI = np.argsort([order.players for order in orders], axis=1)
    return np.take_along_axis(steps_TIC, place_TI[..., None], axis=1)


def _drawn(added_TIC: FloatArray, whole_C: FloatArray) -> FloatArray:
    """One draw a pair, (T / 2, I, C), corrected by the group's whole, of which the mean is known.

    The regression of a player's part on the group's: the slopes of all players sum to 1.
    """
    sum_TC = added_TIC.sum(axis=1)
    mean_IC, apart_TC = added_TIC.mean(axis=0), sum_TC - sum_TC.mean(axis=0)
    spread_C = (apart_TC**2).sum(axis=0)
    moved_IC = np.einsum("tic,tc->ic", added_TIC - mean_IC, apart_TC)
    # Of a sum that never moves what is missing, if anything, is shared out by size.
    slope_IC = np.where(spread_C > 0, moved_IC, np.abs(mean_IC) + TINY)
    slope_IC /= slope_IC.sum(axis=0)
    corrected_TIC = added_TIC + slope_IC * (whole_C - sum_TC)[:, None]
    pairs: FloatArray = (corrected_TIC[::2] + corrected_TIC[1::2]) / 2
    return pairs
