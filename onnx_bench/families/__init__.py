"""Search spaces as code: `family("nasbench201")` gives one by name, `build_spec` a network.

A name may carry a variant of the family's skeleton behind an `@`: `nasbench201@cifar100` ends in a
hundred classes, `darts@c16-l8` is narrow and shallow.

To add one, write a file with a subclass of `Family` (or `ChoiceFamily`) and name it below; the file
is imported when the family is asked for.
"""

from functools import cache
from importlib import import_module
from typing import Any

from onnx_bench.errors import SpecError
from onnx_bench.families.base import ChoiceFamily, Family
from onnx_bench.graph import ComputationGraph

__all__ = ["FAMILIES", "ChoiceFamily", "Family", "build_spec", "family", "family_of", "is_spec"]

FAMILIES = {
    "nasbench101": "nasbench101:NasBench101",
    "nasbench201": "nasbench201:NasBench201",
    "digits-cells": "digits:DigitsCells",
    "digits-chains": "digits:DigitsChains",
    "digits-mbconv": "digits:DigitsMBConv",
    "digits-tokens": "digits:DigitsTokens",
    "digits-dense": "digits_wiring:DigitsDense",
    "digits-branches": "digits_wiring:DigitsBranches",
    "digits-wired": "digits_wiring:DigitsWired",
    "digits-genotypes": "digits_wiring:DigitsGenotypes",
    "digits-groups": "digits_operators:DigitsGroups",
    "digits-layers": "digits_operators:DigitsLayers",
    "digits-hybrids": "digits_operators:DigitsHybrids",
    "digits-recurrent": "digits_operators:DigitsRecurrent",
    "bert": "bert:Bert",
    "nasbench-nlp": "nasbench_nlp:NasBenchNlp",
    "gpt2": "gpt2:Gpt2",
    "transformer-xl": "transformer_xl:TransformerXl",
    "ofa-mbv3": "ofa_mbv3:OfaMobileNetV3",
    "ofa-resnet50": "ofa_resnet50:OfaResNet50",
    "proxylessnas": "proxylessnas:ProxylessNas",
    "metaqnn": "metaqnn:MetaQNN",
    "hiaml": "hiaml:HiAML",
    "inception": "inception:Inception",
    "two-path": "two_path:TwoPath",
    "hwgpt": "hwgpt:HwGpt",
    "nats-sss": "nats_sss:NatsSss",
    "nasbench-macro": "nasbench_macro:NasBenchMacro",
    "nasbench-mr": "nasbench_mr:NasBenchMR",
    "transnas-micro": "transnas_micro:TransNasMicro",
    "transnas-macro": "transnas_macro:TransNasMacro",
    "darts": "darts:Darts",
    "hnasbench201": "hnasbench201:HNasBench201",
    "autoformer": "autoformer:AutoFormer",
    "pit": "pit:Pit",
    "timm": "timm_zoo:TimmZoo",
}
"""The families by name, each with its file in this folder and its class."""


@cache
def family(name: str) -> Family[Any]:
    """The family of that name, `NAME` or `NAME@VARIANT`.

    Raises:
        SpecError: there is none, or it has no such variant; the message lists those that there are.
    """
    base, _, variant = name.partition("@")
    if base not in FAMILIES:
        raise SpecError(f"no family is called {base!r}; there are {', '.join(sorted(FAMILIES))}")
    module, _, cls = FAMILIES[base].partition(":")
    kind: type[Family[Any]] = getattr(import_module(f"{__name__}.{module}"), cls)
    found = kind.of_variant(variant) if variant else kind()
    found.name = name
    return found


def is_spec(text: str) -> bool:
    """Whether `text` begins with a family's name and a colon."""
    name, colon, _ = text.partition(":")
    return bool(colon) and name.partition("@")[0] in FAMILIES


def family_of(text: str) -> str:
    """The family that a network's text names, without its variant; `onnx` for a file."""
    return text.partition(":")[0].partition("@")[0] if is_spec(text) else "onnx"


def build_spec(text: str) -> ComputationGraph:
    """The network that `FAMILY:SPECIFICATION` names.

    Raises:
        SpecError: the family is unknown, or the specification does not parse.
    """
    name, colon, spec = text.partition(":")
    if not colon:
        raise SpecError(f"{text!r} is not of the form FAMILY:SPECIFICATION")
    return family(name).graph(spec)
