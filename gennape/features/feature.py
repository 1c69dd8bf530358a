"""The record that describes one number of a network: features are documented as data."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Feature:
    """One number that is read from a computation graph, the same for every family.

    Args:
        name: in column headers; unique among the features of a table.
        meaning: what it counts, in words.
        unit: of the number as it stands: "log10 of 1 + MACs", "share".
        range: smallest and largest value there can be; infinite where there is no bound.
        why: why it should mean the same in every family of networks.
    """

    name: str
    meaning: str
    unit: str
    range: tuple[float, float]
    why: str
