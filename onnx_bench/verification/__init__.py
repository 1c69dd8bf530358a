"""Every family against its benchmark: are the networks that we build the ones that were trained?

To add the checks of a family, write a file with a function `checks` and name it below.
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from onnx_bench.verification.base import Check

__all__ = ["VERIFIED", "Check", "checks"]

VERIFIED: dict[str, str] = {
    "bert": "bert",
    "nasbench-nlp": "nasbench_nlp",
    "gpt2": "gpt2",
    "transformer-xl": "transformer_xl",
    "hwgpt": "hwgpt",
    "ofa-mbv3": "ofa_mbv3",
    "ofa-resnet50": "ofa_resnet50",
    "proxylessnas": "proxylessnas",
    "metaqnn": "metaqnn",
    "hiaml": "hiaml",
    "nasbench101": "nasbench101",
    "nasbench201": "nasbench201",
    "nats-sss": "nats_sss",
    "nasbench-macro": "nasbench_macro",
    "nasbench-mr": "nasbench_mr",
    "transnas-micro": "transnas_micro",
    "transnas-macro": "transnas_macro",
    "darts": "darts",
    "autoformer": "autoformer",
    "pit": "pit",
    "timm": "timm_zoo",
}
"""The families that have checks by name, each with its file in this folder."""


def checks(family: str, root: Path | None = None) -> Iterator[Check]:
    """The checks of a family, none where nothing was published.

    Raises:
        LabelError: a table that they need is missing.
    """
    if family in VERIFIED:
        yield from import_module(f"{__name__}.{VERIFIED[family]}").checks(root)
