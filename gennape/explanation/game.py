"""A model as a game: what it says when only some of what it reads is the network's own.

The rest is that of the mean network trained on (`reference`): the players are the numbers of the
whole graph, and, as one, the embedding. A number at its mean is what heads see of a hidden one
while they learn (`models.whole`), so that they know how to do without some.
"""

import copy
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from gennape.assessment import Assessment
from gennape.batch import EncodedGraphs, GraphBatch
from gennape.checkpoint import Checkpoint
from gennape.explanation.groups import Group
from gennape.explanation.occlusion import Watch, quiet
from gennape.explanation.owen import BoolArray, FloatArray
from gennape.explanation.reference import (
    graph_readers,
    is_sized,
    mean_macs,
    random_networks,
    tables,
    usual,
)
from gennape.features.whole import COLUMN, FEATURES
from gennape.models.encoder import Encoder
from gennape.models.ensemble import AnyModel, Ensemble
from gennape.scoring import embedded

NUMBERS = len(FEATURES)
EMBEDDING, PLAYERS = NUMBERS, NUMBERS + 1
"""The player behind the numbers, and how many there are."""
BATCH = 256
"""Pairwise heads are slower in larger ones."""


class Recalled(Encoder):
    """What an encoder said of two networks. Batches name them as rows: 0 the mean, 1 the own."""

    said_2F: Tensor

    def __init__(self, said_2F: Tensor) -> None:
        super().__init__()
        self.out_features = said_2F.shape[1]
        self.register_buffer("said_2F", said_2F)

    def forward(self, batch: GraphBatch) -> Tensor:
        return self.said_2F[batch.row_N]


class Game:
    """What a checkpoint says of coalitions of a network's features, in the units of the labels.

    Args:
        checkpoint: a trained model; it stays as it is.
        graphs: the one network, in the checkpoint's form.
        said: what the checkpoint says of it; see `trusted`.
        watch: shows how far it is.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        graphs: EncodedGraphs,
        said: Assessment,
        watch: Watch = quiet,
    ) -> None:
        self.watch = watch
        model, readers = checkpoint.model, graph_readers(checkpoint.model)
        self.usual = usual(model)
        self.sized = is_sized(model) or checkpoint.scale.flops != "ignored"
        needs = bool(readers) or (self.sized and self.usual is None)
        drawn = random_networks(checkpoint) if needs else None
        self.reads_graph = bool(readers)
        self.sees_graph = self.reads_graph and drawn is not None
        """Whether there is an embedding, and a mean one to compare it with."""
        self.scale, self.trust = checkpoint.scale, trusted(checkpoint, said)
        self.model = _recalling(model, graphs, drawn)
        self.own_D = graphs.whole_GD[0] if self.usual else torch.zeros(NUMBERS)
        mean_D = self.usual.mean_D if self.usual else self.own_D
        self.mean_D = torch.where(mean_D.isnan(), self.own_D, mean_D)
        self.own_macs = graphs.macs_G[0]
        macs = mean_macs(self.usual, drawn)
        self.mean_macs = self.own_macs if macs is None else self.own_macs.new_tensor(macs)

    @property
    def weights_C(self) -> FloatArray:
        """How much each column of what is said counts in the score."""
        model = self.model
        weights_K = model.weights_K.numpy() if isinstance(model, Ensemble) else np.ones(1)
        return np.append(weights_K, 0.0)

    def __call__(self, present_SP: BoolArray) -> FloatArray:
        """What each of K members predicts, and the priors alone in the mean, shape (S, K + 1)."""
        parts = torch.split(torch.from_numpy(present_SP), BATCH)
        watched = self.watch(parts, "weighing features", len(parts))
        with torch.no_grad():
            return np.concatenate([self._said(part).numpy() for part in watched])

    def _said(self, present_SP: Tensor) -> Tensor:
        batch = self._batch(present_SP)
        if isinstance(self.model, Ensemble):
            found_SK, prior_SK = self.model.predictions(batch), self.model.priors(batch)
        else:
            scores = self.model(batch), self.model.prior(batch)
            found_SK, prior_SK = (
                self.scale.restore(score_S.double(), batch.macs_B)[:, None] for score_S in scores
            )
        weights_K = torch.from_numpy(self.weights_C[:-1])
        trusted_SK = prior_SK + self.trust * (found_SK - prior_SK)
        return torch.cat([trusted_SK, (prior_SK @ weights_K)[:, None]], dim=1)

    def _batch(self, present_SP: Tensor) -> GraphBatch:
        """Graphs of one node each, of row 0 or 1, whose numbers are some own, some mean."""
        count, nothing = len(present_SP), torch.zeros(len(present_SP), dtype=torch.int64)
        return GraphBatch(
            row_N=present_SP[:, EMBEDDING].long(),
            type_N=nothing,
            resolution_N6=torch.zeros(count, 6),
            kernel_N2=torch.zeros(count, 2, dtype=torch.int64),
            bias_N=nothing,
            depth_N=torch.zeros(count),
            edges_2E=torch.zeros(2, 0, dtype=torch.int64),
            graph_N=torch.arange(count),
            macs_B=torch.where(present_SP[:, COLUMN["macs"]], self.own_macs, self.mean_macs),
            whole_BD=torch.where(present_SP[:, :NUMBERS], self.own_D, self.mean_D),
            num_graphs=count,
        )

    def players(self, group: Group) -> list[int]:
        """Those of a group that can make a difference at all."""
        own = group.columns if group.features else [EMBEDDING]
        return [player for player in own if self._movers_P[player]]

    @cached_property
    def _movers_P(self) -> BoolArray:
        moved_P = np.zeros(PLAYERS, bool)
        if self.usual:
            moved_P[:NUMBERS] = self._read_D() & (self.own_D != self.mean_D).numpy()
        moved_P[COLUMN["macs"]] |= self.sized and bool(self.own_macs != self.mean_macs)
        moved_P[EMBEDDING] = self.sees_graph
        return moved_P

    def _read_D(self) -> BoolArray:
        """Which numbers differ, from the mean network's, as heads and priors read them."""
        found_D = np.zeros(NUMBERS, bool)
        batch = self._batch(torch.tensor([[True], [False]]).expand(2, PLAYERS))
        for part in tables(self.model):
            own_D, mean_D = part(batch)
            found_D[: part.out_features] |= (own_D != mean_D).numpy()
            found_D[part.column_S.numpy()] |= part.weight > 0
        return found_D


def trusted(checkpoint: Checkpoint, said: Assessment) -> float:
    """How much of what was learnt counts for the network, 0 to 1; see `assessment.predicted`."""
    if checkpoint.trust == 1 or checkpoint.reference is None:
        return 1.0
    familiar = float(np.clip(2 - said.distance_N[0], 0, 1))
    return checkpoint.trust + (1 - checkpoint.trust) * familiar


def _recalling(model: AnyModel, own: EncodedGraphs, drawn: EncodedGraphs | None) -> AnyModel:
    """A copy of the model whose encoders have looked at both networks, and never do again."""
    copied = copy.deepcopy(model).eval()
    for part, name in graph_readers(copied):
        encoder = getattr(part, name)
        own_F = embedded(encoder, own)[0]
        mean_F = own_F if drawn is None else embedded(encoder, drawn).mean(dim=0)
        setattr(part, name, Recalled(torch.stack([mean_F, own_F])))
    return copied
