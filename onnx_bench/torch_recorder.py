"""Watches a module run on tensors without values, and writes what it does into a trace.

A `TorchFunctionMode` sees every function of torch that is called, at the level at which the module
calls it: a convolution, a recurrent layer or an attention is one call. What depends on the input
runs on the meta device, which knows shapes alone; small tensors that do not depend on it (indices,
masks) keep their values.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name

from onnx_bench.errors import ModuleError
from onnx_bench.graph import Shape
from onnx_bench.operators import Op
from onnx_bench.trace import Trace, Value, constant

MAX_KEPT = 1 << 16
"""Most values of a constant that the trace keeps."""
MAX_COMPUTED = 1 << 22
"""Most values of a constant that is computed at all."""

Handler = Callable[["Recorder", "Called"], None]
HANDLERS: dict[str, Handler] = {}


def handles(*names: str) -> Callable[[Handler], Handler]:
    """Registers the function that records calls of these names."""

    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(names, handler))
        return handler

    return register


class Called:
    """One call: its name, arguments and result."""

    def __init__(self, name: str, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> None:
        self.name, self.args, self.kwargs, self.out = name, args, kwargs, out

    def get(self, position: int, name: str, default: Any = None) -> Any:
        """An argument by its place or its name."""
        if position < len(self.args):
            return self.args[position]
        return self.kwargs.get(name, default)

    @property
    def x(self) -> Any:
        """The first argument."""
        return self.args[0] if self.args else next(iter(self.kwargs.values()))

    @property
    def shape(self) -> Shape:
        """Shape of the first argument."""
        return tuple(self.x.shape)


class Recorder(TorchFunctionMode):
    """Records into `trace` while it is active."""

    def __init__(self, trace: Trace) -> None:
        super().__init__()
        self.trace = trace
        self._values: dict[int, Value] = {}
        self._alive: list[Any] = []  # numbers of objects are theirs only while they live
        self._copies: dict[int, Tensor] = {}
        self._originals: dict[int, Tensor] = {}

    def bind(self, tensor: Tensor, value: Value) -> None:
        """Lets a tensor stand for a value from here on."""
        self._values[id(tensor)] = value
        self._alive.append(tensor)

    def value(self, tensor: Any) -> Value:
        """What a tensor or a number stands for."""
        if not isinstance(tensor, Tensor):
            return constant(float(tensor))
        if id(tensor) not in self._values:
            known = tensor.device.type != "meta" and tensor.numel() <= MAX_KEPT
            data = tensor.detach().to(torch.float32 if tensor.is_floating_point() else tensor.dtype)
            array = data.numpy(force=True) if known else None
            self.bind(tensor, Value(tuple(tensor.shape), constant=True, data=array))
        return self._values[id(tensor)]

    def is_data(self, tensor: Any) -> bool:
        """Whether a tensor depends on the network's input."""
        return isinstance(tensor, Tensor) and not self.value(tensor).constant

    def add(self, op: Op, inputs: Sequence[Any], out: Tensor | Shape, **attributes: Any) -> Value:
        """Adds a step of tensors, values or numbers; binds its result where `out` is a tensor."""
        given = [v if isinstance(v, Value) else self.value(v) for v in inputs if v is not None]
        shape = tuple(out.shape) if isinstance(out, Tensor) else out
        (value,) = self.trace.add(op, given, shape, **attributes)
        if isinstance(out, Tensor):
            self.bind(out, value)
        return value

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = _name(func)
        given = list(tensors((args, kwargs)))
        if name in _READS:
            self._refuse(name, args)
        if not any(t.device.type == "meta" or self._is_written(t) for t in given):
            return func(*args, **_on_cpu(kwargs, given))
        own = args
        args, kwargs = self._on_meta(args), self._on_meta(kwargs)
        before = len(self.trace.steps)
        result = func(*args, **kwargs)
        if name == "__setitem__":
            self._write(own[0], args)
        if not any(True for _ in tensors(result)):
            return result
        try:
            self._record(Called(name, args, kwargs, result))
        except (_Unhandled, IndexError, TypeError, AttributeError, KeyError, ValueError):
            # Arguments that a handler does not expect: another version of torch, a rare spelling.
            del self.trace.steps[before:]
            self._record_unknown(name, args, kwargs, result)
        if args and result is args[0] and isinstance(result, Tensor):
            self._write_through(own[0], result)
        return result

    def _is_written(self, tensor: Tensor) -> bool:
        """Whether data was written into a tensor that was made as a constant."""
        value = self._values.get(id(tensor))
        return value is not None and not value.constant

    def _write(self, whole: Any, args: Any) -> None:
        """Records that entries of a tensor were replaced."""
        written = [item for item in args[1:] if self.is_data(item)]
        if written or self.is_data(args[0]):
            self.add(Op.SCATTER, [args[0], *written], args[0])
            self._write_through(whole, args[0])

    def _write_through(self, whole: Tensor, result: Tensor) -> None:
        """What is written into a tensor changes it, and what it is a part of."""
        if whole is not result:
            self.bind(whole, self.value(result))
        base = result._base
        if base is not None and base is not result and id(base) in self._values:
            self.add(Op.SCATTER, [base, result], base)
            if id(base) in self._originals:
                self.bind(self._originals[id(base)], self.value(base))

    def _refuse(self, name: str, args: Any) -> None:
        """Ends the recording where a value is asked for that only a run could give."""
        if args and isinstance(args[0], Tensor) and args[0].device.type == "meta":
            raise ValueReadError(
                f"the module asks for the values of a tensor ({name} in {_caller()}) to go on: "
                "what it does depends on its data, so it has no single graph; record the branch "
                "that you mean"
            )

    def _on_meta(self, tree: Any) -> Any:
        """The same arguments with every tensor on the meta device."""
        if isinstance(tree, Tensor):
            if tree.device.type == "meta":
                return tree
            if id(tree) not in self._copies:
                self._copies[id(tree)] = tree.detach().to("meta")
                self._originals[id(self._copies[id(tree)])] = tree
            self.bind(self._copies[id(tree)], self.value(tree))
            return self._copies[id(tree)]
        if isinstance(tree, torch.device):
            return torch.device("meta")
        if isinstance(tree, dict):
            return {key: self._on_meta(item) for key, item in tree.items()}
        if type(tree) in (list, tuple):
            return type(tree)(self._on_meta(item) for item in tree)
        return "meta" if tree == "cpu" else tree

    def _record(self, call: Called) -> None:
        handler = HANDLERS.get(call.name)
        if handler is None:
            raise _Unhandled
        handler(self, call)

    def _record_unknown(self, name: str, args: Any, kwargs: Any, result: Any) -> None:
        inputs = [self.value(t) for t in tensors((args, kwargs))]
        outputs = list(tensors(result))
        shapes = [tuple(t.shape) for t in outputs]
        values = self.trace.add(Op.UNKNOWN, inputs, *shapes, name=name)
        for tensor, value in zip(outputs, values, strict=True):
            self.bind(tensor, value)


class ValueReadError(ModuleError):
    """The module looked at the values of a tensor."""


class _Unhandled(Exception):  # noqa: N818, no error: the call becomes UNKNOWN
    """A use of a function that no handler covers."""


def require(condition: bool) -> None:
    """Leaves the handler unless the condition holds: the call counts as unknown."""
    if not condition:
        raise _Unhandled


_READS = frozenset(
    [
        "__bool__",
        "__int__",
        "__float__",
        "__index__",
        "item",
        "tolist",
        "numpy",
        "__contains__",
        "is_nonzero",
        "equal",
    ]
)


def _name(func: Any) -> str:
    """A function's own name, without underscores: `add_`, `__iadd__` and `add` are told apart."""
    name = getattr(func, "__name__", "")
    if name == "__get__":
        return str(getattr(func.__self__, "__name__", name))
    return name or str(resolve_name(func))


def _caller() -> str:
    """Where in the module's own code a function of torch was called."""
    frame = sys._getframe(1)
    inside = (str(Path(torch.__file__).parent), str(Path(__file__).parent))
    while frame.f_back is not None and frame.f_code.co_filename.startswith(inside):
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}, line {frame.f_lineno}"


def _on_cpu(kwargs: dict[str, Any], given: list[Tensor]) -> dict[str, Any]:
    """Settings of a function that makes a constant: with values where they are few."""
    device = kwargs.get("device")
    if device is not None and not given and torch.device(device).type == "meta":
        return {**kwargs, "device": "cpu"}
    return kwargs


def tensors(tree: Any) -> Iterator[Tensor]:
    """The tensors in nested results: lists, mappings, data classes."""
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, Mapping):
        for item in tree.values():
            yield from tensors(item)
    elif isinstance(tree, (list, tuple)):
        for item in tree:
            yield from tensors(item)
    elif is_dataclass(tree) and not isinstance(tree, type):
        for field in fields(tree):
            yield from tensors(getattr(tree, field.name))
