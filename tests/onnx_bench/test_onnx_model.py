"""Files that are no networks: every door answers with one line that names the file."""

import random
from pathlib import Path

import onnx
import pytest
from onnx_models import Dims, Line, onnx_model

from onnx_bench.builder import GraphBuilder
from onnx_bench.errors import ModelFileError
from onnx_bench.graph import ComputationGraph
from onnx_bench.onnx_export import to_onnx
from onnx_bench.onnx_import import from_onnx
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
        ([("Constant", "", "y", {"value_int": 1})], "output 'y' is not computed"),
        ([("Relu", "x", "")], r"node 0 \(Relu\) writes nothing"),
    ],
)
def test_nodes_that_cannot_run(tmp_path: Path, lines: list[Line], reason: str) -> None:
    with pytest.raises(ModelFileError, match=reason):
        from_onnx(onnx_model(lines))
    refused(saved(tmp_path / "x.onnx", onnx_model(lines)))


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"x": ("batch", 3, "height", 8)}, r"input 'x' has no fixed size in axis 2 \(height\)"),
        ({"x": (1, 3, 8, None)}, "input 'x' has no fixed size in axis 3"),
        ({"x": ()}, "input 'x' has no shape"),
        ({"x": (1, 3), "z": (7, 3)}, r"inputs \['x', 'z'\] begin with different axes"),
        ({"x": (1, *(2,) * 6)}, "1 to 5 axes"),
    ],
)
def test_inputs_without_a_fixed_shape(tmp_path: Path, inputs: dict[str, Dims], reason: str) -> None:
    with pytest.raises(ModelFileError, match=reason):
        from_onnx(onnx_model(RELU, inputs))
    refused(saved(tmp_path / "x.onnx", onnx_model(RELU, inputs)))


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
