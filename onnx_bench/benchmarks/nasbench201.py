"""NAS-Bench-201 (Dong and Yang, ICLR 2020), all 15,625 cells, with the labels of NATS-Bench.

`root/nasbench201/labels.parquet` has a row a cell: `arch_str` and one column a label.
"""

from pathlib import Path

from onnx_bench.benchmarks.labels import (
    LabelTable,
    benchmark_file,
    from_frame,
    read_frame,
    subset_of,
)

SUBSETS = ("all", "no-none")
LABEL = "c10_test_200_mean"


def read(
    root: Path | None = None, label: str | None = None, subset: str | None = None
) -> LabelTable:
    """The cells and their mean CIFAR-10 test accuracy after 200 epochs, in percent.

    Args:
        label: another column, such as `in16_test_200_mean`.
        subset: `all` 15,625 cells (default), or `no-none`, the 4,096 without a `none` edge.
    """
    path = benchmark_file(root, "nasbench201")
    frame = read_frame(path, ("arch_str",))
    subset = subset_of("nasbench201", subset, SUBSETS)
    if subset == "no-none":
        frame = frame[~frame["arch_str"].str.contains("none")]
    frame = frame.assign(network="nasbench201:" + frame["arch_str"])
    return from_frame(frame, path, "network", label or LABEL, "nasbench201", subset)
