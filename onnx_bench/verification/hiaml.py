"""Five of HiAML's block types against the parameters that the authors' code notes beside them.

The code says "13.59M" of a block, but not of which network of it: a ResNet-18 for ImageNet, with
that block in place of its own, has as many parameters for each of the five. No figure of a network
of the space itself is published in the open.
"""

from collections.abc import Iterator
from pathlib import Path

from onnx_bench.families.hiaml import STAGES
from onnx_bench.verification.base import Check, parameters

MILLION = 1e6
NOTED = {"src0": 13.59, "src1": 9.72, "src3": 6.91, "src7": 9.42, "src8": 5.94}


def checks(root: Path | None = None) -> Iterator[Check]:  # noqa: ARG001, it reads no table
    """Parameters of networks of one block type each."""
    yield Check(
        "parameters",
        "code of GENNAPE, operations.py",
        [f"hiaml@resnet18:{'-'.join([block] * STAGES)}" for block in NOTED],
        [count * MILLION for count in NOTED.values()],
        parameters,
        tolerance=0.005 * MILLION,
    )
