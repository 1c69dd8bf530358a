"""Pictures in colours of one's own, and with remarks on their nodes."""

import numpy as np
import pytest

from onnx_bench.builder import GraphBuilder
from onnx_bench.drawing import Paint, Shading, to_svg
from onnx_bench.errors import GraphError
from onnx_bench.graph import ComputationGraph
from tests.onnx_bench.test_drawing import fills, image, node_groups, texts, words

SVG = "{http://www.w3.org/2000/svg}"
LOW, HIGH, NONE = Paint("#aa0000", "#880000"), Paint("#00aa00", "#008800"), Paint("#eee", "#ddd")


def chain(nodes: int) -> ComputationGraph:
    g = GraphBuilder()
    x = g.input(3, 8, 8)
    for _ in range(nodes - 1):
        x = g.relu(x)
    return g.build("chain")


def paint(value: float) -> Paint:
    return NONE if np.isnan(value) else LOW if value < 0 else HIGH


def shading(*values: float, **more: object) -> Shading:
    return Shading(np.array(values), paint, [("below", LOW), ("above", HIGH)], **more)  # type: ignore[arg-type]


def test_nodes_have_the_colours_that_their_numbers_have() -> None:
    svg = to_svg(chain(3), engine="own", shading=shading(-1, float("nan"), 2, note="a note"))
    assert fills(svg) == [LOW.fill, NONE.fill, HIGH.fill]
    assert {"below", "above", "a note"} <= set(texts(svg).splitlines())
    assert "activation" not in texts(svg)


def test_details_and_tips_stand_behind_what_else_is_said() -> None:
    plain = node_groups(to_svg(chain(3), engine="own"))
    told = shading(0, 0, 0, detail_N=["", "+1", "<2"], tip_N=["one", "", "a\nb"])
    shaded = node_groups(to_svg(chain(3), engine="own", shading=told))
    assert [words(group)[1] for group in shaded] == ["3×8×8", "3×8×8 · +1", "3×8×8 · <2"]
    tips = [[group.findtext(f"{SVG}title") for group in groups] for groups in (plain, shaded)]
    assert tips[1] == [f"{tips[0][0]}\none", tips[0][1], f"{tips[0][2]}\na\nb"]


def test_a_stage_has_the_mean_of_its_nodes_that_have_numbers() -> None:
    graph = chain(5_000)
    values = np.full(len(graph), np.nan)
    values[7] = -1.0
    svg = to_svg(graph, engine="own", shading=shading(*values))
    assert fills(svg) == [LOW.fill]
    assert fills(to_svg(graph, engine="own", shading=shading(*values * np.nan))) == [NONE.fill]


@pytest.mark.parametrize(
    "told",
    [
        shading(0, 0),
        shading(0, 0, 0, detail_N=["one"]),
        shading(0, 0, 0, tip_N=["one"] * 4),
    ],
)
def test_there_is_one_of_everything_a_node(told: Shading) -> None:
    with pytest.raises(GraphError, match="expected"):
        to_svg(chain(3), engine="own", shading=told)


def test_the_legend_does_not_lie_below_a_box() -> None:
    svg = to_svg(chain(3), engine="own", shading=shading(1, 1, 1))
    (place,) = [
        float(g.attrib["transform"].split()[1].strip(")"))
        for g in image(svg).iter(f"{SVG}g")
        if "transform" in g.attrib
    ]
    keys = [rect for rect in image(svg).findall(f"{SVG}rect") if rect.attrib.get("stroke")]
    tops = [float(rect.attrib["y"]) for g in node_groups(svg) for rect in g.findall(f"{SVG}rect")]
    assert place + min(tops) > max(float(r.attrib["y"]) + float(r.attrib["height"]) for r in keys)
