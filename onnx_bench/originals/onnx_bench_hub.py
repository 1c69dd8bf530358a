"""ONNX-Bench as its authors publish it (Qin et al., 2025; carlosqsw/ONNX-Bench on the Hub).

A folder for each space (`nasbench201_simplify/...`), with an ONNX file for each network whose first
entry of `metadata_props` is its accuracy on CIFAR-10 in percent. The published code reads the files
so; how the Hub packs them (archives have to be unpacked first) could not be tried.
"""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from onnx_bench.formats.errors import FormatError, about
from onnx_bench.formats.protobuf import fields
from onnx_bench.onnx_wire import WireError, file_structure
from onnx_bench.originals.found import files, table

_METADATA, _VALUE = 14, 2
"""ModelProto.metadata_props, and the value of such an entry."""


def read(folder: Path) -> pd.DataFrame:
    """The wide table of all ONNX files below `folder`.

    Columns: `network` (the path of the file), `space` (its first folder without `_simplify`),
    `name`, `accuracy` (percent).

    Raises:
        LabelError: there is no ONNX file, one is none, or has no accuracy.
    """
    return table(folder, _rows(folder))


def _rows(folder: Path) -> Iterator[dict[str, str | float]]:
    for path in files(folder, "**/*.onnx"):
        with about(path):
            place = path.relative_to(folder)
            yield {
                "network": str(path),
                "space": space(path, folder),
                "name": "_".join(place.with_suffix("").parts[1:]) or place.stem,
                "accuracy": accuracy(path),
            }


def space(path: Path, folder: Path) -> str:
    """The space of a file below `folder`: the name of its first folder."""
    parts = path.relative_to(folder).parts
    return parts[0].removesuffix("_simplify") if len(parts) > 1 else "onnx"


def accuracy(path: Path) -> float:
    """The accuracy that an ONNX file carries, in percent; weights are stepped over.

    Raises:
        FormatError: it is no ONNX file, or carries none.
    """
    try:
        data = file_structure(path)
    except WireError as error:
        raise FormatError(str(error)) from None
    for number, value in fields(data):
        if number == _METADATA and isinstance(value, bytes):
            text = dict(fields(value)).get(_VALUE)
            try:
                found = float(text) if isinstance(text, bytes) else float("nan")
            except ValueError:
                found = float("nan")
            if 0 <= found <= 100:
                return found
            break
    raise FormatError("its first entry of metadata_props is no accuracy in percent")
