"""Works, estimators and figures as people read them, and how each estimator is drawn."""

from collections.abc import Iterable
from html import escape
from math import isfinite
from typing import NamedTuple

from gennape.pages import FAINT
from gennape.transfer.lofo_summary import OURS, SET, SINGLE, Figure, Work
from gennape.transfer.published import Published

NOTHING = "–"
TITLES = {
    "nasbench101": "NAS-Bench-101",
    "nasbench201": "NAS-Bench-201",
    "nats-sss": "NATS-SSS",
    "nasbench-macro": "NAS-Bench-Macro",
    "transnas-micro": "TransNAS micro",
    "transnas-macro": "TransNAS macro",
    "darts": "DARTS",
    "nasbench-mr": "NAS-Bench-MR",
    "metaqnn": "MetaQNN",
    "ofa-mbv3": "OFA-MBv3",
    "bert": "BERT",
    "gpt2": "GPT-2",
    "transformer-xl": "Transformer-XL",
    "nasbench-nlp": "NAS-Bench-NLP",
    "hwgpt": "HW-GPT-Bench",
    "hwgpt-s": "HW-GPT-Bench",
    "pit": "PiT",
    "autoformer": "AutoFormer",
    "digits-cells": "digits, cells",
    "digits-chains": "digits, chains",
    "digits-mbconv": "digits, inverted residuals",
    "digits-tokens": "digits, tokens",
    "digits-dense": "digits, dense blocks",
    "digits-branches": "digits, branches",
    "digits-wired": "digits, random wiring",
    "digits-genotypes": "digits, genotypes",
    "digits-groups": "digits, groups",
    "digits-layers": "digits, plain layers",
    "digits-hybrids": "digits, hybrids",
    "digits-recurrent": "digits, recurrent",
}
PLAIN = ("all", "distinct", "full")
"""Subsets that need no word beside the name where a target has no other."""
TASKS = {
    "cifar10-test-200": "CIFAR-10",
    "cifar100-test-200": "CIFAR-100",
    "imagenet16-test-200": "ImageNet16-120",
}
"""Labels of targets that have several."""
METRIC_NAMES = {
    "spearman": "Spearman ρ",
    "kendall": "Kendall τ",
    "spearman_top": "ρ in the top tenth",
    "best_of_ten": "best of ten",
    "works below": "works",
}


def title(work: Work, works: Iterable[Work] = ()) -> str:
    """A work's name; what tells it from the others of its target is said.

    Args:
        works: all that are there.
    """
    name = TITLES.get(work.target, work.target)
    others = [other for other in works if other.target == work.target and other != work]
    if work.subset not in PLAIN or any(other.subset != work.subset for other in others):
        name += f", {'without none' if work.subset == 'no-none' else work.subset}"
    if any(other.subset == work.subset for other in others):
        name += f", {TASKS.get(work.label, work.label)}"
    return name


def number(value: float | None, digits: int = 3) -> str:
    """A number with a minus sign as wide as a plus; a dash where there is none."""
    if value is None or not isfinite(value):
        return NOTHING
    return f"{value:.{digits}f}".replace("-", "−")


def signed(value: float, digits: int = 3) -> str:
    """A difference: +0.021; no sign before zeros."""
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def plain(figure: Figure | None, digits: int = 3) -> str:
    """Mean ± deviation; the mean alone of one seed."""
    if figure is None:
        return NOTHING
    mean = number(figure.mean, digits)
    return f"{mean} ± {figure.deviation:.{digits}f}" if isfinite(figure.deviation) else mean


def cell(figure: Figure | None, digits: int = 3, strong: bool = False, space: str = " ") -> str:
    """The same as HTML, the deviation small; nothing where there is no figure."""
    if figure is None:
        return ""
    mean, _, deviation = plain(figure, digits).partition(" ± ")
    shown = f"<b>{mean}</b>" if strong else mean
    return f"{shown}{space}<small>±{deviation}</small>" if deviation else shown


def count(things: int, one: str) -> str:
    """1 work, 2 works."""
    return f"{things:,} {one}{'' if things == 1 else 's'}"


def listed(words: Iterable[str]) -> str:
    """a, b and c; escaped."""
    names = [escape(word) for word in words]
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def printed(one: Published, metric: str) -> str:
    """Method and value: GENNAPE .8146."""
    value = one.value(metric)
    digits = f"{value:g}".replace("0.", ".", 1) if value is not None else NOTHING
    return f"{one.method} {digits}"


class Drawn(NamedTuple):
    """How an estimator looks in the figures."""

    colour: str
    shape: str
    name: str


DRAWN = {
    (OURS, SINGLE): Drawn("#0072B2", "disc", "universal"),
    (OURS, SET): Drawn("#0072B2", "ring", "universal, ranked set"),
    ("generalist", SINGLE): Drawn("#CC79A7", "square", "generalist"),
    ("perceptrons", SINGLE): Drawn("#56B4E9", "up", "perceptrons"),
    ("trees", SINGLE): Drawn("#009E73", "down", "trees"),
    ("prior", SINGLE): Drawn("#E69F00", "cross", "prior"),
    ("graph network", SINGLE): Drawn("#D55E00", "diamond", "graph network"),
    ("macs", SINGLE): Drawn(FAINT, "bar", "MACs"),
    ("parameters", SINGLE): Drawn(FAINT, "dash", "parameters"),
}
"""Okabe and Ito's colours, told apart by people who see red and green alike, and shapes."""
SPARE = ("#332288", "#882255", "#999933", "#117733", "#44AA99")
SPARE_SHAPES = ("plus", "left", "right")


def drawn(settings: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Drawn]:
    """The looks of pairs of estimator and mode: known ones first, others by name."""
    there = set(settings)
    looks = {setting: look for setting, look in DRAWN.items() if setting in there}
    for place, (estimator, mode) in enumerate(sorted(there - set(DRAWN))):
        colour, shape = SPARE[place % len(SPARE)], SPARE_SHAPES[place % len(SPARE_SHAPES)]
        name = estimator if mode == SINGLE else f"{estimator}, {mode}"
        looks[estimator, mode] = Drawn(colour, shape, name)
    return looks
