"""Networks of timm against the parameters of its own table of results.

Counted once for each architecture, as rows of one architecture are one network; nothing is checked
where timm is not installed. The table rounds to 10,000 parameters.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from onnx_bench.benchmarks import benchmark
from onnx_bench.verification.base import Check, parameters


def checks(root: Path | None = None) -> Iterator[Check]:
    """Parameters of each architecture; versions of timm differ, so they need not all agree."""
    if find_spec("timm") is None:
        return
    zoo = benchmark("timm-imagenet")
    frame = zoo.frame(root).drop_duplicates("arch")
    yield Check(
        "parameters",
        "timm_imagenet, param_count",
        zoo.networks(frame).tolist(),
        (frame["param_count"] * 1e6).tolist(),
        parameters,
        tolerance=0.0051e6,
        exact=False,
    )
