"""Fuzzy membership: how much a network belongs to each cluster of those that were trained on.

GENNAPE (Mills et al., AAAI 2023, Eq. 2 and 3; Bezdek, 1981). With C centres v_j in the space of
embeddings h and a fuzzifier m > 1,

    u_ij = 1 / sum_k (|h_i - v_j|^2 / |h_i - v_k|^2)^(1 / (m - 1))

is the share of cluster j in network i; shares sum to one. The centres are fitted once, on the
networks of the training families; those of any other family get their shares from the same centres.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from onnx_bench.errors import GennapeError

EPSILON, STEPS = 1e-9, 1000
"""When a fit stops: no share moves more than that (the paper's value), or after so many steps."""
MARGIN = 1.05
"""A partition coefficient below so many times 1 / C says that clusters have collapsed."""
NEAREST = 1e-12

FloatArray = npt.NDArray[np.float64]


class CollapsedClustersError(GennapeError):
    """Fuzzy c-means that found no clusters: every network belongs to all of them alike."""


class Membership(nn.Module):
    """Shares of C clusters, differentiable, from frozen centres.

    Args:
        clusters: C.
        features: width F of the embedding.
        fuzzifier: m; near one clusters are crisp, at two and more they blur.
        projection: width P of the space that the centres lie in: the first principal components of
            the training embeddings. None keeps the embedding itself.
    """

    centre_CP: Tensor
    mean_F: Tensor
    axes_FP: Tensor

    def __init__(
        self, clusters: int, features: int, fuzzifier: float = 1.2, projection: int | None = None
    ) -> None:
        super().__init__()
        if clusters < 2:
            raise GennapeError(f"clusters is {clusters}, expected 2 or more")
        if fuzzifier <= 1:
            raise GennapeError(f"fuzzifier is {fuzzifier}, expected more than 1")
        if projection is not None and not 1 <= projection <= features:
            raise GennapeError(f"projection is {projection}, expected 1 to {features}")
        self.fuzzifier, self.projection = fuzzifier, projection
        width = projection or features
        self.register_buffer("centre_CP", torch.zeros(clusters, width))
        self.register_buffer("mean_F", torch.zeros(features))
        self.register_buffer("axes_FP", torch.eye(features, width))

    def forward(self, embedding_BF: Tensor) -> Tensor:
        """Shares, shape (B, C); each row sums to one."""
        point_BP = (embedding_BF - self.mean_F) @ self.axes_FP
        squared_BC = (point_BP[:, None, :] - self.centre_CP).square().sum(dim=-1)
        # A softmax of logarithms is Eq. 2 without its overflow where a point lies on a centre.
        return (-squared_BC.clamp(min=NEAREST).log() / (self.fuzzifier - 1)).softmax(dim=1)

    @torch.no_grad()
    def track(self, embedding_BF: Tensor, rate: float = 0.05) -> None:
        """Moves the centres by that share of the way to where Eq. 3 has them for these networks.

        An encoder that learns leaves its centres behind; moved a little with every batch, each
        cluster stays the one that it was (as codebooks do in van den Oord et al., NeurIPS 2017).
        """
        weight_BC = self(embedding_BF) ** self.fuzzifier
        total_C = weight_BC.sum(dim=0)
        point_BP = (embedding_BF - self.mean_F) @ self.axes_FP
        mean_CP = (weight_BC.T @ point_BP) / total_C.clamp(min=NEAREST)[:, None]
        # A cluster of which no network is in the batch stays where it is.
        step_C1 = rate * total_C.clamp(max=1.0)[:, None]
        self.centre_CP += step_C1 * (mean_CP - self.centre_CP)

    @torch.no_grad()
    def partition(self, embedding_NF: Tensor) -> float:
        """The fuzzy partition coefficient, the mean of sum_j u_ij^2: how crisp the clusters are.

        1 / C where every network belongs to all clusters alike, 1 where each belongs to one.

        Raises:
            CollapsedClustersError: it is near 1 / C, or two centres are one.
        """
        coefficient = float(self(embedding_NF).square().sum(dim=1).mean())
        points = ((embedding_NF - self.mean_F) @ self.axes_FP).double().cpu().numpy()
        centres = self.centre_CP.double().cpu().numpy()
        _refuse_collapse(points, centres, coefficient, self.fuzzifier)
        return coefficient

    def fit(self, embedding_NF: FloatArray, seed: int = 0) -> float:
        """Finds the centres by fuzzy c-means from a k-means start.

        Returns:
            The fuzzy partition coefficient, see `partition`.

        Raises:
            CollapsedClustersError: it is near 1 / C, or two centres are one.
        """
        import skfuzzy  # both take their time to import, and only training asks for them
        from sklearn.cluster import KMeans

        clusters = len(self.centre_CP)
        if len(embedding_NF) < clusters:
            raise GennapeError(f"{len(embedding_NF)} networks cannot make {clusters} clusters")
        mean, axes = _principal(embedding_NF, self.axes_FP.shape[1], self.projection is not None)
        points = (embedding_NF - mean) @ axes
        start = KMeans(clusters, n_init=4, random_state=seed).fit(points)
        shares = _shares(points, start.cluster_centers_, self.fuzzifier)
        centres, *_, coefficient = skfuzzy.cmeans(
            points.T, clusters, self.fuzzifier, EPSILON, STEPS, init=shares.T
        )
        _refuse_collapse(points, centres, float(coefficient), self.fuzzifier)
        for buffer, values in (
            (self.mean_F, mean),
            (self.axes_FP, axes),
            (self.centre_CP, centres),
        ):
            buffer.copy_(torch.from_numpy(np.asarray(values)))
        return float(coefficient)


def _principal(
    embedding_NF: FloatArray, width: int, projected: bool
) -> tuple[FloatArray, FloatArray]:
    """Mean and axes of the space of the centres; no shift and no turn where none is asked for."""
    features = embedding_NF.shape[1]
    if not projected:
        return np.zeros(features), np.eye(features)
    mean = embedding_NF.mean(axis=0)
    _, _, axes = np.linalg.svd(embedding_NF - mean, full_matrices=False)
    return mean, axes[:width].T


def _shares(points: FloatArray, centres: FloatArray, fuzzifier: float) -> FloatArray:
    squared = ((points[:, None, :] - centres) ** 2).sum(axis=-1)
    logits = -np.log(np.maximum(squared, NEAREST)) / (fuzzifier - 1)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: FloatArray = weights / weights.sum(axis=1, keepdims=True)
    return shares


def _refuse_collapse(
    points: FloatArray, centres: FloatArray, coefficient: float, fuzzifier: float
) -> None:
    clusters = len(centres)
    spread = np.sqrt(points.var(axis=0).sum())
    gaps = np.linalg.norm(centres[:, None] - centres, axis=-1)[np.triu_indices(clusters, 1)]
    if not np.isfinite(centres).all():
        why = "its centres are no numbers"
    elif coefficient < MARGIN / clusters:
        why = f"the partition coefficient is {coefficient:.3f}, which is 1 / {clusters}"
    elif gaps.min() < 1e-3 * spread:
        why = "two of its centres are one"
    else:
        return
    raise CollapsedClustersError(
        f"fuzzy c-means with {clusters} clusters and m = {fuzzifier:g} collapsed: {why}; "
        "take a smaller m (1.05 to 1.2), a projection to a few dimensions, or fewer clusters"
    )
