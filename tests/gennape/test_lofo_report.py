"""The report on transfer: its summary, its goals, and the page."""

import re
from collections.abc import Iterator
from math import isnan
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from gennape.transfer import goals as goals_module
from gennape.transfer import lofo_report as report
from gennape.transfer import published as p
from gennape.transfer.lofo_charts import Axis
from gennape.transfer.lofo_curves import Curve, Frame, Panel, Point, curves
from gennape.transfer.lofo_summary import (
    KEYS,
    METRICS,
    Figure,
    Found,
    RowsError,
    Work,
)
from gennape.transfer.lofo_tables import winners
from gennape.transfer.lofo_words import DRAWN, drawn, number, plain, signed, title
from gennape.transfer.outcomes import MISSED, REACHED, UNKNOWN, compared, outcomes, reached
from gennape.transfer.targets import TARGETS
from tests.gennape.lofo_rows import frame, measured, row, works

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</title><script>x</script>&\"'[red]"


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return measured()


@pytest.fixture(scope="module")
def text(rows: pd.DataFrame) -> str:
    return report.page(rows)


def parsed(page: str) -> ElementTree.Element:
    start = "<!DOCTYPE html>\n"
    assert page.startswith(start)
    return ElementTree.fromstring(page.removeprefix(start))


def said(element: ElementTree.Element) -> str:
    return " ".join(" ".join(element.itertext()).split())


# the summary


def test_summary_is_that_of_a_naive_loop(rows: pd.DataFrame) -> None:
    rows = rows.sample(frac=1, random_state=0).reset_index(drop=True)
    rows.loc[::7, "spearman"] = np.nan
    groups: dict[tuple[Any, ...], list[dict[Any, Any]]] = {}
    for one in rows.to_dict("records"):
        groups.setdefault(tuple(one[key] for key in KEYS), []).append({**one})
    found = report.summary(rows)
    assert len(found) == len(groups)
    for one in found.to_dict("records"):
        own = groups[tuple(one[key] for key in KEYS)]
        assert one["seeds"] == len(own)
        for metric in METRICS:
            values = [r[metric] for r in own if not isnan(r[metric])]
            mean = sum(values) / len(values) if values else np.nan
            squares = sum((value - mean) ** 2 for value in values)
            spread = (squares / (len(values) - 1)) ** 0.5 if len(values) > 1 else np.nan
            assert one[metric] == pytest.approx(mean, nan_ok=True)
            assert one[f"{metric}_std"] == pytest.approx(spread, nan_ok=True)


def test_rows_of_a_csv_say_the_same(rows: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"  # an empty `left_out` comes back as nan
    rows.to_csv(path, index=False)
    pd.testing.assert_frame_equal(report.summary(pd.read_csv(path)), report.summary(rows))


def test_one_seed_has_no_spread() -> None:
    found = report.summary(frame(row(spearman=0.7251)))
    assert found["spearman_std"].isna().all()
    page = report.page(frame(row(spearman=0.7251)))
    assert "0.725" in page
    assert "±" not in said(parsed(page)).replace("Mean ± deviation over seeds", "")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (pd.DataFrame(), "no rows of transfer"),
        (pd.DataFrame(columns=[*KEYS, "seed"]), "no rows of transfer"),
        (frame(row()).drop(columns=["shots"]), "lack shots; expected the columns target"),
        (frame(row(), row()), "twice: target darts.* seed 0; expected one"),
        (frame(row(spearman="high")), "spearman .* holds 'high'; expected a number"),
        (frame(row(seed=None), row()), "seed .* expected a number"),
    ],
)
def test_rows_that_cannot_be_read(rows: pd.DataFrame, message: str, tmp_path: Path) -> None:
    for make in (report.summary, report.goals, report.page, report.show):
        with pytest.raises(RowsError, match=message):
            make(rows)
    with pytest.raises(RowsError, match=message):
        report.write(tmp_path / "transfer.csv", rows)
    assert not list(tmp_path.iterdir())


def test_figures_are_looked_up_with_what_is_left_out() -> None:
    everywhere = [
        row(work, left_out=left_out, spearman=value)
        for work in (p.ALL, p.DARTS)
        for left_out, value in (("family", 0.7), ("kin", 0.6))
    ]
    few = row(p.DARTS, left_out="kin", shots=50, spearman=0.8)
    found = Found(report.summary(frame(*everywhere, few)))
    assert mean(found.figure(p.ALL)) == mean(found.figure(p.ALL, left_out="kin")) == 0.6
    assert mean(found.figure(p.DARTS)) == mean(found.figure(p.DARTS, left_out="family")) == 0.7
    assert mean(found.silent(p.DARTS)) == 0.6
    assert mean(found.figure(p.DARTS, shots=50)) == 0.8
    assert found.figure(p.OFA) is None
    assert found.figure(p.DARTS, shots=16) is None


def test_works_come_in_the_order_of_the_targets() -> None:
    unknown = Work("mine", "all", "accuracy")
    order = [p.ALL, p.CIFAR100, p.NO_NONE, p.DARTS, p.NASBENCH101, unknown]
    found = Found(report.summary(frame(*(row(work) for work in sorted(order)))))
    assert found.works == order


# the goals


def outcome(found: pd.DataFrame, name: str, metric: str = "spearman", shots: int = 0) -> Any:
    own = found[(found["metric"] == metric) & (found["shots"] == shots)]
    return own[own["work"].str.contains(name, regex=False)].iloc[0]


def test_goals_take_the_rows_that_they_name() -> None:
    given = [
        row(
            p.ALL,
            estimator="generalist",
            spearman=0.951,
            kendall=0.77,
            spearman_top=0.51,
            best_of_ten=94.3733,
        ),
        row(p.ALL, left_out="family", spearman=0.99, spearman_top=0.9),
        row(p.ALL, left_out="kin", spearman=0.98, spearman_top=0.99, best_of_ten=90.0),
        row(p.ALL, left_out="kin", mode="ranked set", spearman_top=0.2, best_of_ten=90.0),
        row(p.CIFAR100, estimator="generalist", spearman=0.93),
        row(p.DARTS, left_out="family", spearman=0.88),
        row(p.DARTS, left_out="kin", spearman=0.85),
        row(p.DARTS, estimator="macs", left_out="", spearman=0.18),
        row(p.DARTS, estimator="parameters", left_out="", spearman=0.19),
        row(p.DARTS, left_out="kin", shots=50, spearman=0.91),
        row(p.DARTS, left_out="kin", shots=32, spearman=0.99),
        row(p.REACHABLE, left_out="kin", shots=128, kendall=0.86),
        row(p.REACHABLE, left_out="kin", shots=32, kendall=0.79),
    ]
    found = report.goals(frame(*given))
    for name, metric, shots, ours, verdict in (
        ("only to NAS-Bench-201, all", "spearman", 0, 0.951, REACHED),
        ("only to NAS-Bench-201, all", "kendall", 0, 0.77, MISSED),
        ("top tenth", "spearman_top", 0, 0.51, REACHED),
        ("ten best", "best_of_ten", 0, 94.3733, REACHED),
        ("CIFAR-100", "spearman", 0, 0.93, MISSED),
        ("DARTS", "spearman", 0, 0.88, REACHED),
        ("DARTS", "spearman", 50, 0.91, MISSED),
        ("201, reachable", "kendall", 128, 0.86, REACHED),
        ("201, reachable", "kendall", 32, 0.79, MISSED),
    ):
        one = outcome(found, name, metric, shots)
        assert (one["ours"], one["verdict"]) == (pytest.approx(ours), verdict), (name, metric)
    darts = outcome(found, "DARTS")
    assert (darts["family_left_out"], darts["kin_left_out"]) == (0.88, 0.85)
    assert (darts["one_number"], darts["one_number_value"]) == ("parameters", 0.19)
    assert outcome(found, "reachable", "kendall", 128)["published"].endswith("FLAN 0.829")
    for name in ("without none", "NATS-SSS", "A graph network"):
        assert outcome(found, name)["verdict"] == UNKNOWN
        assert isnan(outcome(found, name)["ours"])


def test_graph_networks_are_measured_where_there_are_rows() -> None:
    found = report.goals(frame(row(p.ALL, estimator="graph network", spearman=0.92)))
    one = outcome(found, "A graph network by itself, NAS-Bench-201")
    assert (one["ours"], one["verdict"], one["published"]) == (0.92, REACHED, "")
    assert "k-GNN 0.493" in set(found["published"])


def test_goals_are_not_reached_by_rounding() -> None:
    assert outcome(report.goals(frame(row(spearman=0.8699))), "DARTS")["verdict"] == MISSED
    both = frame(row(spearman=0.86), row(spearman=0.88, seed=1))
    one = outcome(report.goals(both), "DARTS")
    assert (one["ours"], one["seeds"]) == (pytest.approx(0.87), 2)
    assert one["ours_std"] == pytest.approx(0.02 / 2**0.5)


def test_families_below_the_best_single_number_are_counted() -> None:
    def work(place: Work, macs: float, parameters: float, ours: float) -> list[dict[str, Any]]:
        free = {"left_out": "", "best_of_ten": 93.0}
        return [
            row(place, estimator="macs", spearman=macs, **free),
            row(place, estimator="parameters", spearman=parameters, **free),
            row(place, spearman=ours),
        ]

    above = [*work(p.DARTS, 0.1, 0.2, 0.7), *work(p.OFA, 0.95, 0.9, 0.95)]
    below = [*work(p.METAQNN, 0.1, 0.3, 0.2), row(p.MACRO, spearman=-0.5)]
    for rows, count, verdict in ((above, 0, REACHED), ([*above, *below], 1, MISSED)):
        one = outcome(report.goals(frame(*rows)), "Every family", "works below")
        assert (one["ours"], one["verdict"]) == (count, verdict)
    # a family that the first study did not have has no floor
    rows = [*above, *below, *work(p.NASBENCH101, 0.4, 0.3, 0.2)]
    found = report.goals(frame(*rows))
    every, studied = (
        outcome(found, name, "works below") for name in ("Every family", "first study")
    )
    assert (every["ours"], studied["ours"]) == (2, 1)
    assert (isnan(every["floor"]), studied["above_floor"]) == (True, True)
    gains = compared(Found(report.summary(frame(*above, *below))))
    assert gains == pytest.approx({p.DARTS: 0.5, p.OFA: 0.0, p.METAQNN: -0.1})
    page = said(parsed(report.page(frame(*above, *below))))
    assert "Below the best single number on 1 work: MetaQNN (−0.100)." in page
    assert "Nowhere does the universal model" in said(parsed(report.page(frame(*above))))


def test_goals_lie_above_floors_and_sources_are_known() -> None:
    for goal in goals_module.GOALS:
        assert goal.floor is None or goal.goal >= goal.floor, goal.name
    assert {one.method for one in p.PUBLISHED} == p.SOURCES.keys()
    assert all(one.spearman is not None or one.kendall is not None for one in p.PUBLISHED)


# the page


def test_the_page_is_whole_and_small(text: str, rows: pd.DataFrame) -> None:
    page = parsed(text)
    shown, found = said(page), Found(report.summary(rows))
    assert len(text.encode()) < 1_500_000
    for heading in ("What was seen", "Goals", "Without a label", "With a few labels", "kin flat"):
        assert heading in shown
    for work in found.works:
        assert title(work, found.works) in shown
        for estimator, mode in found.settings(work):
            assert plain(found.figure(work, estimator, mode)) in shown
    ids = [element.get("id") for element in page.iter() if element.get("id")]
    assert len(ids) == len(set(ids))


def test_the_page_needs_nothing_from_elsewhere(text: str) -> None:
    names = r"http://www\.w3\.org/(2000/svg|1999/xhtml)"
    assert not re.search(r"https?:|//", re.sub(f'xmlns="{names}"', "", text))
    assert "url(" not in text
    assert "@import" not in text
    tags = {element.tag.split("}")[-1] for element in parsed(text).iter()}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "image", "use"}
    attributes = {name for element in parsed(text).iter() for name in element.attrib}
    assert not attributes & {"src", "href", "srcset", "data", "onclick", "onload"}


def test_every_chart_says_in_words_what_it_shows(text: str) -> None:
    drawings = list(outer(parsed(text)))
    charts = [svg for svg in drawings if svg.get("role") == "img"]
    assert len(charts) > 2 * len(TARGETS)
    assert all(len(svg.findtext(f"{SVG}title") or "") > 20 for svg in charts)
    told = " ".join(svg.findtext(f"{SVG}title") or "" for svg in charts)
    assert "GENNAPE .8146" in told
    assert "goal at 50 labels" in told


def outer(element: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """Drawings that are in no other one."""
    for child in element:
        if child.tag == f"{SVG}svg":
            yield child
        else:
            yield from outer(child)


def test_names_cannot_write_into_the_page() -> None:
    work = Work(*(f"{HOSTILE}{place}" for place in range(3)))
    words = {"estimator": f"{HOSTILE}e", "mode": f"{HOSTILE}m", "left_out": f"{HOSTILE}l"}
    rows = [row(work), row(work, **words), row(work, left_out="kin", shots=5)]
    rows += [row(work, estimator="macs", left_out="", spearman=0.9), row(work._replace(label="x"))]
    page = report.page(frame(*rows))
    assert "<script" not in page
    for name in (work.target, work.label, *words.values()):
        assert name in said(parsed(page))


def test_names_cannot_write_into_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    work = Work("[red]mine[/]", "all", "accuracy")
    report.show(frame(row(work), row(work, estimator="[bold]x[/]"), row(work, shots=5)))
    shown = "".join(capsys.readouterr().out.split())
    assert "[red]mine[/]" in shown
    assert "[bold]x[/]" in shown


@pytest.mark.parametrize(
    "name", ["macs", "parameters", "prior", "trees", "generalist", "universal"]
)
def test_missing_estimators_are_left_out(rows: pd.DataFrame, name: str) -> None:
    small = rows[rows["target"].isin(["nasbench201", "darts"])]
    whole(small[small["estimator"] != name])
    whole(small[small["estimator"] == name])


def test_missing_targets_modes_and_shots_are_left_out(rows: pd.DataFrame) -> None:
    assert "With a few labels" not in whole(rows[rows["shots"] == 0])
    assert "0.50" in whole(frame(row(left_out="kin", shots=50, spearman=0.5)))
    assert "How much kin" not in whole(rows[rows["left_out"] != "kin"])
    assert "universal, ranked set" not in whole(rows[rows["mode"] == "single"])
    whole(rows[rows["target"] == "metaqnn"])


def test_what_ranked_nothing_is_shown_as_nothing() -> None:
    nothing: dict[str, Any] = dict.fromkeys(METRICS, np.nan)
    rows = frame(row(**nothing, best=np.nan), row(estimator="macs", left_out="", **nothing))
    whole(rows)
    whole(rows.drop(columns=["spearman_top", "best_of_ten", "best", "kendall"]))


def whole(rows: pd.DataFrame) -> str:
    """What a page says that is well-formed; the terminal has to say something, too."""
    report.show(rows)
    text = said(parsed(report.page(rows)))
    assert "nan" not in re.findall(r"[a-z]+", text.lower())
    return text


def test_writing(rows: pd.DataFrame, tmp_path: Path, text: str) -> None:
    paths = report.write(tmp_path / "transfer.csv", rows)
    names = [f"transfer{end}" for end in (".html", "_summary.csv", "_means.csv", "_goals.csv")]
    assert [path.name for path in paths] == names
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert paths[0].read_text(encoding="utf-8") == text
    pd.testing.assert_frame_equal(
        pd.read_csv(paths[1], keep_default_na=False, na_values={"spearman": [""]})[KEYS],
        report.summary(rows)[KEYS],
        check_dtype=False,
    )
    assert pd.read_csv(paths[2])["count"].max() == len(works())
    assert list(pd.read_csv(paths[3])["work"]) == list(report.goals(rows)["work"])


def test_floors_are_counted_beside_goals() -> None:
    results = outcomes(Found(report.summary(frame(row(spearman=0.8), row(p.OFA, spearman=0.979)))))
    assert reached(results) == (("goals", 0, 2), ("floors", 1, 2))
    marks = [row(w, estimator="macs", left_out="", spearman=0.9) for w in (p.DARTS, p.OFA)]
    known = frame(row(spearman=0.8), row(p.OFA, spearman=0.98), *marks)
    # one work below its best single number, three may be
    assert reached(outcomes(Found(report.summary(known)))) == (("goals", 0, 4), ("floors", 3, 3))


def test_the_terminal_shows_the_same_figures(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    number = row(estimator="macs", left_out="", spearman=0.1875)
    few = row(left_out="kin", shots=50, spearman=0.9313)
    report.show(frame(row(spearman=0.7), row(spearman=0.72, seed=1), number, few))
    shown = capsys.readouterr().out
    for figure in ("0.710", "+0.522", "0.931", "0.710 ± 0.014", "−0.160", "reached"):
        assert figure in shown


# parts of the page


def test_axis_is_in_order_and_inside() -> None:
    axis = Axis([-0.4, 0.2, 1.0, np.nan])
    places = [axis.place(value) for value in (-0.4, 0.0, 0.5, 0.9, 0.99, 1.0)]
    assert places == sorted(places)
    assert 0 < places[0] < places[-1] < 100
    assert axis.place(0.99) - axis.place(0.98) > axis.place(0.51) - axis.place(0.50)
    assert Axis([]).ticks
    assert 0 < Axis([0.5]).place(0.5) < 100


def test_curves_have_no_labels_on_the_left_and_more_above() -> None:
    look = DRAWN["universal", "single"]
    figures = {0: Figure(0.5, 0.1, 2), 5: Figure(0.6, 0.1, 2), 1024: Figure(0.9, 0.01, 2)}
    panel = Panel([Curve(look, figures)], [Point(look, 32, 0.8)], {50: 0.95}, 0.2, "all of it")
    lay = Frame(panel, 5, 1024)
    places = [lay.x(shots) for shots in (0, 5, 16, 1024)]
    assert places == sorted(places)
    assert lay.x(32) - lay.x(16) == pytest.approx(lay.x(64) - lay.x(32))
    assert lay.y(0.9) < lay.y(0.5) < lay.y(0.2)
    svg = ElementTree.fromstring(curves(panel, 5, 1024))
    signs = [group.get("transform") for group in svg.iter(f"{SVG}g")]
    assert len(signs) == len(figures) + len(panel.points) + len(panel.goals)
    alone = panel._replace(curves=[Curve(look, {5: Figure(0.5, np.nan, 1)})], points=[], goals={})
    ElementTree.fromstring(curves(alone, 5, 5))


def test_winners_are_those_level_with_the_best_of_single_networks() -> None:
    known = {
        ("trees", "single"): Figure(0.9004, 0.1, 2),
        ("prior", "single"): Figure(0.9, 0.1, 2),
        ("macs", "single"): Figure(0.8, 0.0, 2),
        ("universal", "ranked set"): Figure(0.99, 0.0, 2),
        ("generalist", "single"): None,
    }
    assert winners(known) == {("trees", "single"), ("prior", "single")}
    assert winners({}) == set()


def test_numbers_as_people_read_them() -> None:
    assert [number(-0.25), number(None), number(np.nan), number(94.371, 2)] == [
        "−0.250",
        "–",
        "–",
        "94.37",
    ]
    assert [signed(0.1), signed(-0.1), signed(-0.0001), signed(0.0)] == [
        "+0.100",
        "−0.100",
        "0.000",
        "0.000",
    ]


def test_estimators_that_nobody_foresaw_are_told_apart() -> None:
    names = [(f"new {place}", "single") for place in range(5)]
    looks = drawn([*names, *DRAWN])
    assert list(looks)[: len(DRAWN)] == list(DRAWN)
    told = [(look.colour, look.shape) for look in looks.values()]
    assert len(told) == len(set(told))


def test_works_are_told_apart_by_what_differs() -> None:
    together = [p.ALL, p.NO_NONE, p.CIFAR100, p.DARTS]
    names = ["NAS-Bench-201, all, CIFAR-10", "NAS-Bench-201, without none"]
    names += ["NAS-Bench-201, all, CIFAR-100", "DARTS"]
    assert [title(work, together) for work in together] == names
    assert title(p.ALL) == "NAS-Bench-201"


def test_a_published_value_above_ours_is_named() -> None:
    one = next(o for o in p.PUBLISHED if o.work == p.NO_NONE and o.shots == 50)
    value = one.spearman or 0.0
    kin = {"left_out": "kin", "shots": 50}
    below = said(parsed(report.page(frame(row(p.NO_NONE, spearman=value - 0.01, **kin)))))
    assert "Above 1 of 2 published values; not above GENNAPE on NAS-Bench-201" in below
    above = said(parsed(report.page(frame(row(p.NO_NONE, spearman=value + 0.01, **kin)))))
    assert "Above 2 of 2 published values." in above


def mean(figure: Figure | None) -> float:
    assert figure is not None
    return round(figure.mean, 9)
