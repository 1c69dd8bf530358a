"""Results of a transfer: one row a seed, their summary, and the published figure beside ours."""

from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from gennape.metrics import METRICS
from onnx_bench.files import atomic_file

FORMER_LABELS = {"c10_test_200_mean": "cifar10-test-200"}
"""Labels that results hold under the names of their columns, from before they had their own."""
KEYS = ["source", "target", "subset", "label", "encoder", "source_model", "shots"]

# Spearman and NDCG@10 of the GENNAPE paper (Mills et al., AAAI 2023, Tables 5 and 6), k-GNN.
PUBLISHED = {
    ("nasbench101", "nasbench201", "no-none", "k-gnn", 0): {"spearman": 0.4930, "ndcg10": 0.9270},
    ("nasbench101", "nasbench201", "no-none", "k-gnn", 50): {"spearman": 0.8606, "ndcg10": 0.9751},
}


def read_rows(path: Path) -> pd.DataFrame:
    """Rows of an earlier run, labels by their present names; an empty frame where there is none."""
    if not path.exists():
        return pd.DataFrame(columns=[*KEYS, "seed"])
    rows = pd.read_csv(path)
    return rows.assign(label=rows["label"].replace(FORMER_LABELS))


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
    """Prints the summary as tables, one for each pair of source and target."""
    for (source, target, encoder), part in rows.groupby(["source", "target", "encoder"]):
        table = Table("rows", box=box.SIMPLE, title=f"{encoder}, {source} to {target}")
        for name in ("labels", "Spearman", "paper", "Kendall", "NDCG@10", "MAE"):
            table.add_column(name, justify="right", no_wrap=True)
        for row in part.to_dict("records"):
            published = row["published_spearman"]
            table.add_row(
                f"{row['subset']} {row['networks']:,}",
                str(row["shots"]),
                f"{row['spearman']:.3f}±{row['spearman_std']:.3f}",
                "" if pd.isna(published) else f"{published:.3f}",
                f"{row['kendall']:.3f}±{row['kendall_std']:.3f}",
                f"{row['ndcg10']:.3f}±{row['ndcg10_std']:.3f}",
                f"{row['mae']:.2f}",
            )
        Console().print(table)
    print(f"mean±deviation over {rows['seeds'].max()} seeds; paper: its Spearman")
