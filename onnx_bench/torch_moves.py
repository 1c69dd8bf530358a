"""How calls of torch that only move data are recorded; see `torch_handlers.py`."""

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from onnx_bench.graph import Shape
from onnx_bench.operators import Op
from onnx_bench.torch_recorder import Called, Recorder, handles, require
from onnx_bench.trace import Value

_SAME = """contiguous clone detach dropout dropout_ dropout1d dropout2d dropout3d alpha_dropout
feature_alpha_dropout to type type_as float double half bfloat16 long int bool cpu cuda data alias
requires_grad_ requires_grad detach_ nan_to_num nan_to_num_ view_as_real_copy real
fake_quantize_per_tensor_affine resolve_conj conj"""


@handles(*_SAME.split())
def _same(r: Recorder, call: Called) -> None:
    if call.out is not call.x:
        r.add(Op.IDENTITY, [call.x], call.out)


_RESHAPES = """view reshape flatten unflatten squeeze unsqueeze squeeze_ unsqueeze_ view_as
reshape_as ravel view_as_real view_as_complex atleast_1d atleast_2d atleast_3d"""


@handles(*_RESHAPES.split())
def _reshape(r: Recorder, call: Called) -> None:
    if isinstance(call.get(1, "dtype"), torch.dtype):
        r.add(Op.IDENTITY, [call.x], call.out)
    else:
        r.add(Op.RESHAPE, [call.x], call.out)


@handles("permute", "transpose", "transpose_", "swapaxes", "swapdims", "t", "movedim", "moveaxis")
@handles("T", "mT", "H", "mH", "adjoint", "t_")
def _transpose(r: Recorder, call: Called) -> None:
    # The function itself tells where it takes each axis: it is run on axes of different lengths.
    rank = call.x.dim()
    marked = torch.empty([i + 1 for i in range(rank)], device="meta")
    if call.name in ("T", "mT", "H", "mH"):
        turned = getattr(marked, call.name)
    else:
        turned = getattr(torch.Tensor, call.name)(marked, *call.args[1:], **call.kwargs)
    axes = tuple(size - 1 for size in turned.shape)
    r.add(Op.TRANSPOSE, [call.x], call.out, permutation=axes)


# parts


def _cut(r: Recorder, x: Any, axis: int, start: int, length: int, step: int = 1) -> Value:
    """`length` entries of one axis; all of them in their order are the value itself."""
    value = x if isinstance(x, Value) else r.value(x)
    if (start, length, step) == (0, value.shape[axis], 1):
        return value
    shape = (*value.shape[:axis], length, *value.shape[axis + 1 :])
    return r.add(Op.SLICE, [value], shape, axis=axis, start=start, step=step)


@handles("chunk", "split", "tensor_split", "split_with_sizes", "unsafe_chunk", "unsafe_split")
@handles("hsplit", "vsplit")
def _split(r: Recorder, call: Called) -> None:
    axis = 0
    for i, (given, part) in enumerate(zip(call.shape, call.out[0].shape, strict=True)):
        axis = i if given != part else axis
    start = 0
    for part in call.out:
        length = part.shape[axis]
        r.bind(part, _cut(r, call.x, axis, start, length))
        start += length


@handles("unbind", "__iter__")
def _unbind(r: Recorder, call: Called) -> None:
    if not isinstance(call.out, (list, tuple)):
        return
    axis = call.get(1, "dim", 0) % call.x.dim()
    for i, part in enumerate(call.out):
        r.add(Op.RESHAPE, [_cut(r, call.x, axis, i, 1)], part)


@handles("narrow", "select")
def _narrow(r: Recorder, call: Called) -> None:
    axis = call.get(1, "dim") % call.x.dim()
    start = int(call.get(2, "start", call.kwargs.get("index"))) % call.shape[axis]
    length = int(call.get(3, "length")) if call.name == "narrow" else 1
    part = _cut(r, call.x, axis, start, length)
    r.add(Op.RESHAPE, [part], call.out)


@handles("__getitem__")
def _index(r: Recorder, call: Called) -> None:
    index = call.args[1]
    parts = list(index) if isinstance(index, tuple) else [index]
    axes = sum(1 for p in parts if p is not None and p is not Ellipsis)
    rest = [slice(None)] * (call.x.dim() - axes)
    if Ellipsis in [p for p in parts if not isinstance(p, Tensor)]:
        place = next(i for i, p in enumerate(parts) if p is Ellipsis)
        parts[place : place + 1] = rest
    else:
        parts += rest
    plain = all(p is None or type(p) in (int, slice) for p in parts)
    if not plain:
        _gathered(r, call, parts)
        return
    value, axis = r.value(call.x), 0
    for part in parts:
        if part is None:
            continue
        length = value.shape[axis]
        chosen = range(length)[part] if isinstance(part, slice) else range(length)[part:][:1]
        if type(part) is int:
            chosen = range(part % length, part % length + 1)
        value = _cut(r, value, axis, chosen.start, len(chosen), chosen.step)
        axis += 1
    r.add(Op.RESHAPE, [value], call.out)


def _gathered(r: Recorder, call: Called, parts: list[Any]) -> None:
    """An index that is a tensor: a part where it counts evenly, else entries that it chooses."""
    chosen = [p for p in parts if isinstance(p, Tensor)]
    if (
        len(chosen) == 1
        and call.x.dim() >= 1
        and all(isinstance(p, Tensor) or p == slice(None) for p in parts)
    ):
        place = next(i for i, p in enumerate(parts) if isinstance(p, Tensor))
        entries = _even(r.value(chosen[0]), call.shape[place])
        if entries is not None:
            part = _cut(r, call.x, place, entries.start, len(entries), entries.step)
            r.add(Op.RESHAPE, [part], call.out)
            return
    r.add(Op.GATHER, [call.x, *(p for p in chosen if r.is_data(p))], call.out)


def _even(value: Value, length: int) -> range | None:
    """The range that a constant index spells, if it is one."""
    if value.data is None or value.data.dtype.kind not in "iu" or value.data.ndim != 1:
        return None
    entries = [int(i) % length for i in value.data]
    steps = {b - a for a, b in pairwise(entries)}
    if len(entries) == 1:
        return range(entries[0], entries[0] + 1)
    if len(steps) != 1 or 0 in steps:
        return None
    step = steps.pop()
    return range(entries[0], entries[-1] + (1 if step > 0 else -1), step)


@handles("index_select")
def _index_select(r: Recorder, call: Called) -> None:
    axis = call.get(1, "dim") % call.x.dim()
    entries = _even(r.value(call.get(2, "index")), call.shape[axis])
    if entries is None:
        r.add(Op.GATHER, [call.x, call.get(2, "index")], call.out)
        return
    part = _cut(r, call.x, axis, entries.start, len(entries), entries.step)
    r.add(Op.RESHAPE, [part], call.out)


@handles("gather", "take_along_dim", "take", "masked_select", "unfold", "one_hot", "bucketize")
def _gather(r: Recorder, call: Called) -> None:
    indices = [a for a in call.args[1:] if isinstance(a, Tensor)]
    r.add(Op.GATHER, [call.x, *indices], call.out)


@handles("scatter", "scatter_", "scatter_add", "scatter_add_", "index_put", "index_put_", "copy_")
@handles("index_add", "index_add_", "index_copy", "fold", "masked_scatter", "slice_scatter")
@handles("select_scatter", "index_fill", "index_fill_")
def _scatter(r: Recorder, call: Called) -> None:
    if call.name == "copy_" and call.shape == tuple(call.args[1].shape):
        r.add(Op.IDENTITY, [call.args[1]], call.out)
        return
    written = [a for a in (*call.args[1:], *call.kwargs.values()) if r.is_data(a)]
    r.add(Op.SCATTER, [call.x, *written], call.out)


# wholes


@handles("cat", "concat", "concatenate", "hstack", "vstack")
def _concat(r: Recorder, call: Called) -> None:
    parts = [t for t in call.x if t.numel()]
    axis = call.get(1, "dim", call.kwargs.get("axis", 0))
    if call.name == "hstack":
        axis = 0 if parts[0].dim() == 1 else 1
    r.add(Op.CONCAT, parts, call.out, axis=axis % call.out.dim())


@handles("stack", "dstack", "column_stack")
def _stack(r: Recorder, call: Called) -> None:
    require(call.name == "stack")
    axis = call.get(1, "dim", 0) % call.out.dim()
    shape = (*call.out.shape[:axis], 1, *call.out.shape[axis + 1 :])
    r.add(Op.CONCAT, [r.add(Op.RESHAPE, [t], shape) for t in call.x], call.out, axis=axis)


_SPREAD = "expand expand_as broadcast_to repeat tile repeat_interleave"


@handles(*_SPREAD.split())
def _expand(r: Recorder, call: Called) -> None:
    if tuple(call.out.shape) == call.shape:
        r.add(Op.IDENTITY, [call.x], call.out)
    else:
        r.add(Op.EXPAND, [call.x], call.out)


@handles("broadcast_tensors", "meshgrid")
def _broadcast(r: Recorder, call: Called) -> None:
    given = call.args[0] if isinstance(call.args[0], (list, tuple)) else call.args
    for x, out in zip(given, call.out, strict=True):
        r.add(Op.EXPAND, [x], out)


@handles("roll")
def _roll(r: Recorder, call: Called) -> None:
    shifts, axes = call.get(1, "shifts"), call.get(2, "dims")
    require(axes is not None)
    pairs = zip(
        shifts if isinstance(shifts, (list, tuple)) else [shifts],
        axes if isinstance(axes, (list, tuple)) else [axes],
        strict=True,
    )
    value = r.value(call.x)
    for shift, axis in pairs:
        axis %= call.x.dim()
        length = call.shape[axis]
        first = -int(shift) % length
        if first:
            ends = [_cut(r, value, axis, first, length - first), _cut(r, value, axis, 0, first)]
            value = r.add(Op.CONCAT, ends, value.shape, axis=axis)
    r.add(Op.IDENTITY, [value], call.out)


@handles("flip", "fliplr", "flipud")
def _flip(r: Recorder, call: Called) -> None:
    axes = call.get(1, "dims", {"fliplr": 1, "flipud": 0}.get(call.name))
    value = r.value(call.x)
    for axis in axes if isinstance(axes, (list, tuple)) else [axes]:
        axis %= call.x.dim()
        value = _cut(r, value, axis, call.shape[axis] - 1, call.shape[axis], -1)
    r.add(Op.IDENTITY, [value], call.out)


@handles("pad")
def _pad(r: Recorder, call: Called) -> None:
    given, rank = [int(n) for n in call.get(1, "pad")], call.x.dim()
    before, after = [0] * rank, [0] * rank
    for i in range(len(given) // 2):
        before[rank - 1 - i], after[rank - 1 - i] = given[2 * i], given[2 * i + 1]
    value = r.value(call.x)
    for axis in range(rank):
        low, high = max(-before[axis], 0), max(-after[axis], 0)
        value = _cut(r, value, axis, low, value.shape[axis] - low - high)
    sides = tuple(max(n, 0) for n in (*before, *after))
    if any(sides):
        zeros = call.get(2, "mode", "constant") == "constant" and not call.get(3, "value")
        r.add(Op.PAD, [value], call.out, padding=sides, zeros=zeros)
    else:
        r.add(Op.IDENTITY, [value], call.out)


@handles("interpolate", "upsample", "upsample_nearest", "upsample_bilinear")
def _resize(r: Recorder, call: Called) -> None:
    same = tuple(call.out.shape) == call.shape
    r.add(Op.IDENTITY if same else Op.RESIZE, [call.x], call.out)


@handles("grid_sample")
def _sample(r: Recorder, call: Called) -> None:
    r.add(Op.SAMPLE, [call.x, call.get(1, "grid")], call.out)


@handles("pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "native_channel_shuffle")
def _shuffle(r: Recorder, call: Called) -> None:
    factor = int(call.args[1])
    n, c, h, w = call.shape
    inner: Shape
    axes: Shape
    if call.name == "pixel_shuffle":
        inner = (n, c // factor**2, factor, factor, h, w)
        axes = (0, 1, 4, 2, 5, 3)
    elif call.name == "pixel_unshuffle":
        inner = (n, c, h // factor, factor, w // factor, factor)
        axes = (0, 1, 3, 5, 2, 4)
    else:
        inner, axes = (n, factor, c // factor, h, w), (0, 2, 1, 3, 4)
    wide = r.add(Op.RESHAPE, [call.x], inner)
    turned = r.add(Op.TRANSPOSE, [wide], tuple(inner[a] for a in axes), permutation=axes)
    r.add(Op.RESHAPE, [turned], call.out)


_FILLED = """zeros_like ones_like full_like empty_like rand_like randn_like new_zeros new_ones
new_full new_empty new_tensor zero_ fill_ bernoulli bernoulli_ normal_ uniform_ trunc_normal_"""


@handles(*_FILLED.split())
def _filled(r: Recorder, call: Called) -> None:
    number = {"zeros_like": 0.0, "ones_like": 1.0, "new_zeros": 0.0, "new_ones": 1.0}
    data = None
    if call.name in number and call.out.numel() <= 1 << 16:
        data = np.full(tuple(call.out.shape), number[call.name], np.float32)
    r.bind(call.out, Value(tuple(call.out.shape), constant=True, data=data))


_TRANSFORMS = [
    f"{way}{kind}" for way in ("fft", "ifft", "rfft", "irfft") for kind in ("", "2", "n")
]


@handles(*_TRANSFORMS, *(f"fft_{name}" for name in _TRANSFORMS), "stft", "istft")
def _fourier(r: Recorder, call: Called) -> None:
    r.add(Op.FOURIER, [call.x], call.out)
