"""PiT against the parameters of its published members; the table has none."""

from collections.abc import Iterator
from pathlib import Path

from onnx_bench.verification.base import Check, parameters

MEMBERS = {
    "pit@imagenet:b32-r4/2x2/4x6/8x4": 4.9e6,
    "pit@imagenet:b48-r4/2x2/4x6/8x4": 10.6e6,
    "pit@imagenet:b48-r4/3x2/6x6/12x4": 23.5e6,
}
"""PiT-Ti, PiT-XS and PiT-S."""


def checks(root: Path | None = None) -> Iterator[Check]:  # noqa: ARG001, it reads no table
    """Three members, to the digits printed. 4,847,272 was printed as 4.9 million."""
    networks, published = list(MEMBERS), list(MEMBERS.values())
    source = "Heo et al., ICCV 2021, table 2"
    yield Check("parameters", source, networks, published, parameters, 0.053e6)
