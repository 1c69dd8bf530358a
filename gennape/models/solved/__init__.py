"""Heads that are solved at once from a table of what they read, not by gradient."""

from gennape.models.solved.few import FewLabelsHead
from gennape.models.solved.gaussian_process import GaussianProcessHead
from gennape.models.solved.head import SolvedHead
from gennape.models.solved.ridge import RidgeHead
from gennape.models.solved.trees import TreesHead

__all__ = ["FewLabelsHead", "GaussianProcessHead", "RidgeHead", "SolvedHead", "TreesHead"]
