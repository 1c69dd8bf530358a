"""Why a network has its score: which of its features move it, and which of its nodes."""

from gennape.explanation.explaining import explain
from gennape.explanation.records import Explanation

__all__ = ["Explanation", "explain"]
