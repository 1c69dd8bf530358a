"""What networks are compared with: the mean network of those that a model was trained on."""

from types import NoneType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from gennape.batch import EncodedGraphs
from gennape.checkpoint import Checkpoint
from gennape.features.whole import COLUMN, FEATURES
from gennape.models.encoder import SizeEncoder
from gennape.models.ensemble import AnyModel, Ensemble
from gennape.models.numbers import NoEncoder, NumbersEncoder
from gennape.models.performance import PerformanceModel
from gennape.models.scored import ScoredEncoder
from gennape.models.whole import WholeGraph
from onnx_bench.canonical import fuse
from onnx_bench.errors import GennapeError
from onnx_bench.families import family
from onnx_bench.graph import ComputationGraph

BLIND = (NoneType, NoEncoder, NumbersEncoder, ScoredEncoder, SizeEncoder)
"""None, and encoders of numbers and scores: they see no nodes themselves."""
DRAWN = 64
"""Random networks of the families trained on, whose mean embedding stands for all of them."""


class Usual(NamedTuple):
    """The numbers of the networks trained on, each of shape (D,), as `WholeGraph` keeps them."""

    mean_D: Tensor
    """Nan where a model reads no such number."""
    low_D: Tensor
    """98 % of them lie between; infinite where that is not kept."""
    high_D: Tensor


def usual(model: AnyModel) -> Usual | None:
    """Means and ranges of the networks trained on; None for a model that reads no numbers.

    Of a model that reads the score of another one, the networks that it learnt from itself; of
    members that learnt from different ones the mean of their means, and what spans their ranges.
    """
    members = model.models if isinstance(model, Ensemble) else [model]
    parts = [part.whole for part in members if part.whole] or tables(model)
    if not parts:
        return None
    mean_KD, low_KD, high_KD = torch.stack([_kept(part) for part in parts], dim=1)
    low_D = low_KD.nan_to_num(nan=torch.inf).amin(dim=0)
    return Usual(mean_KD.nanmean(dim=0), low_D, high_KD.nan_to_num(nan=-torch.inf).amax(dim=0))


def _kept(part: WholeGraph) -> Tensor:
    """Mean, low and high of all columns, shape (3, D); nan where one is not kept."""
    kept_3D = torch.full((3, len(FEATURES)), torch.nan)
    size_S = part.prior_2S[0]
    kept_3D[0, part.column_S] = torch.where(part.counted_S, 10**size_S - 1, size_S)
    kept_3D[:, : part.out_features] = torch.stack([part.mean_D, part.low_D, part.high_D])
    return kept_3D


def tables(model: AnyModel) -> list[WholeGraph]:
    """All parts of it that read numbers of whole graphs, in order."""
    return [part for part in model.modules() if isinstance(part, WholeGraph)]


def graph_readers(model: AnyModel) -> list[tuple[nn.Module, str]]:
    """Where encoders stand that look at graphs themselves: in what, and by which name there."""
    names = ((PerformanceModel, "encoder"), (ScoredEncoder, "patterns"))
    return [
        (part, name)
        for part in model.modules()
        for kind, name in names
        if isinstance(part, kind) and not isinstance(getattr(part, name), BLIND)
    ]


def is_sized(model: AnyModel) -> bool:
    """Whether multiply-accumulates enter the score by themselves, not as a number of the graph."""
    ensembles = [part for part in model.modules() if isinstance(part, Ensemble)]
    members = (member for part in ensembles for member in part.config.members)
    sized = any(isinstance(part, SizeEncoder) for part in model.modules())
    return sized or any(member.scale.flops != "ignored" for member in members)


def random_networks(checkpoint: Checkpoint, seed: int = 0) -> EncodedGraphs | None:
    """Random members of the families trained on, as many of each; None where none can be drawn."""
    rng = np.random.default_rng(seed)
    each = -(-DRAWN // max(len(checkpoint.families), 1))
    found: list[ComputationGraph] = []
    for name in checkpoint.families:
        try:
            space = family(name)
            found += [space.build(space.sample(rng)) for _ in range(each)]
        except GennapeError:  # a family of one's own, or one whose packages are not there
            continue
    if not found:
        return None
    return EncodedGraphs(map(fuse, found) if checkpoint.form == "fused" else found)


def mean_macs(known: Usual | None, drawn: EncodedGraphs | None) -> float | None:
    """Multiply-accumulates of the mean network, on the scale of factors; None if not known."""
    if known is not None:
        return float(10 ** known.mean_D[COLUMN["macs"]].double() - 1)
    return None if drawn is None else float(10 ** torch.log10(1 + drawn.macs_G).mean() - 1)
