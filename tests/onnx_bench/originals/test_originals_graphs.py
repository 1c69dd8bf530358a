"""Files that carry the networks themselves: GENNAPE's graphs, ONNX-Bench, GraphArch-Regression."""

import json
import pickle
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import onnx
import pandas as pd
import pytest

from onnx_bench import benchmarks
from onnx_bench.errors import LabelError
from onnx_bench.families import build_spec
from onnx_bench.graph import ComputationGraph
from onnx_bench.onnx_export import save_onnx, to_onnx
from onnx_bench.onnx_import import import_onnx
from onnx_bench.operators import Op
from onnx_bench.originals import grapharch, onnx_bench_hub
from onnx_bench.originals.gennape_caches import read_graphs
from onnx_bench.originals.gennape_nodes import LABELS

# GENNAPE's graphs: a stem, two branches that are added and concatenated, a head


def node(label: str, *resolution: int, **others: Any) -> dict[str, Any]:
    """A node's attributes; `resolution` is height, width and channels in, then out."""
    h, w, c, h_out, w_out, c_out = resolution if len(resolution) == 6 else (*resolution,) * 2
    metadata = others.pop("metadata", None)
    return {
        "str_id": f"0|model/{label}",
        "label": label,
        "op_type_idx": 1,
        "resolution": (h, h_out, w, w_out, c, c_out),
        "strides": None,
        "metadata": metadata,
        **others,
    }


SAME = {"padding": "same", "data_format": "NHWC", "dilations": (1, 1, 1, 1)}
WEIGHTED = [
    node("conv2d", 32, 32, 3, 16, 16, 8, shape=[3, 8, 3, 3], strides=(1, 2, 2, 1), metadata=SAME),
    node(
        *("conv2d", 16, 16, 8, 16, 16, 8),
        **{"shape": [8, 8, 1, 1], "strides": (1, 1, 1, 1)},
        metadata={**SAME, "use_bias": True},
    ),
    node("depthwise", 16, 16, 8, shape=[8, 1, 5, 5], strides=(1, 1, 1, 1), metadata=SAME),
    node("matmul", 1, 1, 16, 1, 1, 10, shape=[16, 10, 0, 0], metadata={"use_bias": True}),
]
REGULAR = [
    node("input", 32, 32, 3),  # 4
    node("fusedbatchnormv3", 16, 16, 8),
    node("relu6", 16, 16, 8),
    node("add", 16, 16, 8),
    node("concat", 16, 16, 8, 16, 16, 16),  # 8
    node(
        *("maxpool", 16, 16, 16, 8, 8, 16),
        strides=(1, 2, 2, 1),
        metadata={"padding": "valid", "ksize": (1, 2, 2, 1)},
    ),
    node("spacetobatchnd", 8, 8, 16),  # 10
    node("swish", 8, 8, 16),
    node("mean", 8, 8, 16, 1, 1, 16),
    node("output", 1, 1, 10),
]
EDGES = [(4, 0), (0, 5), (5, 6), (6, 1), (6, 2), (1, 7), (2, 7), (6, 8), (7, 8), (8, 9)]
EDGES += [(9, 10), (10, 11), (11, 12), (12, 3), (3, 13)]
GRAPH = {
    "name": "NB101-Net7",
    "input_shape": (1, 32, 32, 3),
    "edge_pairs": EDGES,
    "regular_nodes": REGULAR,
    "weighted_nodes": WEIGHTED,
    **{"max_hidden_size": 512, "max_kernel_size": 7, "max_derived_H": 256, "max_derived_W": 256},
}


@pytest.fixture
def theirs() -> Any:
    """Classes in the module of theirs, which the reader must not need."""
    name = "model_src.comp_graph.tf_comp_graph"
    module = ModuleType(name)
    parts = name.split(".")
    for end in (1, 2):
        sys.modules[".".join(parts[:end])] = ModuleType(".".join(parts[:end]))
    sys.modules[name] = module
    for kind in ("ComputeGraph", "RegularNode", "WeightedNode"):
        setattr(module, kind, type(kind, (), {"__module__": name}))
    yield module
    for end in (1, 2, 3):
        del sys.modules[".".join(parts[:end])]


def cache(path: Path, module: ModuleType, protocol: int = 4, **labels: Any) -> Path:
    """A cache of one graph, of objects of their classes."""

    def made(kind: str, attributes: dict[str, Any]) -> Any:
        found = getattr(module, kind)()
        found.__dict__.update(attributes)
        return found

    cg = made(
        "ComputeGraph",
        {
            **GRAPH,
            "regular_nodes": [made("RegularNode", one) for one in REGULAR],
            "weighted_nodes": [made("WeightedNode", one) for one in WEIGHTED],
        },
    )
    network = {"compute graph": cg, "original config": ([1], [2]), **labels}
    path.write_bytes(pickle.dumps([network, network], protocol))
    return path


def count(graph: ComputationGraph, op: Op) -> int:
    return len(graph.nodes_of(op))


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_cache_gives_graphs_and_labels(tmp_path: Path, theirs: Any, protocol: int) -> None:
    path = cache(tmp_path / "cache.pkl", theirs, protocol, acc=0.9375, flops=5e8, n_params=1000)
    found = list(read_graphs(path))
    assert [labels for _, labels in found] == [
        {"accuracy": 93.75, "flops": 5e8, "parameters": 1000}
    ] * 2
    graph = found[0][0]
    assert graph.name == "NB101-Net7"
    assert graph.hash == found[1][0].hash
    check(graph)


def check(graph: ComputationGraph) -> None:
    graph.validate()
    nodes = [one for _, one, _ in graph.walk()]
    assert {op: count(graph, op) for op in Op if count(graph, op)} == {
        **dict.fromkeys((Op.INPUT, Op.OUTPUT, Op.UNKNOWN, Op.LINEAR, Op.BATCH_NORM, Op.RELU6), 1),
        **dict.fromkeys((Op.ADD, Op.CONCAT, Op.MAX_POOL, Op.SILU, Op.GLOBAL_AVG_POOL), 1),
        **{Op.CONV: 3, Op.RESHAPE: 1},
    }
    stem = next(one for one in nodes if one.op == Op.CONV)
    assert (stem.in_shape, stem.out_shape) == ((3, 32, 32), (8, 16, 16))
    assert (stem.stride, stem.padding) == ((2, 2), (0, 0, 1, 1))  # SAME pads behind
    depthwise = next(one for one in nodes if one.groups == 8)
    assert (depthwise.kernel, depthwise.padding) == ((5, 5), (2, 2, 2, 2))
    assert [one.out_shape for one in nodes if one.op == Op.OUTPUT] == [(10,)]
    convolutions = 3 * 8 * 9 + (8 * 8 + 8) + 8 * 25
    assert graph.parameters == convolutions + 2 * 8 + 16 * 10 + 10


def test_the_json_of_new_families_gives_the_same_graph(tmp_path: Path) -> None:
    path = tmp_path / "gpi_test_hiaml_cifar10_labelled_cg_data.json"
    path.write_text(json.dumps({"0": {"cg": GRAPH, "max_perf": 92.5}}))
    ((graph, labels),) = read_graphs(path)
    assert labels == {"accuracy": 92.5}
    check(graph)


def test_their_caches_are_a_benchmark_of_saved_graphs(
    tmp_path: Path, theirs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENNAPE_CACHE", str(tmp_path / "kept"))
    folder = tmp_path / "gennape" / "CG_data"
    folder.mkdir(parents=True)
    cache(folder / "gpi_two_path_comp_graph_cache.pkl", theirs, 2, acc=0.9, flops=1, n_params=1)
    path = folder / "gpi_test_hiaml_cifar10_labelled_cg_data.json"
    path.write_text(json.dumps({"0": {"cg": GRAPH, "max_perf": 92.5}}))
    table = benchmarks.read("gennape", tmp_path)
    assert table.values.tolist() == [92.5, 90.0, 90.0]
    assert table.kinds == ("hiaml", "two-path", "two-path")
    for graph in table.graphs():
        check(graph)
    assert benchmarks.read("gennape", tmp_path, subset="hiaml").values.tolist() == [92.5]


def test_a_folder_without_their_caches_says_what_belongs_there(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"FAMILY_labelled_cg_data\.json"):
        benchmarks.read("gennape", tmp_path)


def test_a_graph_without_unknown_nodes_runs_as_onnx(tmp_path: Path) -> None:
    nodes = [dict(one, label="identity") if one["label"][:5] == "space" else one for one in REGULAR]
    path = tmp_path / "a.json"
    value = {"0": {"cg": {**GRAPH, "regular_nodes": nodes}, "max_perf": 1}}
    path.write_text(json.dumps(value))
    ((graph, _),) = read_graphs(path)
    onnx.checker.check_model(to_onnx(graph))
    assert import_onnx(to_onnx(graph)).graph.parameters == graph.parameters


def test_their_vocabulary_is_known() -> None:
    # the 31 labels of the published vocabulary; Reserved1..5 are one here, names are lower case
    theirs = (
        "input output conv depthwise batchnorm relu relu6 matmul add mul concat maxpool avgpool "
        "sigmoid tanh swish gelu paddings mean spacetobatchnd batchtospacend spacetodepthnd "
        "depthtospacend global identity zero reserved"
    )
    assert set(LABELS) == set(theirs.split())


@pytest.mark.parametrize(
    "change",
    [
        {"edge_pairs": [*EDGES, (9, 8)]},
        {"edge_pairs": [*EDGES, (9, 99)]},
        {"edge_pairs": [*EDGES, (9, -1)]},
        {"edge_pairs": EDGES[1:]},
        {"edge_pairs": 5},
        {"weighted_nodes": None},
        {"weighted_nodes": [], "regular_nodes": [], "edge_pairs": []},
        {"weighted_nodes": [5, *WEIGHTED[1:]]},
        {"weighted_nodes": [{**WEIGHTED[0], "shape": [3, 8, 3]}, *WEIGHTED[1:]]},
        {"weighted_nodes": [{**WEIGHTED[0], "shape": [3, 8, 0, 0]}, *WEIGHTED[1:]]},
        {"weighted_nodes": [{**WEIGHTED[0], "shape": [1 << 20] * 4}, *WEIGHTED[1:]]},
        {"weighted_nodes": [{**WEIGHTED[0], "resolution": None}, *WEIGHTED[1:]]},
        {"weighted_nodes": [{**WEIGHTED[0], "resolution": [1e400] * 6}, *WEIGHTED[1:]]},
        {"weighted_nodes": [{**WEIGHTED[0], "label": 5}, *WEIGHTED[1:]]},
        {"weighted_nodes": [{**WEIGHTED[0], "metadata": 5}, *WEIGHTED[1:]]},
    ],
)
def test_graphs_that_cannot_be_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"0": {"cg": {**GRAPH, **change}, "max_perf": 92.5}}))
    with pytest.raises(LabelError, match=r"a\.json") as caught:
        list(read_graphs(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1}', '{"a": {"cg": {}}}', "[" * 9999])
def test_json_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(LabelError, match=r"a\.json"):
        list(read_graphs(tmp_path / "a.json"))


@pytest.mark.parametrize("value", [[], [{}], {}, [{"compute graph": 1}], [{"compute graph": {}}]])
def test_caches_of_something_else_are_refused_or_empty(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(value))
    if value == []:
        assert list(read_graphs(path)) == []
    else:
        with pytest.raises(LabelError, match=r"a\.pkl"):
            list(read_graphs(path))


# ONNX-Bench

CHAIN = "digits-chains:plain-w4-d1-k1-w4-d1-k1-w4-d1-k1"


def labelled(path: Path, *properties: tuple[str, str]) -> Path:
    """An ONNX file with these entries of metadata_props."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_onnx(build_spec(CHAIN), path)
    model = onnx.load(path)
    del model.metadata_props[:]
    for key, value in properties:
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, path)
    return path


def test_onnx_bench_is_read_as_a_benchmark(tmp_path: Path) -> None:
    home = tmp_path / "onnx_hub"
    paths = [
        labelled(home / "nasbench201_simplify" / "a.onnx", ("accuracy", "91.25"), ("x", "1")),
        labelled(home / "einspace_simplify" / "cifar10" / "3" / "b.onnx", ("accuracy", "10.5")),
    ]
    table = benchmarks.read("onnx-hub", tmp_path)
    assert dict(zip(table.networks, table.values.tolist(), strict=True)) == {
        str(paths[0]): 91.25,
        str(paths[1]): 10.5,
    }
    assert sorted(table.kinds) == ["einspace", "nasbench201"]
    assert [len(graph) for graph in table.graphs()] == [len(build_spec(CHAIN))] * 2
    assert sorted(onnx_bench_hub.read(home)["name"]) == ["a", "cifar10_3_b"]


@pytest.mark.parametrize("text", ["", "good", "nan", "inf", "101", "-1"])
def test_onnx_files_without_an_accuracy_are_refused(tmp_path: Path, text: str) -> None:
    labelled(tmp_path / "a.onnx", ("accuracy", text))
    with pytest.raises(LabelError, match="no accuracy"):
        onnx_bench_hub.read(tmp_path)


@pytest.mark.parametrize("data", [b"", b"\x00", b"<html>", b"PK\x03\x04", b"\xff" * 50])
def test_files_that_are_no_onnx_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.onnx").write_bytes(data)
    with pytest.raises(LabelError, match=r"a\.onnx"):
        onnx_bench_hub.read(tmp_path)


# GraphArch-Regression


def test_grapharch_gives_accuracies_and_texts_on_demand(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "identifier": ["a", "b"],
            "space": ["ENAS", "NASNet"],
            "input": ["graph ...", "graph"],
            "val_accuracy": [0.5, None],
            "flops": [1.0, 2.0],
        }
    )
    frame.to_parquet(tmp_path / "data.parquet")
    found = grapharch.read(tmp_path)
    assert list(found.columns) == ["identifier", "space", "val_accuracy"]
    assert found["val_accuracy"].dropna().tolist() == [0.5]
    assert list(grapharch.read(tmp_path, texts=True)["input"]) == list(frame["input"])
    frame.drop(columns="space").to_parquet(tmp_path / "data.parquet")
    with pytest.raises(LabelError, match="no column space"):
        grapharch.read(tmp_path)
    (tmp_path / "data.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(LabelError, match="not a parquet file"):
        grapharch.read(tmp_path)
