"""From a checkpoint and labelled networks to the checkpoint that has learnt from them."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from gennape.assessment import with_uncertainty
from gennape.batch import EncodedGraphs
from gennape.checkpoint import Checkpoint, Form
from gennape.learning import tune
from gennape.scoring import Labels, Rows
from gennape.tuning import Learner, Progress, TuneSettings
from onnx_bench.collections.isomorphism import groups, keys
from onnx_bench.errors import GennapeError, LabelError
from onnx_bench.families import FAMILIES, family_of

VALIDATION, FROM = 0.2, 20
"""The share that is held out where a network learns, from so many on: with fewer none can be
spared."""


def default_validation(count: int, learner: Learner) -> float:
    """The share of so many networks that commands hold out where none is named.

    A learner from numbers needs none: it is tested on each label by learners without it.
    """
    return VALIDATION if learner == "network" and count >= FROM else 0.0


def fine_tuned(
    old: Checkpoint,
    graphs: EncodedGraphs,
    labels: Labels,
    settings: TuneSettings,
    progress: Progress | None = None,
    lower_is_better: bool = False,
) -> Checkpoint:
    """The checkpoint after fine-tuning, with its calibration and reference; `old` stays.

    Args:
        graphs: in the form of the checkpoint; each network once (`distinct`), lest errors be known
            by networks that were learnt from.
        labels: shape (N,), higher is better, unless `lower_is_better`.

    Raises:
        LabelError: labels are not finite, or not one for each network, or all the same, among those
            learnt from or those held out.
    """
    values = checked_labels(labels, len(graphs))
    settings = resolved(settings, old)
    learnt, held_out = _checked_split(settings, values)
    merit = -values if lower_is_better else values
    model, scale = tune(old.model, old.scale, graphs, merit, settings, progress)
    kinds = [family_of(name) for name in graphs.graphs.names]
    named = [kind for kind in kinds if kind in FAMILIES]  # files are of none
    new = replace(
        old,
        model=model,
        scale=scale,
        families=tuple(dict.fromkeys([*old.families, *named])),
        lower_is_better=lower_is_better,
        trust=1.0,  # of a family that has labels, what they taught is no guess
    )
    # An encoder that has learnt makes other embeddings than those that are kept.
    kept = settings.learner == "numbers" or settings.freeze == "encoder"
    known = old.reference if kept else None
    return with_uncertainty(new, graphs, merit, learnt, held_out, kinds, settings.seed, known)


def resolved(settings: TuneSettings, checkpoint: Checkpoint) -> TuneSettings:
    """The settings with the learner that `auto` means for a checkpoint.

    Raises:
        GennapeError: numbers are asked for, and the checkpoint's graphs are not in their form.
    """
    fused = checkpoint.form == "fused"
    if settings.learner == "auto":
        return replace(settings, learner="numbers" if fused else "network")
    if settings.learner == "numbers" and not fused:
        raise GennapeError(
            "numbers of the whole graph are of fused ones, and this checkpoint was trained on "
            "atomic ones; take the learner network"
        )
    return settings


def distinct(
    graphs: EncodedGraphs, labels: Labels, form: Form = "atomic"
) -> tuple[EncodedGraphs, Labels]:
    """Each network once, however it is spelt, with the mean of its labels."""
    group_N = groups(keys(graphs.graphs, fused=form == "fused").key_G16)
    _, first, counts = np.unique(group_N, return_index=True, return_counts=True)
    if len(first) == len(labels):
        return graphs, labels
    return EncodedGraphs(graphs.graphs.take(first)), np.bincount(group_N, labels) / counts


def checked_labels(labels: npt.ArrayLike, count: int) -> Labels:
    """Labels of so many networks, shape (N,), that teach an order.

    Raises:
        LabelError: they are not finite, or not one for each network, or all the same.
    """
    values = np.asarray(labels, np.float64).ravel()
    if len(values) != count:
        raise LabelError(f"{len(values)} labels for {count} networks; expected one for each")
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise LabelError(f"label {bad[0] + 1} of {count} is {values[bad[0]]}, no finite number")
    if count < 2 or (values == values[0]).all():
        raise LabelError(f"{count} labels without a difference between them teach no order")
    return values


def _checked_split(settings: TuneSettings, labels: Labels) -> tuple[Rows, Rows]:
    """Which rows are learnt from, and which are held out; either have labels that differ."""
    learnt, held_out = settings.split(len(labels))
    parts = {"learnt from": learnt, "held out": held_out} if settings.validation else {}
    for name, rows in parts.items():
        if len(np.unique(labels[rows])) < 2:
            raise LabelError(
                f"{len(rows)} of {len(labels)} networks would be {name} (validation "
                f"{settings.validation:g}, seed {settings.seed}), without a difference between "
                "their labels; give more labels, or take another share or seed"
            )
    return learnt, held_out
