"""Results of a transfer: one row a seed, their summary, and the published figure beside ours."""

from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from gennape.metrics import METRICS
from onnx_bench.files import atomic_file

KEYS = ["source", "target", "subset", "label", "encoder", "source_model", "shots"]

# Spearman and NDCG@10 of the GENNAPE paper (Mills et al., AAAI 2023, Tables 5 and 6), k-GNN.
PUBLISHED = {
    ("nasbench101", "nasbench201", "no-none", "k-gnn", 0): {"spearman": 0.4930, "ndcg10": 0.9270},
    ("nasbench101", "nasbench201", "no-none", "k-gnn", 50): {"spearman": 0.8606, "ndcg10": 0.9751},
}


def read_rows(path: Path) -> pd.DataFrame:
    """Rows of an earlier run; an empty frame where there is none."""
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=[*KEYS, "seed"])


def write_rows(path: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """Writes all rows, ordered, whole or not at all; returns them."""
    ordered = rows.sort_values([*KEYS, "seed"], ignore_index=True)
    with atomic_file(path) as temporary:
        ordered.to_csv(temporary, index=False, float_format="%.5f")
    return ordered


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean and deviation over seeds, and the published figure where there is one."""
    records: list[dict[str, Any]] = []
    for key, group in rows.groupby(KEYS, dropna=False):
        record: dict[str, Any] = dict(zip(KEYS, key, strict=True))
        record |= {"networks": int(group["networks"].iloc[0]), "seeds": len(group)}
        for metric in METRICS:
            record[metric] = group[metric].mean()
            record[f"{metric}_std"] = group[metric].std(ddof=1) if len(group) > 1 else float("nan")
        places = ("source", "target", "subset", "encoder", "shots")
        published = PUBLISHED.get(tuple(record[place] for place in places), {})
        for metric in ("spearman", "ndcg10"):
            record[f"published_{metric}"] = published.get(metric, float("nan"))
        records.append(record)
    return pd.DataFrame(records)


def write_summary(out: Path, rows: pd.DataFrame) -> Path:
    """Writes the summary beside the rows, as `NAME_summary.csv`."""
    path = out.with_name(f"{out.stem}_summary.csv")
    with atomic_file(path) as temporary:
        rows.to_csv(temporary, index=False, float_format="%.4f")
    return path


def show(rows: pd.DataFrame) -> None:
    """Prints the summary as a table."""
    table = Table("target", "subset", "networks", "labels", "seeds")
    for name in ("Spearman", "Kendall", "NDCG@10", "MAE", "published Spearman"):
        table.add_column(name, justify="right")
    for row in rows.to_dict("records"):
        figures = [f"{row[name]:.3f} ± {row[f'{name}_std']:.3f}" for name in METRICS]
        published = row["published_spearman"]
        table.add_row(
            row["target"],
            row["subset"],
            f"{row['networks']:,}",
            str(row["shots"]),
            str(row["seeds"]),
            *figures,
            "" if pd.isna(published) else f"{published:.3f}",
        )
    Console().print(table)
