"""NAS-Bench-101 (Ying et al., ICML 2019): CIFAR-10 accuracies of 151,644 of its 423,624 cells.

`root/nasbench101/labels.parquet` has a row a cell: `adjacency`, `operations`, the means of three
108-epoch runs, and `sampled_in`, a list of tags of which `full` marks the near-uniform sample.
"""

from pathlib import Path

from onnx_bench.benchmarks.labels import (
    LabelTable,
    benchmark_file,
    from_frame,
    read_frame,
    subset_of,
)

SUBSETS = ("full", "all")
LABEL = "val_acc_108_mean"


def read(
    root: Path | None = None, label: str | None = None, subset: str | None = None
) -> LabelTable:
    """The cells and their mean validation accuracy in percent (or another column, `label`).

    Args:
        subset: `full`, the 28,963 cells drawn near-uniformly from the space (default), or `all`.
    """
    path = benchmark_file(root, "nasbench101")
    frame = read_frame(path, ("adjacency", "operations", "sampled_in"))
    subset = subset_of("nasbench101", subset, SUBSETS)
    if subset == "full":
        frame = frame[frame["sampled_in"].str.split(";").map(lambda tags: "full" in tags)]
    text = "nasbench101:" + frame["adjacency"] + ":" + frame["operations"]
    frame = frame.assign(network=text)
    return from_frame(frame, path, "network", label or LABEL, "nasbench101", subset)
