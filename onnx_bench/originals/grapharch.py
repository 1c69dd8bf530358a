"""GraphArch-Regression (akhauriyash/GraphArch-Regression on the Hub; arXiv 2509.26476).

One parquet file of some 4 GB with a row for each network: `identifier`, `space` (NASBench101, ENAS,
NASNet, ...), `input` (the network as the text of an ONNX graph) and `val_accuracy`. The columns are
those that published code reads; neither the file nor the exact form of `input` could be tried, so
that the text is kept as it is: no network is built from it.
"""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from onnx_bench.formats.errors import FormatError, about
from onnx_bench.originals.found import files

COLUMNS = ("identifier", "space", "val_accuracy")


def read(folder: Path, texts: bool = False) -> pd.DataFrame:
    """The wide table of the parquet files below `folder`.

    Args:
        folder: where they lie.
        texts: whether to read the column `input`, some 4 GB, too.

    Raises:
        LabelError: there are none, or they lack a column.
    """
    wanted = [*COLUMNS, *(["input"] if texts else [])]
    parts: list[pd.DataFrame] = []
    for path in files(folder, "**/*.parquet"):
        with about(path):
            try:
                with pq.ParquetFile(path) as file:
                    lacking = sorted(set(wanted) - set(file.schema_arrow.names))
                    if lacking:
                        raise FormatError(f"no column {', '.join(lacking)}; is it another file?")
                    parts.append(file.read(columns=wanted).to_pandas())
            except (pa.ArrowException, ValueError) as error:
                reason = str(error).partition("\n")[0]
                raise FormatError(f"not a parquet file ({reason})") from None
    return pd.concat(parts, ignore_index=True)
