"""Search spaces as code: `family("nasbench201")` gives one by name, `build_spec` a network.

To add one, write a file with a subclass of `Family` (or `ChoiceFamily`) and name it below.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from onnx_bench.errors import SpecError
from onnx_bench.families.base import ChoiceFamily, Family
from onnx_bench.families.digits import DigitsCells, DigitsChains, DigitsMBConv, DigitsTokens
from onnx_bench.families.nasbench101 import NasBench101
from onnx_bench.families.nasbench201 import NasBench201
from onnx_bench.graph import ComputationGraph

__all__ = ["FAMILIES", "ChoiceFamily", "Family", "build_spec", "family", "is_spec"]

FAMILIES: dict[str, Callable[[], Family[Any]]] = {
    cls.name: cls
    for cls in (NasBench101, NasBench201, DigitsCells, DigitsChains, DigitsMBConv, DigitsTokens)
}


@cache
def family(name: str) -> Family[Any]:
    """The family of that name.

    Raises:
        SpecError: there is none; the message lists those that there are.
    """
    if name not in FAMILIES:
        raise SpecError(f"no family is called {name!r}; there are {', '.join(sorted(FAMILIES))}")
    return FAMILIES[name]()


def is_spec(text: str) -> bool:
    """Whether `text` begins with a family's name and a colon."""
    return text.partition(":")[0] in FAMILIES


def build_spec(text: str) -> ComputationGraph:
    """The network that `FAMILY:SPECIFICATION` names.

    Raises:
        SpecError: the family is unknown, or the specification does not parse.
    """
    name, colon, spec = text.partition(":")
    if not colon:
        raise SpecError(f"{text!r} is not of the form FAMILY:SPECIFICATION")
    return family(name).graph(spec)
