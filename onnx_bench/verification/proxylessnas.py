"""Networks of ProxylessNAS, and of the supernet that Once-for-All made of it, against their counts.

The four networks of ProxylessNAS are counted by imgclsmob to the last parameter. Of the subnets
that Once-for-All specialised for GPUs, its README prints 0.1 million parameters and a million
multiply-accumulates; these are the four whose architecture is public, and the two of them whose
resolution is.
"""

from collections.abc import Iterator
from pathlib import Path

from onnx_bench.verification.base import Check, macs, parameters

MILLION = 1e6
MOBILE = (
    "d=2-4-4-4-4-1;ks=5-3-7-3-5-5-7-5-5-5-5-5-5-5-7-7-7-7-7"
    ";e=3-3-3-3-3-3-6-3-3-3-6-3-3-3-6-6-3-3-6;r=224"
)
PUBLISHED = {
    f"proxylessnas@mobile:{MOBILE}": 4_080_512,
    f"proxylessnas@mobile14:{MOBILE}": 6_857_568,
    "proxylessnas@cpu:d=4-4-2-4-4-1;ks=3-3-3-3-3-3-3-5-3-3-5-3-3-3-5-5-5-3-5"
    ";e=6-3-3-3-6-3-3-3-6-3-6-3-3-3-6-3-3-3-6;r=224": 4_361_648,
    "proxylessnas@gpu:d=1-2-2-3-4-1;ks=5-7-3-7-5-5-3-5-7-7-7-5-7"
    ";e=3-3-3-6-3-6-3-3-6-6-6-6-6;r=224": 7_119_848,
}
SPECIALIZED = {
    "proxylessnas:d=2-2-2-2-2-1;ks=3-3-3-7-5-5-5-3-5-3-5;e=4-3-6-6-6-3-3-4-6-4-4;r=128": (4.3, 121),
    "proxylessnas:d=2-3-3-4-4-1;ks=3-3-3-5-5-5-5-7-3-7-3-3-7-5-7-5-3"
    ";e=3-3-6-4-4-6-3-3-4-3-6-4-6-4-3-3-6;r=128": (5.9, 165),
    "proxylessnas:d=2-2-3-4-4-1;ks=3-3-5-5-7-3-7-7-5-3-7-3-5-5-3-3"
    ";e=3-3-6-3-3-3-4-4-4-3-4-6-6-4-6-4;r=224": (6.2, None),
    "proxylessnas:d=3-2-4-4-4-1;ks=3-3-3-7-5-3-5-5-5-5-7-7-3-3-3-5-3-5"
    ";e=3-4-6-3-4-4-4-4-3-4-3-3-6-6-6-6-4-3;r=224": (6.2, None),
}


def checks(root: Path | None = None) -> Iterator[Check]:  # noqa: ARG001, it reads no table
    """Parameters of eight networks, multiply-accumulates of two."""
    yield Check(
        "parameters",
        "imgclsmob, proxylessnas.py",
        list(PUBLISHED),
        list(PUBLISHED.values()),
        parameters,
    )
    source = "README of Once-for-All, specialized sub-nets"
    millions = [counts[0] * MILLION for counts in SPECIALIZED.values()]
    yield Check(
        "parameters", source, list(SPECIALIZED), millions, parameters, tolerance=0.05 * MILLION
    )
    known = {text: count * MILLION for text, (_, count) in SPECIALIZED.items() if count}
    yield Check("MACs", source, list(known), list(known.values()), macs, tolerance=0.5 * MILLION)
