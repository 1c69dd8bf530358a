"""Where boxes lie and wires run: layers, our own engine, columns."""

from collections import Counter
from itertools import combinations, pairwise
from random import Random
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnx_bench.drawing import layering
from onnx_bench.drawing.columns import MOST_PASSING, arrange, fold, own
from onnx_bench.drawing.geometry import Edge, Layout, Point
from onnx_bench.drawing.layering import Net, layers, sort_rows
from onnx_bench.drawing.placing import layered
from onnx_bench.families import build_spec, family
from tests.small_families import SMALL_FAMILIES


def boxes(count: int) -> list[Point]:
    return [(100.0 + 16 * (i % 5), 40.0) for i in range(count)]


def chain(count: int) -> list[Edge]:
    return list(pairwise(range(count)))


def tangle(count: int, seed: int = 0, far: float = 8.0) -> list[Edge]:
    """A random graph in which box i reads one to three of those before it."""
    rng = Random(seed)
    reads = [(max(0, i - 1 - int(rng.expovariate(1 / far))), i) for i in range(1, count)]
    more = [(rng.randrange(i), i) for i in range(1, count) if rng.random() < 0.5]
    return [*reads, *more]


@st.composite
def networks(draw: st.DrawFn) -> tuple[int, list[Edge]]:
    count = draw(st.integers(1, 24))
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    edges = draw(st.lists(pairs.filter(lambda pair: pair[0] < pair[1]), max_size=50))
    return count, edges


def assert_drawn(sizes: list[Point], edges: list[Edge], layout: Layout) -> None:
    """What every layout owes: boxes apart, in the frame, below what they read; a curve an edge."""
    for (i, (x, y)), (j, (x2, y2)) in combinations(enumerate(layout.centres), 2):
        apart_x, apart_y = (
            abs(a - b) - (sizes[i][axis] + sizes[j][axis]) / 2
            for axis, (a, b) in enumerate(((x, x2), (y, y2)))
        )
        assert max(apart_x, apart_y) > 5, (i, j)
    for (x, y), (width, height) in zip(layout.centres, sizes, strict=True):
        assert x - width / 2 >= -0.1
        assert x + width / 2 <= layout.width + 0.1
        assert y - height / 2 >= -0.1
        assert y + height / 2 <= layout.height + 0.1
    assert sum(wire.arrow for wire in layout.wires) == len(edges)
    assert all(len(wire.points) % 3 == 1 for wire in layout.wires)


def assert_linked(sizes: list[Point], edges: list[Edge], layout: Layout) -> None:
    """Each edge can be followed along the wires from its producer to its reader."""
    ways: dict[Point, list[Point]] = {}
    for wire in layout.wires:
        on = [_near(point) for point in wire.points[::3]]
        for here, after in pairwise(on):
            ways.setdefault(here, []).append(after)
    # A reader leaves a trunk at a place on it: follow straight pieces through all leaving places.
    places = sorted(ways)
    for here in list(ways):
        for after in list(ways[here]):
            ways[here] += [p for p in places if p[0] == here[0] == after[0] and here[1] < p[1]]
    for u, v in edges:
        (x, y), (x2, y2) = layout.centres[u], layout.centres[v]
        seen = {_near((x, y + sizes[u][1] / 2))}
        todo = list(seen)
        while todo:
            new = set(ways.get(todo.pop(), [])) - seen
            seen |= new
            todo += new
        top = y2 - sizes[v][1] / 2
        assert any(abs(b - top) < 1 and abs(a - x2) <= sizes[v][0] / 2 for a, b in seen), (u, v)


def _near(point: Point) -> Point:
    return round(point[0]), round(point[1])


def test_layers_are_longest_paths() -> None:
    assert layers(5, [(0, 1), (1, 2), (0, 2), (2, 3), (0, 4)]) == [0, 1, 2, 3, 1]
    assert layers(0, []) == []


def test_what_is_read_more_than_it_reads_moves_down_to_its_reader() -> None:
    edges = [(0, 1), (1, 2), (2, 4), (3, 4)]
    assert layers(5, edges) == [0, 1, 2, 2, 3]
    assert layers(5, edges, top=(3,)) == [0, 1, 2, 0, 3]
    assert layers(3, [(0, 1), (0, 2)], bottom=(2,)) == [0, 1, 1]
    assert layers(4, [(0, 1), (1, 2), (0, 3)], bottom=(3,)) == [0, 1, 2, 2]


@given(networks())
def test_every_layout_is_sound(network: tuple[int, list[Edge]]) -> None:
    count, edges = network
    sizes = boxes(count)
    layout = layered(sizes, edges)
    assert_drawn(sizes, edges, layout)
    assert_linked(sizes, edges, layout)
    for u, v in edges:
        assert layout.centres[u][1] < layout.centres[v][1]
    assert layout == layered(sizes, edges)


def test_a_layout_without_dummies_for_long_wires(monkeypatch: pytest.MonkeyPatch) -> None:
    edges = tangle(30)
    whole = layered(boxes(30), edges)
    monkeypatch.setattr(layering, "MAX_DUMMIES", 3)
    layout = layered(boxes(30), edges)
    assert_drawn(boxes(30), edges, layout)
    assert_linked(boxes(30), edges, layout)
    assert len(layout.wires) < len(whole.wires)  # fewer trunks


def test_a_chain_is_straight_and_a_fork_even() -> None:
    assert len({x for x, _ in layered(boxes(9), chain(9)).centres}) == 1
    fork = layered([(100.0, 40.0)] * 4, [(0, 1), (0, 2), (1, 3), (2, 3)]).centres
    assert fork[0][0] == fork[3][0] == pytest.approx((fork[1][0] + fork[2][0]) / 2)


def test_branches_of_different_length_are_straight() -> None:
    branches = [(0, 1), (1, 2), (2, 3), (3, 7), (0, 4), (4, 7), (0, 5), (5, 6), (6, 7)]
    x = [x for x, _ in layered(boxes(8), branches).centres]
    assert x[1] == x[2] == x[3]
    assert x[5] == x[6]


@pytest.mark.parametrize("name", SMALL_FAMILIES)
def test_what_is_in_single_file_lies_on_one_vertical(name: str) -> None:
    graph = build_spec(f"{name}:{family(name).example}")
    edges = [(u, v) for u, v in graph.edge_index.T.tolist()]
    x = [x for x, _ in layered(boxes(len(graph)), edges).centres]
    reads, read = Counter(v for _, v in edges), Counter(u for u, _ in edges)
    straight = [abs(x[u] - x[v]) < 0.1 for u, v in edges if read[u] == reads[v] == 1]
    assert sum(straight) >= 0.85 * len(straight) > 10


def test_the_order_takes_crossings_out() -> None:
    net = Net(boxes(6), [(0, 5), (1, 4), (2, 3)], (), ())
    sort_rows(net)
    by_place = {v: i for row in net.rows for i, v in enumerate(row)}
    assert [by_place[v] for v in (0, 1, 2)] == [by_place[v] for v in (5, 4, 3)]


def test_readers_of_one_tensor_share_a_trunk() -> None:
    edges = [*chain(8), (0, 3), (0, 5), (0, 7)]
    layout = layered(boxes(8), edges)
    assert sum(not wire.arrow for wire in layout.wires) == 1


def test_a_tensor_read_twice_by_one_node_has_two_arrows() -> None:
    wires = layered(boxes(2), [(0, 1), (0, 1)]).wires
    assert len(wires) == 2
    assert wires[0].points[-1] != wires[1].points[-1]


# columns


def test_a_flat_network_has_one_column() -> None:
    assert len(fold(boxes(9), chain(9))) == 1
    assert len(fold(boxes(300), [(0, i) for i in range(1, 300)])) == 1
    assert arrange([], [], own).wires == []


@pytest.mark.parametrize("skips", [0, 1])
def test_a_chain_is_folded_to_about_the_shape_of_a_screen(skips: int) -> None:
    sizes, edges = boxes(300), chain(300) + [(0, 299)] * skips
    pieces = fold(sizes, edges)
    assert [piece.members[box] for piece in pieces for box in piece.inside] == [*range(300)]
    assert {piece.entries for piece in pieces[1:]} == {1 + skips}
    layout = arrange(sizes, edges, own)
    assert 0.5 < layout.width / layout.height < 2
    assert_drawn(sizes, edges, layout)
    assert_linked(sizes, edges, layout)
    tops = [y for (_, y), (_, after) in pairwise(layout.centres) if after < y]
    assert len(tops) == len(pieces) - 1  # down each column, then up to the next


@pytest.mark.parametrize("seed", range(4))
def test_folded_tangles_are_sound(seed: int) -> None:
    """Tangles in single file: there are places to cut between them and none inside."""
    edges = [(u + at, v + at) for at in range(0, 240, 30) for u, v in tangle(30, seed + at, 2.0)]
    edges += [(at - 1, at) for at in range(30, 240, 30)]
    pieces = fold(boxes(240), sorted(edges))
    assert len(pieces) > 1
    assert all(piece.entries <= MOST_PASSING for piece in pieces)
    layout = arrange(boxes(240), sorted(edges), own)
    assert_drawn(boxes(240), edges, layout)
    assert_linked(boxes(240), edges, layout)


def test_a_network_without_a_place_to_cut_stays_whole() -> None:
    edges = [*chain(200), *((i, 199 - i) for i in range(99))]
    assert len(fold(boxes(200), edges)) == 1


# time


@pytest.mark.parametrize("far", [8.0, 300.0])
def test_2000_nodes_take_less_than_3_seconds(far: float) -> None:
    edges = tangle(2000, far=far)
    start = process_time()
    layout = arrange(boxes(2000), edges, own)
    assert process_time() - start < 3
    assert sum(wire.arrow for wire in layout.wires) == len(edges)
