"""The network that a text names, whichever door it comes in by."""

from pathlib import Path

from onnx_bench.errors import SpecError
from onnx_bench.families import FAMILIES, build_spec, is_spec
from onnx_bench.graph import ComputationGraph, Shape
from onnx_bench.imported import Coverage, Import
from onnx_bench.operators import Op


def open_network(text: str | Path, shapes: dict[str, Shape] | None = None) -> Import:
    """The network of a specification (`FAMILY:...`), of an ONNX file or of a saved graph (`.npz`).

    Raises:
        SpecError: it looks like a specification, and names no network.
        ModelFileError: the file cannot be read; see `import_onnx`.
        GraphError: the saved graph cannot be read.
    """
    name = str(text)
    if is_spec(name):
        return Import(build_spec(name), {}, Coverage(1.0, 1.0, 1.0), {})
    if Path(name).suffix == ".npz":
        graph = ComputationGraph.load(name)
        share = graph.coverage
        unknown = {"unknown": len(graph.nodes_of(Op.UNKNOWN))} if share < 1 else {}
        # What its unknown operators held is not kept; their share of the nodes stands for it.
        return Import(graph, unknown, Coverage(share, share, share), {})
    if ":" in name and Path(name).suffix != ".onnx" and not Path(name).exists():
        known = ", ".join(FAMILIES)
        raise SpecError(f"{name}: no such file, and no family is called so; there are {known}")
    from onnx_bench.onnx_import import import_onnx

    return import_onnx(Path(name), shapes)
