"""From a PyTorch module to a computation graph: it is run once on tensors without values."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from onnx_bench import (  # noqa: F401, they fill HANDLERS
    torch_handlers,
    torch_layers,
    torch_moves,
    torch_sequences,
)
from onnx_bench.canonical import simplify
from onnx_bench.errors import GennapeError, ModuleError
from onnx_bench.graph import ComputationGraph, Shape
from onnx_bench.imported import Import, finish
from onnx_bench.torch_recorder import MAX_COMPUTED, Recorder, ValueReadError, tensors
from onnx_bench.trace import Trace, Value, Weight

Example = Tensor | Shape | Sequence[Tensor | Shape]
"""An input by itself or by its shape, the batch in front; or several."""


def from_torch(module: nn.Module, example: Example) -> ComputationGraph:
    """The network of a module; see `import_torch`."""
    return import_torch(module, example).graph


def import_torch(module: nn.Module, example: Example) -> Import:
    """The network of a module, and what of it is outside the vocabulary.

    Runs `forward` once in evaluation mode on the meta device: no weight is read or copied, nothing
    is computed, and the module stays as it is. A module that was made on the meta device will do.

    Args:
        module: any module whose calls do not depend on the values of its input.
        example: the inputs of `forward`, or their shapes (of real numbers), the batch in front.

    Raises:
        ModuleError: it decides by its data, or fails on such an input. One line.

    Example:
        >>> from_torch(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), (1, 3, 8, 8)).parameters
        224
    """
    name = type(module).__name__
    inputs = _inputs(example)
    try:
        try:
            trace = _recorded(module, inputs)
        except ValueReadError:
            # Libraries that look at values, to warn or to save work, skip that while compiling.
            with mock.patch.object(torch.compiler, "is_compiling", return_value=True):
                trace = _recorded(module, inputs)
        simplify(trace)
        return finish(trace)
    except (GennapeError, ValueError, RecursionError) as error:
        raise ModuleError(f"{name}: {error}") from None


def _recorded(module: nn.Module, inputs: list[Tensor]) -> Trace:
    """What the module does to such inputs."""
    trace = Trace(inputs[0].shape[0] if inputs[0].dim() else 1, type(module).__name__)
    recorder = Recorder(trace)
    weights = _without_values(module, recorder)
    for tensor in inputs:
        recorder.bind(tensor, trace.input(tuple(tensor.shape)))
    with _evaluating(module), torch.no_grad():
        try:
            with recorder:
                result = torch.func.functional_call(module, weights, tuple(inputs))
        except GennapeError:
            raise
        except Exception as error:  # whatever a stranger's module raises
            reason = " ".join(str(error).split())[:300]
            raise ModuleError(
                f"forward fails on inputs of shape {[tuple(t.shape) for t in inputs]} without "
                f"values: {reason}"
            ) from error
    trace.outputs = [recorder.value(t) for t in tensors(result) if recorder.is_data(t)]
    if not trace.outputs:
        raise ModuleError("no result is a tensor that depends on the input")
    return trace


def _inputs(example: Any) -> list[Tensor]:
    """Tensors without values for each input."""
    if isinstance(example, Tensor):
        return [_meta(example)]
    items = list(example)
    if items and all(isinstance(size, int) for size in items):
        return [_meta(tuple(items))]
    if not items:
        raise ModuleError("no input is given; give a tensor or a shape such as (1, 3, 224, 224)")
    return [_meta(item) for item in items]


def _meta(item: Any) -> Tensor:
    if isinstance(item, Tensor):
        return torch.empty(item.shape, dtype=item.dtype, device="meta")
    try:
        return torch.empty(tuple(item), device="meta")
    except (TypeError, RuntimeError) as error:
        raise ModuleError(f"{item!r} is no tensor and no shape such as (1, 3, 224, 224)") from error


def _without_values(module: nn.Module, recorder: Recorder) -> dict[str, Tensor]:
    """Every parameter and large buffer of a module as one without values, bound to what it is."""
    found: dict[str, Tensor] = {}
    copies: dict[int, Tensor] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        if id(parameter) not in copies:
            copy = torch.empty(parameter.shape, dtype=parameter.dtype, device="meta")
            copies[id(parameter)] = copy
            weight = frozenset({Weight(name, copy.numel())})
            recorder.bind(copy, Value(tuple(copy.shape), constant=True, weights=weight))
        found[name] = copies[id(parameter)]
    for name, buffer in module.named_buffers(remove_duplicate=False):
        if buffer.device.type == "meta" or buffer.numel() > MAX_COMPUTED:
            found[name] = torch.empty(buffer.shape, dtype=buffer.dtype, device="meta")
            recorder.bind(found[name], Value(tuple(buffer.shape), constant=True))
    return found


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode, and each part's own mode again afterwards."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode
