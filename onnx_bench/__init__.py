"""Networks and their labels: computation graphs, search spaces, and what their members scored.

The ground floor of gennape: it knows nothing of learning and never imports `gennape`. The doors for
networks of any origin (`from_onnx`, `from_torch`) are imported when they are first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from onnx_bench.builder import GraphBuilder
from onnx_bench.errors import GennapeError
from onnx_bench.graph import ComputationGraph, Node
from onnx_bench.operators import Op

if TYPE_CHECKING:
    from onnx_bench.canonical import fuse
    from onnx_bench.onnx_import import from_onnx, import_onnx
    from onnx_bench.torch_import import from_torch, import_torch

__all__ = [
    "ComputationGraph",
    "GennapeError",
    "GraphBuilder",
    "Node",
    "Op",
    "from_onnx",
    "from_torch",
    "fuse",
    "import_onnx",
    "import_torch",
]

_DOORS = {
    "fuse": "canonical",
    "from_onnx": "onnx_import",
    "import_onnx": "onnx_import",
    "from_torch": "torch_import",
    "import_torch": "torch_import",
}


def __getattr__(name: str) -> Any:
    if name in _DOORS:
        return getattr(import_module(f"onnx_bench.{_DOORS[name]}"), name)
    raise AttributeError(f"module 'onnx_bench' has no attribute {name!r}")
