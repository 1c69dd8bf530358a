"""Pictures of networks: `to_svg(graph)` is the text of an SVG file."""

from onnx_bench.drawing.boxes import Paint, Shading, heat_paint, words
from onnx_bench.drawing.svg import EngineName, to_svg

__all__ = ["EngineName", "Paint", "Shading", "heat_paint", "to_svg", "words"]
