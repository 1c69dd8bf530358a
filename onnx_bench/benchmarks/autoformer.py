"""200 vision transformers of AutoFormer-Ti (ViT-Bench-101: Wei et al., AAAI 2024).

Accuracies spread two points and hold much noise. `imagenet-supernet` is measured with weights
inherited from a supernet, the others on networks trained from scratch, 100 of them without a
teacher.
"""

from typing import Any

from onnx_bench.benchmarks.base import Label
from onnx_bench.benchmarks.vit_bench import accuracies, vision_transformers


def _text(arch: dict[str, Any]) -> str:
    layers = zip(arch["num_heads"], arch["mlp_ratio"], strict=True)
    parts = (f"{heads}x{ratio:g}" for heads, ratio in layers)
    return "/".join((f"h{arch['hidden_dim']}", *parts))


SUPERNET = Label("imagenet-supernet-val", ("imagenet_super_acc",), "imagenet", split="val")
BENCHMARK = vision_transformers(
    "autoformer",
    "AutoFormer-Ti",
    "200 networks of AutoFormer-Ti on CIFAR-100, Flowers and Chaoyang",
    _text,
    [*accuracies("kd"), *accuracies("base"), SUPERNET],
)
