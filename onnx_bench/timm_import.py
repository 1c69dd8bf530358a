"""Networks of timm by name, recorded without weights. Needs the extra `zoo`."""

from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import torch

from onnx_bench import torchvision_shim
from onnx_bench.errors import ModuleError, SpecError
from onnx_bench.graph import ComputationGraph
from onnx_bench.torch_import import from_torch


@cache
def timm() -> ModuleType:
    """The module timm.

    Raises:
        SpecError: it is not installed.
    """
    torchvision_shim.install()  # timm imports torchvision, which may not load by itself
    try:
        return import_module("timm")
    except ImportError as error:
        raise SpecError(
            f'networks of timm need timm itself: pip install "gennape[zoo]" ({error})'
        ) from None


@cache
def architectures() -> tuple[str, ...]:
    """The names that timm knows, sorted.

    Raises:
        SpecError: timm is not installed.
    """
    return tuple(sorted(timm().list_models()))


def network(architecture: str, pixels: int | None = None) -> ComputationGraph:
    """The network of an architecture, made on the meta device without weights.

    Args:
        architecture: a name that timm knows.
        pixels: side of the image; None takes the architecture's own.

    Raises:
        SpecError: timm is not installed, or cannot make or run it at this size.
    """
    try:
        with torch.device("meta"):
            module = _made(architecture, pixels)
        channels, *size = module.pretrained_cfg["input_size"]
        return from_torch(module, (1, channels, *(size if pixels is None else (pixels, pixels))))
    except (ModuleError, AssertionError, RuntimeError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        at = "" if pixels is None else f" at {pixels} pixels"
        raise SpecError(f"timm: {architecture!r} cannot be made{at}: {reason}") from None


def _made(architecture: str, pixels: int | None) -> Any:
    """The module; architectures that need to know the size of their images are told it."""
    make = timm().create_model
    if pixels is not None:
        try:
            return make(architecture, pretrained=False, img_size=pixels)
        except TypeError:
            pass  # an architecture that takes images of any size has no such argument
    return make(architecture, pretrained=False)
