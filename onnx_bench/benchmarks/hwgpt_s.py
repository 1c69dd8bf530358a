"""HW-GPT-Bench's subnets of GPT-S; see `hwgpt.py`."""

from onnx_bench.benchmarks.hwgpt import subnets

BENCHMARK = subnets("s", "hwgpt")
