"""Contrastive pretraining: views of networks with like spectra are drawn together.

GENNAPE (Mills et al., AAAI 2023, Eq. 1). Every graph of a batch is encoded twice, dropout makes the
difference (SimCSE; Gao et al., EMNLP 2021); a projection brings the 2N embeddings h to the unit
sphere as z. With sim(i, l) = z_i . z_l / T,

    L = - sum_i sum_{l != i} alpha_l^(i) log( exp sim(i, l) / sum_{r != i} exp sim(i, r) )

where alpha^(i) >= 0 sums to one over l != i and says which views are positives of i, by how much.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from onnx_bench.errors import GennapeError

Reading = Literal["near", "far"]


class Projection(nn.Module):
    """z = g(h) / |g(h)|: a perceptron of one hidden layer, onto the unit sphere.

    Args:
        in_features: width of the embedding h.
        out_features: width of z.
    """

    def __init__(self, in_features: int, out_features: int = 64) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(in_features, in_features),
            nn.ReLU(),
            nn.Linear(in_features, out_features),
        )

    def forward(self, embedding: Tensor) -> Tensor:
        """Points on the sphere, shape (B, out_features), from embeddings (B, in_features)."""
        return F.normalize(self.net(embedding), dim=-1)


def contrastive_loss(z_VF: Tensor, alpha_VV: Tensor, temperature: float = 0.1) -> Tensor:
    """Eq. 1, as the mean over the views instead of their sum, so that batches compare.

    Args:
        z_VF: V views on the unit sphere.
        alpha_VV: row i holds the weights of the positives of view i; its diagonal is not read.
        temperature: T.
    """
    similarity_VV = z_VF @ z_VF.T / temperature
    own = torch.eye(len(z_VF), dtype=torch.bool, device=z_VF.device)
    log_share_VV = similarity_VV.masked_fill(own, float("-inf")).log_softmax(dim=1)
    # 0 * -inf would be no number: what is on the diagonal counts nothing
    log_share_VV = log_share_VV.masked_fill(own, 0.0)
    return -(alpha_VV * log_share_VV).sum(dim=1).mean()


def spectral_weights(
    spectra_VQ: Tensor, temperature: float = 1.0, reading: Reading = "near"
) -> Tensor:
    """alpha of the paper: a softmax over the distances between spectra, shape (V, V).

    The paper's text puts the softmax on the distance itself, which makes the *most different*
    networks positives (`far`). The idea that it explains asks for the opposite sign (`near`), which
    its authors' later work uses too; that is the default.

    Args:
        spectra_VQ: smallest eigenvalues of each view's graph, see `features.spectrum`.
        temperature: what distances are divided by; the sibling paper (SDM 2023) takes .05.
        reading: the sign.

    Raises:
        GennapeError: there is no such reading.
    """
    if reading not in get_args(Reading):
        raise GennapeError(f"reading is {reading!r}, expected one of {get_args(Reading)}")
    distance_VV = torch.cdist(spectra_VQ, spectra_VQ, compute_mode="donot_use_mm_for_euclid_dist")
    sign = -1.0 if reading == "near" else 1.0
    return _rows_without_self(sign * distance_VV / temperature)


def group_weights(group_V: Tensor) -> Tensor:
    """alpha of supervised contrastive learning (Khosla et al., NeurIPS 2020), shape (V, V).

    All other views of the same group are positives alike; the sibling paper takes families as
    groups. Groups given by the graph itself leave its other view alone: plain SimCSE.
    """
    same_VV = (group_V[:, None] == group_V[None, :]).float()
    same_VV.fill_diagonal_(0.0)
    return same_VV / same_VV.sum(dim=1, keepdim=True).clamp(min=1.0)


def _rows_without_self(logits_VV: Tensor) -> Tensor:
    own = torch.eye(len(logits_VV), dtype=torch.bool, device=logits_VV.device)
    return logits_VV.masked_fill(own, float("-inf")).softmax(dim=1)
