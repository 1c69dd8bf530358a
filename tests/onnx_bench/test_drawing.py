"""Pictures of networks: what is on them, and who places it."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from time import process_time
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import graphs

from onnx_bench.builder import GraphBuilder
from onnx_bench.drawing import boxes, graphviz, to_svg
from onnx_bench.drawing.boxes import KINDS, heat_paint, kind
from onnx_bench.errors import GraphError
from onnx_bench.families import build_spec, family
from onnx_bench.graph import ComputationGraph
from onnx_bench.operators import Op
from tests.small_families import SELF_CONTAINED

EXAMPLES = [f"{name}:{family(name).example}" for name in SELF_CONTAINED]
TOKENS = f"digits-tokens:{family('digits-tokens').example}"
SVG = "{http://www.w3.org/2000/svg}"

FAKE = """#!{python}
# Stands for graphviz: every piece becomes one column of boxes, two inches apart.
import re, sys
text = sys.stdin.read()
open({log!r}, "a").write(" ".join(sys.argv[1:]) + "\\n" + text)
for piece in text.split("digraph")[1:]:
    boxes = re.findall(r"^(\\d+) \\[width=([\\d.]+), height=([\\d.]+)", piece, re.M)
    wires = re.findall(r"^(\\d+) -> (\\d+)$", piece, re.M)
    y = dict((box, 2.0 * (len(boxes) - i) - 1) for i, (box, _, _) in enumerate(boxes))
    print("graph 1", 5.0, 2.0 * len(boxes))
    for box, width, height in boxes:
        print("node", box, 2.5, y[box], width, height, '"" solid box black lightgrey')
    for u, v in wires:
        at = [y[u] - 0.25, y[u] - 0.5, y[v] + 0.5, y[v] + 0.25]
        print("edge", u, v, 4, *("2.5 %.4f" % b for b in at), "solid black")
    print("stop")
"""


def image(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def node_groups(svg: str) -> list[ElementTree.Element]:
    """The boxes, in the order of the nodes."""
    return [group for group in image(svg).iter(f"{SVG}g") if group.find(f"{SVG}title") is not None]


def words(group: ElementTree.Element) -> list[str]:
    """The lines of text in a box."""
    return ["".join(text.itertext()) for text in group.iter(f"{SVG}text")]


def fills(svg: str) -> list[str]:
    return [group.find(f"{SVG}rect").attrib["fill"] for group in node_groups(svg)]  # type: ignore[union-attr]


def arrows(svg: str) -> int:
    return sum("marker-end" in path.attrib for path in image(svg).iter(f"{SVG}path"))


def texts(svg: str) -> str:
    return "\n".join("".join(text.itertext()) for text in image(svg).iter(f"{SVG}text"))


def pair() -> ComputationGraph:
    g = GraphBuilder()
    g.output(g.relu(g.input(3, 8, 8)))
    return g.build("pair")


def tower(nodes: int, per_stage: int = 10**9) -> ComputationGraph:
    g = GraphBuilder()
    x = g.input(4, 2, 2**13)
    while len(g) < nodes - 1:
        stride = 2 if len(g) % per_stage == 0 else 1
        x = g.relu(x) if stride == 1 else g.conv(x, 4, (1, 2), (1, 2), 0)
    g.output(x)
    return g.build("tower")


@pytest.fixture
def dot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Puts a program `dot` on the path, alone there; gives the file where it notes what it got."""

    def install(source: str) -> Path:
        folder, log = tmp_path / "bin", tmp_path / "log"
        folder.mkdir()
        program = folder / "dot"
        program.write_text(
            source.replace("{python}", sys.executable).replace("{log!r}", repr(str(log)))
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))
        return log

    return install


@pytest.fixture
def no_dot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


# what is on a picture


@pytest.mark.parametrize("spec", EXAMPLES)
def test_every_node_has_a_box_and_every_edge_an_arrow(spec: str) -> None:
    graph = build_spec(spec)
    svg = to_svg(graph, engine="own")
    assert len(node_groups(svg)) == len(graph)
    assert arrows(svg) == graph.num_edges
    for group, (_, node, _) in zip(node_groups(svg), graph.walk(), strict=True):
        title, detail = words(group)
        assert title.startswith(node.op.label)
        assert detail.startswith("×".join(map(str, node.out_shape)))
        assert (f"{node.parameters:,} p" in detail) == (node.parameters > 0)


@given(graphs())
@settings(max_examples=40)
def test_any_network_can_be_drawn(graph: ComputationGraph) -> None:
    svg = to_svg(graph, engine="own")
    assert len(node_groups(svg)) == len(graph)
    assert arrows(svg) == graph.num_edges
    assert svg == to_svg(graph, engine="own")


def test_a_box_says_what_tells_its_node_from_others() -> None:
    g = GraphBuilder()
    x = g.conv(g.input(4, 9, 9), 8, (1, 3), 2, groups=2)
    x = g.depthwise(g.conv(x, 8, 3, dilation=2), 5, 1)
    x = g.max_pool(x, 2, (1, 2), 0)
    t = g.reshape(x, 8, 8)
    g.output(g.attention(t, t, t, 4))
    graph = g.build()
    nodes = graph.nodes_NK.copy()
    fused = graph.node(1)._replace(activation=Op.RELU)
    nodes[1] = np.frombuffer(fused.encode(), np.int32)
    svg = to_svg(ComputationGraph(nodes, graph.input_ptr, graph.inputs), engine="own")
    assert [words(group)[0] for group in node_groups(svg)] == [
        "input",
        "conv 1×3 + relu · stride 2 · 2 groups",
        "conv 3×3 · dilation 2",
        "conv 5×5 · depthwise",
        "max_pool 2×2 · stride 1×2",
        "reshape",
        "attention · 4 heads",
        "output",
    ]
    tip = node_groups(svg)[1].find(f"{SVG}title")
    assert tip is not None
    assert tip.text == "\n".join(
        [
            "node 1: conv 1×3 + relu · stride 2 · 2 groups",
            "4×9×9 → 8×5×5",
            f"{8 * 5 * 5 * 2 * 3:,} MACs, {8 * 2 * 3} parameters",
        ]
    )


def test_kinds_of_operators_have_their_own_colours() -> None:
    colours = [paint.fill for paint in KINDS.values()]
    assert len(set(colours)) == len(colours)
    g = GraphBuilder()
    x = g.batch_norm(g.conv(g.input(3, 8, 8), 4, 3))
    x = g.unknown((4, 8, 8), g.add(x, g.relu(x)))
    g.output(g.linear(g.flatten(g.global_avg_pool(x)), 2))
    assert fills(to_svg(g.build(), engine="own")) == [
        KINDS[name].fill
        for name in (
            "input, output",
            "convolution",
            "normalisation",
            "activation, function",
            "join",
            "unknown",
            "pooling, reduction",
            "movement",
            "linear, attention, recurrent",
            "input, output",
        )
    ]


def test_every_operator_of_the_first_vocabulary_has_a_kind() -> None:
    assert {kind(op) for op in Op if op <= Op.ZERO} == {*KINDS} - {"other"}
    assert all(kind(op) in KINDS for op in Op)


def test_the_legend_names_the_kinds_that_are_there() -> None:
    shown = texts(to_svg(pair(), engine="own"))
    assert "input, output" in shown
    assert "activation, function" in shown
    assert "convolution" not in shown


def test_totals_and_name_stand_above() -> None:
    graph = build_spec(TOKENS)
    shown = texts(to_svg(graph, engine="own"))
    assert graph.name in shown
    assert "31 nodes · 62,624 MACs · 4,170 parameters" in shown
    assert "my net" in texts(to_svg(graph, "my net", engine="own"))
    assert graph.name not in texts(to_svg(graph, "my net", engine="own"))


def test_boxes_are_wide_enough_for_their_text() -> None:
    for group in node_groups(to_svg(build_spec(TOKENS), engine="own")):
        rect = group.find(f"{SVG}rect")
        assert rect is not None
        assert float(rect.attrib["width"]) >= max(len(line) for line in words(group)) * 5.5


def test_a_picture_has_paper_of_its_own_and_needs_nothing_else() -> None:
    svg = to_svg(build_spec(TOKENS), engine="own")
    root = image(svg)
    paper = root.find(f"{SVG}rect")
    assert paper is not None
    assert (paper.attrib["width"], paper.attrib["height"]) == (
        root.attrib["width"],
        root.attrib["height"],
    )
    assert paper.attrib["fill"] == "#ffffff"
    assert not re.search(r"<style|<script|href|url\((?!#)|<!", svg)
    assert svg.count("http") == 1  # the namespace


HOSTILE = [
    "</text><script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)> & '",
    "\x00\x07\x1b[31m\x7f\x85\ufffe\ud800",
    "]]> <!-- <![CDATA[",
    "abc\u202edcba\u2066\u200b",
    "tab\tand\r\nline",
    "x" * 100_000,
    "𝕏 名前 ü" * 40,
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("as_name", [True, False])
def test_hostile_names_are_harmless(text: str, as_name: bool) -> None:
    graph = pair()
    if as_name:
        graph = ComputationGraph(graph.nodes_NK, graph.input_ptr, graph.inputs, text)
    svg = to_svg(graph, "" if as_name else text, engine="own")
    plain = to_svg(graph, "plain", engine="own")
    assert [e.tag for e in image(svg).iter()] == [e.tag for e in image(plain).iter()]
    assert len(svg) < len(plain) + 5_000
    assert svg.encode()
    assert not re.search(
        r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069\ufffe]", svg
    )
    assert int(image(svg).attrib["width"]) == int(image(plain).attrib["width"])


# heat maps


def test_a_heat_map_paints_values() -> None:
    graph = build_spec(TOKENS)
    colour_N = np.linspace(0, 1, len(graph))
    svg = to_svg(graph, colour_N=colour_N, engine="own")
    assert fills(svg) == [heat_paint(value).fill for value in colour_N]
    assert len(set(fills(svg))) == len(graph)
    shown = texts(svg)
    assert "convolution" not in shown
    assert "0.75" in shown


def test_heat_is_clipped_and_what_is_missing_stays_white() -> None:
    assert heat_paint(-3.0) == heat_paint(0.0)
    assert heat_paint(np.inf) == heat_paint(1.0)
    assert heat_paint(float("nan")).fill == "#ffffff"
    assert heat_paint(0.0).fill == boxes.HEAT[0]
    assert heat_paint(1.0).fill == boxes.HEAT[-1]


@pytest.mark.parametrize("value", np.linspace(0, 1, 21))
def test_text_can_be_read_on_any_heat(value: float) -> None:
    paint = heat_paint(value)
    assert contrast(paint.fill, paint.ink) > 4.5  # WCAG 2.1, level AA


@pytest.mark.parametrize("name", KINDS)
def test_text_can_be_read_on_any_kind(name: str) -> None:
    paint = KINDS[name]
    assert contrast(paint.fill, paint.ink) > 4.5
    if paint.ink == boxes.DARK:  # the second line is fainter there
        assert contrast(paint.fill, boxes.FAINT) > 4.5


def contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio of two colours, 1 to 21."""
    light = []
    for colour in (one, other):
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        light.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)
    return max(light) / min(light)


@pytest.mark.parametrize("shape", [(2,), (3, 1), ()])
def test_a_heat_map_needs_one_value_a_node(shape: tuple[int, ...]) -> None:
    with pytest.raises(GraphError, match=r"expected one number a node: 3"):
        to_svg(pair(), colour_N=np.zeros(shape), engine="own")


# large networks


def test_networks_too_large_are_drawn_by_stages() -> None:
    graph = tower(20_000, per_stage=4_000)
    start = process_time()
    svg = to_svg(graph, engine="own")
    assert process_time() - start < 10
    titles = [words(group)[0] for group in node_groups(svg)]
    assert [title.split(" · ")[0] for title in titles] == [
        "stage 1: 2×8192",
        "stage 2: 2×4096",
        "stage 3: 2×2048",
        "stage 4: 2×1024",
        "stage 5: 2×512",
    ]
    assert "20,000 nodes" in texts(svg)
    assert "Too large for one box a node: its 5 stages" in texts(svg)
    assert arrows(svg) == 4
    assert titles[0] == "stage 1: 2×8192 · 3,999 relu"
    assert fills(to_svg(graph, colour_N=np.ones(len(graph)), engine="own")) == [boxes.HEAT[-1]] * 5


def test_4000_nodes_still_have_a_box_each() -> None:
    svg = to_svg(tower(4_000), engine="own")
    assert len(node_groups(svg)) == 4_000
    assert "Too large" not in svg
    assert len(node_groups(to_svg(tower(4_001), engine="own"))) == 1


def test_a_network_of_very_many_stages_is_cut_short_and_says_so() -> None:
    g = GraphBuilder()
    x = g.input(2, 3)
    for tokens in range(3, 303):
        for _ in range(8):
            x = g.linear(g.relu(x), 3)
        x = g.unknown((tokens, 3), x)
    svg = to_svg(g.build(), engine="own")
    assert len(node_groups(svg)) == 200
    assert "its 301 stages, of which the first 200" in texts(svg)


def test_too_many_edges_are_too_large_as_well() -> None:
    g = GraphBuilder()
    x = g.input(2, 2)
    for _ in range(30):
        x = g.add(*[x] * 700)
    assert "Too large" in to_svg(g.build(), engine="own")


# graphviz


def test_dot_places_the_boxes(dot: Callable[[str], Path]) -> None:
    graph = build_spec(TOKENS)
    log = dot(FAKE)
    svg = to_svg(graph, engine="dot")
    assert svg == to_svg(graph)  # what is installed is taken
    assert svg != to_svg(graph, engine="own")
    assert len(node_groups(svg)) == len(graph)
    assert arrows(svg) == graph.num_edges
    rects = [group.find(f"{SVG}rect") for group in node_groups(svg)]
    tops = [float(rect.attrib["y"]) for rect in rects if rect is not None]
    assert tops[1] - tops[0] == pytest.approx(144)
    assert log.read_text().startswith("-Tplain\n")


def test_dot_sees_numbers_alone(dot: Callable[[str], Path]) -> None:
    graph = pair()
    evil = '"]; 0 -> 0; digraph { evil'
    log = dot(FAKE)
    to_svg(
        ComputationGraph(graph.nodes_NK, graph.input_ptr, graph.inputs, evil), evil, engine="dot"
    )
    assert "evil" not in log.read_text()
    assert "relu" not in log.read_text()


BROKEN = {
    "fails": "#!/bin/sh\nexit 3\n",
    "is no program": "this is no program",
    "says nothing": "#!/bin/sh\nexit 0\n",
    "speaks otherwise": "#!/bin/sh\necho '<svg/>'\necho stop\n",
    "forgets an edge": FAKE.replace("in wires:", "in wires[1:]:"),
    "forgets a box": FAKE.replace('"in boxes:\n        print', "").replace(
        "for box, width, height in boxes:", "for box, width, height in boxes[1:]:"
    ),
    "knows no numbers": FAKE.replace('"%.4f" % b', '"nan"').replace('"2.5 %.4f" % b', '"nan nan"'),
    "draws half a curve": FAKE.replace("4, *(", "3, *("),
    "is not text": "#!{python}\nimport sys\nsys.stdout.buffer.write(b'\\xff\\xfe')\n",
}


@pytest.mark.parametrize("fault", BROKEN)
def test_where_dot_fails_our_own_engine_draws(fault: str, dot: Callable[[str], Path]) -> None:
    expected = to_svg(pair(), engine="own")
    dot(BROKEN[fault])
    assert to_svg(pair()) == expected
    with pytest.raises(GraphError, match="graphviz gave no layout"):
        to_svg(pair(), engine="dot")


def test_dot_may_not_take_for_ever(
    dot: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert graphviz.TIMEOUT == 60
    monkeypatch.setattr(graphviz, "TIMEOUT", 0.2)
    dot("#!{python}\nimport time\ntime.sleep(60)\n")
    start = process_time()
    assert to_svg(pair()) == to_svg(pair(), engine="own")
    assert process_time() - start < 5


@pytest.mark.usefixtures("no_dot")
def test_without_dot_our_own_engine_draws() -> None:
    assert to_svg(pair()) == to_svg(pair(), engine="own")
    with pytest.raises(GraphError, match="not on the path"):
        to_svg(pair(), engine="dot")
