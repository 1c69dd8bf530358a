"""Finding the authors' files in a benchmark's folder, and checking what comes out of them."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from onnx_bench.errors import LabelError
from onnx_bench.formats.errors import FormatError

Kind = TypeVar("Kind")


def files(folder: Path, *patterns: str) -> list[Path]:
    """What matches the first pattern that anything matches, in order.

    Raises:
        LabelError: nothing does; the message says what was looked for.
    """
    for pattern in patterns:
        if matches := sorted(folder.glob(pattern)):
            return matches
    raise LabelError(
        f"{folder}: neither labels.parquet nor a file of the authors is there; expected "
        f"{' or '.join(patterns)}"
    )


def entry(data: Any, name: Any, kind: type[Kind]) -> Kind:
    """The entry of a dict, of this type.

    Raises:
        FormatError: there is none, or it is something else.
    """
    if type(data) is not dict or name not in data:
        raise FormatError(f"has no entry {name!r}; is it another file?")
    return checked(data[name], kind, repr(name))


def checked(value: Any, kind: type[Kind], what: str) -> Kind:
    """`value`, if it is of this type exactly; of any type for `object`.

    Raises:
        FormatError: it is of another one.
    """
    if kind is not object and type(value) is not kind:
        raise FormatError(f"{what} is a {type(value).__name__}, expected {kind.__name__}")
    found: Kind = value
    return found


def texts(values: Any, what: str) -> Iterator[str]:
    """The members of a list, all of which must be texts."""
    for value in checked(values, list, what):
        yield checked(value, str, f"an entry of {what}")


def number(value: Any, what: str) -> float:
    """A number of any plain type.

    Raises:
        FormatError: it is none.
    """
    if type(value) not in (int, float):
        raise FormatError(f"{what} is a {type(value).__name__}, expected a number")
    try:
        return float(value)
    except OverflowError:
        raise FormatError(f"{what} is a number of {value.bit_length()} bits") from None


def table(path: Path, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """The wide table of these rows.

    Raises:
        LabelError: there are none.
    """
    found = list(rows)
    if not found:
        raise LabelError(f"{path}: holds no networks; is it another file?")
    return pd.DataFrame.from_records(found)
