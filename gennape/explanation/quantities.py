"""Numbers as people read them: counts instead of their logarithms, and amounts with a sign."""

from math import exp, floor, isfinite, log10

from gennape.explanation.records import Explanation, FeatureContribution

NOTHING = "–"
FAR = 99
_STEPS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_LARGEST = 300.0


def readable(value: float, unit: str) -> str:
    """A number of the whole graph, from the unit that its `Feature` names."""
    if not isfinite(value):
        return NOTHING
    if unit.startswith("log10 of 1 + "):
        return count(10 ** min(value, _LARGEST) - 1)
    if unit in ("log10 of the ratio", "log10 of the amount"):
        return count(10 ** min(value, _LARGEST))
    if unit.startswith("log2 of "):
        return count(2 ** min(value, _LARGEST))
    if unit == "natural logarithm":
        return count(exp(min(value, _LARGEST)))
    if unit.startswith("share"):
        return f"{value:.1%}".replace("%", " %")
    return _minus(f"{value:.3g}")


def usual(feature: FeatureContribution) -> str:
    """The range of the networks trained on."""
    if not isfinite(feature.high - feature.low):
        return NOTHING
    low, high = (readable(end, feature.unit) for end in (feature.low, feature.high))
    return f"{low} to {high}"


def distance(value: float) -> str:
    """To a family: how far beyond 99 no longer matters."""
    return f"{value:.2f}" if value < FAR else f"over {FAR}"


def count(value: float) -> str:
    """Three digits and the power: 331 M."""
    for step, letter in _STEPS:
        if step <= value < 1000 * step:
            return f"{value / step:.3g} {letter}"
    return _minus(f"{value:.3g}")


class Amounts:
    """Scores and amounts of one explanation, with as many decimals as its labels need."""

    def __init__(self, explanation: Explanation) -> None:
        spread = explanation.deviation if explanation.deviation > 0 else 1.0
        self.decimals = min(max(2 - floor(log10(spread)), 0), 9)

    def plain(self, value: float) -> str:
        """A score: 92.41."""
        return _minus(f"{value:.{self.decimals}f}") if isfinite(value) else NOTHING

    def error(self, value: float) -> str:
        """A standard error, with one more decimal."""
        return f"{value:.{self.decimals + 1}f}"

    def signed(self, value: float) -> str:
        """An amount: +0.27; no sign before zeros."""
        if not isfinite(value):
            return NOTHING
        text = f"{value:+.{self.decimals}f}"
        return text[1:] if float(text) == 0 else _minus(text)


def _minus(text: str) -> str:
    """With a minus sign, which is as wide as a plus."""
    return text.replace("-", "−") if text.startswith("-") else text
