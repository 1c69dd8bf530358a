"""The size space of NATS-Bench as its authors publish it: 32,768 widths of one cell network.

Each was trained once for 1, 12 and 90 epochs on each data set. Written from the published code; the
real archive could not be tried.
"""

from pathlib import Path

import pandas as pd

from onnx_bench.originals.found import files, table
from onnx_bench.originals.nats_archive import rows

FILES = ("NATS-sss-*-simple", "NATS-sss-*-full", "NATS-sss-*.tar", "NATS-sss-*.pickle.pbz2")


def read(folder: Path) -> pd.DataFrame:
    """The wide table of the archive in `folder`, accuracies in percent.

    Columns: arch_str (`c1:c2:c3:c4:c5`), `params`, and `SHORT_SPLIT_EPOCHS` as `c10_test_90`: SHORT
    is c10, c10valid (half of the training images), c100 or in16, SPLIT is train, val, test or
    valtest, EPOCHS 1, 12 or 90; with single trainings and sizes as `nats_runs` names them.

    Raises:
        LabelError: there is no such archive, or it is damaged.
    """
    path = files(folder, *FILES)[0]
    frame = table(path, rows(path))
    means = {name: name.removesuffix("_mean") for name in map(str, frame) if name[-5:] == "_mean"}
    frame = frame.rename(columns=means)
    if "params_M_cifar10" in frame:
        return frame.assign(params=(frame["params_M_cifar10"] * 1e6).round().astype("Int64"))
    return frame
