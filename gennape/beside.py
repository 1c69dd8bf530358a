"""A learner of few labels beside a model, which stays as it is.

It reads what the model says of a network, which patterns its graph is made of, and numbers of the
whole graph (`models.solved.few`). With many labels a graph network is trained beside, from nothing,
on what the model's score leaves of the labels: it reads what neither numbers nor patterns tell.
"""

from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from gennape.batch import EncodedGraphs
from gennape.checkpoint import seeded_model
from gennape.features.whole import FEATURES
from gennape.models.ensemble import AnyModel
from gennape.models.performance import ModelConfig, PerformanceModel
from gennape.models.scored import ScoredEncoder
from gennape.models.solved.few import FewLabelsHead
from gennape.models.solved.robust import knots
from gennape.models.solved.score_kernel import SLOPE
from gennape.models.solved.stacking import folds
from gennape.models.whole import WholeGraph
from gennape.scoring import Labels, learns_few, represented, scores
from gennape.targets import TargetScale
from gennape.tuning import Progress, TuneSettings, fine_tune

MANY = 256
"""Labels from which a graph network is trained: fewer teach it too little for the time it takes."""
LARGE = 200
"""Nodes up to which it is, in the mean over graphs: of larger ones it takes many minutes."""
EPOCHS, FOLDS = 30, 3
PATTERNS = {"hops": 2, "buckets": 1024}
"""3 hops, 512 columns, or widths in the patterns did as well on some 20 families."""
NUMBERS: dict[str, Any] = {"hidden": 0.0, "prior": 0.0, "numbers": len(FEATURES)}
NETWORK = ModelConfig(
    "gnn",
    {"hidden": 64, "layers": 4},
    "mlp",
    {"hidden": 64, "layers": 2},
    {**NUMBERS, "hidden": 0.2},
)


def beside(
    model: AnyModel,
    graphs: EncodedGraphs,
    labels: Labels,
    settings: TuneSettings,
    progress: Progress | None = None,
) -> tuple[PerformanceModel, TargetScale]:
    """What has learnt from the labels on what the model says, and the scale of its scores.

    A learner that the model has already is replaced.

    Args:
        labels: shape (N,), higher is better, in any unit.
        settings: `validation` and `seed` count.
        progress: called with (steps done of `steps_beside`, mean loss).
    """
    learnt, _ = settings.split(len(labels))
    start = cast(ScoredEncoder, model.encoder).model if learns_few(model) else model
    networked = _pays(graphs, len(learnt))
    network = NETWORK.to_dict() if networked else None
    config = ModelConfig(
        "scored",
        {"model": start.config.to_dict(), "network": network, "patterns": PATTERNS},
        "few-labels",
        {"network": networked, "patterns": PATTERNS["buckets"]},
        {**NUMBERS, "hidden": 0.0},
    )
    new = PerformanceModel(config).eval()
    encoder, head = cast(ScoredEncoder, new.encoder), cast(FewLabelsHead, new.head)
    encoder.model.load_state_dict(start.state_dict())
    cast(WholeGraph, new.whole).prepare(graphs.whole_GD[learnt])
    scale = TargetScale.of(labels[learnt])
    own, target_N = graphs.take(learnt), scale.standardise(labels[learnt], np.zeros(len(learnt)))
    read_NR = represented(new, own)
    if networked:
        # What it says of networks that it has learnt from would be believed too much.
        read_NR[:, 1] = _train(encoder, own, target_N, settings.seed, progress)
    head.solve(read_NR, torch.from_numpy(target_N), settings.seed)
    if progress:
        progress(steps_beside(graphs, settings), 0.0)
    return new, scale


def steps_beside(graphs: EncodedGraphs, settings: TuneSettings) -> int:
    """How many steps `beside` counts with these graphs."""
    learnt, _ = settings.split(len(graphs))
    return 1 + (EPOCHS * (FOLDS + 1) if _pays(graphs, len(learnt)) else 0)


def _pays(graphs: EncodedGraphs, labels: int) -> bool:
    """Whether a graph network is trained."""
    return labels >= MANY and int(graphs.graphs.node_ptr[-1]) <= LARGE * len(graphs)


def _train(
    encoder: ScoredEncoder,
    graphs: EncodedGraphs,
    label_N: Labels,
    seed: int,
    progress: Progress | None,
) -> Tensor:
    """Trains the encoder's network; what others, trained without them, say of networks, (N,)."""
    label_K, seen_K = knots(label_N)
    score_N = scores(encoder.model, graphs)
    deviation = score_N.std() or 1.0
    known_N = SLOPE * (score_N - score_N.mean()) / deviation
    target_N = torch.from_numpy(seen_K[np.searchsorted(label_K, label_N)] - known_N).float()
    settings = TuneSettings(epochs=EPOCHS, batch_size=16, seed=seed, learner="network")
    every = np.arange(len(label_N))
    said_N = torch.empty(len(label_N))
    for place, (out_K, rest_K) in enumerate([*folds(len(every), seed, FOLDS), (every[:0], every)]):
        network = seeded_model(NETWORK, seed)
        cast(WholeGraph, network.whole).prepare(graphs.whole_GD[rest_K])

        def report(epoch: int, loss: float, before: int = place * EPOCHS) -> None:
            if progress:
                progress(before + epoch, loss)

        fine_tune(network, graphs, target_N, settings, rest_K, out_K[:0], report)
        if len(out_K):
            said_N[out_K] = torch.from_numpy(scores(network, graphs, out_K)).float()
    cast(PerformanceModel, encoder.network).load_state_dict(network.state_dict())
    return said_N
