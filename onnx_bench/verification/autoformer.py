"""AutoFormer-Ti against the parameters of the paper's searched network; no table has any."""

from collections.abc import Iterator
from pathlib import Path

from onnx_bench.verification.base import Check, parameters

SEARCHED = (
    "autoformer@imagenet:h192/3x3.5/3x3.5/3x3/3x3.5/3x3/3x3/3x4/3x4/3x3.5/3x4/4x3.5/3x4/3x3.5"
)
"""The subnet that the authors give for AutoFormer-Ti."""


def checks(root: Path | None = None) -> Iterator[Check]:  # noqa: ARG001, it reads no table
    """The searched network, 5.7 million; the authors count neither all positions nor relative ones
    as we do, so this is no exact figure."""
    source = "Chen et al., ICCV 2021, table 3"
    yield Check("parameters", source, [SEARCHED], [5.7e6], parameters, 0.05e6, exact=False)
