"""The exported models are valid ONNX, run in onnxruntime, and compute what torch does."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from operator_cases import RUNNABLE, SILENT, single
from strategies import graphs

from onnx_bench import rows, shapes
from onnx_bench.builder import GraphBuilder
from onnx_bench.errors import GraphError
from onnx_bench.families import family
from onnx_bench.graph import ComputationGraph
from onnx_bench.onnx_export import save_onnx, to_onnx
from onnx_bench.operators import Op
from onnx_bench.torch_module import to_torch
from tests.small_families import SMALL_FAMILIES

NETWORKS = 50
Arrays = list[npt.NDArray[np.float32]]


def run(model: onnx.ModelProto, *inputs: npt.NDArray[np.float32]) -> Arrays:
    """Outputs in onnxruntime, on one thread and without its own rewriting of the graph."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [value.name for value in session.get_inputs()]
    results: Arrays = session.run(None, dict(zip(names, inputs, strict=True)))
    return results


def random_inputs(graph: ComputationGraph, batch: int) -> Arrays:
    rng = np.random.default_rng(0)
    sizes = [(batch, *graph.node(i).out_shape) for i in graph.nodes_of(Op.INPUT)]
    return [rng.standard_normal(size, np.float32) for size in sizes]


def assert_like_torch(graph: ComputationGraph, batch: int = 2) -> None:
    """Both engines give the same outputs, with random weights and running statistics."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    module = to_torch(graph).eval()
    for name, tensor in module.state_dict().items():
        if tensor.dtype == torch.float32:
            tensor.uniform_(0.5 if name.endswith("running_var") else -1, 1)
    model = to_onnx(graph, {k: v.numpy() for k, v in module.state_dict().items()})
    onnx.checker.check_model(model, full_check=True)
    inputs = random_inputs(graph, batch)
    with torch.no_grad():
        expected = module(*(torch.from_numpy(x) for x in inputs))
    expected = expected if isinstance(expected, tuple) else (expected,)
    for got, want in zip(run(model, *inputs), expected, strict=True):
        scale = max(1.0, float(np.nanmax(np.abs(want.numpy()))))
        np.testing.assert_allclose(got, want.numpy(), rtol=1e-3, atol=1e-4 * scale)


@pytest.mark.parametrize("name", SMALL_FAMILIES)
def test_fifty_networks_of_each_family_are_valid_and_run(name: str) -> None:
    space, rng = family(name), np.random.default_rng(1)
    for _ in range(NETWORKS):
        graph = space.build(space.sample(rng))
        model = to_onnx(graph)
        # The full check compares the shapes that we wrote with those that ONNX infers.
        onnx.checker.check_model(model, full_check=True)
        (result,) = run(model, *random_inputs(graph, batch=1))
        assert result.shape == (1, *graph.node(graph.nodes_of(Op.OUTPUT)[0]).out_shape)
        assert np.isfinite(result).all()


@pytest.mark.parametrize("name", SMALL_FAMILIES)
def test_networks_of_each_family_compute_what_torch_does(name: str) -> None:
    space, rng = family(name), np.random.default_rng(2)
    for _ in range(2):
        assert_like_torch(space.build(space.sample(rng)))


@pytest.mark.parametrize("case", RUNNABLE)
def test_operator_computes_what_torch_does(case: str) -> None:
    op, graph = RUNNABLE[case]
    assert op in graph.ops
    assert_like_torch(graph, batch=3)


def test_every_operator_is_compared_with_torch() -> None:
    compared = {op for op, _ in RUNNABLE.values()}
    assert compared == set(Op) - {*rows.SILENT, Op.INPUT, Op.OUTPUT}


@pytest.mark.parametrize("case", RUNNABLE)
def test_operator_runs_with_drawn_weights(case: str) -> None:
    _, graph = RUNNABLE[case]
    model = to_onnx(graph, seed=1)
    assert model == to_onnx(graph, seed=1)
    (result,) = run(model, *random_inputs(graph, batch=2))
    assert result.shape == (2, *graph.node(graph.nodes_of(Op.OUTPUT)[0]).out_shape)
    assert np.isfinite(result).all()


@pytest.mark.parametrize("case", SILENT)
def test_a_row_that_does_not_say_enough_is_refused_by_both_engines(case: str) -> None:
    graph, reason = SILENT[case]
    (index,) = [i for i in range(len(graph)) if graph.ops[i] not in (Op.INPUT, Op.OUTPUT)]
    where = rf"^n{index} \({graph.node(index).op.label}\) cannot be"
    with pytest.raises(GraphError, match=f"{where} exported: .*{reason}"):
        to_onnx(graph)
    with pytest.raises(GraphError, match=f"{where} run: .*{reason}"):
        to_torch(graph)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graphs(mixed_ranks=False))
def test_random_networks_compute_what_torch_does(graph: ComputationGraph) -> None:
    assert_like_torch(graph)


def test_joins_of_different_ranks_broadcast_without_the_batch() -> None:
    g = GraphBuilder()
    image, row = g.input(4, 3, 2), g.input(2)
    g.output(g.add(image, row))
    g.output(g.mul(row, image, row))
    x, y = np.ones((2, 4, 3, 2), np.float32), np.array([[1, 2], [3, 4]], np.float32)
    total, product = run(to_onnx(g.build()), x, y)
    np.testing.assert_array_equal(total, x + y[:, None, None])
    np.testing.assert_array_equal(product, x * y[:, None, None] ** 2)


def test_ends_are_named_and_begin_with_an_open_batch() -> None:
    g = GraphBuilder()
    a, b = g.input(2), g.input(3)
    shared = g.relu(a)
    for x in (shared, shared, b):
        g.output(x)
    model = to_onnx(g.build())
    assert [v.name for v in model.graph.input] == ["input", "input_1"]
    assert [v.name for v in model.graph.output] == ["output", "output_1", "output_2"]
    ends = (*model.graph.input, *model.graph.output)
    assert {v.type.tensor_type.shape.dim[0].dim_param for v in ends} == {"batch"}
    left, right = np.array([[-1, 2]], np.float32), np.array([[1, 2, 3]], np.float32)
    first, second, third = run(model, left, right)
    np.testing.assert_array_equal(first, [[0, 2]])
    np.testing.assert_array_equal(second, first)
    np.testing.assert_array_equal(third, right)


def test_the_file_says_the_shape_of_every_value() -> None:
    model = to_onnx(single(lambda g, x: g.relu(g.mean(x)), 4, 5))
    sizes = {
        v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in (*model.graph.input, *model.graph.value_info, *model.graph.output)
    }
    assert sizes == {"input": ["batch", 4, 5], "n1": ["batch", 5], "output": ["batch", 5]}


def test_weights_are_named_after_their_nodes() -> None:
    graph = single(lambda g, x: g.position(g.layer_norm(g.batch_norm(g.conv(x, 2, 3)))), 3, 4, 4)
    shapes_by_name = {t.name: tuple(t.dims) for t in to_onnx(graph).graph.initializer}
    assert shapes_by_name == {
        "n1.weight": (2, 3, 3, 3),
        **{f"n2.{role}": (2,) for role in ("weight", "bias", "running_mean", "running_var")},
        **{f"n3.{role}": (4,) for role in ("weight", "bias")},
        "n4.weight": (1, 2, 4, 4),
    }


def test_drawn_weights_follow_the_seed_and_he() -> None:
    graph = single(lambda g, x: g.batch_norm(g.conv(x, 64, 3, bias=True)), 32, 4, 4)
    assert to_onnx(graph, seed=1) == to_onnx(graph, seed=1)
    assert to_onnx(graph, seed=1) != to_onnx(graph, seed=2)
    tensors = to_onnx(graph).graph.initializer
    weight, *others = (onnx.numpy_helper.to_array(tensor) for tensor in tensors)
    assert weight.std() == pytest.approx((2 / (32 * 9)) ** 0.5, rel=0.02)
    # The rest changes nothing: no bias, scale 1, shift 0, mean 0, variance 1.
    assert [set(array.tolist()) for array in others] == [{0}, {1}, {0}, {0}, {1}]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"n1.bias": np.zeros(3)}, "'n1.weight' is missing"),
        (
            {"n1.weight": np.zeros((5, 3)), "n1.bias": np.zeros(3)},
            r"'n1.weight' has shape \(5, 3\), expected \(3, 5\)",
        ),
    ],
)
def test_given_weights_must_fit(weights: dict[str, npt.NDArray[np.float64]], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        to_onnx(single(lambda g, x: g.linear(x, 3), 5), weights)


def _fused(g: GraphBuilder, x: int) -> int:
    node = g.build().node(x)
    return g.place(shapes.row(node._replace(op=Op.IDENTITY, activation=Op.RELU)), x)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (single(lambda g, x: g.unknown((3,), x), 2), r"n1 \(unknown\).*outside the vocabulary"),
        (single(_fused, 2), r"n1 \(identity\).*relu is fused"),
        (single(lambda g, x: g.relu(g.output(x)), 2), r"n2 \(relu\).*reads a node that is an out"),
        (single(lambda g, x: g.unary(Op.SOFTMAX, x)), r"n1 \(softmax\).*scalar"),
    ],
)
def test_what_onnx_cannot_express_is_refused(graph: ComputationGraph, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        to_onnx(graph)


def test_a_network_without_output_is_refused() -> None:
    g = GraphBuilder()
    g.relu(g.input(2))
    with pytest.raises(GraphError, match="no output node"):
        to_onnx(g.build())


def test_saved_file_is_the_model(tmp_path: Path) -> None:
    graph = single(lambda g, x: g.linear(x, 3), 5)
    save_onnx(graph, tmp_path / "new" / "x.onnx", seed=3)
    assert onnx.load(tmp_path / "new" / "x.onnx") == to_onnx(graph, seed=3)
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["x.onnx"]


def test_a_refused_network_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(GraphError):
        save_onnx(single(lambda g, x: g.unknown((3,), x), 2), tmp_path / "x.onnx")
    assert list(tmp_path.iterdir()) == []
