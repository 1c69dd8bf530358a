"""The network that a text names, whichever door it comes in by."""

from pathlib import Path

from onnx_bench.errors import SpecError
from onnx_bench.families import FAMILIES, build_spec, is_spec
from onnx_bench.graph import Shape
from onnx_bench.imported import Coverage, Import


def open_network(text: str | Path, shapes: dict[str, Shape] | None = None) -> Import:
    """The network of a specification (`FAMILY:...`) or of an ONNX file.

    Raises:
        SpecError: it looks like a specification, and names no network.
        ModelFileError: the file cannot be read; see `import_onnx`.
    """
    name = str(text)
    if is_spec(name):
        return Import(build_spec(name), {}, Coverage(1.0, 1.0, 1.0), {})
    if ":" in name and Path(name).suffix != ".onnx" and not Path(name).exists():
        known = ", ".join(FAMILIES)
        raise SpecError(f"{name}: no such file, and no family is called so; there are {known}")
    from onnx_bench.onnx_import import import_onnx

    return import_onnx(Path(name), shapes)
