"""Which networks of a pool to label next: `suggest`."""

from gennape.acquisition.suggestion import GOALS, Goal, Suggestion, suggest

__all__ = ["GOALS", "Goal", "Suggestion", "suggest"]
