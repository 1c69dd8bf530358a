"""What is predicted of networks, and how far that may be trusted."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gennape.batch import EncodedGraphs
from gennape.checkpoint import Checkpoint
from gennape.conformal import COVERAGE, Calibration, checked_coverage
from gennape.familiarity import Familiarity, Reference, drawn
from gennape.features.composition import composition
from gennape.models.ensemble import Ensemble
from gennape.models.solved import FewLabelsHead
from gennape.scoring import BATCH, embedded, judged, learns_few, predictions, priors

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


class Assessment(NamedTuple):
    """Of N networks, in the units of the labels, and with their sign where lower is better.

    An interval holds for networks like those that it was calibrated on, drawn as they were: of the
    same family, in the same setting. Nothing is promised for strange ones.
    """

    score_N: Values
    low_N: Values
    """Ends of the intervals; nan without a calibration, infinite with too small a one."""
    high_N: Values
    spread_N: Values
    """Deviation of the members of an ensemble, or what a learner of few labels expects of its
    errors; 0 for any other model."""
    family_N: npt.NDArray[np.str_]
    """The nearest family of those trained on; empty where these are not known."""
    distance_N: Values
    """To that family: 1 is as far as the outermost 5 % of its own networks; nan if not known."""
    strange_N: npt.NDArray[np.bool_]
    """Farther than that."""


def assess(
    checkpoint: Checkpoint,
    graphs: EncodedGraphs,
    coverage: float = COVERAGE,
    batch_size: int = BATCH,
    said: tuple[Values, Values] | None = None,
) -> Assessment:
    """Scores of networks with intervals that hold the label with a probability of `coverage`.

    Args:
        said: what counts as the checkpoint's predictions and their spread, as `predicted` gives it.

    Raises:
        GennapeError: the coverage is not between 0 and 1.
    """
    checked_coverage(coverage)
    mean_N, spread_N = said or predicted(checkpoint, graphs, batch_size=batch_size)
    score_N = -mean_N if checkpoint.lower_is_better else mean_N
    half_N = np.full(len(graphs), np.nan)
    if checkpoint.calibration:
        half_N = checkpoint.calibration.half_width(spread_N, coverage)
    family_N, distance_N = _familiarity(checkpoint, graphs)
    return Assessment(
        score_N,
        score_N - half_N,
        score_N + half_N,
        spread_N,
        family_N,
        distance_N,
        distance_N > 1,
    )


def predicted(
    checkpoint: Checkpoint,
    graphs: EncodedGraphs,
    rows: Rows | None = None,
    batch_size: int = BATCH,
) -> tuple[Values, Values]:
    """Predictions and the spread of the members, both (N,), in the units of labels; up is better.

    What was learnt counts by the checkpoint's `trust` alone for strange networks: the rest of their
    prediction is the prior (`models.whole`). The spread is the weighted standard deviation of the
    members, or what a learner of few labels expects of its errors, 0 for any other single model.
    """
    model = checkpoint.model
    if learns_few(model):  # which has seen labels of what it is for: there is nothing to distrust
        return judged(model, checkpoint.scale, graphs, rows, batch_size)
    found_NK = predictions(model, checkpoint.scale, graphs, rows, batch_size)
    if checkpoint.trust < 1:
        prior_NK = priors(model, checkpoint.scale, graphs, rows)
        found_NK = prior_NK + _trust(checkpoint, graphs, rows)[:, None] * (found_NK - prior_NK)
    weights_K = model.weights_K.numpy() if isinstance(model, Ensemble) else np.ones(1)
    mean_N = found_NK @ weights_K
    return mean_N, np.sqrt(((found_NK - mean_N[:, None]) ** 2) @ weights_K)


def left_out(checkpoint: Checkpoint) -> tuple[Values, Values] | None:
    """The same of networks just learnt from, by learners that have not seen the label in question.

    None of a checkpoint that was loaded, of too few labels, or of another model than a learner of
    few labels.
    """
    head = checkpoint.model.head if learns_few(checkpoint.model) else None
    if not isinstance(head, FewLabelsHead) or head.left_out is None:
        return None
    scale = checkpoint.scale
    return (
        head.left_out.prediction_N * scale.std + scale.mean,
        head.left_out.deviation_N * scale.std,
    )


def _trust(checkpoint: Checkpoint, graphs: EncodedGraphs, rows: Rows | None) -> Values:
    """1 up to the limit of the nearest family, `trust` from twice the limit on, (N,)."""
    if checkpoint.reference is None:
        return np.ones(len(graphs) if rows is None else len(rows))
    distance_N = checkpoint.reference.judge(_points(checkpoint, graphs, rows)).distance_N
    familiar_N: Values = np.clip(2 - distance_N, 0, 1)
    return checkpoint.trust + (1 - checkpoint.trust) * familiar_N


def with_uncertainty(
    checkpoint: Checkpoint,
    graphs: EncodedGraphs,
    labels: Values,
    train_rows: Rows,
    held_out_rows: Rows,
    families: Sequence[str],
    seed: int = 0,
    known: Reference | None = None,
) -> Checkpoint:
    """The checkpoint with a calibration by what was held out, and a reference of all these rows.

    Rows that chose the epoch are not quite new to the model: intervals by them come out a little
    narrow. They must be none of those learnt from.

    Args:
        labels: of every graph, as they were learnt: higher is better.
        held_out_rows: may be none; a learner of few labels is calibrated by each label that it left
            out then, in turn, and others have no calibration.
        families: of every graph.
        seed: of the networks that are kept as the reference.
        known: a reference by the same encoder, which these join.
    """
    said, rows = left_out(checkpoint), train_rows
    if len(held_out_rows):
        said, rows = predicted(checkpoint, graphs, held_out_rows), held_out_rows
    calibration = Calibration.of(*said, labels[rows]) if said else None
    # Of many networks a few hundred are embedded, not all of them.
    both = np.concatenate([train_rows, held_out_rows])
    rows = np.concatenate([*drawn(families, both, seed).values()])
    embedding_NF = _points(checkpoint, graphs, rows)
    kinds = [families[row] for row in rows]
    if known:
        reference: Reference | None = known.joined(embedding_NF, kinds)
    else:
        reference = Reference.of(embedding_NF, kinds, seed=seed)
    return replace(checkpoint, calibration=calibration, reference=reference)


def _familiarity(checkpoint: Checkpoint, graphs: EncodedGraphs) -> Familiarity:
    if checkpoint.reference is None:
        return Familiarity(np.full(len(graphs), ""), np.full(len(graphs), np.nan))
    return checkpoint.reference.judge(_points(checkpoint, graphs))


def _points(checkpoint: Checkpoint, graphs: EncodedGraphs, rows: Rows | None = None) -> Values:
    """Where networks lie: what the encoder says of them, joined by what they are made of."""
    embedding_NF = embedded(checkpoint.model, graphs, rows).numpy()
    chosen = graphs.graphs if rows is None else graphs.graphs.take(rows)
    # In single precision, as references are kept.
    points_NF = np.concatenate([embedding_NF, composition(chosen).astype(np.float32)], axis=1)
    return points_NF.astype(np.float64)
