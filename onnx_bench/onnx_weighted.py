"""How each operator with weights is written in ONNX; see `onnx_writers.py`.

Weights come in torch's shapes and under its names. Where ONNX wants another layout, that is written
under a longer name.
"""

from typing import Any

import numpy as np

from onnx_bench import rows
from onnx_bench.graph import Shape
from onnx_bench.onnx_functions import window
from onnx_bench.onnx_writers import Array, Site, Writer, writes
from onnx_bench.operators import GATES, Op

# products


@writes(Op.CONV, Op.CONV_TRANSPOSE)
def _conv(w: Writer, site: Site) -> None:
    node, kernel = site.node, rows.window(site.node).kernel
    channels, forward = (node.in_shape[0], node.out_shape[0]), node.op == Op.CONV
    inputs, outputs = channels if forward else channels[::-1]
    weights = [w.learned(site, "weight", (outputs, inputs // node.groups, *kernel))]
    if node.bias:
        weights.append(w.learned(site, "bias", channels[1:]))
    settings: dict[str, Any] = {"dilations": rows.window(node).dilation, "group": node.groups}
    if not forward:
        settings["output_padding"] = rows.output_padding(node)
    operator = "Conv" if forward else "ConvTranspose"
    w.emit(site, operator, *site.inputs, *weights, **settings, **window(node))


@writes(Op.LINEAR)
def _linear(w: Writer, site: Site) -> None:
    node = site.node
    features = node.out_shape[-1]
    shape = (features, node.in_shape[-1])
    bias = [w.learned(site, "bias", (features,))] if node.bias else []
    if len(node.in_shape) == 1:
        weight = w.learned(site, "weight", shape)
        w.emit(site, "Gemm", *site.inputs, weight, *bias, transB=1)
        return
    weight = w.tensor(f"{site.prefix}.weight.T", w.weight(site, "weight", shape).T)
    part = "matmul" if bias else ""
    product = w.emit(site, "MatMul", *site.inputs, weight, part=part)
    if bias:
        w.emit(site, "Add", product, *bias)


@writes(Op.MATMUL)
def _matmul(w: Writer, site: Site) -> None:
    operands = site.inputs
    if len(operands) == 1:
        shape, right = rows.operand(site.node)
        weight = w.learned(site, "weight", shape)
        operands = [*operands, weight] if right else [weight, *operands]
    w.emit(site, "MatMul", *operands)


# normalisation


@writes(Op.BATCH_NORM)
def _batch_norm(w: Writer, site: Site) -> None:
    shape = site.node.in_shape[:1]
    weights = _affine(w, site)
    weights += [w.learned(site, role, shape) for role in ("running_mean", "running_var")]
    w.emit(site, "BatchNormalization", *site.inputs, *weights, epsilon=rows.EPSILON)


@writes(Op.GROUP_NORM)
def _group_norm(w: Writer, site: Site) -> None:
    settings: dict[str, Any] = {"num_groups": site.node.groups, "epsilon": rows.EPSILON}
    w.emit(site, "GroupNormalization", *site.inputs, *_affine(w, site), **settings)


@writes(Op.INSTANCE_NORM)
def _instance_norm(w: Writer, site: Site) -> None:
    weights = _affine(w, site)
    w.emit(site, "InstanceNormalization", *site.inputs, *weights, epsilon=rows.EPSILON)


@writes(Op.LAYER_NORM)
def _layer_norm(w: Writer, site: Site) -> None:
    weights = _affine(w, site)[: max(len(rows.affine(site.node)), 1)]
    axis = -len(rows.normed_shape(site.node))
    w.emit(site, "LayerNormalization", *site.inputs, *weights, axis=axis, epsilon=rows.EPSILON)


@writes(Op.RMS_NORM)
def _rms_norm(w: Writer, site: Site) -> None:
    scale, axis = _affine(w, site)[0], -len(rows.normed_shape(site.node))
    w.emit(site, "RMSNormalization", *site.inputs, scale, axis=axis, epsilon=rows.EPSILON)


def _affine(w: Writer, site: Site) -> list[str]:
    """Scale and shift of a normalisation, ones and zeros where they are not learned."""
    shape, learned = rows.normed_shape(site.node), rows.affine(site.node)
    return [
        w.learned(site, role, shape) if role in learned else w.filled(site, role, shape, value)
        for role, value in (("weight", 1.0), ("bias", 0.0))
    ]


# learned tensors of the shape of values


@writes(Op.POSITION)
def _position(w: Writer, site: Site) -> None:
    array = w.weight(site, "weight", site.node.in_shape)
    # The leading axis tells a position from a bias.
    w.emit(site, "Add", *site.inputs, w.tensor(f"{site.prefix}.weight", array[None]))


@writes(Op.SCALE, Op.SHIFT)
def _constant(w: Writer, site: Site) -> None:
    node, shape = site.node, rows.constant_shape(site.node)
    scales, value = node.op == Op.SCALE, site.inputs[0]
    if shape is None:
        number = w.scalar(1.0 if scales else 0.0)
        w.emit(site, "Mul" if scales else "Add", value, number)
        return
    missing = len(shape) - len(node.in_shape)
    if missing > 0:
        aligned = w.ints(site, "aligned.shape", 0, *(1 for _ in range(missing)), *node.in_shape)
        value = w.emit(site, "Reshape", value, aligned, part="aligned")
    if scales:
        w.emit(site, "Mul", value, w.learned(site, "weight", shape))
    elif _looks_like_position(shape, node.in_shape):
        negative = w.tensor(f"{site.prefix}.weight.negative", -w.weight(site, "weight", shape))
        w.emit(site, "Sub", value, negative)
    else:
        w.emit(site, "Add", value, w.learned(site, "weight", shape))


def _looks_like_position(constant: Shape, given: Shape) -> bool:
    """Whether a reader would take the sum with this constant for a POSITION."""
    sizes = [[size for size in shape if size > 1] for shape in (constant, given)]
    return sizes[0] == sizes[1]


@writes(Op.PRELU)
def _prelu(w: Writer, site: Site) -> None:
    count, space = rows.slopes(site.node), site.node.in_shape[1:]
    slopes = w.weight(site, "weight", count).reshape(*count, *(1 for _ in space))
    w.emit(site, "PRelu", *site.inputs, w.tensor(f"{site.prefix}.weight", slopes))


@writes(Op.EMBEDDING)
def _embedding(w: Writer, site: Site) -> None:
    node = site.node
    table = w.learned(site, "weight", (node.attribute(0), node.out_shape[-1]))
    chosen = w.emit(site, "Cast", *site.inputs, part="cast", to=7)  # whole numbers of 64 bits
    w.emit(site, "Gather", table, chosen, axis=0)


@writes(Op.CONCAT)
def _concat(w: Writer, site: Site) -> None:
    node = site.node
    lacking = rows.lacking(node, site.in_shapes)
    first = [] if lacking is None else [_token(w, site, lacking)]
    w.emit(site, "Concat", *first, *site.inputs, axis=node.attribute(0) + 1)


def _token(w: Writer, site: Site, shape: Shape) -> str:
    """A constant for each input of the batch: learned, or zeros where nothing is."""
    batch = w.emit(site, "Shape", site.inputs[0], part="batch", start=0, end=1)
    sizes = [batch, w.ints(site, "own", *shape)]
    wanted = w.emit(site, "Concat", *sizes, part="shape", axis=0)
    token = w.learned(site, "weight", shape) if site.node.parameters else w.scalar(0)
    return w.emit(site, "Expand", token, wanted, part="token")


# recurrence

_OPERATOR = {Op.LSTM: "LSTM", Op.GRU: "GRU", Op.RNN: "RNN"}
_ORDER = {Op.LSTM: (0, 3, 1, 2), Op.GRU: (1, 0, 2), Op.RNN: (0,)}
"""Where ONNX's gates stand among torch's."""


@writes(*_OPERATOR)
def _recurrent(w: Writer, site: Site) -> None:
    node, layer = site.node, rows.recurrent(site.node)
    value = site.inputs[0]
    if len(node.in_shape) == 3:
        lines = w.ints(site, "lines.shape", 0, layer.steps, layer.width)
        value = w.emit(site, "Reshape", value, lines, part="lines")
    settings: dict[str, Any] = {
        "hidden_size": layer.hidden,
        "direction": "bidirectional" if layer.directions == 2 else "forward",
    }
    if node.op == Op.GRU:
        settings["linear_before_reset"] = 1  # as torch computes it
    steps_first = w.emit(site, "Transpose", value, part="steps", perm=[1, 0, 2])
    weights = _recurrent_weights(w, site, layer)
    by_direction = w.emit(site, _OPERATOR[node.op], steps_first, *weights, part="layer", **settings)
    batch_first = w.emit(site, "Transpose", by_direction, part="inputs", perm=[2, 0, 1, 3])
    w.emit(site, "Reshape", batch_first, w.ints(site, "shape", 0, *node.out_shape))


def _recurrent_weights(w: Writer, site: Site, layer: rows.Recurrent) -> list[str]:
    """The weights on the input, on the state, and both biases in a row."""
    gates = GATES[site.node.op] * layer.hidden
    widths: dict[str, Shape] = {"weight_ih": (layer.width,), "weight_hh": (layer.hidden,)}
    names = [
        w.tensor(f"{site.prefix}.{role}", _by_direction(w, site, layer, role, (gates, *width)))
        for role, width in widths.items()
    ]
    if site.node.bias:
        biases = [_by_direction(w, site, layer, role, (gates,)) for role in ("bias_ih", "bias_hh")]
        names.append(w.tensor(f"{site.prefix}.bias", np.concatenate(biases, axis=1)))
    return names


def _by_direction(w: Writer, site: Site, layer: rows.Recurrent, role: str, shape: Shape) -> Array:
    """One weight of each direction, its gates in ONNX's order."""
    order = list(_ORDER[site.node.op])
    suffixes = ("", "_reverse")[: layer.directions]
    weights = [w.weight(site, f"{role}_l0{suffix}", shape) for suffix in suffixes]
    split = (array.reshape(len(order), layer.hidden, *shape[1:])[order] for array in weights)
    return np.stack([array.reshape(shape) for array in split])
