"""Pictures of networks: `to_svg(graph)` is the text of an SVG file."""

from onnx_bench.drawing.svg import EngineName, to_svg

__all__ = ["EngineName", "to_svg"]
