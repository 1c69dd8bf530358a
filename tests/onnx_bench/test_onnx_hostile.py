"""Models that are made to break a reader: what fuzzing found, and what would take for ever."""

import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_models import Dims, Line, onnx_model

from onnx_bench.canonical import fuse
from onnx_bench.errors import ModelFileError
from onnx_bench.onnx_import import import_onnx
from onnx_bench.operators import Op

SMALL: dict[str, Dims] = {"x": (1, 4, 6)}


# found by scripts/fuzz_onnx.py


def test_a_branch_on_a_value_that_its_operator_does_not_give() -> None:
    """Seeds 0 and 1: the handler of MaxPool gives no places, and If reads them."""
    lines: list[Line] = [
        ("MaxPool", "x", "p places", {"kernel_shape": [2, 2]}),
        ("If", "places", "y", {"then_branch": branch(), "else_branch": branch()}),
    ]
    with pytest.raises(ModelFileError, match=r"node 1 \(If\) is not understood"):
        import_onnx(onnx_model(lines, {"x": ("batch", 3, 8, 8)}))


def branch() -> onnx.GraphProto:
    node = helper.make_node("Relu", ["x"], ["inner"])
    return helper.make_graph(
        [node], "branch", [], [helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)]
    )


@pytest.mark.parametrize("operator", ["RegexFullMatch", "ai.onnx.ml.DictVectorizer"])
@pytest.mark.parametrize("given", ["x", "m", ""])
def test_rules_of_onnx_that_crash_are_not_asked_without_types(operator: str, given: str) -> None:
    """Seed 0: shape inference of onnx 1.23 ends the process where the input has no known type."""
    domain, _, name = operator.rpartition(".")
    attributes: dict[str, Any] = {"domain": domain}
    attributes |= {"pattern": "a"} if name == "RegexFullMatch" else {"int64_vocabulary": [1]}
    lines: list[Line] = [
        ("Magic", "x", "m", {"domain": "wizards"}),
        (name, given or "-", "z", attributes),
        ("Cast", "z", "y", {"to": 1}),
    ]
    model = onnx_model(lines, SMALL, domains=["wizards", "ai.onnx.ml"])
    model.graph.value_info.append(helper.make_tensor_value_info("m", TensorProto.FLOAT, [1, 3]))
    with suppress(ModelFileError):
        assert import_onnx(model).unknown


@pytest.mark.parametrize("kind", [np.complex64, np.bool_, np.float32, object])
def test_a_shape_of_values_that_are_no_integers(kind: Any) -> None:
    """Seed 0: complex numbers in the place of a shape."""
    model = onnx_model([("Reshape", "x s", "r"), ("Relu", "r", "y")], SMALL)
    texts = kind is object
    array = np.array(["1", "24"], object) if texts else np.array([1, 24]).astype(kind)
    model.graph.initializer.append(numpy_helper.from_array(array, "s"))
    with pytest.raises(ModelFileError, match=r"\(Reshape\) is not understood"):
        import_onnx(model)


# what would take for ever

Link = Callable[[str, str], list[onnx.NodeProto]]
CHAINS: dict[str, Link] = {
    "functions": lambda a, b: [helper.make_node("Relu", [a], [b])],
    "no-ops": lambda a, b: [helper.make_node("Identity", [a], [b])],
    "sums of one term more": lambda a, b: [helper.make_node("Add", [a, "x"], [b])],
    "gates": lambda a, b: [
        helper.make_node("Sigmoid", [a], [f"{b}s"]),
        helper.make_node("Mul", [a, f"{b}s"], [b]),
    ],
    "moves": lambda a, b: [
        helper.make_node("Transpose", [a], [f"{b}t"], perm=[0, 2, 1]),
        helper.make_node("Reshape", [f"{b}t", "shape"], [b]),
    ],
    "doubled and halved": lambda a, b: [
        helper.make_node("Concat", [a, a], [f"{b}c"], axis=1),
        helper.make_node("Slice", [f"{b}c", "zero", "four", "one"], [b]),
    ],
}
LITERALS = {"shape": [1, 4, 6], "zero": [0], "four": [4], "one": [1]}


@pytest.mark.parametrize("kind", CHAINS)
def test_a_chain_of_many_thousand_nodes_takes_seconds(kind: str) -> None:
    length = 8_000
    model = onnx_model([("Relu", "x", "y")], SMALL, literals=LITERALS)
    del model.graph.node[:]
    names = ["x", *(f"v{i}" for i in range(length - 1)), "y"]
    for a, b in pairwise(names):
        model.graph.node.extend(CHAINS[kind](a, b))
    start = time.process_time()
    found = import_onnx(model)
    fused = fuse(found.graph)
    assert time.process_time() - start < 20
    assert found.unknown == {}
    assert fused.nodes_of(Op.OUTPUT)


def test_a_tensor_that_is_spread_out_without_end_is_not_made() -> None:
    lines: list[Line] = [
        ("Expand", "x s", "e"),
        ("Reshape", "e flat", "f"),
        ("Slice", "f zero one axis", "c"),
        ("Relu", "c", "y"),
    ]
    literals = {
        "s": [30_000, 30_000, 4, 6],
        "flat": [1, -1],
        "zero": [0],
        "one": [1],
        "axis": [1],
    }
    with pytest.raises(ModelFileError, match="does not fit"):
        import_onnx(onnx_model(lines, SMALL, literals=literals))
    literals["s"] = [300, 300, 4, 6]
    graph = import_onnx(onnx_model(lines, SMALL, literals=literals)).graph
    assert fuse(graph).nodes_of(Op.RELU)


@pytest.mark.parametrize(
    "line",
    [
        ("ConstantOfShape", "big", "c", {}),
        ("Range", "zero huge one", "c", {}),
        ("Tile", "one big", "c", {}),
    ],
)
def test_constants_without_end_are_not_made(line: Line) -> None:
    literals = {"big": [1 << 40], "zero": 0, "huge": 1 << 40, "one": 1}
    lines: list[Line] = [line, ("Cast", "c", "f", {"to": 1}), ("Mul", "x f", "y")]
    start = time.process_time()
    with suppress(ModelFileError):
        found = import_onnx(onnx_model(lines, SMALL, literals=literals))
        assert found.unknown or found.graph.parameters == 0
    assert time.process_time() - start < 2
