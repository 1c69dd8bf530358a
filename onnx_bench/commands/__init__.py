"""Commands of `onnx-bench` that live in files of their own.

Each file has a function `add_to(app)`; `onnx_bench/cli.py` calls it. What a command needs is
imported inside it, so that `--help` answers at once.
"""
