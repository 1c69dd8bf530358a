"""Extremely randomised trees as flat arrays: grown by scikit-learn, walked by torch."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gennape.models.heads import HEADS
from gennape.models.solved.head import SolvedHead, Table, refuse_below
from onnx_bench.errors import GennapeError

PART = 512
"""Networks at a time: their places in all trees stay in the cache."""


@HEADS.register("trees")
class TreesHead(SolvedHead):
    """y = mean over trees of the value of the leaf that r falls into.

    Extremely randomised trees (Geurts, Ernst and Wehenkel, 2006). At each node a network goes to
    the first child where its number is at most the threshold, to the second one elsewhere; a leaf
    is its own child.

    Args:
        in_features: width R of what it reads.
        trees: how many.
        leaf: networks in a leaf, at least.
        share: of the R numbers, how many are tried at each node.
        most: rows that are learnt from at most; None for all.

    Raises:
        GennapeError: a count is below 1 or no whole number, or the share is not above 0, up to 1.
    """

    feature_M: Tensor
    number_M: Tensor
    """Thresholds of nodes with children, and values of leaves."""
    second_M: Tensor
    root_T: Tensor

    def __init__(
        self,
        in_features: int,
        trees: int = 60,
        leaf: int = 5,
        share: float = 0.25,
        most: int | None = 8192,
    ) -> None:
        refuse_below(1, trees=trees, leaf=leaf, most=1 if most is None else most)
        if not 0 < share <= 1:
            raise GennapeError(f"share is {share}, expected more than 0, at most 1")
        super().__init__(in_features)
        self.trees, self.leaf, self.share, self.most = trees, leaf, float(share), most

    def _constant(self, mean: float) -> dict[str, Tensor]:
        return {
            "feature_M": torch.zeros(1, dtype=torch.int16),
            "number_M": torch.tensor([mean]),
            "second_M": torch.zeros(1, dtype=torch.int32),
            "root_T": torch.zeros(1, dtype=torch.int32),
        }

    def _solution(self, table: Table, seed: int) -> dict[str, Tensor]:
        from sklearn.ensemble import ExtraTreesRegressor  # what predicts does without scikit-learn

        forest = ExtraTreesRegressor(
            self.trees, min_samples_leaf=self.leaf, max_features=self.share, random_state=seed
        )
        forest.fit(*table.drawn(self.most, seed))
        return flattened([grown.tree_ for grown in forest.estimators_])

    def _sound(self, buffers: Mapping[str, Tensor]) -> bool:
        feature_M, second_M, root_T = (buffers[n] for n in ("feature_M", "second_M", "root_T"))
        nodes = {len(buffer) for name, buffer in buffers.items() if name != "root_T"}
        if len(nodes) != 1 or not len(root_T):
            return False
        # Every step leads on, so that no walk goes round: or it is a leaf, where it ends.
        own_M = torch.arange(len(second_M), device=second_M.device)
        return bool((second_M >= own_M).all()) and all(
            bool(((places >= 0) & (places < end)).all())
            for places, end in (
                (feature_M, self.in_features),
                (second_M, len(second_M)),
                (root_T, len(second_M)),
            )
        )

    def forward(self, embedding_BF: Tensor) -> Tensor:
        # Thresholds mean single precision, in which the trees were grown.
        parts = [self._mean(part) for part in torch.split(embedding_BF.float(), PART)]
        return torch.cat(parts).to(embedding_BF.dtype)

    def _mean(self, read_BR: Tensor) -> Tensor:
        """Of the leaves of each network, shape (B,)."""
        start_B = torch.arange(len(read_BR), device=read_BR.device) * self.in_features
        numbers = read_BR.flatten()
        place_TB, before_TB = self.root_T.long()[:, None].expand(-1, len(read_BR)), None
        while before_TB is None or not torch.equal(place_TB, before_TB):
            before_TB = place_TB
            second_TB = self.second_M[place_TB].long()
            beyond_TB = numbers[start_B + self.feature_M[place_TB]] > self.number_M[place_TB]
            beyond_TB |= second_TB == place_TB  # a leaf
            place_TB = torch.where(beyond_TB, second_TB, place_TB + 1)
        # In double precision a sum is the same in a batch of any size.
        mean_B: Tensor = self.number_M[place_TB].double().mean(dim=0)
        return mean_B


def flattened(trees: list[Any]) -> dict[str, Tensor]:
    """The nodes of scikit-learn's trees, one after another: buffers of a `TreesHead`."""
    root_T = np.cumsum([0, *(tree.node_count for tree in trees[:-1])])
    feature_M, threshold_M, value_M = (
        np.concatenate([getattr(tree, name) for tree in trees])
        for name in ("feature", "threshold", "value")
    )
    leaf_M = feature_M < 0
    # scikit-learn puts the first child behind its parent.
    second_M = np.concatenate(
        [tree.children_right + root for tree, root in zip(trees, root_T, strict=True)]
    )
    value_M = value_M[:, 0, 0].astype(np.float32)
    buffers: dict[str, npt.NDArray[Any]] = {
        "feature_M": np.where(leaf_M, 0, feature_M).astype(np.int16),
        "number_M": np.where(leaf_M, value_M, _rounded_down(threshold_M)),
        "second_M": np.where(leaf_M, np.arange(len(leaf_M)), second_M).astype(np.int32),
        "root_T": root_T.astype(np.int32),
    }
    return {name: torch.from_numpy(values) for name, values in buffers.items()}


def _rounded_down(threshold_M: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """In single precision; the same numbers of single precision are at most as large as these."""
    near_M = threshold_M.astype(np.float32)
    below_M = np.nextafter(near_M, np.float32(-np.inf))
    return np.where(near_M > threshold_M, below_M, near_M)
