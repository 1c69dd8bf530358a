"""What a layout is: where boxes lie, and the curves between them."""

from typing import NamedTuple

Point = tuple[float, float]
Edge = tuple[int, int]
"""(producer, reader), by number."""


class Wire(NamedTuple):
    """A curve: a first point, then three for each cubic Bezier piece."""

    points: list[Point]
    arrow: bool
    """Whether it ends at a reader; a trunk ends where its last reader leaves it."""


class Layout(NamedTuple):
    """Centres of the boxes and the wires between them, in a frame of `width` and `height`."""

    centres: list[Point]
    wires: list[Wire]
    width: float
    height: float
