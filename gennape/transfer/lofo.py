"""Leave one family out: every family is scored by a model whose sources lack it.

For each seed one generalist learns on NAS-Bench-101 and one specialist on each other source. A
target's own specialist is silenced, and what all families say together is solved for again without
it; in a second round without its kin, too, since kinship flatters.
NAS-Bench-101 itself is scored by a model whose generalist learnt on the first of the others,
NAS-Bench-201.

Sources are the tables that may train a checkpoint that ships, so that what is measured is that
checkpoint. Of a target no label is seen before its zero-shot scores, and the generalist has seen
none of its networks. The space in which families are told apart (`models.specialists`) is made of
networks of all sources, a target's among them where it is one. In the mode `ranked set` all its
networks are seen, without labels (`gennape.ranked_set`). With k labels the learner of few labels is
fitted to k random networks, and the rest is scored.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from gennape.checkpoint import Checkpoint, load, locate
from gennape.features.whole import COLUMN
from gennape.inference import Predictor
from gennape.metrics import kendall, spearman
from gennape.models.ensemble import Ensemble
from gennape.models.performance import PerformanceModel
from gennape.models.scored import ScoredEncoder
from gennape.models.specialists import Lessons
from gennape.ranked_set import smoothed
from gennape.scoring import predictions, priors, represented
from gennape.targets import TargetScale
from gennape.transfer.targets import TARGETS, Networks, Target
from gennape.transfer.targets import load as load_target
from gennape.tuning import TuneSettings
from gennape.universal.build import build
from gennape.universal.sources import GENERALIST, SPECIALISTS, Family, Report, Source, families
from gennape.universal.training import (
    Recipe,
    alternatives,
    generalist,
    head_of,
    lessons,
    some,
    trained_on,
)

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Row = dict[str, Any]

SCORED = 1500
"""Networks that are scored after a fit, at most: few-shot figures are means over seeds anyway."""
ENOUGH = 40
"""Networks that must be left to be scored."""
TOP = 0.1
BEST = 10
SINGLE, SET = "single", "ranked set"


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Args:
        targets: of `TARGETS`.
        most: networks of a target at most; None for all of them.
        recipe: of the universal model.
        wide, narrow: what its generalist and its specialists learn from.
        encoders: folder with seed0/cl_t/predictor and so on, as `scripts/paper_tables.py` trains
            them on NAS-Bench-101, to measure a graph network beside; None for none.
        data_root: folder of the public tables, GENNAPE_DATA by default.
    """

    targets: tuple[Target, ...] = TARGETS
    most: int | None = None
    recipe: Recipe = field(default_factory=Recipe)
    wide: Source = GENERALIST
    narrow: tuple[Source, ...] = SPECIALISTS
    encoders: Path | None = None
    data_root: Path | None = None

    def encoder(self, seed: int) -> Path:
        """The folder of one seed's encoder.

        Raises:
            CheckpointError: it is not there.
        """
        return locate((self.encoders or Path()) / f"seed{seed}" / "cl_t" / "predictor")


class Taught(NamedTuple):
    """A universal model and what its head learnt from."""

    checkpoint: Checkpoint
    lessons: Lessons

    @property
    def model(self) -> PerformanceModel:
        return cast(PerformanceModel, self.checkpoint.model)

    def leave_out(self, *families: str) -> None:
        """Makes it as if it had never learnt of these families."""
        head_of(self.model).leave_out(families, self.lessons)


class Score(NamedTuple):
    """What one estimator says of a target's networks, or of some of them."""

    estimator: str
    mode: str
    left_out: str
    score_N: Values
    rows_N: Rows


def run_seed(
    plan: Plan, seed: int, work: Path, done: frozenset[str], say: Report
) -> Iterator[tuple[Target, list[Row]]]:
    """The rows of each target that is not done, one target after the other.

    Args:
        work: folder of the models; those that are there are not trained again.
        done: keys of targets.
        say: called with a line on each step.
    """
    scored: tuple[Target | None, list[Score]] = None, []
    models: dict[bool, Taught] = {}
    for target in plan.targets:
        if target.key in done:
            continue
        own = target.left_out == plan.wide.benchmark
        taught = models.get(own) or models.setdefault(own, taught_model(plan, own, seed, work, say))
        networks = load_target(target, plan.data_root, plan.most)
        say(f"{target.key}: {len(networks):,} networks")
        if scored[0] is None or scored[0].networks != target.networks:
            scored = target, [*_scores(plan, taught, target, networks, seed, work, say)]
        rows = [_row(score, networks.label_N) for score in scored[1]]
        for shots in target.shots:
            if shots + ENOUGH <= len(networks):
                rows.append(_few_shot(taught, target, networks, shots, seed))
        yield target, [{**_named(target, networks), "seed": seed, **row} for row in rows]


def taught_model(plan: Plan, own: bool, seed: int, work: Path, say: Report) -> Taught:
    """The model that scores others, or the generalist's own family; trained if it is not there."""
    folder = work / f"seed{seed}" / (f"without-{plan.wide.benchmark}" if own else "universal")
    wide, *narrow = plan.narrow if own else (plan.wide, *plan.narrow)
    if not folder.is_dir():
        build(plan.data_root, seed, plan.recipe, wide, narrow, say).save(folder)
    checkpoint = load(folder)
    model = cast(PerformanceModel, checkpoint.model)
    known = head_of(model).families
    found = [f for source in narrow for f in families(source, plan.data_root) if f.name in known]
    return Taught(checkpoint, lessons(model, found, trained_on(found, seed), plan.recipe, seed))


def _beside(
    plan: Plan, name: str, seed: int, work: Path, say: Report, train: Callable[..., Ensemble]
) -> Ensemble:
    """An ensemble taught by the wide source, trained if it is not there."""
    folder = work / f"seed{seed}" / name
    if not folder.is_dir():
        family = families(plan.wide, plan.data_root, say)[0]
        say(f"{name} on {family.name}")
        start = train(family, *trained_on([family], seed), plan.recipe, seed)
        Checkpoint(start, form="fused").save(folder)
    return cast(Ensemble, load(folder).model)


def _graph_network(plan: Plan, seed: int, work: Path, say: Report) -> Ensemble:
    """Perceptrons on a contrastive encoder and the same numbers, prior and ranks, without trees."""

    def train(family: Family, rows: Rows, recipe: Recipe, seed: int) -> Ensemble:
        encoder = cast(PerformanceModel, load(plan.encoder(seed)).model)
        return generalist(family, rows, replace(recipe, perceptrons=3), seed, encoder)

    return _beside(plan, "graph-network", seed, work, say, train)


def _scores(
    plan: Plan,
    taught: Taught,
    target: Target,
    networks: Networks,
    seed: int,
    work: Path,
    say: Report,
) -> Iterator[Score]:
    """Zero-shot, of each estimator and mode."""
    model = taught.model
    start = cast(Ensemble, cast(ScoredEncoder, model.encoder).model)
    graphs, every = networks.graphs, np.arange(len(networks))
    whole_ND = graphs.whole_GD.double().numpy()
    for name in ("macs", "parameters"):
        yield Score(name, SINGLE, "", whole_ND[:, COLUMN[name]], every)
    yield Score("prior", SINGLE, "", priors(start, TargetScale(), graphs)[:, 0], every)
    found_NK = predictions(start, TargetScale(), graphs)
    for kind, name in (("trees", "trees"), ("mlp", "perceptrons")):
        own = [k for k, m in enumerate(start.config.members) if m.model.head == kind]
        yield Score(name, SINGLE, "family", found_NK[:, own].mean(axis=1), every)
    yield Score("generalist", SINGLE, "family", found_NK @ start.weights_K.numpy(), every)
    if target.left_out != plan.wide.benchmark:
        others = _beside(plan, "alternatives", seed, work, say, alternatives)
        said_NK = predictions(others, TargetScale(), graphs)
        for name, score_N in zip(("ridge", "Gaussian process"), said_NK.T, strict=True):
            yield Score(name, SINGLE, "family", score_N, every)
    read_NR = represented(model, graphs)
    for left_out in ("family", "kin"):
        taught.leave_out(target.left_out, *(target.kin if left_out == "kin" else ()))
        score_N = model.head(read_NR).double().numpy()
        yield Score("universal", SINGLE, left_out, score_N, every)
        yield Score("universal", SET, left_out, smoothed(score_N, whole_ND), every)
    if plan.encoders and target.left_out != plan.wide.benchmark:
        rows = every if target.encoded is None else some(every, target.encoded, 0)
        network = _graph_network(plan, seed, work, say)
        mean_N = predictions(network, TargetScale(), graphs, rows).mean(axis=1)
        yield Score("graph network", SINGLE, "family", mean_N, rows)


def _few_shot(taught: Taught, target: Target, networks: Networks, shots: int, seed: int) -> Row:
    """The row of the learner of few labels, kin left out as well."""
    taught.leave_out(target.left_out, *target.kin)
    order = np.random.default_rng([seed, shots]).permutation(len(networks))
    seen, rest = order[:shots], order[shots : shots + SCORED]
    settings = TuneSettings(seed=seed, learner="numbers")
    fitted = Predictor(taught.checkpoint).fit(
        networks.graphs.take(seen), networks.label_N[seen], settings
    )
    score_N = fitted.predict(networks.graphs.take(rest))
    return _row(Score("universal", SINGLE, "kin", score_N, rest), networks.label_N, shots)


def _named(target: Target, networks: Networks) -> Row:
    return {
        "target": target.benchmark if target.family is None else target.left_out,
        "subset": networks.subset,
        "label": networks.label,
    }


def _row(score: Score, labels: Values, shots: int = 0) -> Row:
    """Figures of one estimator; none where it says the same of all."""
    score_N, label_N = score.score_N, labels[score.rows_N]
    row: Row = {"estimator": score.estimator, "mode": score.mode, "left_out": score.left_out}
    row |= {"shots": shots, "networks": len(label_N)}
    if np.ptp(score_N) == 0:
        return row
    best = label_N >= np.quantile(label_N, 1 - TOP)
    row |= {"spearman": spearman(score_N, label_N), "kendall": kendall(score_N, label_N)}
    if np.ptp(label_N[best]) > 0 and np.ptp(score_N[best]) > 0:
        row["spearman_top"] = spearman(score_N[best], label_N[best])
    row["best_of_ten"] = label_N[np.argsort(-score_N, kind="stable")[:BEST]].max()
    row["best"] = label_N.max()
    return row
