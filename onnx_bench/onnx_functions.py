"""How each operator without weights is written in ONNX; see `onnx_writers.py`."""

from typing import Any

from onnx_bench import rows
from onnx_bench.errors import GraphError
from onnx_bench.graph import Node
from onnx_bench.onnx_writers import Site, Writer, writes
from onnx_bench.operators import Op


@writes(Op.OUTPUT)
def _output(w: Writer, site: Site) -> None:
    # An input, or a value that has the name of another output already, needs a second name.
    if site.inputs[0] != site.output:
        w.emit(site, "Identity", *site.inputs)


# functions of one value

_NAMED: dict[Op, tuple[str, dict[str, Any]]] = {
    Op.HARD_SIGMOID: ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    Op.LEAKY_RELU: ("LeakyRelu", {"alpha": rows.SLOPE}),
    Op.ELU: ("Elu", {"alpha": rows.ALPHA}),
    Op.SQRT: ("Sqrt", {}),
    Op.SINE: ("Sin", {}),
    Op.SOFTMAX: ("Softmax", {"axis": -1}),
    Op.NORMALIZE: ("LpNormalization", {"axis": -1, "p": 2}),
    Op.MAXIMUM: ("Max", {}),
    Op.MINIMUM: ("Min", {}),
    Op.SUB: ("Sub", {}),
    Op.DIV: ("Div", {}),
}
"""Operators that are one ONNX operator with fixed attributes."""
_BOUNDS = {Op.RELU6: (0, 6), Op.CLIP: (rows.LOW, rows.HIGH)}


@writes(*_NAMED)
def _simple(w: Writer, site: Site) -> None:
    operator, attributes = _NAMED[site.node.op]
    w.emit(site, operator, *_aligned(w, site), **attributes)


@writes(*_BOUNDS)
def _clip(w: Writer, site: Site) -> None:
    w.emit(site, "Clip", *site.inputs, *(w.scalar(bound) for bound in _BOUNDS[site.node.op]))


@writes(Op.SILU)
def _silu(w: Writer, site: Site) -> None:
    gate = w.emit(site, "Sigmoid", *site.inputs, part="sigmoid")
    w.emit(site, "Mul", *site.inputs, gate)


@writes(Op.ZERO)
def _zero(w: Writer, site: Site) -> None:
    w.emit(site, "Mul", *site.inputs, w.scalar(0))


# joins


@writes(Op.ADD)
def _add(w: Writer, site: Site) -> None:
    terms = _aligned(w, site)
    w.emit(site, "Add" if len(terms) == 2 else "Sum", *terms)


@writes(Op.MUL)
def _mul(w: Writer, site: Site) -> None:
    product, *factors = _aligned(w, site)
    for rank, factor in enumerate(factors[:-1]):
        product = w.emit(site, "Mul", product, factor, part=f"product_{rank}")
    w.emit(site, "Mul", product, factors[-1])


def _aligned(w: Writer, site: Site) -> list[str]:
    """The node's inputs in one rank: else the batch of a smaller one would meet another axis."""
    values = []
    for rank, (value, shape) in enumerate(zip(site.inputs, site.in_shapes, strict=True)):
        missing = len(site.node.out_shape) - len(shape)
        if missing:
            part = f"input_{rank}"
            axes = w.ints(site, f"{part}.axes", *range(1, missing + 1))
            value = w.emit(site, "Unsqueeze", value, axes, part=part)
        values.append(value)
    return values


@writes(Op.ATTENTION)
def _attention(w: Writer, site: Site) -> None:
    heads = site.node.attribute(0)
    inside = len(site.node.in_shape) == 2  # else the heads are an axis of their own
    counts: dict[str, Any] = {"q_num_heads": heads, "kv_num_heads": heads} if inside else {}
    w.emit(site, "Attention", *site.inputs, **counts)


# pooling and reductions


def window(node: Node) -> dict[str, Any]:
    """A window as ONNX's attributes."""
    w = rows.window(node)
    return {"kernel_shape": w.kernel, "strides": w.stride, "pads": (*w.before, *w.after)}


@writes(Op.MAX_POOL)
def _max_pool(w: Writer, site: Site) -> None:
    node, dilation = site.node, rows.window(site.node).dilation
    dilated: dict[str, Any] = {"dilations": dilation} if max(dilation) > 1 else {}
    w.emit(site, "MaxPool", *site.inputs, ceil_mode=node.attribute(1), **dilated, **window(node))


@writes(Op.AVG_POOL)
def _avg_pool(w: Writer, site: Site) -> None:
    node = site.node
    if max(rows.window(node).dilation) > 1:
        raise GraphError("it takes the mean of dilated windows, which torch does not do")
    counts: dict[str, Any] = {
        "count_include_pad": node.attribute(0),
        "ceil_mode": node.attribute(1),
    }
    w.emit(site, "AveragePool", *site.inputs, **counts, **window(node))


@writes(Op.MEAN)
def _mean(w: Writer, site: Site) -> None:
    w.emit(site, "ReduceMean", *site.inputs, w.ints(site, "axes", 1), keepdims=0)


_REDUCTIONS = {
    Op.REDUCE_MEAN: "ReduceMean",
    Op.REDUCE_SUM: "ReduceSum",
    Op.REDUCE_MAX: "ReduceMax",
}


@writes(*_REDUCTIONS)
def _reduce(w: Writer, site: Site) -> None:
    node = site.node
    axes = w.ints(site, "axes", *(axis + 1 for axis in rows.reduced_axes(node)))
    keep = int(len(node.in_shape) == len(node.out_shape))
    w.emit(site, _REDUCTIONS[node.op], *site.inputs, axes, keepdims=keep)


@writes(Op.CUMULATE)
def _cumulate(w: Writer, site: Site) -> None:
    w.emit(site, "CumSum", *site.inputs, w.ints(site, "axis", -1))


# moving data


@writes(Op.SLICE)
def _slice(w: Writer, site: Site) -> None:
    axis, start, length, step = rows.cut(site.node)
    end = start + step * length
    # An end below 0 would count from behind: one far in front of the axis means its beginning.
    end = end if end >= 0 else -site.node.in_shape[axis] - 1
    given = {"starts": start, "ends": end, "axes": axis + 1}
    given |= {"steps": step} if step != 1 else {}
    w.emit(site, "Slice", *site.inputs, *(w.ints(site, r, value) for r, value in given.items()))


@writes(Op.RESHAPE)
def _reshape(w: Writer, site: Site) -> None:
    # 0 keeps the batch, whatever its size.
    w.emit(site, "Reshape", *site.inputs, w.ints(site, "shape", 0, *site.node.out_shape))


@writes(Op.TRANSPOSE)
def _transpose(w: Writer, site: Site) -> None:
    node = site.node
    permutation = [node.attribute(axis) + 1 for axis in range(len(node.in_shape))]
    w.emit(site, "Transpose", *site.inputs, perm=[0, *permutation])


@writes(Op.PAD)
def _pad(w: Writer, site: Site) -> None:
    sides = rows.sides(site.node)
    pads = w.ints(site, "pads", *(before for before, _ in sides), *(after for _, after in sides))
    axes = w.ints(site, "axes", *range(1, len(sides) + 1))
    w.emit(site, "Pad", *site.inputs, pads, "", axes)


@writes(Op.RESIZE)
def _resize(w: Writer, site: Site) -> None:
    size = rows.resized(site.node)
    how: dict[str, Any] = {
        "mode": "nearest",
        "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": "floor",
        "axes": [axis + 2 for axis in range(len(size))],
    }
    w.emit(site, "Resize", *site.inputs, "", "", w.ints(site, "sizes", *size), **how)


@writes(Op.EXPAND)
def _expand(w: Writer, site: Site) -> None:
    value, tiles = site.inputs[0], rows.tiles(site.node)
    if tiles.aligned != site.node.in_shape:
        aligned = w.ints(site, "aligned.shape", 0, *tiles.aligned)
        value = w.emit(site, "Reshape", value, aligned, part="aligned")
    if tiles.plain:
        w.emit(site, "Expand", value, w.ints(site, "shape", 1, *site.node.out_shape))
    else:
        w.emit(site, "Tile", value, w.ints(site, "repeats", 1, *tiles.times))
