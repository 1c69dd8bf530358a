"""Which families tests go over."""

from onnx_bench.families import FAMILIES

SMALL_FAMILIES = (
    "nasbench101",
    "nasbench201",
    "digits-cells",
    "digits-chains",
    "digits-mbconv",
    "digits-tokens",
)
"""Those whose networks train and run in milliseconds, for tests that do so many times.

`tests/integration/test_every_family.py` takes a few networks of each of the others.
"""

SELF_CONTAINED = tuple(name for name in FAMILIES if name != "timm")
"""All but the one whose networks another package builds."""
