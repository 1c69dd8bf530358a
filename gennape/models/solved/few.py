"""A head for few labels: several ways to learn, and what was known before, side by side."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gennape.models.heads import HEADS
from gennape.models.solved.head import LARGEST, FloatArray, SolvedHead, Table, refuse_below
from gennape.models.solved.robust import interpolated, knots
from gennape.models.solved.score_kernel import SLOPE
from gennape.models.solved.score_process import ScoreProcess
from gennape.models.solved.stacking import expected_shares, folds, stacked, upright
from gennape.models.solved.trees import TreesHead

STILL = 1e-9
WAYS = ("score", "Gaussian process", "trees", "graph network")
LEAST = 5
"""Labels from which on some are left out in turn."""


class LeftOut(NamedTuple):
    """What is said of N networks by learners that each have not seen the label in question."""

    prediction_N: FloatArray
    deviation_N: FloatArray
    """Expected of the errors."""


class _Read(NamedTuple):
    """What the head reads of B networks, in parts."""

    score_B1: Tensor
    """Of deviation 1 over the networks learnt from."""
    added_BW: Tensor
    """What a graph network adds to it; of no width without one."""
    pattern_BH: Tensor
    number_BD: Tensor

    @property
    def with_patterns(self) -> Tensor:
        return torch.cat([self.score_B1, self.pattern_BH, self.number_BD], dim=1)

    @property
    def without_patterns(self) -> Tensor:
        return torch.cat([self.score_B1, self.number_BD], dim=1)


@HEADS.register("few-labels")
class FewLabelsHead(SolvedHead):
    """y = T^-1(a z + b p + c f + d g), learnt from n labels of a family, seen by T (`robust`).

    z is 0.7 of a score that was there before, the first value that the head reads, of deviation 1;
    p is a Gaussian process around it (`score_process`), f a forest of extremely randomised trees on
    all but patterns; g, if there is one, is z and what a graph network adds to it. The shares a, b,
    c and d, in sum 1, are chosen by cross-validation, but few labels hardly leave what was found
    best on other families, and do not turn z round (`stacking`).

    Args:
        in_features: width of what it reads, the score first.
        trees: of the forest.
        crossed: whether some labels are left out in turn, to choose the shares and know the errors;
            without, shares are as expected.
        network: whether what a graph network adds stands behind the score; of networks learnt from
            it must be what one says that has not seen their labels.
        patterns: how many patterns of the graph come next (`models.patterns`), 0 or more.

    Raises:
        GennapeError: there are no trees, or nothing is read beside score, network and patterns.
    """

    score_2: Tensor
    """Mean and deviation of the score."""
    label_K: Tensor
    """Knots of T."""
    seen_K: Tensor
    share_W: Tensor
    """How much each of `WAYS` counts."""

    def __init__(
        self,
        in_features: int,
        trees: int = 60,
        crossed: bool = True,
        network: bool = False,
        patterns: int = 0,
    ) -> None:
        refuse_below(0, patterns=patterns)
        refuse_below(2 + network + patterns, in_features=in_features)
        self.ways = WAYS if network else WAYS[:-1]
        super().__init__(in_features)
        self.trees, self.crossed, self.network, self.patterns = trees, crossed, network, patterns
        self.process = ScoreProcess(in_features - network, patterns)
        self.forest = TreesHead(in_features - network - patterns, trees, leaf=2, share=0.33)
        self.left_out: LeftOut | None = None
        """Of the networks last learnt from, in their order; no part of a checkpoint."""

    def _constant(self, mean: float) -> dict[str, Tensor]:
        single = torch.zeros(1, dtype=torch.float64)
        return {
            "score_2": torch.tensor([0.0, 1.0], dtype=torch.float64),
            "label_K": single + mean,
            "seen_K": single.clone(),
            "share_W": single.new_zeros(len(self.ways)),
        }

    def solve(self, read_NR: Tensor, target_N: Tensor, seed: int = 0) -> None:
        self.left_out = None
        super().solve(read_NR, target_N, seed)
        if self.left_out:
            back_N = np.argsort(self.table(read_NR, target_N).order())
            self.left_out = LeftOut(*(values_N[back_N] for values_N in self.left_out))

    def _solution(self, table: Table, seed: int) -> dict[str, Tensor]:
        label_K, seen_K = knots(table.target_N)
        seen_N = seen_K[np.searchsorted(label_K, table.target_N)]
        score_2 = _moments(table.read_NR[:, 0])
        self._place(
            {
                "score_2": torch.from_numpy(score_2),
                "label_K": torch.from_numpy(label_K),
                "seen_K": torch.from_numpy(seen_K),
            }
        )
        read = self._read(torch.from_numpy(table.read_NR))
        self.process.solve(read.with_patterns, torch.from_numpy(seen_N), seed)
        self.forest.solve(read.without_patterns, torch.from_numpy(seen_N), seed)
        learnt_WN = self._ways(torch.from_numpy(table.read_NR))[0].numpy()
        self.share_W = torch.from_numpy(upright(self._expected(seen_N), learnt_WN))
        if self.crossed and len(seen_N) >= LEAST:
            self._cross(table, seen_N, learnt_WN, seed)
        return {name: getattr(self, name) for name in self._buffers}

    def _cross(self, table: Table, seen_N: FloatArray, learnt_WN: FloatArray, seed: int) -> None:
        """Chooses the shares, and takes down what is said without each label."""
        ways_WN, deviation_N = np.empty((len(self.ways), len(seen_N))), np.empty(len(seen_N))
        for out_K, rest_K in folds(len(seen_N), seed):
            some = FewLabelsHead(self.in_features, self.trees, False, self.network, self.patterns)
            rest = table.taken(rest_K)
            some.solve(torch.from_numpy(rest.read_NR), torch.from_numpy(rest.target_N), seed)
            read_KR = torch.from_numpy(table.read_NR[out_K])
            ways_WK = [some._label(way_K) for way_K in some._ways(read_KR)[0]]
            ways_WN[:, out_K] = torch.stack([self._seen(label_K) for label_K in ways_WK])
            deviation_N[out_K] = some.judge(read_KR)[1]
        self.share_W = torch.from_numpy(
            upright(stacked(ways_WN, seen_N, self._expected(seen_N)), learnt_WN)
        )
        mean_N = self._label(self.share_W @ torch.from_numpy(ways_WN))
        self.left_out = LeftOut(mean_N.numpy(), deviation_N)

    def _expected(self, seen_N: FloatArray) -> FloatArray:
        return expected_shares(len(seen_N), self.network)

    def _sound(self, buffers: Mapping[str, Tensor]) -> bool:
        label_K, seen_K = buffers["label_K"], buffers["seen_K"]
        shapes = tuple(buffers["score_2"].shape), tuple(buffers["share_W"].shape)
        knotted = len(label_K) == len(seen_K) > 0
        rising = all(bool((knots_K.diff() > 0).all()) for knots_K in (label_K, seen_K))
        return (
            shapes == ((2,), (len(self.ways),))
            and knotted
            and rising
            and float(buffers["score_2"][1]) > 0
        )

    def forward(self, embedding_BF: Tensor) -> Tensor:
        return self.judge(embedding_BF)[0]

    def judge(self, read_BR: Tensor) -> tuple[Tensor, Tensor]:
        """What is said of each network, and how far its label may be off, one deviation: (B,) each.

        The latter is that of the Gaussian process, as far as labels are apart there.
        """
        ways_WB, off_B = self._ways(read_BR)
        mean_B = self.share_W @ ways_WB
        high_B, low_B = self._label(mean_B + off_B), self._label(mean_B - off_B)
        return self._label(mean_B).to(read_BR.dtype), ((high_B - low_B) / 2).to(read_BR.dtype)

    def _read(self, read_BR: Tensor) -> "_Read":
        kept_BR = read_BR.double().clamp(-LARGEST, LARGEST)
        ends = np.cumsum([1, self.network, self.patterns]).tolist()
        score_B1, *others = kept_BR.tensor_split(ends, dim=1)
        return _Read((score_B1 - self.score_2[0]) / self.score_2[1], *others)

    def _ways(self, read_BR: Tensor) -> tuple[Tensor, Tensor]:
        """What each way says, shape (W, B), and expected errors (B,), as T shows labels."""
        read = self._read(read_BR)
        score_B = SLOPE * read.score_B1[:, 0]
        process_B, off_B = self.process.judge(read.with_patterns)
        forest_B = self.forest(read.without_patterns)
        networks = (score_B + added_B for added_B in read.added_BW.T)
        return torch.stack([score_B, process_B, forest_B, *networks]), off_B

    def _label(self, seen_B: Tensor) -> Tensor:
        return interpolated(seen_B, self.seen_K, self.label_K)

    def _seen(self, label_B: Tensor) -> Tensor:
        return interpolated(label_B, self.label_K, self.seen_K)

    def describe(self) -> str:
        """What counts how much, for people."""
        shares = zip(self.ways, self.share_W.tolist(), strict=True)
        return ", ".join(f"{name} {share:.2f}" for name, share in shares)


def _moments(score_N: FloatArray) -> FloatArray:
    deviation = float(score_N.std())
    return np.array([score_N.mean(), deviation if deviation > STILL else 1.0])
