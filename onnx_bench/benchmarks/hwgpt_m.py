"""HW-GPT-Bench's subnets of GPT-M; see `hwgpt.py`."""

from onnx_bench.benchmarks.hwgpt import subnets

BENCHMARK = subnets("m", "hwgpt@m")
