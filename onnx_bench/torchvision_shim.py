"""Makes torchvision importable where its compiled operators do not load.

A wheel of torchvision that is linked with CUDA finds no operators beside a CPU build of torch, and
its import then fails. timm and transformers import it too, although none of their networks runs
such an operator: with the operators merely declared, all three import.
"""

import importlib
import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

import torch

# As torchvision declares them; the first two are asked for when it is imported.
SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, "
    "SymInt pooled_width, int sampling_ratio, bool aligned) -> Tensor",
    "deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, "
    "SymInt stride_h, SymInt stride_w, SymInt pad_h, SymInt pad_w, SymInt dilation_h, "
    "SymInt dilation_w, SymInt groups, SymInt offset_groups, bool use_mask) -> Tensor",
)


def import_torchvision() -> ModuleType:
    """The module torchvision, with declared operators where the real ones do not load."""
    install()
    return importlib.import_module("torchvision")


@cache
def install() -> torch.library.Library | None:
    """Declares torchvision's operators if they do not load; needed before its first import.

    Returns:
        The declarations, which last as long as this object does (the cache keeps it), or None
        where the real operators are there or torchvision is not installed.
    """
    if importlib.util.find_spec("torchvision") is None or _loads():
        return None
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for schema in SCHEMAS:
        library.define(schema)  # type: ignore[no-untyped-call]
    return library


def _loads() -> bool:
    spec = importlib.util.find_spec("torchvision")  # finds the package without importing it
    if spec is None or spec.origin is None:
        return False
    compiled = next(Path(spec.origin).parent.glob("_C*"), None)
    if compiled is None:
        return False
    try:
        torch.ops.load_library(str(compiled))  # type: ignore[no-untyped-call]
    except OSError:
        return False
    return True
