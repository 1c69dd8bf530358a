"""The macro space of TransNAS-Bench-101 against the figures that NASLib counted."""

from collections.abc import Iterator
from pathlib import Path

from onnx_bench.verification.base import Check
from onnx_bench.verification.transnas_micro import checks_of


def checks(root: Path | None = None) -> Iterator[Check]:
    """Parameters and FLOPs of the 662 skeletons that NASLib counted."""
    yield from checks_of("transnas-macro", root)
