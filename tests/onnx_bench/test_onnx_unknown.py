"""What the vocabulary lacks is counted as unknown, with its shape, and the rest goes on."""

from typing import Any

import pytest
from onnx_models import Dims, Line, onnx_model

from onnx_bench.builder import GraphBuilder
from onnx_bench.errors import ModelFileError
from onnx_bench.onnx_import import from_onnx, import_onnx
from onnx_bench.operators import Op

UNCOVERED = ("BlackmanWindow", "x", "y")


def magic(inputs: str, output: str) -> Line:
    """An operator that no vocabulary has, and that ONNX infers nothing of."""
    return ("Magic", inputs, output, {"domain": "wizards"})


def test_known_operators_go_on_behind_an_unknown_one() -> None:
    lines: list[Line] = [
        ("Det", "x", "d"),
        ("Unsqueeze", "d a", "u"),
        ("Expand", "u s", "e"),
        ("Conv", "e w", "y"),
    ]
    literals = {"a": [2, 3], "s": [1, 3, 8, 8]}
    found = import_onnx(onnx_model(lines, weights={"w": (4, 3, 3, 3)}, literals=literals))
    g = GraphBuilder()
    x = g.reshape(g.unknown((3,), g.input(3, 8, 8)), 3, 1, 1)
    assert found.graph.nodes_of(Op.UNKNOWN) == [1]
    assert found.graph.node(1).out_shape == g.shape(x)[:1]
    assert found.graph.parameters == 4 * 3 * 9
    assert found.unknown == {"Det": 1}
    assert found.coverage.nodes == pytest.approx(3 / 4)
    assert (found.coverage.parameters, found.coverage.macs) == (1, 1)
    assert found.coverage.whole


def test_weights_of_unknown_operators_lower_the_coverage() -> None:
    lines: list[Line] = [magic("x w", "m"), ("Relu", "m", "y")]
    model = onnx_model(lines, weights={"w": (10, 3)}, domains=["wizards"])
    model.graph.value_info.append(model.graph.input[0])
    model.graph.value_info[0].name = "m"
    found = import_onnx(model)
    assert found.unknown == {"wizards.Magic": 1}
    assert found.graph.parameters == 30
    assert found.coverage == (0.5, 0.0, 0.0)
    assert not found.coverage.whole


def test_arithmetic_on_shapes_is_done_on_the_way() -> None:
    lines: list[Line] = [
        ("Shape", "x", "size"),
        ("Gather", "size zero", "batch", {"axis": 0}),
        ("Unsqueeze", "batch first", "one"),
        ("Concat", "one rest", "target", {"axis": 0}),
        ("Reshape", "x target", "flat"),
        ("Gemm", "flat w", "y"),
    ]
    literals = {"zero": 0, "first": [0], "rest": [-1]}
    found = import_onnx(onnx_model(lines, weights={"w": (192, 10)}, literals=literals))
    g = GraphBuilder()
    g.output(g.linear(g.flatten(g.input(3, 8, 8)), 10, bias=False))
    assert found.graph == g.build()
    assert found.unknown == {}


def test_windows_laid_over_the_batch_keep_their_number_until_it_is_back() -> None:
    lines: list[Line] = [
        ("Reshape", "x windows", "w"),
        ("Relu", "w", "r"),
        ("Reshape", "r images", "i"),
        ("Relu", "i", "y"),
    ]
    literals = {"windows": [-1, 4, 8], "images": [-1, 3, 8, 8]}
    for batch in ("batch", 1, 5):
        found = import_onnx(onnx_model(lines, {"x": (batch, 3, 8, 8)}, literals=literals))
        shapes = [found.graph.node(i).out_shape for i in range(len(found.graph))]
        assert shapes == [(3, 8, 8), (6, 4, 8), (6, 4, 8), (3, 8, 8), (3, 8, 8), (3, 8, 8)]
        assert found.unknown == {}


def test_every_output_of_an_operator_that_is_read_is_a_node() -> None:
    lines: list[Line] = [("TopK", "x k", "v i"), ("Relu", "v", "y"), ("Cast", "i", "z", {"to": 1})]
    inputs: dict[str, Dims] = {"x": ("batch", 12)}
    found = import_onnx(onnx_model(lines, inputs, literals={"k": [3]}, outputs="y z"))
    shapes = [found.graph.node(i).out_shape for i in found.graph.nodes_of(Op.RANK)]
    assert shapes == [(3,)] * 2


def test_an_unknown_operator_without_a_shape_is_an_error_that_names_it() -> None:
    with pytest.raises(ModelFileError, match=r"^model 'small': node 0 \(Magic\).*output 'y'"):
        from_onnx(onnx_model([magic("x", "y")], domains=["wizards"]))


def test_shapes_that_do_not_fit_are_an_error_that_says_why() -> None:
    lines: list[Line] = [("Add", "x z", "y")]
    inputs: dict[str, Dims] = {"x": ("batch", 3, 8, 8), "z": ("batch", 3, 8, 9)}
    with pytest.raises(ModelFileError, match=r"node 0 \(Add\).*broadcast"):
        from_onnx(onnx_model(lines, inputs))


def test_weights_that_do_not_fit_are_not_counted_as_a_convolution() -> None:
    found = import_onnx(onnx_model([("Conv", "x w", "y")], weights={"w": (4, 2, 3, 3)}))
    assert found.unknown == {"Conv": 1}
    assert found.coverage.parameters == 0


# subgraphs


def branches(condition: dict[str, Any]) -> Any:
    """A model whose If adds one of two linear maps."""
    from onnx import TensorProto, helper

    def branch(name: str, width: int) -> Any:
        node = helper.make_node("MatMul", ["x", f"w{width}"], [f"{name}_out"])
        out = helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, None)
        return helper.make_graph([node], name, [], [out])

    attributes = {"then_branch": branch("then", 3), "else_branch": branch("else", 7)}
    lines: list[Line] = [*condition["lines"], ("If", "c", "y", attributes)]
    inputs: dict[str, Dims] = {"x": ("batch", 12)}
    return onnx_model(
        lines,
        inputs,
        weights={"w3": (12, 3), "w7": (12, 7)},
        literals=condition.get("literals"),
    )


@pytest.mark.parametrize(("value", "width"), [(1, 3), (0, 7)])
def test_a_branch_whose_condition_is_known_is_taken(value: int, width: int) -> None:
    lines = [("Cast", "flag", "c", {"to": 9})]
    found = import_onnx(branches({"lines": lines, "literals": {"flag": value}}))
    g = GraphBuilder()
    g.output(g.linear(g.input(12), width, bias=False))
    assert found.graph == g.build()


def test_a_branch_that_depends_on_the_data_is_named() -> None:
    lines = [
        ("ReduceSum", "x", "s", {"keepdims": 0}),
        ("Cast", "s", "c", {"to": 9}),
    ]
    with pytest.raises(ModelFileError, match=r"\(If\)"):
        import_onnx(branches({"lines": lines}))
