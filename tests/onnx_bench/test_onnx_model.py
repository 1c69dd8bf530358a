"""Files that are no networks: every door answers with one line that names the file."""

import random
from pathlib import Path

import onnx
import pytest
from onnx_models import Dims, Line, onnx_model

from onnx_bench.builder import GraphBuilder
from onnx_bench.errors import ModelFileError
from onnx_bench.graph import ComputationGraph, Shape
from onnx_bench.onnx_export import to_onnx
from onnx_bench.onnx_import import from_onnx, import_onnx
from onnx_bench.operators import Op

RELU: list[Line] = [("Relu", "x", "y")]


def network() -> ComputationGraph:
    """A small network that fills many fields of a file: weights, lists, literals, text."""
    g = GraphBuilder()
    x = g.unary(Op.RELU6, g.conv(g.input(2, 4, 4), 3, 3, bias=True))
    g.output(g.linear(g.flatten(g.slice(g.avg_pool(x, 2, 2, 0, True), 1, 2)), 2))
    return g.build("small")


def refused(path: Path) -> str:
    """What the message says behind the file's path."""
    with pytest.raises(ModelFileError) as caught:
        from_onnx(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def saved(path: Path, model: onnx.ModelProto) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


def test_a_missing_file(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "x.onnx")


def test_a_folder(tmp_path: Path) -> None:
    assert "is a folder" in refused(tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"just some text\n" * 20, "not an ONNX"),
        (b'{"graph": {"node": []}}', "not an ONNX"),
        (bytes(range(256)), "not an ONNX"),
        (bytes(1000), "not an ONNX"),
        (b"\x08\x0b", "holds no graph"),
        (b"\x3a\x00", "the model has no nodes"),
        (to_onnx(network()).SerializeToString()[:-100], "not an ONNX file, or cut short"),
    ],
)
@pytest.mark.parametrize("name", ["x.onnx", "x.json", "x.textproto"])
def test_what_is_no_model(tmp_path: Path, content: bytes, reason: str, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert reason in refused(path)


@pytest.mark.parametrize("part", ["input", "output", "node", "opset_import"])
def test_a_model_that_lacks_a_part(tmp_path: Path, part: str) -> None:
    model = to_onnx(network())
    model.ClearField(part) if part == "opset_import" else model.graph.ClearField(part)
    reason = "names no operator set" if part == "opset_import" else f"has no {part}s"
    assert reason in refused(saved(tmp_path / "x.onnx", model))


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([("Add", "x z", "y"), ("Relu", "y", "z")], r"nodes form a cycle \(node 0 \(Add\)"),
        ([("Relu", "x", "y"), ("Add", "y y2", "y2")], r"cycle \(node 1 \(Add\)"),
        ([("Relu", "ghost", "y")], r"node 0 \(Relu\) reads 'ghost', which nothing writes"),
        ([("Relu", "ghost", "a"), ("Relu", "a", "y")], "reads 'ghost', which nothing writes"),
        ([("Relu", "x", "y"), ("Tanh", "x", "y")], r"\(Tanh\) writes 'y', which is written"),
        ([("Relu", "x", "x")], "writes 'x', which is written already"),
        ([("Relu", "x", "z")], "output 'y' is not computed"),
        ([("Constant", "", "y", {"value_int": 1})], "no output depends on the inputs"),
        ([("Relu", "x", "")], r"node 0 \(Relu\) writes nothing"),
    ],
)
def test_nodes_that_cannot_run(tmp_path: Path, lines: list[Line], reason: str) -> None:
    with pytest.raises(ModelFileError, match=reason):
        from_onnx(onnx_model(lines))
    refused(saved(tmp_path / "x.onnx", onnx_model(lines)))


@pytest.mark.parametrize(
    ("dims", "taken"),
    [
        (("batch", 3, "height", 8), (3, 224, 8)),
        ((1, 3, 8, None), (3, 8, 224)),
        ((None, None, None, None), (3, 224, 224)),
        (("batch", "tokens"), (64,)),
        (("batch", "tokens", 6), (64, 6)),
    ],
)
def test_open_axes_are_taken_as_what_they_usually_are(dims: Dims, taken: Shape) -> None:
    found = import_onnx(onnx_model(RELU, {"x": dims}))
    assert found.graph.node(0).out_shape == taken
    assert found.assumed == {"x": (1, *taken)}
    fixed = tuple(d if isinstance(d, int) else n for d, n in zip(dims, (1, *taken), strict=True))
    assert import_onnx(onnx_model(RELU, {"x": fixed})).assumed == {}


def test_open_axes_are_taken_as_they_are_given() -> None:
    inputs: dict[str, Dims] = {"x": ("batch", "tokens", 6), "z": ("batch", "tokens", 6)}
    model = onnx_model([("Add", "x z", "y")], inputs)
    found = import_onnx(model, {"x": (1, 17, 6)})
    # One name is one size.
    assert [found.graph.node(i).out_shape for i in (0, 1)] == [(17, 6), (17, 6)]
    assert found.assumed == {"z": (1, 17, 6)}
    assert import_onnx(model, {"x": (1, 9, 6), "z": (1, 9, 6)}).assumed == {}


@pytest.mark.parametrize(
    ("shapes", "reason"),
    [
        ({"ghost": (1, 3)}, "no input 'ghost'; the model has x"),
        ({"x": (1, 3)}, r"input 'x' is of shape \(0, 3, 8, 8\) \(0 is open\), got \(1, 3\)"),
        ({"x": (1, 4, 8, 8)}, "is of shape"),
        ({"x": (1, 3, 1 << 40, 1 << 40)}, "is of shape"),
    ],
)
def test_shapes_that_do_not_fit_the_model(shapes: dict[str, Shape], reason: str) -> None:
    with pytest.raises(ModelFileError, match=reason):
        import_onnx(onnx_model(RELU), shapes)


def test_an_input_without_a_shape_asks_for_one(tmp_path: Path) -> None:
    model = onnx_model(RELU)
    model.graph.input[0].type.tensor_type.ClearField("shape")
    assert "input 'x' has no shape; give one" in refused(saved(tmp_path / "x.onnx", model))
    assert from_onnx(tmp_path / "x.onnx", {"x": (1, 3, 8, 8)}).node(0).out_shape == (3, 8, 8)


def test_an_input_of_more_axes_than_a_node_holds_is_refused() -> None:
    with pytest.raises(ModelFileError, match="1 to 8 axes"):
        from_onnx(onnx_model(RELU, {"x": (1, *(2,) * 9)}))


@pytest.mark.parametrize("batch", ["batch", None, -1, 1, 7])
def test_the_batch_may_be_open_or_fixed(batch: str | int | None) -> None:
    g = GraphBuilder()
    g.output(g.relu(g.input(3, 8, 8)))
    assert from_onnx(onnx_model(RELU, {"x": (batch, 3, 8, 8)})) == g.build()


def test_weights_that_are_listed_as_inputs_are_none() -> None:
    inputs: dict[str, Dims] = {"x": ("batch", 4), "w": (4, 2)}
    found = from_onnx(onnx_model([("MatMul", "x w", "y")], inputs, weights={"w": (4, 2)}))
    g = GraphBuilder()
    g.output(g.linear(g.input(4), 2, bias=False))
    assert found == g.build()


def test_a_model_of_constants_alone_is_refused(tmp_path: Path) -> None:
    model = onnx_model([("Relu", "w", "y")], {"w": (4, 2)}, weights={"w": (4, 2)})
    assert "no inputs besides its weights" in refused(saved(tmp_path / "x.onnx", model))


def test_every_cut_of_a_file_is_refused(tmp_path: Path) -> None:
    content, path = to_onnx(network()).SerializeToString(), tmp_path / "x.onnx"
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        refused(path)


def test_damaged_files_never_break_the_reader(tmp_path: Path) -> None:
    content, path = to_onnx(network()).SerializeToString(), tmp_path / "x.onnx"
    rng = random.Random(0)
    refusals = []
    for _ in range(1500):
        damaged = bytearray(content)
        for _ in range(rng.choice((1, 1, 2, 8))):
            damaged[rng.randrange(len(damaged))] = rng.choice((0, 1, 255, rng.randrange(256)))
        path.write_bytes(damaged)
        try:
            from_onnx(path)
        except ModelFileError as error:
            refusals.append(str(error))
    assert all(text.startswith(f"{path}: ") and "\n" not in text for text in refusals)
    # Damaged weights and names do no harm, damaged structure does.
    assert 0 < len(refusals) < 1500
