"""From a predictor and a pool of networks to those that are worth a label.

The goal `explore` is kernel herding. It and its length were chosen among some twenty ways by the
mean Spearman, after 16 and 50 labels, over eight families: NAS-Bench-201, NATS-SSS,
NAS-Bench-Macro, TransNAS micro and macro, DARTS, MetaQNN and OFA-MBv3; others may do otherwise.
On other splits of the same families (`scripts/suggest_curves.py`) it gains .03 over chance after 16
labels, .01 after 32 and 50, and nothing after 128. Largest variance and centres of clusters, often
proposed, lose to chance on average.
"""

from itertools import chain
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
from torch import Tensor

from gennape.acquisition.choosing import (
    FloatArray,
    Rows,
    herded,
    highest_bound,
    novelty,
    typical_distance,
)
from gennape.assessment import assess, predicted
from gennape.batch import EncodedGraphs
from gennape.checkpoint import Checkpoint, Form
from gennape.features.whole import FEATURES
from gennape.models.solved.gaussian_process import principal
from gennape.models.whole import WholeGraph
from onnx_bench.canonical import fuse
from onnx_bench.collections import GraphCollection
from onnx_bench.collections.isomorphism import hexes, key_fused
from onnx_bench.errors import GennapeError

Goal = Literal["explore", "find-best"]
GOALS = get_args(Goal)
COMPONENTS = 30
LOUD = 3.0
"""Deviations of the score among numbers of one deviation each: it knows more than one of them."""
SHORT, LONG = 0.5, 1.0
"""Lengths in typical distances: within which networks stand for one another, and tell something."""
DARING = 1.0
STILL = 1e-9


class Suggestion(NamedTuple):
    """K networks of a pool, in the order in which they are worth a label."""

    row_K: Rows
    """Their places in the pool."""
    score_K: FloatArray
    """What the predictor says, in the units of its labels."""
    family_K: npt.NDArray[np.str_]
    """The nearest family that it was trained on; empty where these are not known."""
    distance_K: FloatArray
    """To that family, as in `Assessment`: above 1 is strange."""
    new_K: FloatArray
    """Share of a label that those labelled and suggested before it do not foretell, 0 to 1."""


def suggest(
    checkpoint: Checkpoint,
    pool: EncodedGraphs,
    count: int,
    labelled: EncodedGraphs | None = None,
    goal: Goal = "explore",
    seed: int = 0,
) -> Suggestion:
    """Networks of a pool that are worth a label, each once, and none of those labelled already.

    `explore` is for a predictor of the whole pool, `find-best` for its best networks. Networks lie
    where learners of few labels see them: numbers of the whole graph beside the score, in principal
    components (`models.solved.few`). The order of the pool makes no difference.

    Args:
        pool: in the checkpoint's form; networks that are one, however spelt, count once.
        count: K.
        labelled: networks with a label, or soon with one; they may be in the pool or not.
        seed: of the networks that tell the typical distance, in pools of many.

    Raises:
        GennapeError: the goal is none, or the pool does not have so many networks left.
    """
    if goal not in GOALS:
        raise GennapeError(f"goal is {goal!r}, expected one of {GOALS}")
    known = _Known.of(pool, labelled, checkpoint.form)
    known.refuse(count, len(pool))
    merit_N = standard(predicted(checkpoint, known.graphs)[0])
    point_NP = points(known.whole_ND, merit_N)
    unit, taken = typical_distance(point_NP, seed), np.flatnonzero(known.labelled_N)
    if goal == "explore":
        chosen = herded(point_NP, taken, count, SHORT * unit)
    else:
        chosen = highest_bound(point_NP, taken, count, LONG * unit, merit_N, DARING)
    new_K = novelty(point_NP, taken, chosen, LONG * unit)
    said = assess(checkpoint, known.graphs.take(chosen))
    row_K = known.first_N[chosen]
    return Suggestion(row_K, said.score_N, said.family_N, said.distance_N, new_K)


class _Known(NamedTuple):
    """N different networks, those labelled among them, in an order that depends on them alone."""

    graphs: EncodedGraphs
    whole_ND: Tensor
    first_N: Rows
    """Where each comes first, in the pool or behind it."""
    labelled_N: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, pool: EncodedGraphs, labelled: EncodedGraphs | None, form: Form) -> "_Known":
        graphs = pool.graphs
        if labelled is not None and len(labelled):
            graphs = GraphCollection.from_graphs(chain(graphs, labelled.graphs))
        fused = graphs if form == "fused" else GraphCollection.from_graphs(map(fuse, graphs))
        names = np.array(hexes(key_fused(fused).key_G16), dtype=np.str_)
        _, first_N, group_G = np.unique(names, return_index=True, return_inverse=True)
        labelled_N = np.zeros(len(first_N), bool)
        labelled_N[group_G[len(pool) :]] = True
        encoded = EncodedGraphs(graphs.take(first_N))
        numbers = encoded if form == "fused" else EncodedGraphs(fused.take(first_N))
        return cls(encoded, numbers.whole_GD, first_N.astype(np.int64), labelled_N)

    def refuse(self, count: int, pool: int) -> None:
        """Refuses to suggest more than there is."""
        if count < 1:
            raise GennapeError(f"{count} networks are asked for, expected 1 or more")
        if pool == 0:
            raise GennapeError("the pool is empty: there is no network to suggest")
        left, here = (self.first_N < pool) & ~self.labelled_N, self.first_N < pool
        if not left.any():
            raise GennapeError(f"nothing is left to suggest: all {pool} networks are labelled")
        if count > left.sum():
            doubles, labelled = pool - here.sum(), (here & self.labelled_N).sum()
            raise GennapeError(
                f"{count} networks are asked for, and {left.sum()} are left: the pool's {pool}, "
                f"less {doubles} spelt anew and {labelled} labelled"
            )


def points(whole_ND: Tensor, merit_N: FloatArray) -> FloatArray:
    """Where networks lie, shape (N, P); a distance of 1 is a deviation along the first axis.

    Args:
        whole_ND: numbers of each whole graph.
        merit_N: what is predicted, standardised.
    """
    read_NR = np.column_stack([LOUD * merit_N, numbers(whole_ND, whole_ND).double().numpy()])
    centre_R, axes_RP = principal(read_NR, COMPONENTS)
    found: FloatArray = (read_NR - centre_R) @ axes_RP
    return found


def numbers(whole_ND: Tensor, known_MD: Tensor) -> Tensor:
    """Numbers of whole graphs as a learner reads them that knows M of them, shape (N, D)."""
    whole = WholeGraph(hidden=0.0, prior=0.0, numbers=len(FEATURES))
    whole.prepare(known_MD)
    return whole.standardised(whole_ND)


def standard(values_N: FloatArray) -> FloatArray:
    """The values less their mean, in deviations."""
    deviation = float(values_N.std())
    found: FloatArray = (values_N - values_N.mean()) / (deviation if deviation > STILL else 1.0)
    return found
