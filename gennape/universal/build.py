"""The universal checkpoint from public tables: everything but where it is written."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gennape.assessment import with_uncertainty
from gennape.batch import EncodedGraphs
from gennape.checkpoint import Checkpoint
from gennape.metrics import spearman
from gennape.models.performance import PerformanceModel
from gennape.scoring import scores
from gennape.targets import TargetScale
from gennape.universal.sources import (
    GENERALIST,
    SPECIALISTS,
    Family,
    Report,
    Source,
    families,
)
from gennape.universal.training import Recipe, Split, generalist, some, universal
from onnx_bench.graph import ComputationGraph

CALIBRATED = 100
"""Held-out networks of each family that intervals are set by: all families count alike."""
KNOWN = 60
"""Further networks of each family that say what is familiar: few, as families are many."""


def build(
    root: Path | None = None,
    seed: int = 0,
    recipe: Recipe | None = None,
    wide: Source = GENERALIST,
    narrow: Sequence[Source] = SPECIALISTS,
    report: Report | None = None,
) -> Checkpoint:
    """Trains a generalist on the one source and specialists of the others.

    The checkpoint's metrics hold Spearman on held-out networks of each family.

    Args:
        root: folder of the public tables.
        report: called with a line on each step.

    Raises:
        LabelError: a table is not there.
    """
    say = report or _silent
    recipe = recipe or Recipe()
    first = families(wide, root, say)[0]
    split = Split.of(len(first), seed)
    start = generalist(first, split.train, recipe, seed)
    found = [family for source in narrow for family in families(source, root, say)]
    others = [family for family in found if family.name != first.name]
    splits = [Split.of(len(family), seed) for family in others]
    say(f"specialists of {len(others)} families")
    model = universal(start, others, [own.train for own in splits], recipe, seed)
    known = [first, *others]
    checkpoint = Checkpoint(
        model,
        TargetScale(),
        families=tuple(family.name for family in known),
        source="public tables: " + ", ".join(s.benchmark for s in (wide, *narrow)),
        form="fused",
    )
    return _assessed(checkpoint, model, known, [split, *splits], seed)


def _assessed(
    checkpoint: Checkpoint,
    model: PerformanceModel,
    known: Sequence[Family],
    splits: Sequence[Split],
    seed: int,
) -> Checkpoint:
    """The checkpoint with figures, intervals and a reference, by networks of all families."""
    graphs: list[ComputationGraph] = []
    labels, names = [], []
    train: list[int] = []
    held_out: list[int] = []
    for family, split in zip(known, splits, strict=True):
        for rows, places in (
            (some(split.train, KNOWN, seed), train),
            (some(split.held_out, CALIBRATED, seed), held_out),
        ):
            said = scores(model, family.graphs, rows)
            if places is held_out:
                figure = spearman(said, family.rank_N[rows])
                checkpoint.metrics[f"spearman_{family.name}"] = round(figure, 4)
            places.extend(range(len(graphs), len(graphs) + len(rows)))
            graphs += [family.graphs.graphs[int(row)] for row in rows]
            # A family's ranks lie around the place that it has among all others.
            labels.append(family.rank_N[rows] + (said - family.rank_N[rows]).mean())
            names += [family.name] * len(rows)
    return with_uncertainty(
        checkpoint,
        EncodedGraphs(graphs),
        np.concatenate(labels),
        np.array(train),
        np.array(held_out),
        names,
        seed,
    )


def _silent(line: str) -> None:
    del line
