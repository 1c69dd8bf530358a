"""Networks and their labels: computation graphs, search spaces, and what their members scored.

The ground floor of gennape: it knows nothing of learning and never imports `gennape`.
"""

from onnx_bench.builder import GraphBuilder
from onnx_bench.errors import GennapeError
from onnx_bench.graph import ComputationGraph, Node
from onnx_bench.operators import Op

__all__ = ["ComputationGraph", "GennapeError", "GraphBuilder", "Node", "Op"]
