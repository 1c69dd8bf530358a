"""A straight line with a penalty on its slope."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from gennape.models.heads import HEADS
from gennape.models.solved.head import LARGEST, SolvedHead, Table

PENALTIES = np.logspace(-3, 6, 37)


@HEADS.register("ridge")
class RidgeHead(SolvedHead):
    """y = w . r + b, with w and b those of min |y - w . r - b|^2 + a |w|^2.

    Ridge regression (Hoerl and Kennard, 1970). Of the penalties a the one is taken that leaves the
    smallest squared error when each network in turn is left out (Golub, Heath and Wahba, 1979).
    """

    weight_R: Tensor
    bias: Tensor

    def _constant(self, mean: float) -> dict[str, Tensor]:
        weight_R = torch.zeros(self.in_features, dtype=torch.float64)
        return {"weight_R": weight_R, "bias": weight_R.new_tensor(mean)}

    def _solution(self, table: Table, seed: int) -> dict[str, Tensor]:
        from sklearn.linear_model import RidgeCV  # what predicts does without scikit-learn

        del seed
        found = RidgeCV(PENALTIES).fit(table.read_NR, table.target_N)
        weight_R = torch.from_numpy(found.coef_)
        return {"weight_R": weight_R, "bias": weight_R.new_tensor(found.intercept_)}

    def _sound(self, buffers: Mapping[str, Tensor]) -> bool:
        return len(buffers["weight_R"]) == self.in_features

    def forward(self, embedding_BF: Tensor) -> Tensor:
        kept = embedding_BF.double().clamp(-LARGEST, LARGEST)
        scores: Tensor = kept @ self.weight_R + self.bias
        return scores.to(embedding_BF.dtype)
