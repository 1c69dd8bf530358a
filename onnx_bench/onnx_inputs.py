"""The inputs of a model: every axis gets a size, what the model leaves open too."""

from collections.abc import Mapping
from math import prod
from typing import NamedTuple

import onnx

from onnx_bench.graph import Shape
from onnx_bench.onnx_file import printable

IMAGE_SIZE, CHANNELS, LENGTH = 224, 3, 64
"""What open axes are taken as: height and width of images, their channels, any other axis."""
MAX_VALUES = 1 << 40
"""No network reads more at once."""

Shapes = Mapping[str, Shape]


class Bound(NamedTuple):
    """The inputs with their sizes."""

    shapes: dict[str, Shape]
    symbols: dict[str, int]
    """The sizes of axes that have a name, by it."""
    assumed: dict[str, Shape]
    """Inputs of which more than the batch was open and is not given, by their printable names."""

    @property
    def batch(self) -> int:
        """The size that all inputs begin with; 1 where they differ."""
        firsts = {shape[0] for shape in self.shapes.values() if shape}
        return firsts.pop() if len(firsts) == 1 else 1


def bind(inputs: list[onnx.ValueInfoProto], given: Shapes) -> Bound:
    """Gives a size to every axis of the inputs.

    Args:
        given: shapes by the names of inputs, all axes. Axes that stay open and have a name get the
            size of that name elsewhere; others 1 for the batch, (3, 224, 224) for an image, else
            64.

    Raises:
        ValueError: a shape is given for no input or does not fit, or an input has none at all.
    """
    names = {value.name for value in inputs}
    for name in given:
        if name not in names:
            known = ", ".join(sorted(map(printable, names)))
            raise ValueError(f"there is no input {name!r}; the model has {known}")
    bound = Bound({}, {}, {})
    open_ = {value.name: _declared(value, given.get(value.name)) for value in inputs}
    for value in inputs:
        for symbol, size in zip(_symbols(value), open_[value.name], strict=False):
            if symbol and size > 0:
                bound.symbols[symbol] = size
    for value in inputs:
        shape = _filled(open_[value.name], _symbols(value), bound.symbols)
        bound.shapes[value.name] = shape
        if min(open_[value.name][1:], default=1) < 1:
            bound.assumed[printable(value.name)] = shape
        if prod(shape) > MAX_VALUES:
            name = printable(value.name)
            raise ValueError(f"input {name!r} has more values than any network reads")
    return bound


def _symbols(value: onnx.ValueInfoProto) -> list[str]:
    return [dim.dim_param for dim in value.type.tensor_type.shape.dim]


def _declared(value: onnx.ValueInfoProto, given: Shape | None) -> Shape:
    """What is said of an input's axes; below 1 where one is open."""
    name, kind = printable(value.name), value.type.tensor_type
    declared = tuple(dim.dim_value for dim in kind.shape.dim)
    if not kind.HasField("shape"):
        if given is None:
            raise ValueError(f"input {name!r} has no shape; give one with --shape")
        return given
    if given is None:
        return declared
    fits = len(declared) == len(given) and all(
        d < 1 or d == g for d, g in zip(declared[1:], given[1:], strict=True)
    )
    if not fits:
        raise ValueError(f"input {name!r} is of shape {declared} (0 is open), got {given}")
    return given


def _filled(shape: Shape, names: list[str], symbols: dict[str, int]) -> Shape:
    """The shape with a size for every open axis; notes those of axes that have a name."""
    filled = []
    for axis, size in enumerate(shape):
        name = names[axis] if axis < len(names) else ""
        if size < 1:
            size = symbols.get(name) or _usual(axis, len(shape))
        if name:
            symbols[name] = size
        filled.append(size)
    return tuple(filled)


def _usual(axis: int, rank: int) -> int:
    """The size of an open axis that nothing tells."""
    if axis == 0:
        return 1
    if rank == 4:
        return CHANNELS if axis == 1 else IMAGE_SIZE
    return LENGTH
