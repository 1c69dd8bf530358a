"""The files that the authors of benchmarks publish, read as our wide tables.

Each module has `read(folder)`, which finds its files in a benchmark's folder. Pickles among them
are read as data (`onnx_bench.formats`): nothing that a file holds is ever imported or run.
"""
