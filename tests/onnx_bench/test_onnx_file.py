"""The door for ONNX files: what it keeps, that it reads no weights, and what it refuses."""

import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from math import prod
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import ml_dtypes
import numpy as np
import onnx
import pytest
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, numpy_helper
from onnx import helper as h
from onnx_models import first_result

from onnx_bench import onnx_file, onnx_wire
from onnx_bench.errors import ModelFileError
from onnx_bench.families import build_spec
from onnx_bench.onnx_export import to_onnx
from onnx_bench.onnx_file import check_proto, inline_functions, printable, read_proto
from onnx_bench.onnx_wire import MAX_NESTING, MAX_VALUES, structure

FLOAT = TensorProto.FLOAT
OPSETS = [h.make_opsetid("", 20), h.make_opsetid("own", 1)]
RELU = h.make_node("Relu", ["x"], ["y"])
PLACES = ("w.bin", "/etc/passwd", "../../x")
TOKENS = build_spec("digits-tokens:p2-c16-r2-attn4-mlp-skip-skip")
LONG = "x" * 100_000
CUT = st.tuples(st.floats(0, 1), st.integers(0, 30) | st.just(10**6), st.binary(max_size=50))
Build = Callable[[], ModelProto]


def model(nodes: list[NodeProto], *weights: TensorProto, **others: Any) -> ModelProto:
    """A model of one input and one output around these nodes."""
    x, y = (h.make_tensor_value_info(name, FLOAT, ["batch", 4]) for name in "xy")
    graph = h.make_graph(nodes, "g", [x], [y], weights)
    return h.make_model(graph, opset_imports=OPSETS, **{"ir_version": 10, **others})


def tensor(name: str, *dims: int, raw: bool = True, dtype: Any = np.float32) -> TensorProto:
    values = np.arange(prod(dims)).reshape(dims).astype(dtype)
    if raw:
        return numpy_helper.from_array(values, name)
    kind = h.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return h.make_tensor(name, kind, dims, values.flatten())


def constant(*dims: int, **others: Any) -> NodeProto:
    return h.make_node("Constant", [], ["y"], **(others or {"value": tensor("", *dims)}))


def branch(*nodes: NodeProto, weights: tuple[TensorProto, ...] = ()) -> GraphProto:
    return h.make_graph(nodes, "b", [], [h.make_tensor_value_info("y", FLOAT, None)], weights)


def choice(inside: GraphProto) -> NodeProto:
    return h.make_node("If", ["c"], ["y"], then_branch=inside, else_branch=inside)


def function(name: str, *nodes: NodeProto, **others: Any) -> onnx.FunctionProto:
    return h.make_function("own", name, ["x"], ["y"], nodes, OPSETS, **others)


def call(name: str, x: str = "x", y: str = "y", **attributes: Any) -> NodeProto:
    return h.make_node(name, x.split(), [y], domain="own", **attributes)


def all_types() -> ModelProto:
    """Small and large tensors of every way to hold values."""
    plain = (np.float32, np.float16, np.float64, np.int8, np.uint16, np.int32, np.int64, np.uint64)
    rare = (ml_dtypes.bfloat16, ml_dtypes.int4, ml_dtypes.float8_e4m3fn, np.bool_, np.complex64)
    numbers = [
        tensor(f"{np.dtype(dtype)}{raw}{dims}", *dims, raw=raw, dtype=dtype)
        for dtype in plain + rare
        for raw in (True, False)
        for dims in ((), (2, 3), (0, 4), (16, 16), (257,), (40, 50))
    ]
    texts = {"words": ["a", "b"], "vocabulary": ["word"] * 300, "book": ["word" * 3000]}
    numbers += [numpy_helper.from_array(np.array(v, object), name) for name, v in texts.items()]
    return model([RELU], *numbers)


def sparse() -> ModelProto:
    sizes = {"few": 5, "many": 1000}
    places = {name: tensor("", size, dtype=np.int64) for name, size in sizes.items()}
    few, many = (h.make_sparse_tensor(tensor(n, sizes[n]), places[n], [2000]) for n in sizes)
    made = model([constant(sparse_value=many), constant(sparse_value=few), RELU])
    made.graph.sparse_initializer.extend([few, many])
    return made


def attributes() -> ModelProto:
    """Tensors in attributes, alone and in lists, beside attributes of every other kind."""
    kinds: dict[str, Any] = {"i": 1, "f": 1.5, "s": "text", "is": [1, 2], "ss": ["a", "b"]}
    kinds |= {"ts": [tensor("a", 300), tensor("b", 3)], "gs": [subgraphs().graph, branch(RELU)]}
    return model([constant(1000), constant(7), call("Own", **kinds)])


def subgraphs() -> ModelProto:
    weights = (tensor("w", 500), tensor("v", 5))
    inner = choice(branch(RELU, weights=weights))
    loop = h.make_node("Loop", ["n", "c"], ["z"], body=branch(inner, weights=weights))
    return model([loop, choice(branch(inner, weights=weights))])


def functions() -> ModelProto:
    default = h.make_attribute("w", tensor("", 2000))
    nodes = (constant(1000), RELU, choice(branch(constant(1000))))
    return model([call("f")], functions=[function("f", *nodes, attribute_protos=[default])])


def external() -> ModelProto:
    made = model([RELU], tensor("w", 1000), tensor("v", 3), tensor("u", 3000))
    for place, found in zip(PLACES, made.graph.initializer, strict=True):
        onnx.external_data_helper.set_external_data(found, place, offset=4096, length=12)
        found.ClearField("raw_data")
    return made


def old() -> ModelProto:
    """As in 2018: weights are inputs as well, attributes have no type."""
    made = model([h.make_node("Conv", ["x", "w"], ["y"], group=1)], tensor("w", 9, 9, 3, 3))
    made.graph.input.append(h.make_tensor_value_info("w", FLOAT, [9, 9, 3, 3]))
    made.graph.node[0].attribute[0].ClearField("type")
    made.ir_version = 3
    return made


def described() -> ModelProto:
    """Everything else that a file can hold."""
    made = model([RELU], tensor("w", 1000), doc_string="short", producer_name="p\n")
    made.training_info.add().algorithm.CopyFrom(branch(RELU, weights=(tensor("t", 999),)))
    for part in (made, made.graph, made.graph.node[0], made.graph.initializer[0]):
        h.set_model_props(part, {"key": "value"})
    made.graph.quantization_annotation.add().tensor_name = "w"
    made.MergeFromString(b"\xc2\x3e\x03abc")  # field 1000, of a version to come
    return made


MODELS = [all_types, sparse, attributes, subgraphs, functions, external, old, described]


def tensors(message: Any) -> Iterator[TensorProto]:
    """All tensors of a message, wherever they lie."""
    if isinstance(message, TensorProto):
        yield message
    for _, value in message.ListFields():
        for part in value if hasattr(value, "__len__") else [value]:
            yield from tensors(part) if hasattr(part, "ListFields") else ()


def without_payloads(made: ModelProto, everywhere: bool = False) -> ModelProto:
    """What the door must give: everything except the values of large tensors, or of all."""
    copy = ModelProto()
    copy.CopyFrom(made)
    for found in tensors(copy):
        is_large = prod(found.dims) > MAX_VALUES and found.ByteSize() > onnx_wire.SMALL
        if is_large or everywhere or found.name == "book":  # one value, but many bytes
            for field, _ in found.ListFields():
                if field.name.endswith("_data") and field.name != "external_data":
                    found.ClearField(field.name)
    return copy


def saved(folder: Path, content: ModelProto | bytes) -> Path:
    path = folder / "x.onnx"
    path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
    return path


def refused(path: Path) -> str:
    """What the message says behind the file's path."""
    with pytest.raises(ModelFileError) as caught:
        read_proto(path)
    start, message = printable(f"{path}: "), str(caught.value)
    assert message.startswith(start)
    assert message.isprintable()
    return message.removeprefix(start)


def front(number: int, length: int) -> bytes:
    """The first bytes of a field that holds so many."""
    *more, last = (length >> shift for shift in range(0, 70, 7) if length >> shift)
    return bytes([number << 3 | 2, *(size & 127 | 128 for size in more), last])


@pytest.mark.parametrize("build", [*MODELS, partial(to_onnx, TOKENS)])
def test_a_file_is_read_as_onnx_reads_it(tmp_path: Path, build: Build) -> None:
    path = saved(tmp_path, build())
    found = read_proto(path)
    assert found == without_payloads(onnx.load(path, load_external_data=False))
    check_proto(found)


def test_long_descriptions_are_left_out_and_names_are_not(tmp_path: Path) -> None:
    made, long = described(), "line\n" * 1000
    made.graph.node[0].name = made.graph.node[0].doc_string = long
    made.graph.initializer[0].doc_string = made.doc_string = made.graph.doc_string = long
    h.set_model_props(made.graph.node[0], {"pkg.torch.onnx.stack_trace": long, "key": "n3"})
    found = read_proto(saved(tmp_path, made))
    node, weight = found.graph.node[0], found.graph.initializer[0]
    assert (node.name, [(p.key, p.value) for p in node.metadata_props]) == (long, [("key", "n3")])
    assert [part.doc_string for part in (node, found, found.graph, weight)] == [""] * 4


def test_fields_may_come_in_parts_and_in_any_order(tmp_path: Path) -> None:
    parts = [model([RELU, RELU], tensor("b", 2)), model([RELU], tensor("a", 1000))]
    content = b"".join(part.SerializeToString() for part in parts)
    assert read_proto(saved(tmp_path, content)) == without_payloads(ModelProto.FromString(content))
    # A tensor with its description and values in front, then its dims, packed, and its type.
    inside = front(5, 5013) + front(12, 1000) + bytes(1000) + front(9, 4000) + bytes(4000)
    inside += b"\x0a\x03\xe8\x07\x01\x10\x01"
    (found,) = read_proto(saved(tmp_path, front(7, len(inside)) + inside)).graph.initializer
    assert ([*found.dims], found.data_type, found.raw_data) == ([1000, 1], FLOAT, b"")


class Guarded(bytes):
    """Bytes that count what is read of them."""

    read = 0

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        self.read += len(found) if isinstance(found, bytes) else 1
        return found


def test_weights_are_stepped_over() -> None:
    weight, node = tensor("w", 1000, 1000), constant(1000, 1000)
    made = model([node, choice(branch(node, weights=(weight,)))], weight)
    content = Guarded(made.SerializeToString())  # 24 MB
    kept = structure(content)
    assert ModelProto.FromString(kept) == without_payloads(made)
    assert (len(kept) < 600, content.read < 3000) == (True, True)


def test_a_file_of_3_gb_is_read_at_once_and_takes_no_memory(tmp_path: Path) -> None:
    size = 3 * 2**30
    dims = TensorProto(name="w", dims=[size // 4], data_type=FLOAT).SerializeToString()
    weight = dims + front(9, size)
    weight = front(5, len(weight) + size) + weight
    rest = GraphProto(node=[RELU], name="g").SerializeToString()
    head = front(7, len(weight) + size + len(rest)) + weight
    path = saved(tmp_path, head)
    with path.open("r+b") as file:  # with a hole for the weight, which takes no disk
        file.seek(len(head) + size)
        file.write(rest)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    graph = read_proto(path).graph
    assert time.perf_counter() - start < 0.5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024
    assert (graph.initializer[0].dims, graph.node) == ([size // 4], [RELU])


def test_no_other_file_is_opened(tmp_path: Path) -> None:
    path, opened = saved(tmp_path, external()), [""]

    def audit(event: str, given: tuple[Any, ...]) -> None:
        if opened and event == "open":  # a hook stays for good, and the list will be empty
            opened.append(str(given[0]))

    sys.addaudithook(audit)
    found = read_proto(path)
    assert [opened.pop() for _ in [*opened]] == [str(path), ""]
    assert tuple(t.external_data[0].value for t in found.graph.initializer) == PLACES


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b'{\n "irVersion": 8, "graph": {}}', "not an ONNX file but JSON; write the model with"),
        (b"ir_version: 8\ngraph {\n}", "but protobuf in text form"),
        (b"# a comment\n# another\ngraph {\n", "but protobuf in text form"),
        (b'<\n  ir_version: 8,\n opset_import: ["" : 18]\n>', "but ONNX in text form"),
        (b"PK\x03\x04" + bytes(999), "but a ZIP archive, as torch.save writes"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "but a pointer of Git LFS"),
        (b"<!DOCTYPE html><html>", "but a web page"),
        (b"\x08\x0b", "not an ONNX model (it holds no graph)"),
        (b"just some text\n" * 20, "cut short"),
        (b"\x3b\x3c", "cut short"),  # a group
        (front(7, 2**31) + b"abc", "cut short"),
        (b"# " * 250, "cut short"),  # no pattern may take long
        (b"\x39abc", "cut short"),  # a number of eight bytes
        (front(7, 2) + front(1, 5) + bytes(9), "cut short"),  # a node longer than its graph
        (front(7, 5003) + front(5, 5000) + front(9, 4998) + bytes(4997), "cut short"),  # values
        (front(7, 601) + front(1, 598) + bytes(598), "cut short"),  # of fields with number 0
    ],
)
def test_what_is_no_model(tmp_path: Path, content: bytes, reason: str) -> None:
    assert reason in refused(saved(tmp_path, content))


def test_what_is_no_file(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "x.onnx")
    assert "is a folder" in refused(tmp_path)
    assert "cannot be read (File name too long)" in refused(tmp_path / ("x" * 999))
    assert "cannot be read (Not a directory)" in refused(saved(tmp_path, b"") / "y.onnx")
    assert "null byte" in refused(tmp_path / "x\0.onnx")
    assert "no such file" in refused(tmp_path / "a\nb\x1b[31mé\udc80.onnx")
    assert printable("a\nb\x1b[31mé\udc80 c") == "a\\nb\\x1b[31mé\\udc80 c"
    os.mkfifo(tmp_path / "pipe")  # which nobody writes to: to open it is to wait
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        assert "is a pipe, a socket or a device" in refused(path)


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, model([RELU]))
    denied = Mock(side_effect=PermissionError(13, "Permission denied"))
    monkeypatch.setattr(Path, "open", denied)  # the tests may run as root, whom nothing stops
    assert refused(path) == "cannot be read (Permission denied)"


@pytest.mark.parametrize("size", [0, 1000])
def test_subgraphs_are_nested_so_far_and_no_farther(tmp_path: Path, size: int) -> None:
    content = GraphProto(node=[constant(size)]).SerializeToString()
    for number in (6, 5, 1) * MAX_NESTING:  # a graph in an attribute in a node in a graph
        content = front(number, len(content)) + content
    read_proto(saved(tmp_path, front(7, len(content)) + content))
    for number in (6, 5, 1, 7):
        content = front(number, len(content)) + content
    assert f"more than {MAX_NESTING} subgraphs" in refused(saved(tmp_path, content))


def test_limits_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, model([RELU] * 1000, tensor("w", 400)))
    read_proto(path)
    monkeypatch.setattr(onnx_wire, "MAX_STRUCTURE", 9000)
    assert "MB besides weights" in refused(path)
    monkeypatch.setattr(onnx_wire, "MAX_FIELDS", 2000)  # two of every node, once it is looked at
    assert "MB besides weights" in refused(path)
    monkeypatch.setattr(onnx_wire, "MAX_SMALL", 100)
    assert "more than 2,000 fields besides weights" in refused(path)


def below(made: ModelProto) -> Any:
    """The first subgraph."""
    return made.graph.node[1].attribute[0].g


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m.graph.ClearField("node"), "no nodes"),
        (lambda m: m.graph.ClearField("input"), "no inputs"),
        (lambda m: m.graph.ClearField("output"), "no outputs"),
        (lambda m: m.ClearField("opset_import"), "no operator set"),
        (lambda m: m.ClearField("graph"), "holds no graph"),
        (lambda m: below(m).node.append(RELU), "more than 5 nodes"),
        (lambda m: m.graph.initializer[0].dims.append(-1), r"absurd dims \[3, -1\]"),
        (lambda m: m.graph.initializer[0].dims.append(2**40), "absurd dims"),
        (lambda m: m.graph.initializer[0].dims.extend([1] * 99), "absurd dims"),
        (lambda m: m.graph.sparse_initializer.add().values.dims.append(-1), "absurd dims"),
        (lambda m: below(m).initializer.add().dims.append(-1), "absurd dims"),
        (lambda m: below(m).node[0].attribute.add().t.dims.append(-1), "absurd dims"),
        (lambda m: m.functions[0].node[0].attribute.add().t.dims.append(-1), "absurd dims"),
        (lambda m: m.graph.node[0], "not valid text"),
        (lambda m: m.graph.input[0], "not valid text"),
        (lambda m: m.graph.value_info.add(), "not valid text"),
        (lambda m: m.graph.node[0].attribute.add(), "not valid text"),
        (lambda m: m.graph.node[0].metadata_props.add(), "not valid text"),
        (lambda m: below(m).node[0], "not valid text"),
        (lambda m: m.functions[0], "not valid text"),
    ],
)
def test_what_parses_and_is_no_network(
    change: Callable[[ModelProto], Any], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_file, "MAX_NODES", 5)
    made = model([RELU, choice(branch(RELU))], tensor("w", 3), functions=[function("f", RELU)])
    check_proto(made)
    if (place := change(made)) and "text" in reason:
        place.MergeFromString(b"\x0a\x02\xff\xfe")  # its first field, a name
    with pytest.raises(ValueError, match=reason):
        check_proto(made)


def test_functions_are_written_out() -> None:
    leaky = h.make_node("LeakyRelu", ["x"], ["a"])
    leaky.attribute.add(name="alpha", ref_attr_name="slope", type=AttributeProto.FLOAT)
    default = h.make_attribute("slope", 0.5)
    leaf = function("leaf", leaky, h.make_node("Neg", ["a"], ["y"]), attribute_protos=[default])
    twice = function("twice", call("leaf", "x", "a", slope=0.25), call("leaf", "a", "y"))
    made = model([call("twice", "x", "z"), call("leaf", "z", "y")], functions=[twice, leaf])
    found = inline_functions(made)
    assert [node.op_type for node in found.graph.node] == ["LeakyRelu", "Neg"] * 3
    assert [node.attribute[0].f for node in found.graph.node[::2]] == [0.25, 0.5, 0.5]
    np.testing.assert_array_equal(first_result(found), first_result(made))
    assert len(made.graph.node) == 2  # the model itself is left alone
    assert inline_functions(found) is found


def laughs(levels: int, width: int, leaf: NodeProto) -> ModelProto:
    """Functions that each call the next one `width` times."""
    made = [function(f"f{i}", *[call(f"f{i + 1}")] * width) for i in range(levels)]
    return model([call("f0")], functions=[*made, function(f"f{levels}", leaf)])


def copying(count: int, *calls: NodeProto, **default: str) -> ModelProto:
    """A function whose one node copies an attribute so often."""
    node = call("Own")
    node.attribute.extend(AttributeProto(name=f"{i}", ref_attr_name="s") for i in range(count))
    defaults = [h.make_attribute(*item) for item in default.items()]
    return model([*calls], functions=[function("f", node, attribute_protos=defaults)])


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (laughs(0, 0, call("f0")), "function 'own::f0' calls itself"),
        (laughs(0, 0, choice(branch(call("f0")))), "function 'own::f0' calls itself"),
        (laughs(20, 10, RELU), "1,000,000 nodes or 64 MB when written out"),
        (laughs(63, 2, RELU), "1,000,000 nodes or 64 MB when written out"),
        (laughs(60, 1, h.make_node("Own", ["x"] * 100_000, ["y"])), "64 MB when written out"),
        (laughs(64, 1, RELU), "more than 64 functions call each other"),
        (laughs(500, 2, RELU), "more than 64 functions call each other"),
        (copying(200, *[call("f", s=LONG)] * 10), "64 MB when written out"),
        (copying(0, *[call("f")] * 2000, s=LONG), "64 MB when written out"),
        (copying(1, call("f", s=branch(RELU))), "64 MB when written out"),
        (copying(1, call("f", "x x")), r"written out \(Number of actual parameters"),
        (model([RELU], functions=[function("f", RELU)] * 2), "cannot be written out"),
    ],
)
def test_functions_that_cannot_be_written_out(made: ModelProto, reason: str) -> None:
    start = time.perf_counter()
    with pytest.raises(ValueError, match=f"^[ -~]*{reason}[ -~]*$"):  # one line
        inline_functions(made)
    assert time.perf_counter() - start < 2


def test_deep_and_wide_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(inline_functions(laughs(63, 1, RELU)).graph.node) == 1
    assert len(inline_functions(laughs(12, 2, RELU)).graph.node) == 2**12
    monkeypatch.setattr(onnx_file, "MAX_NODES", 2**12)  # calls count too
    with pytest.raises(ValueError, match="nodes or 64 MB"):
        inline_functions(laughs(12, 2, RELU))
    made = laughs(0, 0, RELU)  # of another version than the model: stays
    made.functions[0].opset_import[0].version = 12
    assert inline_functions(made) == made


@given(build=st.sampled_from([*MODELS, ModelProto]), cuts=st.lists(CUT, max_size=8))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files_are_refused_or_read_as_onnx_reads_them(
    tmp_path: Path, build: Build, cuts: list[Any]
) -> None:
    content = without_payloads(build()).SerializeToString()  # else weights take most of the hits
    for place, length, inserted in cuts:
        at = int(place * len(content))
        content = content[:at] + inserted + content[at + length :]
    path, start = saved(tmp_path, content), time.perf_counter()
    try:
        found = read_proto(path)
    except ModelFileError:
        assert cuts or build is ModelProto
        return
    with suppress(ValueError):
        check_proto(found)
        inline_functions(found)
    assert time.perf_counter() - start < 1
    with suppress(DecodeError):  # which may be of a value that the door left out
        assert skeleton(found) == skeleton(ModelProto.FromString(content))


def skeleton(made: ModelProto) -> bytes:
    """What is left without any values; as bytes, since NaN differs from itself."""
    copy = without_payloads(made, everywhere=True)
    copy.DiscardUnknownFields()
    return bytes(copy.SerializeToString())
