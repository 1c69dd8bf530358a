"""From a checkpoint and a network to why it has its score."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from gennape.assessment import assess
from gennape.batch import EncodedGraphs
from gennape.checkpoint import Checkpoint
from gennape.conformal import COVERAGE
from gennape.explanation.game import PLAYERS, Game
from gennape.explanation.groups import GRAPH, GROUPS, Group
from gennape.explanation.occlusion import MOST, Watch, movable, node_effects, quiet
from gennape.explanation.owen import FloatArray, owen
from gennape.explanation.records import (
    Contribution,
    Explanation,
    FeatureContribution,
    NodeNumbers,
)
from gennape.features.feature import Feature
from gennape.features.propagation_flow import propagate
from gennape.features.waves import Waves
from gennape.models.ensemble import Ensemble
from onnx_bench.errors import GennapeError


def explain(
    checkpoint: Checkpoint,
    graphs: EncodedGraphs,
    network: str = "",
    model: str = "",
    nodes: bool = True,
    rounds: int = 1,
    seed: int = 0,
    coverage: float = COVERAGE,
    watch: Watch = quiet,
) -> Explanation:
    """Why a checkpoint gives a network its score.

    What groups of features move the score by, against the mean network trained on, are their
    Shapley values; features of a group share it by Owen's (`owen`). What nodes are worth is told by
    taking them out (`occlusion`).

    Args:
        graphs: the one network, in the checkpoint's form.
        network, model: names for people; the network's own by default.
        nodes: whether nodes are taken out one by one, which takes longer than the rest.
        rounds: of sampling; four make errors half as large.
        seed: of the sampling.
        coverage: of the score's interval.
        watch: shows how far it is.

    Raises:
        GennapeError: there is not one network, a model that scores none, no round, or a coverage
            that is not between 0 and 1.
    """
    if len(graphs) != 1 or rounds < 1:
        got = f"{len(graphs)} networks and {rounds} rounds"
        raise GennapeError(f"got {got}; expected one network, and one round or more")
    said = assess(checkpoint, graphs, coverage)
    game = Game(checkpoint, graphs, said, watch)
    sign = -1.0 if checkpoint.lower_is_better else 1.0
    ledger = _played(checkpoint, game, rounds, seed, sign)
    groups = [(group, game.players(group)) for group in (*GROUPS, GRAPH)]
    features = [
        _feature(ledger, game, group, feature, column)
        for group, players in groups
        for feature, column in zip(group.features, group.columns, strict=True)
        if column in players
    ]
    return Explanation(
        network=network or graphs.graphs.names[0],
        model=model,
        graph=graphs.graphs[0],
        score=float(said.score_N[0]),
        low=float(said.low_N[0]),
        high=float(said.high_N[0]),
        family=str(said.family_N[0]),
        distance=float(said.distance_N[0]),
        strange=bool(said.strange_N[0]),
        lower_is_better=checkpoint.lower_is_better,
        reference=ledger.nobody,
        deviation=_deviation(checkpoint, graphs),
        groups=_largest(
            Contribution(group.name, group.meaning, **ledger.of(players))
            for group, players in groups
            if players
        ),
        features=_largest(features),
        nodes=_node_numbers(checkpoint, graphs, sign, watch) if nodes else None,
        notes=tuple(_notes(graphs, game)),
    )


class _Ledger(NamedTuple):
    """What each player brings, in the units and with the sign of the labels."""

    draws_DPC: FloatArray
    weights_C: FloatArray
    members: tuple[str, ...]
    nobody: float
    """The score when all is that of the mean network."""

    def of(self, players: Sequence[int]) -> dict[str, Any]:
        """What some players bring together, as a `Contribution` has it."""
        draws_DC = self.draws_DPC[:, list(players)].sum(axis=1)
        mean_C, draws_D = draws_DC.mean(axis=0), draws_DC @ self.weights_C
        shown = zip(self.members, mean_C.tolist(), strict=False)  # the last column is the prior
        return {
            "amount": float(draws_D.mean()),
            "error": float(draws_D.std(ddof=1) / len(draws_D) ** 0.5) if len(draws_D) > 1 else 0.0,
            "prior": float(mean_C[-1]),
            "members": dict(shown),
        }


def _played(checkpoint: Checkpoint, game: Game, rounds: int, seed: int, sign: float) -> _Ledger:
    found = [game.players(group) for group in (*GROUPS, GRAPH)]
    teams = [players for players in found if players]
    nobody_1C = game(np.zeros((1, PLAYERS), bool))
    draws_DPC = np.zeros((1, PLAYERS, nobody_1C.shape[1]))
    if teams:
        draws_DPC = owen(game, PLAYERS, teams, rounds, seed)
    model = checkpoint.model
    members = model.config.members if isinstance(model, Ensemble) else ()
    nobody = sign * float(nobody_1C[0] @ game.weights_C)
    names = tuple(member.name for member in members)
    return _Ledger(sign * draws_DPC, game.weights_C, names, nobody)


def _feature(
    ledger: _Ledger, game: Game, group: Group, feature: Feature, column: int
) -> FeatureContribution:
    known = game.usual
    mean, low, high = (
        (float(values_D[column]) for values_D in known) if known else [float("nan")] * 3
    )
    return FeatureContribution(
        feature.name,
        feature.meaning,
        **ledger.of([column]),
        group=group.name,
        unit=feature.unit,
        value=float(game.own_D[column]),
        mean=mean,
        low=low,
        high=high,
    )


Part = TypeVar("Part", bound=Contribution)


def _largest(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The largest amounts first, of either sign."""
    return tuple(sorted(parts, key=lambda part: -abs(part.amount)))


def _deviation(checkpoint: Checkpoint, graphs: EncodedGraphs) -> float:
    """Of the labels that were learnt, at the size of this network; in the mean of the members."""
    model, macs_2 = checkpoint.model, graphs.macs_G[[0, 0]]
    weights_K, scales = [1.0], [checkpoint.scale]
    if isinstance(model, Ensemble):
        weights_K = model.weights_K.tolist()
        scales = [member.scale for member in model.config.members]
    ends = (scale.restore(macs_2.new_tensor([0.0, 1.0]), macs_2) for scale in scales)
    return sum(w * float(end[1] - end[0]) for w, end in zip(weights_K, ends, strict=True))


def _node_numbers(
    checkpoint: Checkpoint, graphs: EncodedGraphs, sign: float, watch: Watch
) -> NodeNumbers:
    effect_N = sign * node_effects(checkpoint, graphs, watch)
    if checkpoint.form != "fused":  # what signals follow
        unknown_N = np.full(len(effect_N), np.nan)
        return NodeNumbers(effect_N, unknown_N, unknown_N, unknown_N)
    signals = propagate(graphs.graphs, Waves.of(graphs.graphs))
    middle = signals.correlation_MC.shape[1] // 2
    return NodeNumbers(
        effect_N, signals.variance_M, signals.correlation_MC[:, middle], signals.gradient_M
    )


def _notes(graphs: EncodedGraphs, game: Game) -> Iterator[str]:
    """What makes the explanation less certain, or shorter."""
    graph = graphs.graphs[0]
    if graph.coverage < 1:
        yield (f"only {graph.coverage:.0%} of the operators are known; the score is less certain")
    if game.usual is None:
        yield (
            "the model reads no numbers of the whole graph: what moves its score is in its graph "
            "network, and the nodes alone tell where"
        )
    if game.reads_graph and not game.sees_graph:
        yield (
            "no network of the families trained on can be drawn: what is seen in the graph is "
            "not weighed, and the reference has the embedding of this network"
        )
    if game.trust < 1:
        yield f"of so strange a network {game.trust:.0%} of what was learnt counts beside the prior"
    count = int(movable(graph).sum())
    if count > MOST:
        yield f"nodes were taken out {count / MOST:.1f} at a time, and share what they are worth"
