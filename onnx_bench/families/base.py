"""What every search space offers: parse, format, sample, neighbours, build."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from math import prod
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np

from onnx_bench.errors import SpecError
from onnx_bench.graph import ComputationGraph

Spec = TypeVar("Spec")


class Family(ABC, Generic[Spec]):
    """A search space: a set of networks, each named by a specification.

    `Spec` is the family's own immutable value; its text (`parse`, `format`) is what tables hold.
    """

    name: str
    """As the registry has it; `family("NAME@VARIANT")` puts the variant behind it."""
    example: str
    """A valid specification in its canonical text, for messages and tests: a small network."""
    source: ClassVar[str] = ""
    """The paper that the space comes from, in a few words: authors, venue, year."""
    size: ClassVar[float] = float("inf")
    """How many specifications there are."""
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Arguments of the skeletons that have a name; the one without a name is the default."""

    @classmethod
    def of_variant(cls, variant: str) -> Self:
        """The family in the skeleton that `variant` names.

        Raises:
            SpecError: there is no such skeleton.
        """
        if variant not in cls.variants:
            known = ", ".join(cls.variants) or "none"
            raise SpecError(f"{cls.name} has no variant {variant!r}; there are: {known}")
        return cls(**cls.variants[variant])

    @abstractmethod
    def parse(self, text: str) -> Spec:
        """The specification that `text` names.

        Raises:
            SpecError: the text names no network of this family.
        """

    @abstractmethod
    def format(self, spec: Spec) -> str:
        """The canonical text of a specification; `parse` gives it back."""

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> Spec:
        """A random member."""

    @abstractmethod
    def neighbours(self, spec: Spec) -> list[Spec]:
        """The members one change away, without `spec` itself."""

    @abstractmethod
    def build(self, spec: Spec) -> ComputationGraph:
        """The network itself."""

    def graph(self, text: str) -> ComputationGraph:
        """Parses and builds in one step."""
        return self.build(self.parse(text))

    def refuse(self, text: str, why: str) -> SpecError:
        """The error for a specification that does not parse, with an example that does."""
        return SpecError(f"{self.name}: {text!r} {why}; a valid specification is {self.example!r}")


class ChoiceFamily(Family[tuple[str, ...]]):
    """A family whose members are independent choices, one value for each position.

    The text joins the values with `-`; a family with a notation of its own overrides `parse` and
    `format`, and says what `parse` reads in terms of `check`.
    """

    choices: tuple[tuple[str, ...], ...]

    def __init_subclass__(cls) -> None:
        if "choices" in vars(cls):
            cls.size = prod(len(allowed) for allowed in cls.choices)

    def parse(self, text: str) -> tuple[str, ...]:
        return self.check(text, tuple(text.split("-")))

    def check(self, text: str, values: tuple[str, ...]) -> tuple[str, ...]:
        """`values`, or a SpecError that names the first position that is off."""
        if len(values) != len(self.choices):
            raise self.refuse(text, f"has {len(values)} values, expected {len(self.choices)}")
        for position, (value, allowed) in enumerate(zip(values, self.choices, strict=True), 1):
            if value not in allowed:
                raise self.refuse(text, f"has {value!r} at position {position}, not in {allowed}")
        return values

    def format(self, spec: tuple[str, ...]) -> str:
        return "-".join(spec)

    def sample(self, rng: np.random.Generator) -> tuple[str, ...]:
        return tuple(allowed[rng.integers(len(allowed))] for allowed in self.choices)

    def neighbours(self, spec: tuple[str, ...]) -> list[tuple[str, ...]]:
        return [
            (*spec[:i], value, *spec[i + 1 :])
            for i, allowed in enumerate(self.choices)
            for value in allowed
            if value != spec[i]
        ]
