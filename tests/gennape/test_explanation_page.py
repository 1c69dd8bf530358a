"""What people see of an explanation: the page, the picture, and the command."""

import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from gennape.checkpoint import Checkpoint, seeded_model
from gennape.explanation import Explanation
from gennape.explanation.node_map import COLOURS, limit_of
from gennape.explanation.quantities import Amounts, count, distance, readable
from gennape.explanation.records import NodeNumbers
from gennape.inference import Predictor, encode
from gennape.models.performance import ModelConfig
from gennape.targets import TargetScale
from onnx_bench.drawing import heat_paint
from onnx_bench.errors import GennapeError
from onnx_bench.graph import ComputationGraph
from onnx_bench.onnx_export import save_onnx
from tests.gennape.commands import Capture, one_line, run

SVG, HTML = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xhtml}"
WHITE = "#ffffff"


@pytest.fixture(scope="module")
def checkpoint(graphs: list[ComputationGraph]) -> Checkpoint:
    model = seeded_model(ModelConfig("k-gnn", {"hidden": 8}, "mlp", {}, {}), 0).eval()
    assert model.whole is not None
    model.whole.prepare(encode(graphs, "fused").whole_GD)
    return Checkpoint(model, TargetScale(70.0, 4.0), ("digits-chains",), form="fused")


@pytest.fixture(scope="module")
def found(checkpoint: Checkpoint, networks: tuple[str, ...]) -> Explanation:
    return Predictor(checkpoint).explain(networks[1], model="mine")


@pytest.fixture(scope="module")
def folder(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("explained") / "mine"
    checkpoint.save(place)
    return place


def parsed(page: str) -> ElementTree.Element:
    start = "<!DOCTYPE html>\n"
    assert page.startswith(start)
    return ElementTree.fromstring(page.removeprefix(start))


def said(element: ElementTree.Element) -> str:
    return " ".join(" ".join(element.itertext()).split())


def boxes(svg: ElementTree.Element) -> list[ElementTree.Element]:
    """The groups that are nodes, by what is under the pointer."""
    groups = svg.iter(f"{SVG}g")
    return [g for g in groups if (g.findtext(f"{SVG}title") or "").startswith("node ")]


# the page


def test_the_page_says_all_of_it(found: Explanation) -> None:
    page, amounts = parsed(found.to_html(top=4)), Amounts(found)
    text = said(page)
    assert amounts.plain(found.score) in text
    assert amounts.plain(found.reference) in text
    for group in found.groups:
        assert f"{group.name} {amounts.signed(group.amount)}" in text
        assert group.meaning in text
    for feature in found.features[:4]:
        assert f"{feature.name} {feature.meaning}" in text
    assert found.features[4].name not in text.split()
    assert "How this is computed" in text
    assert len(boxes(page)) == len(found.graph)


def test_the_page_needs_nothing_from_elsewhere(found: Explanation) -> None:
    page = found.to_html()
    names = r"http://www\.w3\.org/(2000/svg|1999/xhtml)"
    assert not re.search(r"https?:", re.sub(f'xmlns="{names}"', "", page))
    assert set(re.findall(r"url\(([^)]*)\)", page)) == {"#onnx-bench-arrow"}
    tags = {element.tag.split("}")[-1] for element in parsed(page).iter()}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "image", "use"}
    attributes = {name for element in parsed(page).iter() for name in element.attrib}
    assert not attributes & {"src", "href", "srcset", "data", "onclick", "onload"}


def test_names_cannot_write_into_the_page(found: Explanation) -> None:
    hostile = replace(found, network="</h1><script>x</script>&", model="<b>", notes=("a < b",))
    page = hostile.to_html()
    assert "<script" not in page
    assert "</h1><script>x</script>&" in said(parsed(page))
    assert "A < b." in said(parsed(page))


def test_strange_networks_are_marked(found: Explanation) -> None:
    assert "Strange network" not in found.to_html()
    assert "Strange network" in replace(found, strange=True).to_html()


def test_without_nodes_there_is_no_picture_and_the_page_is_whole(found: Explanation) -> None:
    bare = replace(found, nodes=None)
    page = parsed(bare.to_html())
    assert not boxes(page)
    assert "Features" in said(page)
    with pytest.raises(GennapeError, match="no picture without nodes"):
        bare.to_svg()


def test_of_embeddings_alone_there_are_no_features(
    trained: Predictor, networks: tuple[str, ...]
) -> None:
    text = said(parsed(trained.explain(networks[0]).to_html()))
    assert "graph" in text
    assert "The strip shows" not in text


# the picture


def coloured(found: Explanation, *effects: float) -> list[str]:
    """The fills of nodes of these effects, the last one for all others."""
    effect_N = np.full(len(found.graph), effects[-1])
    effect_N[: len(effects)] = effects
    assert found.nodes is not None
    nodes = replace(found.nodes, effect_N=effect_N)
    svg = ElementTree.fromstring(replace(found, nodes=nodes).to_svg())
    rects = [box.find(f"{SVG}rect") for box in boxes(svg)]
    return [rect.attrib["fill"] for rect in rects if rect is not None]


def test_better_is_blue_and_worse_is_orange(found: Explanation) -> None:
    fills = coloured(found, 1.0, -1.0, 0.0, float("nan"), 5.0, 1.0)
    assert fills[:5] == [COLOURS[-1], COLOURS[0], COLOURS[2], WHITE, COLOURS[-1]]
    turned = coloured(replace(found, lower_is_better=True), 1.0, -1.0, 1.0)
    assert turned[:2] == [COLOURS[0], COLOURS[-1]]


def test_nodes_that_are_worth_nothing_all_have_the_middle(found: Explanation) -> None:
    assert set(coloured(found, 0.0)) == {COLOURS[2]}
    assert set(coloured(found, float("nan"))) == {WHITE}
    sparse = coloured(found, 3.0, *[0.0] * (len(found.graph) - 1))
    assert sparse == [COLOURS[-1]] + [COLOURS[2]] * (len(found.graph) - 1)


def test_colours_end_where_most_nodes_are() -> None:
    effect_N = np.array([*np.linspace(0, 1, 96), -50.0, np.nan])
    blank_N = np.full(98, np.nan)
    limit = limit_of(NodeNumbers(effect_N, blank_N, blank_N, blank_N))
    assert 0.9 < limit <= 1


@pytest.mark.parametrize("value", np.linspace(0, 1, 21))
def test_text_can_be_read_in_any_box(value: float) -> None:
    paint = heat_paint(value, COLOURS)
    light, dark = sorted((luminance(paint.fill), luminance(paint.ink)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) > 4.5  # contrast, by WCAG 2.1, level AA


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2.1, 0 to 1."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.03928, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def test_boxes_say_what_nodes_are_worth(found: Explanation) -> None:
    amounts = Amounts(found)
    assert found.nodes is not None
    for box, effect, gradient in zip(
        boxes(ElementTree.fromstring(found.to_svg())),
        found.nodes.effect_N.tolist(),
        found.nodes.gradient_N.tolist(),
        strict=True,
    ):
        tip, text = box.findtext(f"{SVG}title") or "", said(box)
        assert f"gradient {gradient:.3g}" in tip
        assert "MACs" in tip
        if np.isfinite(effect):
            assert f"worth {amounts.signed(effect)}" in tip
            assert f"score is {amounts.plain(found.score - effect)}" in tip
            assert text.endswith(amounts.signed(effect))
        else:
            assert "worth" not in tip


# numbers


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (8.52, "log10 of 1 + count", "331 M"),
        (0.0, "log10 of 1 + count", "0"),
        (3.0, "log2 of channels", "8"),
        (-1.0, "log10 of the ratio", "0.1"),
        (0.256, "share of nodes", "25.6 %"),
        (-0.03127, "log10 per level", "−0.0313"),
        (float("inf"), "c", "–"),
        (5000.0, "natural logarithm", "1.94e+130"),
    ],
)
def test_values_are_shown_as_people_read_them(value: float, unit: str, text: str) -> None:
    assert readable(value, unit) == text


def test_distances_end_where_they_no_longer_matter() -> None:
    assert [distance(v) for v in (0.5, 98.999, 99.0, 1e9)] == ["0.50", "99.00", *["over 99"] * 2]


def test_counts_have_three_digits() -> None:
    assert [count(v) for v in (0, 12.34, 999, 1000, 1.234e7, 2.5e9, 7e12)] == [
        "0", "12.3", "999", "1 k", "12.3 M", "2.5 G", "7 T",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("deviation", "plain", "signed"),
    [(4.0, "92.41", "+0.27"), (0.004, "92.41235", "+0.27123"), (900.0, "92", "0"), (0, "92.4", "")],
)
def test_decimals_follow_the_labels(
    found: Explanation, deviation: float, plain: str, signed: str
) -> None:
    amounts = Amounts(replace(found, deviation=deviation))
    assert amounts.plain(92.412345).startswith(plain)
    assert amounts.signed(0.27123).startswith(signed)
    assert amounts.signed(-1e-12).strip("0.") == ""
    assert amounts.signed(-2000.0).startswith("−2000")


# the command


def test_the_command_prints_tables(
    folder: Path, networks: tuple[str, ...], capsys: Capture
) -> None:
    assert run("explain", networks[0], "-m", folder, "--top", 3) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    for words in ("score", "the mean network has", "what moves the score", "features", "nodes"):
        assert words in shown.out
    assert "size" in shown.out


def test_the_command_prints_json(folder: Path, networks: tuple[str, ...], capsys: Capture) -> None:
    assert run("explain", networks[0], "-m", folder, "--json", "--no-map") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["network"] == networks[0]
    assert told["nodes"] == []
    moved = sum(group["amount"] for group in told["groups"])
    assert told["reference"] + moved == pytest.approx(told["score"], abs=1e-4)


@pytest.mark.parametrize("name", ["why.html", "map.svg"])
def test_the_command_writes_pages_and_pictures(
    name: str,
    folder: Path,
    graphs: list[ComputationGraph],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    monkeypatch.chdir(tmp_path)
    save_onnx(graphs[0], tmp_path / "net.onnx")
    assert run("explain", "net.onnx", "-m", folder, "--out", name) == 0
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", f"wrote {name}\n")
    text = (tmp_path / name).read_text(encoding="utf-8")
    root = parsed(text) if name.endswith("html") else ElementTree.fromstring(text)
    assert "net.onnx" in said(root)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["net.onnx", name])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.onnx"], "missing.onnx"),
        (["NETWORK", "--out", "why.pdf"], "why.pdf: expected a page (.html) or a picture (.svg)"),
        (["NETWORK", "--out", "why"], "expected a page"),
        (["NETWORK", "--out", "map.svg", "--no-map"], "leave --no-map out"),
        (["NETWORK", "--coverage", "2"], "coverage"),
        (["digits-chains:nonsense"], "digits-chains"),
    ],
)
def test_the_command_says_what_is_wrong(
    arguments: list[str],
    words: str,
    folder: Path,
    networks: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [networks[0] if a == "NETWORK" else a for a in arguments]
    assert words in one_line(capsys, "explain", *given, "-m", folder)


def test_a_checkpoint_that_is_not_there_is_named(
    networks: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "nobody" in one_line(capsys, "explain", networks[0], "-m", "nobody")
