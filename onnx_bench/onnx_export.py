"""From a computation graph to an ONNX model that runs."""

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

from onnx_bench import onnx_functions, onnx_weighted, rows  # noqa: F401, they fill WRITERS
from onnx_bench.errors import GraphError
from onnx_bench.files import atomic_file
from onnx_bench.graph import ComputationGraph, Shape
from onnx_bench.onnx_writers import IR_VERSION, OPSET, Array, Source, Writer
from onnx_bench.operators import Op

MAX_BYTES = 2_000_000_000
"""Largest weights of one protobuf file, whose hard limit is 2 GiB."""

Weights = Mapping[str, npt.NDArray[Any]]


def to_onnx(
    graph: ComputationGraph, weights: Weights | None = None, seed: int = 0
) -> onnx.ModelProto:
    """The runnable model of a network, with a symbolic axis `batch` in front of every shape.

    Args:
        graph: the network. Its inputs become `input`, `input_1`, ...; its outputs `output`, ...
        weights: arrays by name as in the `state_dict` of the graph's torch module: `n3.weight`,
            `n3.bias`, `n3.running_mean`, `n3.running_var`, in torch's shapes. Further names are
            ignored. None draws convolutions and linear maps from a He normal distribution.
        seed: of the drawn weights.

    What rows do not keep is taken as `rows` says. Inputs of an EMBEDDING are cut to whole numbers,
    which must be rows of its table.

    Raises:
        GraphError: a node that its row does not describe or ONNX cannot express, a weight that
            lacks or has another shape, or more weights than one file can hold.
    """
    _refuse(graph)
    source = _drawn(np.random.default_rng(seed)) if weights is None else _given(weights)
    writer = Writer(graph, source)
    for index, node, inputs in graph.walk():
        with rows.named(index, node, "exported"):
            writer.write(index, node, inputs)
    return helper.make_model(
        writer.proto,
        producer_name="onnx_bench",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )


def save_onnx(
    graph: ComputationGraph, path: Path | str, weights: Weights | None = None, seed: int = 0
) -> None:
    """Writes `to_onnx` of the graph to `path`, under its name only when whole."""
    model = to_onnx(graph, weights, seed)
    with atomic_file(Path(path)) as temporary:
        temporary.write_bytes(model.SerializeToString())


def _refuse(graph: ComputationGraph) -> None:
    """Raises where the network cannot be written as an ONNX model."""
    for index, node, inputs in graph.walk():
        with rows.named(index, node, "exported"):
            if node.activation != Op.UNKNOWN:
                fused = node.activation.label
                raise GraphError(f"{fused} is fused onto it; export the graph before fusion")
            rows.check(node, [graph.node(i).out_shape for i in inputs])
            if any(graph.ops[i] == Op.OUTPUT for i in inputs):
                raise GraphError("it reads a node that is an output of the network")
    for op in (Op.INPUT, Op.OUTPUT):
        if not graph.nodes_of(op):
            raise GraphError(f"the network has no {op.label} node, so it cannot be exported")
    if 4 * graph.parameters > MAX_BYTES:
        raise GraphError(f"{graph.parameters} parameters do not fit one ONNX file (2 GB)")


def _given(weights: Weights) -> Source:
    def look_up(name: str, shape: Shape, _: Op) -> Array:
        if name not in weights:
            raise GraphError(f"weight {name!r} is missing; expected one of shape {shape}")
        array = np.asarray(weights[name])
        if array.shape != shape:
            raise GraphError(f"weight {name!r} has shape {array.shape}, expected {shape}")
        return array.astype("<f4", copy=False)

    return look_up


_FIXED = {
    **dict.fromkeys((*rows.NORMS, Op.SCALE), 1.0),
    Op.SHIFT: 0.0,
    Op.PRELU: 0.25,
}
"""Values with which the weights of an operator begin."""
_DEVIATION = {Op.POSITION: 0.02, Op.CONCAT: 0.02, Op.EMBEDDING: 1.0}


def _drawn(rng: np.random.Generator) -> Source:
    def draw(name: str, shape: Shape, op: Op) -> Array:
        role = name.rpartition(".")[2]
        if role.startswith("bias") or role == "running_mean":
            return np.zeros(shape, "<f4")
        if op in _FIXED:
            return np.full(shape, _FIXED[op], "<f4")
        deviation = _DEVIATION.get(op) or (2 / prod(shape[1:])) ** 0.5
        return rng.standard_normal(shape, np.float32) * np.float32(deviation)

    return draw
