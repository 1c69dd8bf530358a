"""The architectures of timm (Wightman, 2019) by name: `timm:resnet18`.

`timm:resnet18@160` reads images of 160 pixels in place of the architecture's own size. Needs timm,
which the extra `zoo` brings; it is imported when a name is first read. A network is made without
weights and recorded, which takes a tenth of a second to some seconds.
"""

import re
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import NamedTuple

import numpy as np

from onnx_bench.families.base import Family
from onnx_bench.graph import ComputationGraph

_TEXT = re.compile(r"(\w[\w.]*)(?:@([1-9]\d{1,3}))?", re.ASCII)
_SIZES = (
    *("atto", "femto", "pico", "nano", "micro", "mini", "tiny", "small", "medium", "base"),
    *("large", "xlarge", "xxlarge", "huge", "giant"),
    *("xxs", "xs", "s", "m", "l", "xl", "xxl", "b", "g", "t", "ti", "n", "h"),
)
"""Words that say how large an architecture is."""


class Architecture(NamedTuple):
    """A name of timm, and the side of its images where it is not the architecture's own."""

    name: str
    pixels: int | None = None


class TimmZoo(Family[Architecture]):
    """The architectures of the timm that is installed; `size` is that of timm 1.0.31."""

    name = "timm"
    example = "resnet18"
    source = "Wightman, PyTorch Image Models, 2019"
    size = 1371

    def parse(self, text: str) -> Architecture:
        match = _TEXT.fullmatch(text)
        if match is None:
            raise self.refuse(text, "is not of the form ARCHITECTURE or ARCHITECTURE@PIXELS")
        if match[1] not in _timm().architectures():
            raise self.refuse(text, f"names {match[1]!r}, which timm does not know")
        return Architecture(match[1], int(match[2]) if match[2] else None)

    def format(self, spec: Architecture) -> str:
        return spec.name if spec.pixels is None else f"{spec.name}@{spec.pixels}"

    def sample(self, rng: np.random.Generator) -> Architecture:
        names = _timm().architectures()
        return Architecture(names[rng.integers(len(names))])

    def neighbours(self, spec: Architecture) -> list[Architecture]:
        """Other sizes of the architecture; without such, those that begin alike, else all."""
        names = (_groups(alike)[alike(spec.name)] for alike in (_stem, _beginning, _all))
        alike = next(group for group in names if len(group) > 1)
        return [spec._replace(name=name) for name in alike if name != spec.name]

    def build(self, spec: Architecture) -> ComputationGraph:
        graph = _timm().network(spec.name, spec.pixels)
        text = f"{self.name}:{self.format(spec)}"
        return ComputationGraph(graph.nodes_NK, graph.input_ptr, graph.inputs, text)


def _timm() -> ModuleType:
    """What records networks of timm, with torch, which families do without."""
    from onnx_bench import timm_import

    return timm_import


def _stem(name: str) -> str:
    """A name without what says how large it is: `resnet18` and `resnet34` have one stem."""
    parts = re.sub(r"\d+", "#", name).split("_")
    return "_".join("*" if part in _SIZES else part for part in parts)


def _beginning(name: str) -> str:
    """The letters that a name begins with."""
    match = re.match(r"[a-z]+", name)
    return match[0] if match else name


def _all(_name: str) -> str:
    return ""


@cache
def _groups(alike: Callable[[str], str]) -> dict[str, list[str]]:
    """The names by what they have in common."""
    found: dict[str, list[str]] = {}
    for name in _timm().architectures():
        found.setdefault(alike(name), []).append(name)
    return found
