"""Transformer-XL decoders against the table's parameters of each part and of all."""

from collections.abc import Iterator
from pathlib import Path

from onnx_bench.verification.base import Check
from onnx_bench.verification.decoders import decoder_checks


def checks(root: Path | None = None) -> Iterator[Check]:
    """Five figures of each decoder."""
    yield from decoder_checks("transformer-xl", root, {})
