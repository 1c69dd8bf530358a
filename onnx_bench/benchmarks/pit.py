"""100 pooling-based vision transformers (PiT) of ViT-Bench-101 (Wei et al., AAAI 2024)."""

from typing import Any

from onnx_bench.benchmarks.vit_bench import accuracies, vision_transformers


def _text(arch: dict[str, Any]) -> str:
    stages = zip(arch["num_heads"], arch["depth"], strict=True)
    parts = (f"{heads}x{depth}" for heads, depth in stages)
    return "/".join((f"b{arch['base_dim']}-r{arch['mlp_ratio']}", *parts))


BENCHMARK = vision_transformers(
    "pit",
    "PiT",
    "100 PiT networks on CIFAR-100, Flowers and Chaoyang",
    _text,
    [*accuracies("kd"), *accuracies("base")],
)
