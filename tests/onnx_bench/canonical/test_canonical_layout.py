"""Layout goes where it only rearranges: every spelling of a split, a roll or a patch is one."""

from typing import Any

import numpy as np
import pytest
from canonical_models import fused_through, labels, model_of
from onnx_models import Dims, Line

from onnx_bench import shapes
from onnx_bench.builder import GraphBuilder
from onnx_bench.canonical import fuse, layout
from onnx_bench.graph import ComputationGraph, Node
from onnx_bench.onnx_import import from_onnx
from onnx_bench.operators import Op

RNG = np.random.default_rng(13)
CONSTANTS: dict[str, Any] = {
    "w": RNG.normal(size=(6, 18)),
    "w1": RNG.normal(size=(6, 6)),
    "w2": RNG.normal(size=(6, 6)),
    "w3": RNG.normal(size=(6, 6)),
    "parts": [6, 6, 6],
    "three": [0, 4, 3, 6],
    "i0": 0,
    "i1": 1,
    "i2": 2,
    "last": [2],
    "second": [1],
    "third": [3],
    "s0": [0],
    "s1": [1],
    "s2": [2],
    "s3": [3],
    "s6": [6],
    "s12": [12],
    "e1": [1],
    "e2": [2],
    "e3": [3],
    "e6": [6],
    "e12": [12],
    "e18": [18],
    "end": [1000],
    "back": [-1],
    "far": [-1000],
    "e5": [5],
    "by_head": [0, 4, 6, 3],
    "uneven": [3, 5],
    "space": [2, 3],
    "double": [2, 2],
    "from_a": [0, 0],
    "from_b": [0, 1],
    "from_c": [1, 0],
    "from_d": [1, 1],
    "to": [1000, 1000],
    "kernel": RNG.normal(size=(4, 4, 1, 1)),
    "u": RNG.normal(size=(8, 5)),
    "rows": [0, 24, 8],
    "rows5": [0, 24, 5],
    "patched": [0, 4, 3, 2, 4, 2],
    "squeezed": [0, 16, 3, 4],
    "grouped": [0, 2, 2, 6, 8],
    "image": [0, 4, 6, 8],
}
TOKENS: dict[str, Dims] = {"x": ("batch", 4, 6)}
IMAGE: dict[str, Dims] = {"x": ("batch", 4, 6, 8)}


def _fused(lines: list[Line], inputs: dict[str, Dims] = TOKENS) -> ComputationGraph:
    return fuse(from_onnx(model_of(lines, inputs, CONSTANTS)))


# splits


PROJECTION: Line = ("MatMul", "x w", "p")
MIXED: list[Line] = [("Sub", "q k", "a"), ("Mul", "a v_", "y")]
THREE: Line = ("Reshape", "p three", "g")
SPLITS: dict[str, list[Line]] = {
    "split": [("Split", "p parts", "q k v_", {"axis": 2})],
    "split, axis from the end": [("Split", "p", "q k v_", {"axis": -1, "num_outputs": 3})],
    "slices": [
        ("Slice", "p s0 e6 last", "q"),
        ("Slice", "p s6 e12 last", "k"),
        ("Slice", "p s12 end last", "v_"),
    ],
    "entries of an axis": [
        THREE,
        ("Gather", "g i0", "q", {"axis": 2}),
        ("Gather", "g i1", "k", {"axis": 2}),
        ("Gather", "g i2", "v_", {"axis": 2}),
    ],
    "entries of an axis in front": [
        THREE,
        ("Transpose", "g", "t", {"perm": [2, 0, 1, 3]}),
        ("Gather", "t i0", "q", {"axis": 0}),
        ("Gather", "t i1", "k", {"axis": 0}),
        ("Gather", "t i2", "v_", {"axis": 0}),
    ],
    "slices of an axis": [
        THREE,
        ("Slice", "g s0 e1 last", "a0"),
        ("Slice", "g s1 e2 last", "a1"),
        ("Slice", "g s2 e3 last", "a2"),
        ("Squeeze", "a0 last", "q"),
        ("Squeeze", "a1 last", "k"),
        ("Squeeze", "a2 last", "v_"),
    ],
    "the first two together": [
        ("Slice", "p s0 e12 last", "f"),
        ("Slice", "f s0 e6 last", "q"),
        ("Slice", "f s6 end last", "k"),
        ("Slice", "p s12 end last", "v_"),
    ],
}


def _qkv() -> ComputationGraph:
    g = GraphBuilder()
    p = g.linear(g.input(4, 6), 18, bias=False)
    q, k, v = (g.slice(p, start, 6, axis=1) for start in (0, 6, 12))
    d = g.place(shapes.row(Node(Op.SUB, (4, 6), (4, 6))), q, k)
    g.output(g.mul(d, v))
    return g.build()


@pytest.mark.parametrize("name", SPLITS)
def test_every_spelling_of_a_split_is_one(name: str) -> None:
    assert _fused([PROJECTION, *SPLITS[name], *MIXED]) == fuse(_qkv())


def test_parts_in_another_order_are_another_network() -> None:
    swapped: list[Line] = [("Split", "p parts", "k q v_", {"axis": 2})]
    assert _fused([PROJECTION, *swapped, *MIXED]) != fuse(_qkv())


def test_three_linear_maps_are_not_one_that_is_split() -> None:
    lines: list[Line] = [
        ("MatMul", "x w1", "q"),
        ("MatMul", "x w2", "k"),
        ("MatMul", "x w3", "v_"),
        *MIXED,
    ]
    graph = _fused(lines)
    assert graph != fuse(_qkv())
    assert labels(graph) == ["linear"] * 3 + ["sub", "mul"]


def test_every_third_entry_is_not_a_third() -> None:
    heads: list[Line] = [
        ("Reshape", "p by_head", "g"),
        ("Gather", "g i0", "q", {"axis": 3}),
        ("Gather", "g i1", "k", {"axis": 3}),
        ("Gather", "g i2", "v_", {"axis": 3}),
    ]
    graph = _fused([PROJECTION, *heads, *MIXED])
    assert graph != fuse(_qkv())
    assert labels(graph) == labels(fuse(_qkv()))


def test_parts_that_are_put_together_again_are_the_whole() -> None:
    lines: list[Line] = [
        PROJECTION,
        ("Split", "p parts", "q k v_", {"axis": 2}),
        ("Concat", "q k v_", "c", {"axis": 2}),
        ("Relu", "c", "y"),
    ]
    assert _fused(lines) == _fused([PROJECTION, ("Relu", "p", "y")])


# entries in other places


def test_every_spelling_of_a_roll_is_a_shuffle() -> None:
    by_slices: list[Line] = [
        ("Slice", "x s3 end third", "a"),
        ("Slice", "x s0 e3 third", "b"),
        ("Concat", "a b", "r", {"axis": 3}),
        ("Relu", "r", "y"),
    ]
    by_split: list[Line] = [
        ("Split", "x uneven", "b a", {"axis": 3}),
        ("Concat", "a b", "r", {"axis": 3}),
        ("Relu", "r", "y"),
    ]
    assert labels(_fused(by_slices, IMAGE)) == ["shuffle", "relu"]
    assert _fused(by_slices, IMAGE) == _fused(by_split, IMAGE)
    assert _fused(by_slices, IMAGE) != _fused([("Relu", "x", "y")], IMAGE)


def test_a_roll_there_and_back_is_none() -> None:
    lines: list[Line] = [
        ("Slice", "x s3 end third", "a"),
        ("Slice", "x s0 e3 third", "b"),
        ("Concat", "a b", "r", {"axis": 3}),
        ("Slice", "r s0 e5 third", "c"),
        ("Slice", "r e5 end third", "d"),
        ("Concat", "d c", "s", {"axis": 3}),
        ("Relu", "s", "y"),
    ]
    assert _fused(lines, IMAGE) == _fused([("Relu", "x", "y")], IMAGE)


def test_a_channel_shuffle_is_one_and_a_reversal_too() -> None:
    plain: list[Line] = [("Conv", "x kernel", "p"), ("Relu", "p", "y")]
    shuffle: list[Line] = [
        plain[0],
        ("Reshape", "p grouped", "g"),
        ("Transpose", "g", "t", {"perm": [0, 2, 1, 3, 4]}),
        ("Reshape", "t image", "s"),
        ("Relu", "s", "y"),
    ]
    reversal: list[Line] = [plain[0], ("Slice", "p back far second back", "s"), shuffle[-1]]
    for lines in (shuffle, reversal):
        assert labels(_fused(lines, IMAGE)) == ["conv", "shuffle", "relu"]
    assert labels(_fused(plain, IMAGE)) == ["conv"]


def _corners() -> list[Line]:
    """Focus of YOLO: the four corners of every 2x2 square, side by side."""
    return [("Slice", f"x from_{name} to space double", name) for name in "abcd"]


def test_space_to_depth_by_slices_and_by_a_reshape() -> None:
    by_slices: list[Line] = [
        *_corners(),
        ("Concat", "a b c d", "s", {"axis": 1}),
        ("Relu", "s", "y"),
    ]
    by_reshape: list[Line] = [
        ("Reshape", "x patched", "g"),
        ("Transpose", "g", "t", {"perm": [0, 3, 5, 1, 2, 4]}),
        ("Reshape", "t squeezed", "s"),
        ("Relu", "s", "y"),
    ]
    by_operator: list[Line] = [("SpaceToDepth", "x", "s", {"blocksize": 2}), ("Relu", "s", "y")]
    graph = _fused(by_slices, IMAGE)
    assert graph == _fused(by_reshape, IMAGE) == _fused(by_operator, IMAGE)
    assert labels(graph) == ["relu"]
    assert graph.node(1).in_shape == (16, 3, 4)


def test_a_box_is_one_slice_for_each_axis() -> None:
    lines = [*_corners()[:2], ("Relu", "b", "y")]
    graph = _fused(lines, IMAGE)
    assert labels(graph) == ["slice", "slice", "relu"]
    assert [graph.node(i).attributes for i in (1, 2)] == [(1, 0, 2), (2, 1, 2)]
    assert fuse(graph) == graph


def test_nothing_is_left_to_rearrange() -> None:
    for name in SPLITS:
        graph = from_onnx(model_of([PROJECTION, *SPLITS[name], *MIXED], TOKENS, CONSTANTS))
        once = fused_through(graph, layout.drop)
        assert fused_through(once, layout.drop) == once
